"""The Jama server as an ASGI application: who asks, for what, and in which words it is answered.

RPC calls run in a thread, one after the other, on one SQLite connection (the server's own default database serialises
them as well). Downloads read their row through a second connection and never wait for a call.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import trio
from starlette.routing import Match, Route

from assetfs.sandbox.faults import HELD
from assetfs.sandbox.http import (
    JSON,
    Receive,
    Scope,
    Send,
    answer,
    content_length,
    header,
    read_body,
    save_body,
)
from assetfs.sandbox.http import send_file as send_bytes
from assetfs.sandbox.http import start as start_answer
from assetfs.sandbox.jama import downloads, rpc, uploads
from assetfs.sandbox.jama.context import Call, Switches, User, as_id
from assetfs.sandbox.jama.dress import dressed
from assetfs.sandbox.jama.errors import Refused
from assetfs.sandbox.jama.methods import methods_of
from assetfs.sandbox.jama.parts import PartFolder, Parts
from assetfs.sandbox.jama.profiles import Profile
from assetfs.sandbox.jama.projects import LIMITS
from assetfs.sandbox.jama.schema import SCHEMA
from assetfs.sandbox.store import Store

LOCK_WAIT = 5  # seconds a serialised call waits before it is an HTTP 500
LARGE = 16384  # bytes of an answer from which packing it is worth a thread


class Jama:
    """One server over one store."""

    def __init__(self, store: Store, profile: Profile, accel_prefix: str | None = None) -> None:
        self.store = store
        self.profile = profile
        self.accel_prefix = accel_prefix
        self.switches = Switches()
        self.parts = Parts(store.folder / "parts")
        self.db = store.open("jama", SCHEMA)
        self.reader = store.open("jama", SCHEMA, reader=True)
        self.methods = methods_of(profile)
        self.on_switch: Callable[[Switches], None] = lambda switches: None
        self._lock = trio.Lock()
        handlers: dict[str, tuple[str, Any]] = {
            "/rpc/": ("rpc", self._rpc),
            "/rpc/upload/partial/": ("upload", self._upload),
            "/rpc/upload/": ("upload", self._upload),
            "/rpc/download/{id:int}": ("download", self._download),
            "/rpc/download_public/{digest}": ("public", self._public),
            "/rpc/serve/{digest}": ("public", self._public),
            "/rpc": ("other", self._redirect),
            "/rpc/upload": ("other", self._redirect),
            "/rpc/upload/partial": ("other", self._redirect),
            "/status": ("status", self._status),
            "/resources/{rest:path}": ("other", self._login),
            "/iiif/{rest:path}": ("other", self._forbidden),
            "/hls/{rest:path}": ("other", self._forbidden),
        }
        self._routes = [(Route(path, _unused), kind, serve) for path, (kind, serve) in handlers.items()]

    @property
    def serialised(self) -> bool:
        """Whether calls wait for each other, delays included."""
        return self.switches.serialised

    def kind(self, method: str, path: str) -> str:
        """rpc, upload, download, public, status or other."""
        return self._route(path)[0]

    def calls(self, kind: str, body: bytes, query: bytes) -> list[str] | None:
        """The RPC methods in a body."""
        return rpc.call_names(body) if kind == "rpc" else None

    def apply_switches(self, values: dict[str, Any]) -> None:
        """Change lasting behaviour."""
        self.switches.change(values)
        self.on_switch(self.switches)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "OPTIONS" and header(scope, "access-control-request-method") is not None:
            await answer(send, 200, headers=[("vary", "origin")])
            return
        _, serve, params = self._route(scope["path"])
        scope["path_params"] = params
        await serve(scope, receive, dressed(send))

    def _route(self, path: str) -> tuple[str, Any, dict[str, Any]]:
        for route, kind, serve in self._routes:
            match, child = route.matches({"type": "http", "path": path, "method": "GET", "root_path": ""})
            if match is not Match.NONE:
                return kind, serve, child["path_params"]
        return "other", self._nowhere, {}

    # Who asks

    def _user(self, scope: Scope, db: sqlite3.Connection) -> User | None:
        """The first credential that is present decides: a wrong key is not rescued by a right password."""
        key, basic = header(scope, "x-api-key"), header(scope, "authorization")
        if key is not None:
            query = "SELECT u.* FROM api_key k JOIN user u ON u.id = k.user_id WHERE k.key = ? AND k.active"
            row = db.execute(query, (key,)).fetchone()
        elif basic is not None and basic.lower().startswith("basic "):
            try:
                name, _, password = base64.b64decode(basic[6:]).decode().partition(":")
            except ValueError:
                return None
            secret = hashlib.sha256(password.encode()).hexdigest()
            row = db.execute("SELECT * FROM user WHERE username = ? AND password = ?", (name, secret)).fetchone()
        else:
            return None
        if row is None or not row["is_active"]:
            return None
        return User(**{item.name: row[item.name] for item in fields(User)})

    def _call(self, user: User, db: sqlite3.Connection) -> Call:
        return Call(db, user, self.profile, self.switches, self.parts)

    # RPC

    async def _rpc(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await answer(send, 405, b"Method Not Allowed")
            return
        if (content_length(scope) or 0) > rpc.MAX_BODY:
            await answer(send, *rpc.TOO_LARGE, headers=[("connection", "close")])
            return
        body = await read_body(receive, rpc.MAX_BODY)
        user = self._user(scope, self.reader)
        if user is None:
            await answer(send, 403, b"Forbidden")
            return
        status, content = await self._in_turn(
            lambda: rpc.handle(lambda: self._call(user, self.db), self.methods, self.profile, body),
            scope.get(HELD, 0),
        )
        if status != 200:
            closing = [("connection", "close")] if status == 413 else []
            await answer(send, status, content, headers=closing)
            return
        headers: list[tuple[str, str]] = []
        if len(content) > rpc.GZIP_FROM:
            headers.append(("vary", "Accept-Encoding"))
            if "gzip" in (header(scope, "accept-encoding") or ""):
                packed = await _packed(content)
                if packed is not None:
                    content = packed
                    headers.append(("content-encoding", "gzip"))
        await answer(send, 200, content, JSON, headers)

    async def _in_turn(self, work: Callable[[], rpc.Reply], held: float) -> rpc.Reply:
        """Run database work in a thread, one at a time, after `held` seconds for which the turn is kept."""
        with trio.move_on_after(LOCK_WAIT if self.serialised else float("inf")) as waiting:
            await self._lock.acquire()
        if waiting.cancelled_caught:
            return rpc.SERVER_ERROR
        try:
            await trio.sleep(held)
            return await trio.to_thread.run_sync(work)
        finally:
            self._lock.release()

    # Uploads

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await answer(send, 405, headers=[("allow", "POST")])
            return
        status, body = await self._take_chunk(scope, receive)
        await answer(send, status, body.encode())

    async def _take_chunk(self, scope: Scope, receive: Receive) -> tuple[int, str]:
        user = self._user(scope, self.reader)
        if user is None:
            return 403, "Forbidden"
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        try:
            project_id = self._project_id(headers.get("x-project"))
        except ValueError:
            return 500, rpc.SERVER_ERROR[1].decode()
        if project_id is None:
            return 400, "Bad Request"
        if not self._call(user, self.reader).access(project_id).allows("create", "resource"):
            return 403, "Forbidden"
        try:
            chunk = uploads.parse(headers, self.profile)
        except uploads.TooMany:
            return 413, "Payload Too Large"
        except uploads.UnknownType as error:
            return 400, str(error)
        except (KeyError, ValueError):
            return 400, ""
        found = await self._change(user, lambda call: uploads.known(call, chunk, project_id))
        if isinstance(found, tuple):
            return found
        if found is not None:
            return 200, str(found)
        parts = self.parts.of(user.id, project_id, chunk.digest)
        if self.switches.stale_lock:
            parts.lock()
        if parts.locked():
            return 202, ""
        refusal = await self._store_chunk(scope, receive, parts, chunk)
        if refusal is not None:
            return refusal
        if not parts.complete(chunk.total) or not parts.lock():
            return 202, ""
        return await self._complete(user, parts, chunk, project_id)

    def _project_id(self, text: str | None) -> int | None:
        query = "SELECT id FROM project WHERE id = ?" if self.profile.projects else "SELECT min(id) FROM project"
        values = [as_id(int("-1" if text is None else text))] if self.profile.projects else []
        row = self.reader.execute(query, values).fetchone()
        return row[0] if row else None

    async def _store_chunk(
        self, scope: Scope, receive: Receive, parts: PartFolder, chunk: uploads.Chunk
    ) -> tuple[int, str] | None:
        length = content_length(scope)
        if length is None:
            return 411, "Length Required"
        if length > LIMITS["JAMA_UPLOAD_MAX_CHUNK_SIZE"]:
            return 413, "Payload Too Large"
        arriving, finished = parts.reserve(chunk.number, chunk.total)
        try:
            if await save_body(receive, arriving) != length:
                return 400, "Content-Length does not match body size"
            arriving.replace(finished)
        except FileNotFoundError:  # another request completed this upload meanwhile and swept the folder
            return 429, "Too Many Requests"
        finally:
            arriving.unlink(missing_ok=True)
        return None

    async def _complete(self, user: User, parts: PartFolder, chunk: uploads.Chunk, project_id: int) -> tuple[int, str]:
        joined = self.store.blobs.scratch / f"{chunk.digest}.{user.id}.{project_id}"
        digest, size = await trio.to_thread.run_sync(parts.join, chunk.total, joined)
        try:
            mime = uploads.file_type(chunk.name).mime
            self.store.blobs.adopt(joined, digest)
            content = self.store.blobs.path(digest)
            result = await self._change(
                user, lambda call: uploads.create(call, chunk, project_id, content, mime, digest, size)
            )
        except uploads.UnknownType as error:
            joined.unlink()
            return 400, str(error)
        finally:
            await trio.to_thread.run_sync(parts.discard)
        if isinstance(result, tuple):
            return result
        return (200 if digest == chunk.digest else 210), str(result)

    async def _change(self, user: User, work: Callable[[Call], int | None]) -> int | tuple[int, str] | None:
        """Run a change in a transaction; a refusal is 403 and leaves nothing behind."""

        def transaction() -> int | tuple[int, str] | None:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._call(user, self.db))
                self.db.execute("COMMIT")
            except (Refused, LookupError):
                self.db.execute("ROLLBACK")
                return 403, "Forbidden"
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            return result

        async with self._lock:
            return await trio.to_thread.run_sync(transaction)

    # Downloads

    async def _download(self, scope: Scope, receive: Receive, send: Send) -> None:
        if await self._tokenless(scope, receive, send):
            return
        if scope["method"] != "GET":
            await answer(send, 405, headers=[("allow", "GET")])
            return
        row = self.reader.execute(
            "SELECT * FROM resource WHERE id = ?", (as_id(scope["path_params"]["id"]),)
        ).fetchone()
        if row is None:
            await answer(send, 200, b"Not Found", "404")
            return
        user = self._user(scope, self.reader)
        if user is None or not self._call(user, self.reader).access(row["project_id"]).allows(
            "read", "resource", row["id"]
        ):
            await answer(send, 403, b"Forbidden")
            return
        await self._send_content(scope, receive, send, row)

    async def _public(self, scope: Scope, receive: Receive, send: Send) -> None:
        if await self._tokenless(scope, receive, send):
            return
        if scope["path"].startswith("/rpc/serve/") and scope["method"] not in ("GET", "HEAD"):
            await answer(send, 405, headers=[("allow", "GET, HEAD")])
            return
        digest = scope["path_params"]["digest"]
        row = self.reader.execute("SELECT * FROM resource WHERE hash = ?", (digest,)).fetchone()
        if row is None or not (self.switches.public_urls or not self.profile.measured_downloads):
            await answer(send, 404, b"Not Found")
            return
        inline = scope["path"].startswith("/rpc/serve/")
        await self._send_content(scope, receive, send, row, row["mime"] if inline else None)

    async def _send_content(
        self, scope: Scope, receive: Receive, send: Send, row: sqlite3.Row, mime: str | None = None
    ) -> None:
        path = self.store.blobs.path(row["hash"])
        if not path.is_file():
            await answer(send, *rpc.SERVER_ERROR)
            return
        name = downloads.file_name(row["title"], row["original_name"])
        disposition = f'inline; filename="{name}"' if mime else f"attachment;filename={name}"
        headers = [("content-type", mime or "text/html; charset=utf-8"), ("content-disposition", disposition)]
        if self.accel_prefix is not None:
            target = self.accel_prefix.rstrip("/") + "/" + self.store.blobs.relative(row["hash"])
            await start_answer(send, 200, [*headers, ("x-accel-redirect", target)])
            await send({"type": "http.response.body", "body": b""})
            return
        size = row["size"]
        span = downloads.span(header(scope, "range"), size)
        measured = self.profile.measured_downloads and not self.switches.body_416
        start, stop = span.start, span.stop
        if span.status == downloads.NOT_SATISFIABLE and not measured:
            start, stop = 0, size
        elif span.status != downloads.WHOLE or measured:
            headers += [("accept-ranges", "bytes"), ("content-length", str(stop - start))]
        if span.status == downloads.PART:
            headers.append(("content-range", f"bytes {start}-{stop - 1}/{size}"))
        elif span.status == downloads.NOT_SATISFIABLE and measured:
            headers.append(("content-range", f"bytes */{size}"))
        await start_answer(send, span.status, headers)
        await send_bytes(receive, send, path, start, stop - start)

    # The rest

    async def _redirect(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 301, headers=[("location", f"{scope['path']}/")])

    async def _status(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not await self._tokenless(scope, receive, send):
            await answer(send, 200, b"ok")

    async def _tokenless(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Refuse what comes as from a form, and has neither a key nor the form's token."""
        refused = scope["method"] not in ("GET", "HEAD", "OPTIONS") and self._user(scope, self.reader) is None
        if refused:
            await self._forbidden(scope, receive, send)
        return refused

    async def _login(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path_params"]["rest"]:
            await self._nowhere(scope, receive, send)
            return
        if await self._tokenless(scope, receive, send):
            return
        await answer(send, 302, headers=[("location", f"/accounts/login/?next={scope['path']}")])

    async def _forbidden(self, scope: Scope, receive: Receive, send: Send) -> None:
        title = b"403 Forbidden"
        head, body = b"<head>\n  <title>%b</title>\n</head>" % title, b"<body>\n  <h1>%b</h1><p></p>\n</body>" % title
        await answer(send, 403, b'\n<!doctype html>\n<html lang="en">\n%b\n%b\n</html>\n' % (head, body))

    async def _nowhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 404)


async def _packed(content: bytes) -> bytes | None:
    if len(content) < LARGE:
        return rpc.compressed(content)
    return await trio.to_thread.run_sync(rpc.compressed, content)


def _unused(request: Any) -> None:
    """Routes are matched here and served by Jama itself."""
