"""A server of the tests' own, the scriptable upstream (tests/mock_llm), and users with a key.

A test file runs by itself (`python tests/sdk/test_openai.py`): `main()` prints a line that
scripts/suites.sh counts."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HANG_S = 90
# CPU time that a script may take: with sanitizers the same work costs several times as much.
SCRIPT_TIME = {"asan": "200ms", "tsan": "1s"}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def find_program(variable, *candidates):
    """The program that the environment names, or the first of these files that exists."""
    paths = [os.environ.get(variable)] + [os.path.join(ROOT, path) for path in candidates]
    for path in paths:
        if path and os.path.exists(path):
            return path
    raise RuntimeError(f"not built: {' or '.join(candidates)}")


def environment(more):
    """Ours without TIDETALK_*: a developer's settings must not reach the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDETALK_")}
    return {**kept, **more}


_next_port = int(os.environ.get("TEST_PORTS") or random.randrange(10_000, 32_000))


def free_port():
    """A port that nobody listens on right now."""
    global _next_port
    while True:
        port = _next_port
        _next_port += 1
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Mock:
    """The upstream: a scenario is a part of its base URL."""

    def __init__(self):
        program = find_program(
            "MOCK_LLM_BIN", "build/asan/mock_llm", "build/asan/tests/mock_llm/mock_llm")
        self._child = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", "--threads", "1"],
            stdout=subprocess.PIPE, text=True, env=environment({}))
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError("mock_llm ended")
        self.origin = "http://" + line.removeprefix("listening ").strip()

    def url(self, scenario=""):
        return f"{self.origin}/{scenario}/v1" if scenario else f"{self.origin}/v1"

    def requests(self):
        """The bodies of the last requests, oldest first."""
        with urllib.request.urlopen(f"{self.origin}/__requests?n=64", timeout=HANG_S) as answer:
            return [json.loads(one["body"]) for one in json.load(answer)["requests"]]

    def stop(self):
        self._child.terminate()
        self._child.wait(HANG_S)
        self._child.stdout.close()


class User:
    """A new user with a personal API key."""

    def __init__(self, url):
        self._url = url
        self._token = None
        self._count = 0
        self._provider_key = f"sk-test-{uuid.uuid4().hex}"
        name = f"user-{uuid.uuid4().hex[:12]}"
        answer = self.post("/api/register", {"username": name, "password": "high-tide"})
        self._token = answer["token"]
        self.key = self.post("/api/keys", {"name": "client"})["key"]
        self.base_url = f"{url}/v1"

    def post(self, path, body):
        headers = {"Content-Type": "application/json", "Accept-Language": "en"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(
            self._url + path, json.dumps(body).encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=HANG_S) as answer:
            return json.load(answer)

    def model(self, base_url, **more):
        """Stores a configuration with this address; its model's name."""
        self._count += 1
        model = more.pop("model_name", f"model-{self._count}")
        self.post("/api/user/apis", {
            "api_name": f"api-{self._count}", "api_key": self._provider_key,
            "model_name": model, "base_url": base_url, **more})
        return model


class Server:
    """A server with a data folder of its own."""

    def __init__(self):
        self._program = find_program("TIDETALK_BIN", "build/asan/tidetalk")
        self._folder = tempfile.mkdtemp(prefix="tidetalk-sdk-")
        logs = os.environ.get("TEST_LOGS") or os.path.join(ROOT, "build", "test-logs")
        os.makedirs(logs, exist_ok=True)
        name = os.path.basename(sys.argv[0]).removesuffix(".py")
        self._log = os.path.join(logs, f"{name}.log")
        try:
            self._start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def _start(self):
        for attempt in range(3):
            port = free_port()
            self.url = f"http://127.0.0.1:{port}"
            with open(self._log, "wb") as log:
                self._child = subprocess.Popen(
                    [self._program, "serve"], cwd=self._folder, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, env=environment(self._settings(port)))
            if self._ready():
                return
        raise RuntimeError(f"the server did not start:\n{self._text()}")

    def _settings(self, port):
        personas = os.path.join(self._folder, "style.yaml")
        with open(personas, "w", encoding="utf-8") as file:
            file.write("personas:\n  - name: Plain\n    content: You are plain.\n")
        return {
            "TIDETALK_LISTEN": f"127.0.0.1:{port}",
            "TIDETALK_DATA_DIR": os.path.join(self._folder, "data"),
            "TIDETALK_LUA_DIR": os.path.join(ROOT, "lua"),
            "TIDETALK_MIGRATIONS_DIR": os.path.join(ROOT, "migrations"),
            "TIDETALK_PERSONAS": personas,
            "TIDETALK_WORKERS": "2",
            "TIDETALK_OUTBOUND_ALLOW": "127.0.0.0/8",
            "TIDETALK_LIMITS_SCRIPT_TIME": SCRIPT_TIME.get(os.environ.get("SANITIZER"), "50ms"),
        }

    def _ready(self):
        """Whether it answers; False: it ended because somebody took the port meanwhile."""
        end = time.monotonic() + HANG_S
        while time.monotonic() < end:
            if self._child.poll() is not None:
                if "in use" in self._text():
                    return False
                raise RuntimeError(f"the server ended:\n{self._text()}")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=HANG_S):
                    return True
            except urllib.error.URLError:
                time.sleep(0.025)
        self._child.kill()
        raise RuntimeError(f"the server is not ready:\n{self._text()}")

    def _text(self):
        with open(self._log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def user(self):
        return User(self.url)

    def stop(self):
        """An orderly end: what the server finds wrong on its way out (leaks) fails the test."""
        self._child.send_signal(signal.SIGTERM)
        code = self._child.wait(HANG_S)
        shutil.rmtree(self._folder, ignore_errors=True)
        if code != 0:
            raise AssertionError(f"the server ended with {code}:\n{self._text()[-4000:]}")


class ServerTest(unittest.TestCase):
    """Tests that share one server and one upstream."""

    server = None
    mock = None

    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.addClassCleanup(cls.mock.stop)
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)

    def run(self, result=None):
        # A client that waits without end must not hold the suite up.
        limit = threading.Timer(HANG_S, os.kill, (os.getpid(), signal.SIGALRM))
        limit.daemon = True
        limit.start()
        try:
            return super().run(result)
        finally:
            limit.cancel()


def main():
    """Runs the calling file's tests."""
    def late(*_):
        raise TimeoutError(f"took over {HANG_S} s")

    signal.signal(signal.SIGALRM, late)
    result = unittest.main(module="__main__", exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    print(f"{max(result.testsRun - failed - skipped, 0)} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)
