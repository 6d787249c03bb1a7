"""pydantic-ai at /v1/chat/completions: text, streams, tools, typed output, with the built-in model too."""

import asyncio

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

import support

WORDS = "tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 "


class City(BaseModel):
    name: str
    inhabitants: int


class PydanticAITest(support.ServerTest):
    def model(self, scenario=None):
        """The model of a scenario, or the built-in one."""
        user = self.server.user()
        name = "demo" if scenario is None else user.model(self.mock.url(scenario))
        return OpenAIChatModel(name, provider=OpenAIProvider(base_url=user.base_url, api_key=user.key))

    def test_chats(self):
        result = Agent(self.model("reasoning=2")).run_sync("hi")
        self.assertEqual(result.output, WORDS)
        self.assertEqual(result.usage.output_tokens, 10)

    def test_streams(self):
        async def texts():
            async with Agent(self.model("pace=2")).run_stream("hi") as stream:
                return [text async for text in stream.stream_text(delta=True)]

        self.assertEqual("".join(asyncio.run(texts())), WORDS)

    def test_calls_tools(self):
        for model, expected in [(self.model("tools=asked"), WORDS),
                                (self.model(), "The tool answered: “17 degrees”")]:
            agent, called = Agent(model), []

            @agent.tool_plain
            def get_weather(city: str) -> str:
                called.append(city)
                return "17 degrees"

            result = agent.run_sync("How is the weather in Paris?")
            self.assertEqual(result.output, expected)
            self.assertEqual(len(called), 1)

    def test_makes_typed_output(self):
        result = Agent(self.model(), output_type=City).run_sync("Tell me of a city.")
        self.assertEqual(result.output, City(name="name", inhabitants=1))


if __name__ == "__main__":
    support.main()
