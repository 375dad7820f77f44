"""The HTTP side as an ASGI application: it reads a request, runs its handler in a thread, and wakes the workers.

An answer is JSON as Python writes it. The reason phrase, which repeats an error's text, cannot be sent through ASGI;
what becomes of an answer whose text fits in no status line is done here instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote

import trio

from assetfs.sandbox.http import HTML, JSON, Receive, Scope, Send, answer, content_length, read_body, start
from assetfs.sandbox.jdma.books import Books
from assetfs.sandbox.jdma.context import Call, Switches
from assetfs.sandbox.jdma.disk import Disk
from assetfs.sandbox.jdma.errors import CRASH_PAGE, MISSING_PAGE, Refused, speakable
from assetfs.sandbox.jdma.routes import Handler, Route, find
from assetfs.sandbox.jdma.schema import SCHEMA
from assetfs.sandbox.jdma.worker import Worker
from assetfs.sandbox.store import Store

Reply = tuple[int, bytes]  # a status, and JSON or a page


class Jdma:
    """One server over one store, with its workers. `user` is whose stage it has."""

    serialised = False

    def __init__(self, store: Store, user: str) -> None:
        self.store = store
        self.user = user
        self.switches = Switches()
        self.on_switch: Callable[[Switches], None] = lambda switches: None
        self.db = store.open("jdma", SCHEMA)
        self.reader = store.open("jdma", SCHEMA, reader=True)
        self.disk = Disk(store.folder / "gws")
        self.worker = Worker(Books(store.open("jdma", SCHEMA), self.disk, store.blobs, self.switches))
        self._turns = {self.db: trio.Lock(), self.reader: trio.Lock()}

    def source(self, url: str) -> str:
        """What `assetfs mount` takes to mount this server."""
        scheme, _, rest = url.partition("://")
        return f"jdma+{scheme}://{quote(self.user, safe='')}@{rest}"

    async def work(self) -> None:
        """What goes on beside the answering: the workers."""
        await self.worker.run()

    def kind(self, method: str, path: str) -> str:
        """user, request, migration, file, archive, list_backends or other."""
        found = find(path)
        return found.kind if found else "other"

    def calls(self, kind: str, body: bytes, query: bytes = b"") -> list[str] | None:
        """The request type of a new request: PUT, GET, MIGRATE, DELETE."""
        if kind != "request":
            return None
        try:
            data = json.loads(body)
        except ValueError:
            return []
        return [str(data["request_type"])] if isinstance(data, dict) and "request_type" in data else []

    def apply_switches(self, values: dict[str, Any]) -> None:
        """Change lasting behaviour."""
        self.switches.change(values)
        self.on_switch(self.switches)
        self.worker.wake()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method, path = scope["method"], scope["path"]
        route = find(path)
        if route is None:
            await self._astray(scope, send)
            return
        handler = route.any or route.methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            await answer(send, 200 if method == "OPTIONS" else 405, headers=[("allow", route.allow)])
            return
        body = await read_body(receive) if content_length(scope) is not None else b""
        query = dict(parse_qsl(scope["query_string"].decode(errors="replace"), keep_blank_values=True))
        status, content = await self._run(route, handler, method, query, body)
        kind = HTML if content is CRASH_PAGE else JSON
        if method == "HEAD":
            await start(send, status, [("content-type", kind), ("content-length", str(len(content)))])
            await send({"type": "http.response.body", "body": b""})
        else:
            await answer(send, status, content, kind)

    async def _astray(self, scope: Scope, send: Send) -> None:
        """Paths that lack the slash at their end are sent on, whatever the method; the others are not there."""
        if find(scope["path"] + "/") is None or scope["path"].endswith("/"):
            await answer(send, 404, MISSING_PAGE)
            return
        query = scope["query_string"].decode("latin-1")
        place = scope["raw_path"].decode("latin-1") + "/" + (f"?{query}" if query else "")
        await answer(send, 301, headers=[("location", place)])

    async def _run(self, route: Route, handler: Handler, method: str, query: dict[str, str], body: bytes) -> Reply:
        changing = method not in ("GET", "HEAD") and route.any is None
        db = self.db if changing else self.reader
        call = Call(db, self.switches, self.disk, query, body)
        async with self._turns[db]:
            reply = await trio.to_thread.run_sync(self._reply, _committed(handler) if changing else handler, call)
        if changing:
            self.worker.wake()
        return reply

    def _reply(self, handler: Handler, call: Call) -> Reply:
        try:
            return 200, json.dumps(handler(call)).encode()
        except Refused as refusal:
            if self.switches.reason_phrases and not speakable(refusal):
                return 500, CRASH_PAGE
            return refusal.status, json.dumps(refusal.body).encode()
        except Exception:  # the framework makes a page of whatever the server's code raises
            return 500, CRASH_PAGE


def _committed(handler: Handler) -> Handler:
    """A handler whose writing stays written, however it ends: the server knows no transactions."""

    def run(call: Call) -> dict[str, Any]:
        call.db.execute("BEGIN IMMEDIATE")
        try:
            return handler(call)
        finally:
            call.db.execute("COMMIT")

    return run
