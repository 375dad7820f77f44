"""Recordings of real servers: steps that each send one request exactly as it was sent, and the answer that came.

    {"server": ..., "vars": {...}, "steps": [{"name",
     "request": {"method", "path", "headers", "json" | "text" | "base64" | "form" | "multipart"},
     "capture": {"name": "json:a.0.b" | "header:location" | "text"},
     "until": {"seconds", "every"},
     "expect": {"status", "headers", "json", "text", "sha256", "length"} or {"disconnect": true}}]}

A part of `multipart` is [field, file name or null, text, content type or null]. In `expect`, headers are shell
wildcards, null for one that must be absent; `json` and `text` are patterns. A step with `until` is repeated until its
answer fits. `fixture` of a recording is what has to be on the disk that it shares with the server.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.conformance.patterns import Difference, difference, filled

FOLDER = Path(__file__).parent / "replay"


@dataclass(frozen=True)
class Step:
    """One recorded request and answer."""

    name: str
    request: dict[str, Any]
    expect: dict[str, Any]
    capture: dict[str, str]
    until: dict[str, float]


def load(name: str) -> list[Step]:
    """The steps of a recording."""
    steps = json.loads((FOLDER / f"{name}.json").read_text())["steps"]
    return [Step(s["name"], s["request"], s.get("expect", {}), s.get("capture", {}), s.get("until", {})) for s in steps]


def lay_out(name: str, place: Path) -> None:
    """Make the files and folders (with a slash at the end) that a recording has found on disk, owned as `place` is."""
    recording = json.loads((FOLDER / f"{name}.json").read_text())
    owner = place.stat()
    made = []
    for relative, text in recording["fixture"].items():
        path = place / relative
        folders = [path, *path.parents] if relative.endswith("/") else [*path.parents]
        missing = [folder for folder in folders if not folder.exists()]
        (path if relative.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not relative.endswith("/"):
            path.write_text(text, newline="")
            path.chmod(0o644)
            made.append(path)
        for folder in missing:
            folder.chmod(0o755)
        made += missing
    for path in made:
        os.chown(path, owner.st_uid, owner.st_gid)
    for relative, mode in recording.get("fixture_modes", {}).items():
        (place / relative).chmod(int(mode, 8))


@dataclass
class Player:
    """Plays the steps of a recording in order against the server at `base`."""

    steps: list[Step]
    base: str
    variables: dict[str, Any]
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    played: int = 0

    def reach(self, number: int) -> Difference:
        """Play up to and including a step, and those that were left out before it. Returns how its answer differs."""
        found: Difference = None
        while self.played <= number:
            found = self.play(self.steps[self.played])
            self.played += 1
        return found

    def play(self, step: Step) -> Difference:
        """Send a step's request. Returns how the answer differs; captures what later steps need when it does not."""
        deadline = time.monotonic() + step.until.get("seconds", 0)
        while (found := self._once(step)) is not None and time.monotonic() < deadline:
            time.sleep(step.until["every"])
        return found

    def _once(self, step: Step) -> Difference:
        try:
            answer = self._send(filled(step.request, self.variables))
        except httpx.RemoteProtocolError as error:
            return None if step.expect.get("disconnect") else str(error)
        found = judge(filled(step.expect, self.variables), answer)
        if found is None:
            self.variables |= {name: captured(how, answer) for name, how in step.capture.items()}
        return found

    def _send(self, request: dict[str, Any]) -> httpx.Response:
        headers = {name: str(value) for name, value in request.get("headers", {}).items() if value != ""}
        content = None
        if "json" in request:
            content = json.dumps(request["json"]).encode()
            headers.setdefault("Content-Type", "application/json")
        elif "text" in request:
            content = request["text"].encode()
        elif "base64" in request:
            content = base64.b64decode(request["base64"])
        files = [_part(*part) for part in request["multipart"]] if "multipart" in request else None
        url, form = self.base + request["path"], request.get("form")
        return self.client.request(request["method"], url, headers=headers, content=content, data=form, files=files)


def _part(
    field_name: str, name: str | None, text: str, kind: str | None
) -> tuple[str, tuple[str | None, bytes, str | None]]:
    return field_name, (name, text.encode(), kind)


def judge(expect: dict[str, Any], answer: httpx.Response) -> Difference:
    """How an answer differs from what is expected; None when it does not."""
    if expect.get("disconnect"):
        return f"status {answer.status_code} instead of a broken connection"
    if expect.get("status", answer.status_code) != answer.status_code:
        return f"status {answer.status_code} instead of {expect['status']}: {answer.text[:160]}"
    for name, wanted in expect.get("headers", {}).items():
        got = answer.headers.get(name)
        if (got is None) != (wanted is None) or (wanted is not None and not fnmatch.fnmatchcase(got or "", wanted)):
            return f"header {name}: {got!r} instead of {wanted!r}"
    if "json" in expect and (found := difference(expect["json"], answer.json())):
        return found
    if "text" in expect and (found := difference(expect["text"], answer.text)):
        return found
    if "sha256" in expect and hashlib.sha256(answer.content).hexdigest() != expect["sha256"]:
        return f"other bytes ({len(answer.content)})"
    if "length" in expect and len(answer.content) != expect["length"]:
        return f"{len(answer.content)} bytes instead of {expect['length']}"
    return None


def captured(how: str, answer: httpx.Response) -> Any:
    """What a step keeps of its answer."""
    kind, _, path = how.partition(":")
    if kind == "header":
        return answer.headers[path]
    if kind == "text":
        return answer.text.strip()
    value = answer.json()
    for part in filter(None, path.split(".")):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value
