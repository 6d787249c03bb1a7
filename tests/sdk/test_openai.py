"""The stock Python client `openai`, unmodified, at /v1."""

import asyncio
import json

import openai
from pydantic import BaseModel

import support

WORDS = "tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 "


def ask(content):
    return [{"role": "user", "content": content}]


class Weather(BaseModel):
    city: str
    degrees: int


class OpenAITest(support.ServerTest):
    def setup_client(self, scenario="", client=openai.OpenAI, **options):
        user = self.server.user()
        model = user.model(self.mock.url(scenario))
        options = {"max_retries": 0, **options}
        return client(api_key=user.key, base_url=user.base_url, **options), model

    def test_chats(self):
        client, model = self.setup_client("reasoning=2")
        answer = client.chat.completions.create(model=model, messages=ask("hi"))
        self.assertEqual(answer.object, "chat.completion")
        self.assertEqual(answer.model, model)
        message = answer.choices[0].message
        self.assertEqual((message.role, message.content), ("assistant", WORDS))
        self.assertEqual(message.reasoning_content, "think0 think1 ")
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        usage = answer.usage
        self.assertEqual((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (1, 10, 11))

    def test_streams(self):
        client, model = self.setup_client("pace=2")
        stream = client.chat.completions.create(
            model=model, messages=ask("hi"), stream=True, stream_options={"include_usage": True})
        chunks = list(stream)
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
        self.assertEqual("".join(texts), WORDS)
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, 8)
        self.assertEqual(chunks[-2].choices[0].finish_reason, "stop")

    def test_streams_with_its_helper(self):
        client, model = self.setup_client()
        with client.chat.completions.stream(model=model, messages=ask("hi")) as stream:
            texts = [event.delta for event in stream if event.type == "content.delta"]
            final = stream.get_final_completion()
        self.assertEqual("".join(texts), WORDS)
        self.assertEqual(final.choices[0].message.content, WORDS)

    def test_is_asynchronous(self):
        client, model = self.setup_client("pace=2", openai.AsyncOpenAI)

        async def both():
            async with client:
                whole = await client.chat.completions.create(model=model, messages=ask("hi"))
                stream = await client.chat.completions.create(
                    model=model, messages=ask("hi"), stream=True)
                texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
            return whole.choices[0].message.content, "".join(texts)

        self.assertEqual(asyncio.run(both()), (WORDS, WORDS))

    def test_calls_tools(self):
        client, model = self.setup_client("tools=1")
        messages = ask("how warm?")
        first = client.chat.completions.create(model=model, messages=messages, tools=[support.WEATHER])
        choice = first.choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.assertIsNone(choice.message.content)
        call = choice.message.tool_calls[0]
        self.assertEqual(call.function.name, "get_weather")
        json.loads(call.function.arguments)
        messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "17"}]
        second = client.chat.completions.create(model=model, messages=messages, tools=[support.WEATHER])
        self.assertEqual(second.choices[0].message.content, WORDS)
        sent = self.mock.requests()[-1]["messages"]
        self.assertEqual([one["role"] for one in sent], ["user", "assistant", "tool"])
        self.assertEqual(sent[1]["tool_calls"][0]["id"], call.id)

    def test_streams_tool_calls(self):
        client, model = self.setup_client("tools=1")
        with client.chat.completions.stream(
                model=model, messages=ask("how warm?"), tools=[support.WEATHER]) as stream:
            final = stream.get_final_completion()
        call = final.choices[0].message.tool_calls[0]
        self.assertEqual((call.type, call.function.name), ("function", "get_weather"))
        json.loads(call.function.arguments)
        self.assertEqual(final.choices[0].finish_reason, "tool_calls")

    def test_parses_an_answer(self):
        client, model = self.setup_client("text=%7B%22city%22:%22Rome%22%2C%22degrees%22:17%7D")
        answer = client.chat.completions.parse(model=model, messages=ask("hi"), response_format=Weather)
        self.assertEqual(answer.choices[0].message.parsed, Weather(city="Rome", degrees=17))
        form = self.mock.requests()[-1]["response_format"]
        self.assertEqual(form["json_schema"]["name"], "Weather")
        self.assertTrue(form["json_schema"]["strict"])

    def test_raises_its_exceptions(self):
        for scenario, expected, code in [
                ("status=400", openai.BadRequestError, "upstream_rejected"),
                ("status=413", openai.APIStatusError, "upstream_too_large"),
                ("status=429,retry_after=7", openai.RateLimitError, "upstream_rate_limited"),
                ("status=503", openai.InternalServerError, "upstream_overloaded"),
                ("fault=reset", openai.InternalServerError, "upstream_reset"),
        ]:
            for stream in (False, True):
                with self.subTest(scenario, stream=stream):
                    client, model = self.setup_client(scenario)
                    with self.assertRaises(expected) as raised:
                        client.chat.completions.create(model=model, messages=ask("hi"), stream=stream)
                    self.assertEqual(raised.exception.code, code)
                    if expected is openai.RateLimitError:
                        self.assertEqual(raised.exception.response.headers["retry-after"], "7")

    def test_raises_what_is_its_own_fault(self):
        client, model = self.setup_client()
        with self.assertRaises(openai.NotFoundError) as raised:
            client.chat.completions.create(model="none", messages=ask("hi"))
        self.assertEqual((raised.exception.code, raised.exception.param), ("model_not_found", "model"))
        for parameters in ({"n": 2}, {"logprobs": True}, {"modalities": ["text", "audio"]}):
            with self.subTest(parameters), self.assertRaises(openai.BadRequestError) as raised:
                client.chat.completions.create(model=model, messages=ask("hi"), **parameters)
            self.assertEqual(raised.exception.code, "unsupported_parameter")
            self.assertEqual(raised.exception.param, next(iter(parameters)))
        stranger = openai.OpenAI(api_key="sk-tide-wrong", base_url=client.base_url, max_retries=0)
        with self.assertRaises(openai.AuthenticationError):
            stranger.models.list()

    def test_raises_in_the_middle_of_a_stream(self):
        client, model = self.setup_client("fault=reset_mid,at=3,pace=20")
        texts = []
        with self.assertRaises(openai.APIError) as raised:
            for chunk in client.chat.completions.create(model=model, messages=ask("hi"), stream=True):
                texts.append(chunk.choices[0].delta.content or "")
        self.assertEqual(raised.exception.code, "upstream_reset")
        self.assertTrue(WORDS.startswith("".join(texts)) and any(texts))

    def test_tries_again(self):
        client, model = self.setup_client("status=503,fails=2,id=python", max_retries=3)
        answer = client.chat.completions.create(model=model, messages=ask("hi"))
        self.assertEqual(answer.choices[0].message.content, WORDS)

    def test_lists_models(self):
        client, model = self.setup_client()
        self.assertEqual([one.id for one in client.models.list()], [model, "demo"])
        self.assertEqual(client.models.retrieve("demo").owned_by, "demo")
        with self.assertRaises(openai.NotFoundError):
            client.models.retrieve("none")

    def test_makes_embeddings(self):
        client, model = self.setup_client()
        answer = client.embeddings.create(model=model, input=["a", "b"])
        self.assertEqual(len(answer.data), 2)


if __name__ == "__main__":
    support.main()
