"""The conformance suite llm-comply, all of each profile, against `demo` and the test upstream."""

import json
import os
import subprocess
import sys

import support


class ComplyTest(support.ServerTest):
    def comply(self, profile, base_url, key, model, *more):
        """What each test of the profile ended with: {name: status}. What failed fails here."""
        ran = subprocess.run(
            [sys.executable, "-m", "llm_comply.cli", "--format", profile, "--base-url", base_url,
             "--api-key", key, "--model", model, "--json", *more],
            capture_output=True, text=True, timeout=support.HANG_S, check=False,
            env=support.environment({}))
        self.assertTrue(ran.stdout, ran.stderr)
        results = json.loads(ran.stdout)["results"]
        failed = [one for one in results if one["status"] == "failed"]
        self.assertEqual(failed, [])
        return {one["id"]: one["status"] for one in results}

    def test_chat(self):
        user = self.server.user()
        # By the name of the model the suite decides whether it thinks.
        model = user.model(self.mock.url("tools=asked,reasoning=2"), model_name="gpt-5-mock")
        results = self.comply("openai-chat", user.base_url, user.key, model)
        self.assertEqual(list(results.values()), ["passed"] * 9)

    def test_chat_with_demo(self):
        user = self.server.user()
        results = self.comply("openai-chat", user.base_url, user.key, "demo")
        self.assertEqual(results.pop("chat-reasoning-summary"), "skipped", "demo does not think")
        self.assertEqual(list(results.values()), ["passed"] * 8)

    def comply_messages(self, user, model):
        return self.comply("anthropic", user.base_url, user.key, model, "--auth-header", "x-api-key",
                           "--no-bearer", "-H", "anthropic-version:2023-06-01")

    def test_messages(self):
        user = self.server.user()
        for provider in ("openai", "anthropic"):
            model = user.model(self.mock.url("tools=asked,reasoning=2"), provider=provider,
                               model_name=f"claude-sonnet-4-{provider}")
            self.assertEqual(list(self.comply_messages(user, model).values()), ["passed"] * 9)

    def test_messages_with_demo(self):
        user = self.server.user()
        results = self.comply_messages(user, "demo")
        self.assertEqual(results.pop("anth-thinking-display"), "skipped", "demo does not think")
        self.assertEqual(list(results.values()), ["passed"] * 8)

    def test_responses(self):
        user = self.server.user()
        # Without reasoning: the suite knows its events under names that the specification does not have.
        model = user.model(self.mock.url("tools=asked"), model_name="gpt-5-mock")
        results = self.comply("open-responses", user.base_url, user.key, model)
        self.assertEqual(list(results.values()), ["passed"] * 13)

    def test_responses_with_demo(self):
        user = self.server.user()
        results = self.comply("open-responses", user.base_url, user.key, "demo")
        self.assertEqual(results.pop("reasoning-summary"), "skipped", "demo does not think")
        self.assertEqual(list(results.values()), ["passed"] * 12)


if __name__ == "__main__":
    support.main()
