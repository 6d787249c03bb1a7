"""Asks a Lua language server (LSP over its standard streams) what it finds in the Lua files of a
checkout, and prints it as file:line:column: message (code). Exits with 1 if there is something.

What customisers read and copy (examples, templates, tests) must be free of findings. The server's own
scripts have forms that this language server does not know; of these only what is never a matter of
taste counts."""
import json
import os
import subprocess
import sys

STRICT = ("examples/", "lua/templates/", "lua/tests/", "lua/types/")
OWN = "lua/"
# A variable that is used again for something else; functions that wait in a table that has no
# annotation because the example is short.
LEFT_OUT = {"assign-type-mismatch": STRICT, "await-in-sync": ("examples/",)}
# Of the server's own scripts.
SERIOUS = {
    "syntax-error", "undefined-global", "unresolved-require", "type-not-found",
    "annotation-usage-error", "duplicate-type",
}


class Client:
    def __init__(self, command, root):
        self.process = subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.number = 0

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def receive(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            sys.exit("the language server has ended")
        return json.loads(self.process.stdout.read(length))

    def answer(self, message):
        """A request of the server, such as for settings: it gets none."""
        result = None
        if message["method"] == "workspace/configuration":
            result = [None for _ in message["params"]["items"]]
        self.send({"id": message["id"], "result": result})

    def request(self, method, params):
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        while True:
            message = self.receive()
            if message.get("id") == self.number and "method" not in message:
                return message.get("result")
            if "id" in message and "method" in message:
                self.answer(message)


def findings(command, root):
    client = Client(command, root)
    uri = "file://" + root
    client.request("initialize", {
        "processId": os.getpid(), "rootUri": uri,
        "workspaceFolders": [{"uri": uri, "name": "checkout"}],
        "capabilities": {"workspace": {"configuration": True}, "textDocument": {"diagnostic": {}}},
    })
    client.send({"method": "initialized", "params": {}})
    report = client.request("workspace/diagnostic", {"previousResultIds": []})
    client.request("shutdown", None)
    client.send({"method": "exit"})
    client.process.wait(10)
    for item in report["items"]:
        path = item["uri"].removeprefix(uri + "/")
        for found in item.get("items", []):
            yield path, found


def counts(path, code):
    if path.startswith(STRICT):
        return not path.startswith(LEFT_OUT.get(code, ("/",)))
    return path.startswith(OWN) and code in SERIOUS


def main():
    root, command = os.path.abspath(sys.argv[1]), sys.argv[2:]
    lines = set()
    for path, found in findings(command, root):
        if counts(path, found.get("code")):
            start = found["range"]["start"]
            lines.add((path, start["line"] + 1, start["character"] + 1,
                       found["message"].replace("\n", " "), found.get("code")))
    for line in sorted(lines):
        print("%s:%d:%d: %s (%s)" % line)
    print("%d findings" % len(lines))
    sys.exit(1 if lines else 0)


main()
