"""Faults: what a test arms so that a request fails in a way that servers, proxies and networks really fail.

A fault has a `match` (which requests), `nth` (the first matching request that it strikes, from 1), `count` (how many
it strikes, null for all that follow), and parameters of its kind. The first armed fault that strikes wins. The kinds
are the table `KINDS`; each is a coroutine that serves the request in place of the application, and may call it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import trio

from assetfs.sandbox.connections import break_off
from assetfs.sandbox.http import App, Message, Receive, Scope, Send, answer, start, wait_disconnect
from assetfs.sandbox.requests import Entry

HELD = "assetfs.held"  # in a scope: seconds that a serialised server spends on the request while others wait


class BadFault(ValueError):
    """What was armed makes no sense; the message says why."""


@dataclass
class Fault:
    """One armed fault. `seen` counts the requests that matched, `struck` those that were made to fail."""

    id: int
    kind: str
    match: dict[str, str] = field(default_factory=dict)
    nth: int = 1
    count: int | None = 1
    options: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    struck: int = 0

    def fits(self, entry: Entry) -> bool:
        """Whether all of `kind`, `method`, `call` and `path` (a regular expression) that are given apply."""
        wanted = self.match
        return (
            wanted.get("kind", entry.kind) == entry.kind
            and wanted.get("method", entry.method) == entry.method
            and ("call" not in wanted or wanted["call"] in entry.calls)
            and re.search(wanted.get("path", ""), entry.path) is not None
        )

    def strikes(self, entry: Entry) -> bool:
        """Count the request; True when it is to fail."""
        if not self.fits(entry):
            return False
        self.seen += 1
        if self.seen < self.nth or (self.count is not None and self.struck >= self.count):
            return False
        self.struck += 1
        return True

    def number(self, name: str, default: float) -> float:
        """A numeric option."""
        return float(self.options.get(name, default))


class Faults:
    """The armed faults, in the order of arming."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self._ids = itertools.count(1)

    def arm(self, request: dict[str, Any]) -> Fault:
        """Arm `{"fault": kind, "match": {...}, "nth": 1, "count": 1, ...options}`. Raises BadFault."""
        options = dict(request)
        kind = options.pop("fault", None)
        match, nth, count = options.pop("match", {}), options.pop("nth", 1), options.pop("count", 1)
        if kind not in KINDS:
            raise BadFault(f"no such fault: {kind!r}; there are {', '.join(sorted(KINDS))}")
        if not isinstance(match, dict) or set(match) - {"kind", "method", "call", "path"}:
            raise BadFault("match takes kind, method, call and path")
        if not isinstance(nth, int) or nth < 1 or not (count is None or isinstance(count, int)):
            raise BadFault("nth is a number from 1, count a number or null")
        fault = Fault(next(self._ids), kind, match, nth, count, options)
        self.armed.append(fault)
        return fault

    def strike(self, entry: Entry) -> Fault | None:
        """The fault that this request suffers, if any."""
        struck = [fault for fault in self.armed if fault.strikes(entry)]
        return struck[0] if struck else None


def _without(scope: Scope, *names: str) -> Scope:
    drop = {name.encode() for name in names}
    return {**scope, "headers": [(key, value) for key, value in scope["headers"] if key not in drop]}


async def _status(fault: Fault, _app: App, scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(str(name), str(value)) for name, value in fault.options.get("headers", {}).items()]
    if "retry_after" in fault.options:
        headers.append(("retry-after", str(fault.options["retry_after"])))
    body = str(fault.options.get("body", "<html>out of order</html>")).encode()
    await answer(send, int(fault.number("status", 503)), body, headers=headers)


async def _delay(fault: Fault, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    seconds = fault.number("seconds", 1)
    if getattr(app, "serialised", False):
        scope[HELD] = seconds
    else:
        await trio.sleep(seconds)
    await app(scope, receive, send)


async def _slow(fault: Fault, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    rate = fault.number("bytes_per_second", 65536)
    piece = max(1, int(rate / 20))

    async def slowly(message: Message) -> None:
        body = message.get("body", b"") if message["type"] == "http.response.body" else b""
        for at in range(0, len(body), piece):
            part = body[at : at + piece]
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await trio.sleep(len(part) / rate)
        await send({**message, "body": b""} if body else message)

    await app(scope, receive, slowly)


class _Cut(Exception):
    pass


async def _cut(fault: Fault, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    left = int(fault.number("after", 0))

    async def until(message: Message) -> None:
        nonlocal left
        body = message.get("body", b"") if message["type"] == "http.response.body" else None
        if body is not None and (len(body) > left or not message.get("more_body")):
            if left:
                await send({"type": "http.response.body", "body": body[:left], "more_body": True})
            break_off(scope["client"], reset=bool(fault.options.get("reset")))
            raise _Cut
        left -= len(body or b"")
        await send(message)

    try:
        await app(scope, receive, until)
    except* _Cut:
        pass


async def _cut_upload(fault: Fault, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    left = int(fault.number("after", 0))

    async def until() -> Message:
        nonlocal left
        if left <= 0:
            break_off(scope["client"], reset=bool(fault.options.get("reset")))
            return {"type": "http.disconnect"}
        message = await receive()
        body = message.get("body", b"")
        piece, left = body[:left], left - len(body)
        return {**message, "body": piece, "more_body": True} if left <= 0 else message

    await app(scope, until, send)


async def _drop(fault: Fault, _app: App, scope: Scope, receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):
        pass
    break_off(scope["client"], reset=bool(fault.options.get("reset")))


async def _hang(fault: Fault, _app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await wait_disconnect(receive)


async def _lost_answer(fault: Fault, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    async def nowhere(message: Message) -> None:
        pass

    await app(scope, receive, nowhere)
    break_off(scope["client"], reset=bool(fault.options.get("reset")))


def _rewriting(
    change: Callable[[Fault, Message], Message],
) -> Callable[[Fault, App, Scope, Receive, Send], Awaitable[None]]:
    async def rewritten(fault: Fault, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, lambda message: send(change(fault, message)))

    return rewritten


def _wrong_range(fault: Fault, message: Message) -> Message:
    if message["type"] != "http.response.start":
        return message
    value = str(fault.options.get("value", "bytes 1-1/2")).encode()
    headers = [(k, value if k == b"content-range" else v) for k, v in message["headers"]]
    return {**message, "headers": headers}


def _other_status(fault: Fault, message: Message) -> Message:
    return {**message, "status": int(fault.number("status", 210))} if "status" in message else message


def _corrupt(fault: Fault, message: Message) -> Message:
    body = message.get("body", b"")
    if not body:
        return message
    middle = len(body) // 2
    return {**message, "body": body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :]}


async def _no_range(fault: Fault, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await app(_without(scope, "range"), receive, send)


async def _no_gzip(fault: Fault, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await app(_without(scope, "accept-encoding"), receive, send)


async def _not_found_200(fault: Fault, _app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, b"Not Found", "404")


async def _long_json(fault: Fault, _app: App, scope: Scope, receive: Receive, send: Send) -> None:
    left = int(fault.number("bytes", 256 << 20))
    await start(send, 200, [("content-type", "application/json")])
    await send({"type": "http.response.body", "body": b'{"result": [', "more_body": True})
    while left > 0:
        await send({"type": "http.response.body", "body": b"0, " * 20000, "more_body": True})
        left -= 60000
    await send({"type": "http.response.body", "body": b'0], "error": null, "id": 1}'})


Serve = Callable[[Fault, App, Scope, Receive, Send], Awaitable[None]]

KINDS: dict[str, Serve] = {
    "status": _status,
    "delay": _delay,
    "slow": _slow,
    "cut": _cut,
    "cut_upload": _cut_upload,
    "drop": _drop,
    "hang": _hang,
    "lost_answer": _lost_answer,
    "wrong_range": _rewriting(_wrong_range),
    "other_status": _rewriting(_other_status),
    "corrupt": _rewriting(_corrupt),
    "no_range": _no_range,
    "no_gzip": _no_gzip,
    "not_found_200": _not_found_200,
    "long_json": _long_json,
}
