"""The examples in Python of docs/openai.md, run as they are printed."""

import os
import re
import subprocess
import sys

import support

PAGE = os.path.join(support.ROOT, "docs", "openai.md")
BLOCK = re.compile(r"(<!-- shown only: [^\n]*-->\n)?```python\n(.*?)\n```", re.DOTALL)


class DocsTest(support.ServerTest):
    def test_examples(self):
        user = self.server.user()
        with open(PAGE, encoding="utf-8") as page:
            blocks = [code for shown_only, code in BLOCK.findall(page.read()) if not shown_only]
        self.assertGreaterEqual(len(blocks), 2)
        for code in blocks:
            with self.subTest(code):
                ran = subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, text=True,
                    timeout=support.HANG_S, check=False,
                    env=support.environment({"BASE": self.server.url, "KEY": user.key}))
                self.assertEqual(ran.returncode, 0, ran.stderr)
                self.assertIn("demo model", ran.stdout)


if __name__ == "__main__":
    support.main()
