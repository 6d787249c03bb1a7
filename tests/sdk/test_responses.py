"""The stock Python client `openai`, unmodified, at /v1/responses."""

import json

import openai
from pydantic import BaseModel

import support

WORDS = "tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 "
TOOL = {"type": "function", **support.WEATHER["function"]}


class Weather(BaseModel):
    city: str
    degrees: int


class ResponsesTest(support.ServerTest):
    def setup_client(self, scenario="", **options):
        user = self.server.user()
        model = user.model(self.mock.url(scenario))
        return openai.OpenAI(
            api_key=user.key, base_url=user.base_url, max_retries=0, **options), model

    def test_creates(self):
        client, model = self.setup_client("reasoning=2")
        response = client.responses.create(model=model, input="hi", metadata={"a": "b"})
        self.assertEqual(response.output_text, WORDS)
        self.assertEqual(response.status, "completed")
        self.assertEqual([item.type for item in response.output], ["reasoning", "message"])
        self.assertEqual(response.output[0].summary[0].text, "think0 think1 ")
        usage = response.usage
        self.assertEqual((usage.input_tokens, usage.output_tokens, usage.total_tokens), (1, 10, 11))
        again = client.responses.retrieve(response.id)
        self.assertEqual(again.to_dict(), response.to_dict())
        items = client.responses.input_items.list(response.id)
        self.assertEqual([item.content[0].text for item in items], ["hi"])
        client.responses.delete(response.id)
        with self.assertRaises(openai.NotFoundError) as caught:
            client.responses.retrieve(response.id)
        self.assertEqual(caught.exception.code, "response_not_found")

    def test_streams_and_comes_back(self):
        client, model = self.setup_client("pace=2,reasoning=1")
        events = list(client.responses.create(model=model, input="hi", stream=True))
        self.assertEqual(events[0].type, "response.created")
        self.assertEqual(events[-1].type, "response.completed")
        texts = [event.delta for event in events if event.type == "response.output_text.delta"]
        self.assertEqual("".join(texts), WORDS)
        numbers = [event.sequence_number for event in events]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertGreater(numbers[-1], len(numbers), "the numbers have gaps")
        # From each event on, the same text follows.
        response_id = events[-1].response.id
        for i, event in enumerate(events[:-1]):
            rest = client.responses.retrieve(
                response_id, stream=True, starting_after=event.sequence_number)
            both = events[:i + 1] + list(rest)
            texts = [one.delta for one in both if one.type == "response.output_text.delta"]
            self.assertEqual("".join(texts), WORDS)
            self.assertEqual(both[-1].to_dict(), events[-1].to_dict())

    def test_streams_with_its_helper(self):
        client, model = self.setup_client("pace=2")
        with client.responses.stream(model=model, input="hi") as stream:
            texts = [event.delta for event in stream if event.type == "response.output_text.delta"]
            final = stream.get_final_response()
        self.assertEqual("".join(texts), WORDS)
        self.assertEqual(final.output_text, WORDS)
        # It also takes up a stream where it broke off.
        with client.responses.stream(response_id=final.id, starting_after=1) as stream:
            types = [event.type for event in stream]
        self.assertEqual(types[0], "response.output_item.added")
        self.assertEqual(types[-1], "response.completed")

    def test_calls_tools(self):
        client, model = self.setup_client("tools=1")
        first = client.responses.create(model=model, input="how warm?", tools=[TOOL])
        call = first.output[0]
        self.assertEqual((call.type, call.name), ("function_call", "get_weather"))
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "warm"}
        second = client.responses.create(
            model=model, previous_response_id=first.id, input=[result], tools=[TOOL])
        self.assertEqual(second.output_text, WORDS)
        with client.responses.stream(model=model, input="how warm?", tools=[TOOL]) as stream:
            done = [event for event in stream
                    if event.type == "response.function_call_arguments.done"]
        self.assertEqual([event.arguments for event in done], [call.arguments])

    def test_parses(self):
        answer = json.dumps({"city": "Rome", "degrees": 17})
        client, model = self.setup_client("text=" + answer.replace(",", "%2C").replace(" ", "%20"))
        response = client.responses.parse(model=model, input="how warm?", text_format=Weather)
        self.assertEqual(response.output_parsed, Weather(city="Rome", degrees=17))
        told = self.mock.requests()[-1]["response_format"]
        self.assertEqual(told["json_schema"]["schema"]["required"], ["city", "degrees"])

    def test_runs_in_the_background(self):
        client, model = self.setup_client("fault=endless,pace=5")
        begun = client.responses.create(model=model, input="hi", background=True)
        self.assertEqual(begun.status, "in_progress")
        self.assertEqual(client.responses.cancel(begun.id).status, "cancelled")

    def test_raises_what_it_knows(self):
        client, model = self.setup_client()
        with self.assertRaises(openai.BadRequestError) as caught:
            client.responses.create(model=model, input="hi", tools=[{"type": "web_search"}])
        self.assertEqual(caught.exception.param, "tools[0]")
        busy, model = self.setup_client("status=429,retry_after=60")
        with self.assertRaises(openai.RateLimitError):
            busy.responses.create(model=model, input="hi")


if __name__ == "__main__":
    support.main()
