"""The stock Python client `anthropic`, unmodified, at /v1/messages: before a provider of another
API, and before the vendor's own."""

import asyncio

import anthropic

import support

WORDS = "tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 "
TOOL = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": support.WEATHER["function"]["parameters"],
}


def ask(content):
    return [{"role": "user", "content": content}]


class MessagesTests:
    """What holds before every provider."""

    provider = None

    def setup_client(self, scenario="", client=anthropic.Anthropic, **options):
        user = self.server.user()
        model = user.model(self.mock.url(scenario), provider=self.provider)
        options = {"api_key": user.key, "max_retries": 0, **options}
        return client(base_url=self.server.url, **options), model

    def test_talks(self):
        client, model = self.setup_client("reasoning=2")
        answer = client.messages.create(
            model=model, max_tokens=100, system="Be brief.", messages=ask("hi"))
        self.assertEqual((answer.type, answer.role, answer.model), ("message", "assistant", model))
        thoughts, text = answer.content
        self.assertEqual((thoughts.type, thoughts.thinking), ("thinking", "think0 think1 "))
        self.assertEqual((text.type, text.text), ("text", WORDS))
        self.assertEqual((answer.stop_reason, answer.stop_sequence), ("end_turn", None))
        self.assertEqual(answer.usage.output_tokens, 10)
        self.assertEqual(answer.id, f"msg_{answer._request_id}")

    def test_streams(self):
        client, model = self.setup_client("pace=2,finish=length")
        options = {"model": model, "max_tokens": 100, "messages": ask("hi")}
        types = [event.type for event in client.messages.create(stream=True, **options)]
        self.assertEqual((types[0], types[-2], types[-1]),
                         ("message_start", "message_delta", "message_stop"))
        with client.messages.stream(**options) as stream:
            self.assertEqual("".join(stream.text_stream), WORDS)
            final = stream.get_final_message()
        self.assertEqual(final.content[0].text, WORDS)
        self.assertEqual((final.stop_reason, final.usage.output_tokens), ("max_tokens", 8))

    def test_streams_in_a_loop(self):
        client, model = self.setup_client("pace=2", client=anthropic.AsyncAnthropic)

        async def gather():
            async with client.messages.stream(
                    model=model, max_tokens=100, messages=ask("hi")) as stream:
                return [text async for text in stream.text_stream]

        self.assertEqual("".join(asyncio.run(gather())), WORDS)

    def test_calls_a_tool(self):
        client, model = self.setup_client("tools=1")
        options = {"model": model, "max_tokens": 100, "tools": [TOOL], "tool_choice": {"type": "any"}}
        messages = ask("how is it?")
        with client.messages.stream(messages=messages, **options) as stream:
            first = stream.get_final_message()
        self.assertEqual(first.stop_reason, "tool_use")
        call = next(block for block in first.content if block.type == "tool_use")
        self.assertEqual((call.name, call.input), (TOOL["name"], {"city": "Paris"}))
        messages += [
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": call.id, "content": "Rain."}]},
        ]
        client.messages.create(messages=messages, **options)
        self.assertIn("Rain.", str(self.mock.requests()[-1]["messages"]))

    def test_counts_and_lists(self):
        client, model = self.setup_client()
        self.assertGreater(
            client.messages.count_tokens(model=model, messages=ask("hi")).input_tokens, 0)
        self.assertIn(model, [one.id for one in client.models.list()])
        self.assertEqual(client.models.retrieve(model).display_name, model)

    def test_errors_are_the_clients_own(self):
        client, model = self.setup_client("status=503")
        options = {"model": model, "max_tokens": 100, "messages": ask("hi")}
        with self.assertRaises(anthropic.InternalServerError):
            client.messages.create(**options)
        with self.assertRaises(anthropic.NotFoundError):
            client.messages.create(**{**options, "model": "unknown"})
        with self.assertRaises(anthropic.BadRequestError) as told:
            client.messages.create(**{**options, "max_tokens": 0})
        self.assertEqual(told.exception.body["error"]["type"], "invalid_request_error")
        self.assertEqual(told.exception.request_id, told.exception.body["request_id"])
        limited, model = self.setup_client("status=429,retry_after=2")
        with self.assertRaises(anthropic.RateLimitError):
            limited.messages.create(**{**options, "model": model})
        stranger = anthropic.Anthropic(base_url=self.server.url, api_key="sk-ant-x", max_retries=0)
        with self.assertRaises(anthropic.AuthenticationError):
            stranger.messages.create(**options)

    def test_a_stream_that_breaks_raises(self):
        client, model = self.setup_client("fault=reset_mid,at=3,pace=5")
        texts = []
        with self.assertRaises(anthropic.APIStatusError):
            with client.messages.stream(
                    model=model, max_tokens=100, messages=ask("hi")) as stream:
                texts.extend(stream.text_stream)
        self.assertEqual("".join(texts), "tok0 tok1 tok2 ")

    def test_takes_a_bearer_token_and_betas(self):
        client, model = self.setup_client()
        bearer = anthropic.Anthropic(
            base_url=self.server.url, api_key=None, auth_token=client.api_key, max_retries=0)
        answer = bearer.beta.messages.create(
            model=model, max_tokens=100, messages=ask("hi"), betas=["interleaved-thinking-2025-05-14"])
        self.assertEqual(answer.content[0].text, WORDS)


class OtherApiTest(MessagesTests, support.ServerTest):
    provider = "openai"


class OwnApiTest(MessagesTests, support.ServerTest):
    provider = "anthropic"


if __name__ == "__main__":
    support.main()
