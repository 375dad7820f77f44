"""Both SAMS applications as one ASGI application: which one answers depends on the port that was asked.

A request is read whole (forms with files go to disk), its handler runs in a thread inside one transaction, writers one
after the other and readers beside them, and then the answer goes out.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import trio

from assetfs.sandbox.connections import break_off
from assetfs.sandbox.http import Receive, Scope, Send, answer, header, read_body, save_body, send_file, start
from assetfs.sandbox.sams import query
from assetfs.sandbox.sams.context import HTML, Call, Reply, Switches
from assetfs.sandbox.sams.documents import SCHEMA, Documents
from assetfs.sandbox.sams.errors import Refused, crashed, framework, refused
from assetfs.sandbox.sams.multipart import boundary_of, parse
from assetfs.sandbox.sams.routes import API, FILES, Route, find, in_words
from assetfs.sandbox.store import Store

LONGEST_LINE = 4094  # bytes of a request line that gunicorn takes
LARGEST_JSON = 64 << 20
STRIPPED = "Basic "  # characters, not a word: any run of them is taken from the left of the header's value
TOO_LONG = b"<html><body><h1>Bad Request</h1>Request Line is too large</body></html>"


class Sams:
    """One server over one store. `keys` are those that it accepts; `file_server_url` is set before it serves."""

    serialised = False

    def __init__(self, store: Store, keys: tuple[str, ...]) -> None:
        self.store = store
        self.keys = keys
        self.switches = Switches()
        self.file_server_url = ""
        self.file_server_port: int | None = None
        self.on_switch: Callable[[Switches], None] = lambda switches: None
        self.db = store.open("sams", SCHEMA)
        self.reader = store.open("sams", SCHEMA, reader=True)
        for connection in (self.db, self.reader):
            query.prepare(connection)
        self._turns = {self.db: trio.Lock(), self.reader: trio.Lock()}

    def listens(self, name: str, url: str, port: int) -> None:
        """Take notice of the second port: the file server's."""
        self.file_server_url, self.file_server_port = url, port

    def kind(self, method: str, path: str) -> str:
        """root, destinations, sets, search, asset, binary, image, zip, lock, public or other."""
        found = find(API, path) or find(FILES, path)
        return found[0].kind if found else "other"

    def calls(self, kind: str, body: bytes, query: bytes = b"") -> list[str] | None:
        """There are no RPC methods here."""
        return None

    def apply_switches(self, values: dict[str, Any]) -> None:
        """Change lasting behaviour."""
        self.switches.change(values)
        self.on_switch(self.switches)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with tempfile.TemporaryDirectory(dir=self.store.blobs.scratch) as folder:
            try:
                reply = await self._reply(scope, receive, Path(folder) / "body")
            except Refused as refusal:
                reply = Reply(refusal.status, refusal.body)
        origin = header(scope, "origin")
        if origin is not None and not self._is_files(scope):
            reply.headers = [*reply.headers, ("access-control-allow-origin", origin), ("vary", "Origin")]
        await self._send(reply, scope, receive, send)

    def _is_files(self, scope: Scope) -> bool:
        return self.file_server_port is not None and scope["server"][1] == self.file_server_port

    async def _reply(self, scope: Scope, receive: Receive, body: Path) -> Reply:
        line = len(scope["method"]) + len(scope["raw_path"]) + len(scope["query_string"]) + len("  ? HTTP/1.1")
        if line > LONGEST_LINE:
            return Reply(400, TOO_LONG, "text/html", [("connection", "close")])
        files = self._is_files(scope)
        path = scope["path"]
        found = find(FILES if files else API, path if files or path == "/" else path.rstrip("/"))
        method = scope["method"]
        if method == "POST":
            method = (header(scope, "x-http-method-override") or method).upper()
        if found is not None and method == "OPTIONS":
            allowed = {"OPTIONS", *found[0].methods, *({"HEAD"} if "GET" in found[0].methods else ())}
            return Reply(200, b"", HTML, [("allow", ", ".join(sorted(allowed)))])
        handler = found[0].methods.get("GET" if method == "HEAD" else method) if found else None
        if found is None or handler is None:
            status = 404 if found is None else 405
            if files:
                return in_words(status)
            raise framework(status)
        if not files and not self._admitted(scope):
            raise refused("04003")
        call = Call(Documents(self.reader), self.store.blobs, self.switches, self.file_server_url, found[1])
        call.query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        call.headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        boundary = boundary_of(call.headers.get("content-type"))
        if boundary is None:
            call.body = await read_body(receive, LARGEST_JSON)
        else:
            await save_body(receive, body)
            call.form = await trio.to_thread.run_sync(parse, body, boundary)
        return await self._run(found[0], lambda: handler(call), call)

    def _admitted(self, scope: Scope) -> bool:
        given = header(scope, "authorization")
        return not self.switches.authentication or (given is not None and given.lstrip(STRIPPED) in self.keys)

    async def _run(self, route: Route, work: Callable[[], Reply], call: Call) -> Reply:
        """Run a handler in a thread; one that writes, in a transaction that a refusal undoes."""
        db = self.db if route.changing else self.reader
        call.documents = Documents(db)
        async with self._turns[db]:
            return await trio.to_thread.run_sync(_transaction if route.changing else _plain, db, work)

    async def _send(self, reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
        content = reply.content
        if reply.status == 304:
            await start(send, 304, reply.headers)
            await send({"type": "http.response.body", "body": b""})
            return
        if content is None:
            kept = reply.status != 204
            await answer(send, reply.status, reply.body, reply.content_type, reply.headers, length=kept)
            return
        announced = ("content-length", str(content.announced))
        await start(send, reply.status, [("content-type", reply.content_type), announced, *reply.headers])
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        elif content.announced <= content.size:
            await send_file(receive, send, content.path, content.start, content.announced)
        else:
            whole = await trio.Path(content.path).read_bytes()
            await send({"type": "http.response.body", "body": whole, "more_body": True})
            break_off(scope["client"])


def _plain(db: sqlite3.Connection, work: Callable[[], Reply]) -> Reply:
    try:
        return work()
    except Refused:
        raise
    except Exception as error:  # the server makes an answer of whatever its code raises
        raise crashed(error) from error


def _transaction(db: sqlite3.Connection, work: Callable[[], Reply]) -> Reply:
    db.execute("BEGIN IMMEDIATE")
    try:
        reply = work()
        db.execute("COMMIT")
    except Refused as refusal:
        db.execute("COMMIT" if refusal.keep else "ROLLBACK")
        raise
    except Exception as error:
        db.execute("ROLLBACK")
        raise crashed(error) from error
    return reply
