"""The Midas server as an ASGI application: which face is asked, in which session, and how it is answered.

Database work runs in a thread, one request after the other, on one SQLite connection and in one transaction each.
Bytes move outside of it.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from typing import Any, TypeVar

import trio

from assetfs.sandbox.connections import break_off
from assetfs.sandbox.http import (
    JSON,
    Message,
    Receive,
    Scope,
    Send,
    answer,
    header,
    read_body,
    save_body,
    send_file,
    start,
)
from assetfs.sandbox.midas import bitstreams, downloads, pages, rest, system, uploads
from assetfs.sandbox.midas.context import Call, Session, Switches
from assetfs.sandbox.midas.envelope import Params, parse_body, parse_pairs, reply, rest_reply
from assetfs.sandbox.midas.errors import FATAL_PAGE, TOKEN, Fatal, Refused
from assetfs.sandbox.midas.methods import METHODS
from assetfs.sandbox.midas.registry import key
from assetfs.sandbox.midas.schema import SCHEMA
from assetfs.sandbox.store import Store

T = TypeVar("T")

PHP_HTML = "text/html; charset=UTF-8"
NO_CACHE = [
    ("expires", "Thu, 19 Nov 1981 08:52:00 GMT"),
    ("cache-control", "no-store, no-cache, must-revalidate"),
    ("pragma", "no-cache"),
]
RPC = ("/api/json", "/api/rest")
PERFORM, OFFSET = key("upload.perform"), key("upload.getoffset")
WARNING = b"<br />\n<b>Warning</b>:  something is deprecated in <b>/var/www/core/Model.php</b> on line <b>7</b><br />\n"


class Midas:
    """One server over one store."""

    serialised = False

    def __init__(self, store: Store) -> None:
        self.store = store
        self.switches = Switches()
        self.db = store.open("midas", SCHEMA)
        self.sessions: dict[str, Session] = {}
        self.on_switch: Callable[[Switches], None] = lambda switches: None
        self._lock = trio.Lock()
        self._faces = {"rpc": self._rpc, "rest": self._rest, "download": self._download, "page": self._page}

    # What the front asks

    def kind(self, method: str, path: str) -> str:
        """rpc, rest, download, page or other."""
        if path.rstrip("/") in RPC:
            return "rpc"
        if path in pages.PAGES:
            return "page"
        first = path.strip("/").partition("/")[0]
        return first if first in ("rest", "download") else "other"

    def calls(self, kind: str, body: bytes, query: bytes) -> list[str] | None:
        """The RPC method of a request, without the prefix."""
        if kind != "rpc":
            return None
        found: Params = {}
        with suppress(Fatal):
            found = parse_pairs(query)
            if body.startswith(b"method=") or b"&method=" in body[:4096]:
                found |= parse_pairs(body)
        return [found["method"].removeprefix("midas.")] if "method" in found else []

    def apply_switches(self, values: dict[str, Any]) -> None:
        """Change lasting behaviour."""
        self.switches.change(values)
        self.on_switch(self.switches)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        face = self._faces.get(self.kind(scope["method"], scope["path"]))
        if face is None:
            await answer(send, 404, b"<html><body>Not found</body></html>", PHP_HTML)
            return
        session, cookies = self._session(scope)
        headers = [*cookies, *NO_CACHE]
        try:
            await face(scope, receive, send, session, headers)
        except Fatal:
            await answer(send, 500, FATAL_PAGE, PHP_HTML, headers)
        except (ArithmeticError, LookupError, TypeError, ValueError, sqlite3.Error):
            traceback.print_exc(limit=-3, file=sys.stderr)
            await answer(send, 500, FATAL_PAGE, PHP_HTML, headers)

    def _session(self, scope: Scope) -> tuple[Session, list[tuple[str, str]]]:
        """The session of the request's cookie, or a new one and the header that tells of it."""
        for part in (header(scope, "cookie") or "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == "PHPSESSID":
                return self.sessions.setdefault(value, Session()), []
        number = f"{random.getrandbits(128):032x}"
        session = self.sessions[number] = Session()
        return session, [("set-cookie", f"PHPSESSID={number}; path=/; HttpOnly")]

    def _call(self, scope: Scope, params: Params, session: Session) -> Call:
        host = header(scope, "host") or "localhost"
        base = f"http://{host}"
        return Call(self.db, self.switches, params, scope["method"], session, base, blobs=self.store.blobs)

    async def _change(self, work: Callable[[], T]) -> T:
        """Run work in a thread, alone and in a transaction."""

        def transaction() -> T:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                result = work()
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")
            return result

        async with self._lock:
            return await trio.to_thread.run_sync(transaction)

    async def _form(self, scope: Scope, receive: Receive) -> tuple[Params, dict[str, tuple[str, bytes]], bytes]:
        """Parameters from query and body, files of the body, and the body."""
        body = await read_body(receive)
        fields, files = parse_body(body, header(scope, "content-type") or "")
        return parse_pairs(scope["query_string"]) | fields, files, body

    # RPC

    async def _rpc(self, scope: Scope, receive: Receive, send: Send, session: Session, headers: Any) -> None:
        params = parse_pairs(scope["query_string"])
        streamed = not (header(scope, "content-type") or "").startswith(("multipart/", "application/x-www-form"))
        files: dict[str, tuple[str, bytes]] = {}
        if not (streamed and key(params.get("method", "")) == PERFORM):
            params, files, _ = await self._form(scope, receive)
        if "method" not in params:
            await answer(send, 200, b"Inconsistent request: please set a method parameter", PHP_HTML, headers)
            return
        call = self._call(scope, params, session)
        try:
            if key(params["method"]) == PERFORM:
                result = await self._perform(call, receive, files)
            else:
                result = await self._change(partial(self._run, call, params["method"]))
            body = reply(result)
        except Refused as refusal:
            body = reply("", refusal.code, refusal.message, "fail")
        except bitstreams.Redirect as redirect:
            if "\n" in redirect.location or "\r" in redirect.location:
                raise Fatal("a header of two lines") from redirect
            location = ("location", redirect.location.encode().decode("latin-1"))
            await answer(send, 302, b"", PHP_HTML, [location, *headers])
            return
        await answer(send, 200, (WARNING if self.switches.warnings else b"") + body, PHP_HTML, headers)

    def _run(self, call: Call, name: str) -> Any:
        if key(name) == OFFSET:
            return uploads.offset(call, self.store.blobs.scratch)
        function = METHODS.get(key(name)) if name.startswith("midas.") else None
        if function is None or not system.is_there(call, key(name)):
            raise Refused(TOKEN, f"Server error. Requested method {name} does not exist.")
        return function(call)

    async def _perform(self, call: Call, receive: Receive, files: dict[str, tuple[str, bytes]]) -> Any:
        """Take bytes for an upload token; a body that breaks off leaves what has arrived."""
        arrival = await self._change(lambda: uploads.expected(call))
        if call.params.get("mode") == "multipart":
            call.need("file")  # the text field of that name: the file alone does not do
        path = uploads.file_of(self.store.blobs.scratch, arrival.token)
        if call.params.get("mode") == "multipart" and "file" in files:
            name, part = files["file"]
            arrival = uploads.Arrival(arrival.token, name, arrival.length, arrival.item_id, arrival.user_id)
            await trio.to_thread.run_sync(path.write_bytes, part)
            have = len(part)
        else:
            before = path.stat().st_size if path.exists() else 0
            await save_body(receive, path, append=True)
            have = await trio.to_thread.run_sync(uploads.received, path, before, self.switches.zero_text)
        if have < arrival.length:
            raise uploads.missing(arrival, have)

        def complete() -> tuple[uploads.Content, str]:
            with path.open("rb+") as file:
                file.truncate(arrival.length)
            return uploads.keep(self.store.blobs, path)

        content, digest = await trio.to_thread.run_sync(complete)
        return await self._change(lambda: uploads.finish(call, self.store.blobs, arrival, content, digest))

    # REST and pages

    async def _rest(self, scope: Scope, receive: Receive, send: Send, session: Session, headers: Any) -> None:
        if scope["method"] == "OPTIONS":
            await answer(send, 200, b"", PHP_HTML, [("allow", rest.ALLOW), *headers])
            return
        accept = header(scope, "accept") or "*/*"
        if "*/*" not in accept and "application/json" not in accept:
            raise Fatal("no such format")
        params, _, body = await self._form(scope, receive)
        call = self._call(scope, params, session)
        if body and (header(scope, "content-type") or "").startswith(JSON):
            call.lists = dict(json.loads(body))
            params |= {name: str(value) for name, value in call.lists.items() if isinstance(value, str | int)}
        path = scope["path"].removeprefix("/rest/")
        status, content = await self._change(lambda: rest.handle(call, path))
        both = [("content-type", JSON), *headers]
        await answer(send, status, rest_reply(content), PHP_HTML, both)

    async def _page(self, scope: Scope, receive: Receive, send: Send, session: Session, headers: Any) -> None:
        params, _, _ = await self._form(scope, receive)
        call = self._call(scope, params, session)
        if not system.is_there(call, scope["path"].strip("/")):
            await answer(send, 404, b"<html><body>Not found</body></html>", PHP_HTML, headers)
            return
        try:
            page = await self._change(lambda: pages.PAGES[scope["path"]](call))
        except Refused as refusal:
            raise Fatal(refusal.message) from refusal
        if page.blob is not None:
            name = [("content-disposition", 'inline; filename="thumbnail.jpeg"'), *headers]
            await answer(send, 200, self.store.blobs.path(page.blob).read_bytes(), "image/jpeg", name)
            return
        location = [("location", page.location)] if page.location else []
        await answer(send, page.status, page.body, PHP_HTML, [*location, *headers])

    # Downloads

    async def _download(self, scope: Scope, receive: Receive, send: Send, session: Session, headers: Any) -> None:
        params, _, _ = await self._form(scope, receive)
        parts = scope["path"].strip("/").split("/")
        if len(parts) > 2:
            params[{"item": "items", "folder": "folders"}.get(parts[1], parts[1])] = parts[2]
        call = self._call(scope, params, session)

        def resolve() -> downloads.File | downloads.Archive:
            user = call.session_user() or call.by_token(params.get("authToken", ""))
            return downloads.Resolver(call, self.store.blobs, user).wanted()

        cookies = [pair for pair in headers if pair[0] == "set-cookie"]
        try:
            found = await self._change(resolve)
        except downloads.Absent:
            await answer(send, 404, b"<html><body>Not found</body></html>", PHP_HTML, headers)
        except downloads.Elsewhere as link:
            await answer(send, 302, b"", PHP_HTML, [("location", link.url), *headers])
        else:
            if isinstance(found, downloads.File):
                await self._send(scope, receive, send, found, params, cookies)
            else:
                await self._send_zip(receive, send, found, cookies)

    async def _send(
        self, scope: Scope, receive: Receive, send: Send, file: downloads.File, params: Params, cookies: Any
    ) -> None:
        offset = params.get("offset", "0")
        agent, wanted = header(scope, "user-agent") or "", header(scope, "range")
        for_all = self.switches.ranges_for_all
        span = downloads.span(file.size, wanted, int(offset) if offset.isdigit() else 0, agent, for_all=for_all)
        if span.length < 0:
            break_off(scope["client"])
            return
        mime = f"{file.mime};charset=UTF-8" if file.mime.startswith("text/") else file.mime
        old = bool(downloads.OLD_AGENT.search(agent)) and "MSIE" in agent
        headers = [
            *(("content-type", mime), ("content-length", str(span.length)), ("accept-ranges", "bytes")),
            *disposition(params.get("name", file.name)),
            *(("last-modified", formatdate(usegmt=True)), ("expires", "0")),
            ("cache-control", "must-revalidate, post-check=0, pre-check=0" + (", private" if old else "")),
            *([("pragma", "private")] if old else []),
            *([("content-range", span.content_range)] if span.content_range else []),
            *cookies,
        ]
        await start(send, span.status, headers)
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            await self._count([file.item_id])
            return
        sending = file.size - span.start
        lie = sending < span.length
        counted, watched = _counted(send, more=lie)
        await send_file(receive, watched, file.path, span.start, sending)
        if counted() == sending:
            await self._count([file.item_id])
        if lie:
            break_off(scope["client"])

    async def _send_zip(self, receive: Receive, send: Send, archive: downloads.Archive, cookies: Any) -> None:
        path = self.store.blobs.scratch / f"{random.getrandbits(64):016x}.zip"
        try:
            size = await trio.to_thread.run_sync(downloads.pack, archive, path)
            headers = [("content-type", "application/x-zip"), *disposition(archive.name)]
            await start(send, 200, [*headers, ("content-transfer-encoding", "binary"), *cookies])
            counted, watched = _counted(send)
            await send_file(receive, watched, path, 0, size)
            if counted() == size:
                await self._count(archive.item_ids)
        finally:
            path.unlink(missing_ok=True)

    async def _count(self, item_ids: list[int]) -> None:
        """A read to the end is a download."""
        query = "UPDATE item SET download = download + 1 WHERE item_id = ?"
        await self._change(lambda: self.db.executemany(query, [(item_id,) for item_id in item_ids]))


def disposition(name: str) -> list[tuple[str, str]]:
    """The header that names a file, with the name's raw bytes; none for a name of two lines."""
    if "\n" in name or "\r" in name:
        return []
    return [("content-disposition", f'attachment; filename="{name.encode().decode("latin-1")}"')]


def _counted(send: Send, *, more: bool = False) -> tuple[Callable[[], int], Send]:
    """A `send` that counts body bytes; with `more` it never says that the body has ended."""
    total = 0

    async def counting(message: Message) -> None:
        nonlocal total
        await send({**message, "more_body": True} if more else message)
        total += len(message.get("body", b""))

    return lambda: total, counting
