"""Frameworks whose default is OpenAI's responses, unmodified: pydantic-ai and OpenAI's Agents SDK."""

import asyncio
import os
from unittest import mock

import agents
import openai
import pydantic_ai
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

import support

WORDS = "tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 "


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"warm in {city}"


class PydanticTest(support.ServerTest):
    def setup_agent(self, scenario, **options):
        user = self.server.user()
        provider = OpenAIProvider(base_url=user.base_url, api_key=user.key)
        model = OpenAIResponsesModel(user.model(self.mock.url(scenario)), provider=provider)
        return pydantic_ai.Agent(model, **options)

    def test_answers(self):
        agent = self.setup_agent("reasoning=1", instructions="Be brief.")
        result = agent.run_sync("hi")
        self.assertEqual(result.output, WORDS)
        again = agent.run_sync("more", message_history=result.all_messages())
        self.assertEqual(again.output, WORDS)

    def test_speaks_responses_by_default(self):
        user = self.server.user()
        model = user.model(self.mock.url(), model_name="gpt-5-mock")
        where = {"OPENAI_BASE_URL": user.base_url, "OPENAI_API_KEY": user.key}
        with mock.patch.dict(os.environ, where):
            agent = pydantic_ai.Agent(f"openai:{model}")
        self.assertIsInstance(agent.model, OpenAIResponsesModel)
        self.assertEqual(agent.run_sync("hi").output, WORDS)

    def test_streams(self):
        agent = self.setup_agent("pace=2")

        async def run():
            async with agent.run_stream("hi") as result:
                return [text async for text in result.stream_text(delta=True)]

        self.assertEqual("".join(asyncio.run(run())), WORDS)

    def test_calls_tools(self):
        agent = self.setup_agent("tools=1", tools=[get_weather])
        self.assertEqual(agent.run_sync("how warm?").output, WORDS)
        told = self.mock.requests()[-1]["messages"]
        self.assertEqual(told[-1]["role"], "tool")
        self.assertIn("warm in", told[-1]["content"])


class AgentsTest(support.ServerTest):
    def setup_agent(self, scenario, **options):
        user = self.server.user()
        client = openai.AsyncOpenAI(base_url=user.base_url, api_key=user.key, max_retries=0)
        agents.set_tracing_disabled(True)
        # The default of the SDK, with a client of the test's own.
        model = agents.OpenAIResponsesModel(
            model=user.model(self.mock.url(scenario)), openai_client=client)
        return agents.Agent(name="tester", model=model, **options)

    def test_answers(self):
        agent = self.setup_agent("reasoning=1", instructions="Be brief.")
        result = agents.Runner.run_sync(agent, "hi")
        self.assertEqual(result.final_output, WORDS)
        again = agents.Runner.run_sync(
            agent, result.to_input_list() + [{"role": "user", "content": "more"}])
        self.assertEqual(again.final_output, WORDS)

    def test_calls_tools_and_streams(self):
        agent = self.setup_agent("tools=1,pace=2", tools=[agents.function_tool(get_weather)])

        async def run():
            result = agents.Runner.run_streamed(agent, "how warm?")
            async for _ in result.stream_events():
                pass
            return result.final_output

        self.assertEqual(asyncio.run(run()), WORDS)
        self.assertIn("warm in", self.mock.requests()[-1]["messages"][-1]["content"])


if __name__ == "__main__":
    support.main()
