"""Starting the servers that the suite runs against, once per session."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Running:
    """A sandbox in a process of its own."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts
        self.url: str = facts["url"]
        self.credential: str = facts["credential"]

    def control(self, method: str, what: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.facts['root_url']}/_sandbox/{what}", data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def sandbox(protocol: str, profile: str, seed: str = "empty") -> Iterator[Running]:
    command = [sys.executable, "-m", "assetfs.sandbox", protocol, "--profile", profile, "--seed", seed]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the sandbox ended before it was ready"
        yield Running(json.loads(line))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
