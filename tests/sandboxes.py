"""Sandboxes for tests: embedded servers as real processes on real ports.

`start_sandbox(...)` yields a `RunningSandbox` and stops it at the end, by its own pid. What the server was asked is
counted on its own side (`requests()`), and it fails when it is told to (`arm(...)`, `switch(...)`). Nothing here knows
how the mount works, so any kind of test may use it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote_plus

import httpx

START_SECONDS = 60  # the bench seed writes 1 GiB first
STOP_SECONDS = 5


class SandboxError(Exception):
    """The sandbox did not start, or refused a control request. The message says why."""


class RpcError(Exception):
    """A call was answered with an error: its text, or the HTTP status when there was no answer to read."""


class Runner(Protocol):
    """Somebody who runs a sandbox: the command that is theirs, what it needs, and what makes it theirs."""

    program: list[str]
    environ: dict[str, str]

    def popen(self) -> dict[str, Any]:
        """What subprocess needs to run something as this user."""


class RunningSandbox:
    """One served sandbox. `info` is its whole ready line; the fields below are the ones that most tests want."""

    def __init__(self, process: subprocess.Popen[bytes], info: dict[str, Any]) -> None:
        self.process = process
        self.info = info
        self.url: str = info["url"]
        self.root_url: str = info["root_url"]
        self.source: str = info["source"]
        self.credential: str = info["credential"]
        self.http = httpx.Client(timeout=60, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        self._defaults = self._control("GET", "switches")

    def _control(self, method: str, path: str, body: object = None) -> Any:
        answer = self.http.request(method, f"{self.root_url}/_sandbox/{path}", json=body)
        if answer.status_code != 200:
            raise SandboxError(answer.json()["error"])
        return answer.json()

    # What it was asked

    def requests(self) -> dict[str, Any]:
        """Counts since the last reset: "total", "kinds" ("POST rpc": 3), "calls" ("ping": 1), "connections", "sent"."""
        return dict(self._control("GET", "requests?summary=1")["summary"])

    def listing(self) -> list[dict[str, Any]]:
        """Every request since the last reset, oldest first."""
        return list(self._control("GET", "requests")["requests"])

    def forget(self) -> None:
        """Empty the log, and only that."""
        self._control("DELETE", "requests")

    # How it behaves

    def arm(
        self, fault: str, match: dict[str, str] | None = None, *, nth: int = 1, count: int | None = 1, **options: Any
    ) -> int:
        """Arm a fault for requests that match; `count` None is for all from the nth. Returns its id."""
        request = {"fault": fault, "match": match or {}, "nth": nth, "count": count, **options}
        return int(self._control("POST", "faults", request)["id"])

    def armed(self) -> list[dict[str, Any]]:
        """The armed faults, with how many requests each has seen and struck."""
        return list(self._control("GET", "faults"))

    def disarm(self) -> None:
        """Take all faults away."""
        self._control("DELETE", "faults")

    def switch(self, **values: Any) -> dict[str, Any]:
        """Change lasting behaviour. Returns all switches."""
        return dict(self._control("POST", "switches", values))

    def reset(self) -> None:
        """No faults, all switches as at the start, an empty log. The content stays."""
        self.disarm()
        self._control("POST", "switches", self._defaults)
        self.forget()

    # What a second client does

    def rpc(self, method: str, *params: Any, credential: str | None = None) -> Any:
        """Call an RPC method as another client would (it is in the log, too). Raises RpcError."""
        answer = self.post({"method": method, "params": list(params), "id": 1}, credential=credential)
        if answer.status_code != 200:
            raise RpcError(f"HTTP {answer.status_code}")
        if answer.json()["error"] is not None:
            raise RpcError(answer.json()["error"])
        return answer.json()["result"]

    def post(self, body: Any, credential: str | None = None, **headers: str) -> httpx.Response:
        """Send a JSON body to the endpoint."""
        return self.http.post(self.url, json=body, headers={"X-Api-Key": credential or self.credential, **headers})

    def upload(self, name: str, content: bytes, collection: int | None = None, credential: str | None = None) -> int:
        """Put a file on the server in one chunk. Returns the resource's id, also of one that had these bytes before."""
        answer = self.send_chunk(name, content, collection=collection, credential=credential)
        if answer.status_code not in (200, 210):
            raise RpcError(f"HTTP {answer.status_code}: {answer.text}")
        return int(answer.text)

    def send_chunk(
        self,
        name: str,
        content: bytes,
        *,
        chunk: str = "1/1",
        digest: str | None = None,
        collection: int | None = None,
        credential: str | None = None,
        **headers: str,
    ) -> httpx.Response:
        """Send one chunk; `digest` is that of the whole file, the content's own by default."""
        given = {
            "X-Api-Key": credential or self.credential,
            "X-Project": str(self.info["project"]),
            "X-file-chunk": chunk,
            "X-file-hash": digest or hashlib.sha256(content).hexdigest(),
            "X-file-name": base64.b64encode(quote_plus(name).encode()).decode(),
            **({"X-collection-id": str(collection)} if collection is not None else {}),
            **{key.replace("_", "-"): value for key, value in headers.items()},
        }
        return self.http.post(self.url + "upload/partial/", content=content, headers=given)

    def get(self, path: str, credential: str | None = None, **headers: str) -> httpx.Response:
        """GET something below the endpoint."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.get(self.url + path, headers={"X-Api-Key": credential or self.credential, **given})


@contextmanager
def start_sandbox(
    protocol: str = "jama",
    *,
    profile: str = "current",
    seed: str = "empty",
    port: int = 0,
    data: Path | None = None,
    options: tuple[str, ...] = (),
    user: Runner | None = None,
) -> Iterator[RunningSandbox]:
    """Serve a sandbox as long as the block runs, as whoever runs this or as a user. Raises SandboxError when it does
    not become ready.
    """
    arguments = ["--profile", profile, "--seed", seed, "--port", str(port), *options]
    arguments += ["--data", str(data)] if data is not None else []
    program = [sys.executable, "-m", "assetfs.sandbox"] if user is None else [*user.program, "sandbox"]
    more = {} if user is None else {"env": {**os.environ, **user.environ}, "cwd": "/", **user.popen()}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*program, protocol, *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **more,
        )
        try:
            line = _first_line(process)
            if not line:
                log.seek(0)
                raise SandboxError(f"the sandbox did not start: {log.read().decode()[-2000:]}")
            running = RunningSandbox(process, json.loads(line))
            try:
                yield running
            finally:
                running.http.close()
                if process.poll() is not None and process.returncode not in (-signal.SIGKILL, -signal.SIGTERM):
                    log.seek(0)
                    print(f"the sandbox ended by itself: {process.returncode} {log.read().decode()[-4000:]}")
        finally:
            stop(process)


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    deadline, line = time.monotonic() + START_SECONDS, b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
        piece = os.read(process.stdout.fileno(), 65536) if ready else b""
        if not piece:
            return b""
        line += piece
    return line


def stop(process: subprocess.Popen[bytes]) -> int:
    """End a process by its pid: asked first, killed when it does not hear. Returns its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    if process.stdout is not None:
        process.stdout.close()
    return process.wait(STOP_SECONDS)
