"""The conformance suite llm-comply, all of each profile, against `demo` and the test upstream."""

import json
import os
import subprocess
import sys

import support


class ComplyTest(support.ServerTest):
    def comply(self, profile, base_url, key, model):
        """What each test of the profile ended with: {name: status}. What failed fails here."""
        ran = subprocess.run(
            [sys.executable, "-m", "llm_comply.cli", "--format", profile, "--base-url", base_url,
             "--api-key", key, "--model", model, "--json"],
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


if __name__ == "__main__":
    support.main()
