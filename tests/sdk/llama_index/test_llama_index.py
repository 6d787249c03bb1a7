"""LlamaIndex's OpenAILike: as it is by default, at /v1/completions, and as a chat model with tools."""

import asyncio
import os
import sys

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import support  # noqa: E402

WORDS = "tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 "


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"warm in {city}"


class LlamaIndexTest(support.ServerTest):
    def model(self, scenario="", **options):
        user = self.server.user()
        name = "demo" if scenario is None else user.model(self.mock.url(scenario))
        return OpenAILike(model=name, api_base=user.base_url, api_key=user.key, **options)

    def test_completes_and_chats_by_default(self):
        model = self.model()
        self.assertEqual(model.complete("hi").text, WORDS)
        self.assertEqual(model.chat([ChatMessage(role="user", content="hi")]).message.content, WORDS)
        pieces = list(self.model("pace=2").stream_complete("hi"))
        self.assertEqual("".join(piece.delta for piece in pieces), WORDS)

    def test_is_a_chat_model(self):
        model = self.model(is_chat_model=True)
        self.assertEqual(model.complete("hi").text, WORDS)
        pieces = list(model.stream_chat([ChatMessage(role="user", content="hi")]))
        self.assertEqual("".join(piece.delta for piece in pieces), WORDS)
        self.assertEqual(asyncio.run(self.model(is_chat_model=True).acomplete("hi")).text, WORDS)

    def test_calls_tools(self):
        tool = FunctionTool.from_defaults(get_weather)
        model = self.model(None, is_chat_model=True, is_function_calling_model=True)
        answer = model.predict_and_call([tool], user_msg="How is the weather in Rome?")
        self.assertEqual(str(answer), "warm in city")


if __name__ == "__main__":
    support.main()
