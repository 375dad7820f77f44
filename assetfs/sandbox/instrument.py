"""The instrumented front of every sandbox: it logs each request, lets the armed faults strike, and answers
`/_sandbox/`.

    GET    /_sandbox/requests          {"summary": {...}, "requests": [...]}; ?summary=1 leaves the list out
    DELETE /_sandbox/requests          forget them
    GET    /_sandbox/faults            the armed faults, with how many requests each has seen and struck
    POST   /_sandbox/faults            arm one: {"fault": KIND, "match": {...}, "nth": 1, "count": 1 or null, ...}
    DELETE /_sandbox/faults[/ID]       disarm all, or one
    GET    /_sandbox/switches          lasting behaviour of the server (the protocol's own table of switches)
    POST   /_sandbox/switches          change some: {"name": value}

Fault kinds and their options: `status` (status, retry_after, headers, body), `delay` (seconds), `slow`
(bytes_per_second), `cut` (after: body bytes, reset), `cut_upload` (after: bytes of the request's body, reset),
`drop` (reset; the request is read, nothing is answered or done), `lost_answer` (it is done, but not answered),
`hang`, `wrong_range` (value), `no_range` (200 for a ranged request), `not_found_200`, `corrupt`, `no_gzip`,
`long_json` (bytes), `other_status` (status, 210 by default).
`match.kind` is the protocol's word for a path (Jama: rpc, upload, download, public, status, other; Midas: rpc, rest,
download, page, other), `match.call` an RPC method's name, `match.path` a regular expression.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any, Protocol

import trio

from assetfs.sandbox.faults import KINDS, Faults
from assetfs.sandbox.http import (
    JSON,
    App,
    Disconnected,
    Message,
    Receive,
    Scope,
    Send,
    answer,
    content_length,
    read_body,
    wait_disconnect,
)
from assetfs.sandbox.requests import Entry, RequestLog

CONTROL = "/_sandbox/"
READ_AHEAD = 1 << 20  # a body up to this size is read before the application, so that faults can match RPC methods


class Instrumented(Protocol):
    """What a protocol's application tells its front."""

    switches: Any
    serialised: bool  # requests wait for each other: a delay is then spent by the application, while it has its turn

    def kind(self, method: str, path: str) -> str:
        """This protocol's word for a path."""

    def calls(self, kind: str, body: bytes, query: bytes) -> list[str] | None:
        """The RPC methods in a body and a query; None when bodies of this kind are not to be read ahead."""

    def apply_switches(self, values: dict[str, Any]) -> None:
        """Change lasting behaviour. Raises ValueError for a name or value that is not known."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""


class Front:
    """The ASGI application that the HTTP server sees."""

    def __init__(self, app: Instrumented) -> None:
        self.app = app
        self.log = RequestLog()
        self.faults = Faults()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        elif scope["type"] != "http":
            return
        elif scope["path"].startswith(CONTROL):
            await self._control(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = self.app.kind(scope["method"], scope["path"])
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        client = f"{scope['client'][0]}:{scope['client'][1]}"
        entry = self.log.begin(scope["method"], scope["path"], kind, client, headers)
        receive, send = _counting(entry, receive, send)
        try:
            query = scope["query_string"]
            calls = self.app.calls(kind, b"", query)
            if calls is not None and (content_length(scope) or 0) <= READ_AHEAD:
                body = await read_body(receive)
                calls = self.app.calls(kind, body, query)
                receive = _replayed(body, receive)
            self.log.name_calls(entry, calls or [])
            fault = self.faults.strike(entry)
            if fault is None:
                await _draining(self.app, scope, receive, send)
            else:
                entry.fault = fault.kind
                serve = KINDS[fault.kind]
                await _draining(lambda s, r, w: serve(fault, self.app, s, r, w), scope, receive, send)
        except* Disconnected:
            pass
        finally:
            entry.seconds = time.time() - entry.started

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket: in the log as a GET that lasts; faults strike its opening, and never its frames."""
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        client = f"{scope['client'][0]}:{scope['client'][1]}"
        entry = self.log.begin("GET", scope["path"], self.app.kind("GET", scope["path"]), client, headers)
        fault = self.faults.strike(entry)
        try:
            if fault is None:
                await self.app(scope, receive, send)
                return
            entry.fault = fault.kind
            if fault.kind == "delay":
                await trio.sleep(fault.number("seconds", 1))
                await self.app(scope, receive, send)
            elif fault.kind == "hang":
                await wait_disconnect(receive, "websocket.disconnect")
            else:
                await send({"type": "websocket.close", "code": 1011})
        finally:
            entry.seconds = time.time() - entry.started

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive)
            path = scope["path"].removeprefix(CONTROL).strip("/")
            status, result = self._operate(scope["method"], path, scope["query_string"], json.loads(body or b"{}"))
        except (ValueError, TypeError) as error:
            status, result = 400, {"error": str(error)}
        await answer(send, status, json.dumps(result).encode(), JSON)

    def _operate(self, method: str, path: str, query: bytes, body: Any) -> tuple[int, Any]:
        what, _, which = path.partition("/")
        if (method, what) == ("GET", "requests"):
            listing = [] if b"summary" in query else self.log.listing()
            return 200, {"summary": self.log.summary(), "requests": listing}
        if (method, what) == ("DELETE", "requests"):
            self.log.reset()
        elif (method, what) == ("GET", "faults"):
            return 200, [asdict(fault) for fault in self.faults.armed]
        elif (method, what) == ("POST", "faults"):
            return 200, asdict(self.faults.arm(body))
        elif (method, what) == ("DELETE", "faults"):
            self.faults.armed = [fault for fault in self.faults.armed if which and str(fault.id) != which]
        elif (method, what) == ("POST", "switches"):
            self.app.apply_switches(body)
        elif (method, what) != ("GET", "switches"):
            return 404, {"error": f"no such control: {method} {path}"}
        return 200, asdict(self.app.switches) if what == "switches" else {"done": True}


def _counting(entry: Entry, receive: Receive, send: Send) -> tuple[Receive, Send]:
    async def counted_receive() -> Message:
        message = await receive()
        entry.received += len(message.get("body", b""))
        return message

    async def counted_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry.status = message["status"]
        await send(message)
        entry.sent += len(message.get("body", b""))

    return counted_receive, counted_send


def _replayed(body: bytes, receive: Receive) -> Receive:
    pending = [body]

    async def replay() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replay


async def _draining(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the application; when it answers before the request's body is read, keep the server's queue from filling up.

    The server stops reading the connection once the answer is out, but a reader of its own that waits for room in the
    queue of the finished application would wait for ever.
    """
    async with trio.open_nursery() as nursery:

        async def drain() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                nursery.start_soon(drain)
            await send(message)

        await app(scope, receive, watched)
        nursery.cancel_scope.cancel()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
