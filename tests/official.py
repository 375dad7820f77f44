"""The official AYON client as somebody else at work: one process of its own, told what to do line by line."""

from __future__ import annotations

import json
import subprocess
from types import TracebackType
from typing import Any

from tests.conformance.clients import environment
from tests.sandboxes import RunningSandbox

RELEASE = "ayon-python-api==1.2.25"
DRIVER = """
import json, sys
from ayon_api import ServerAPI
api = ServerAPI(sys.argv[1], token=sys.argv[2])
print(json.dumps(None), flush=True)
for line in sys.stdin:
    method, arguments, named = json.loads(line)
    found = getattr(api, method)(*arguments, **named)
    if hasattr(found, "json"):
        found = found.json()
    print(json.dumps(found, default=str), flush=True)
"""


class OfficialClient:
    """`client.update_folder(project, id, label="x")` calls that method there and returns what it returned, as JSON.

    Raises NotAvailable when the client cannot be installed here.
    """

    def __init__(self, server: RunningSandbox) -> None:
        python = environment(RELEASE)
        command = [str(python), "-c", DRIVER, server.root_url, server.credential]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def __enter__(self) -> OfficialClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the official client has failed"
        return json.loads(line)

    def __getattr__(self, method: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps([method, arguments, named]) + "\n")
            self._process.stdin.flush()
            return self._answer()

        return call
