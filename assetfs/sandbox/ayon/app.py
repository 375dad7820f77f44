"""The AYON server as an ASGI application.

A request is read whole (uploads go to disk), then its handler runs in a thread, one request at a time, inside one
transaction over the databases that it touches; then the answer goes out, beside others, and after it the events.
"""

from __future__ import annotations

import tempfile
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import trio

from assetfs.sandbox.ayon import events, users
from assetfs.sandbox.ayon.context import Call, Reply
from assetfs.sandbox.ayon.errors import Refused, crashed, no_route, refused
from assetfs.sandbox.ayon.naming import named
from assetfs.sandbox.ayon.records import Project
from assetfs.sandbox.ayon.routes import Route, find, kind_of
from assetfs.sandbox.ayon.server import Server
from assetfs.sandbox.ayon.sockets import Hub
from assetfs.sandbox.connections import break_off
from assetfs.sandbox.http import Receive, Scope, Send, header, read_body, save_body, send_file, start
from assetfs.sandbox.store import Store

LARGEST_JSON = 256 << 20
TOGETHER = {"graphql": 10, "operations": 2}  # requests of one credential at a time, with the switch `throttle`


class Ayon:
    """One server, as the HTTP server sees it."""

    serialised = False

    def __init__(self, store: Store) -> None:
        self.server = Server(store)
        self.hub = Hub(self.server)
        self._turn = trio.Lock()
        self._together: Counter[tuple[str, str]] = Counter()

    @property
    def switches(self) -> Any:
        """Lasting behaviour."""
        return self.server.switches

    @property
    def on_switch(self) -> Callable[[Any], None]:
        """Who is told of changed switches."""
        return self.server.on_switch

    @on_switch.setter
    def on_switch(self, told: Callable[[Any], None]) -> None:
        self.server.on_switch = told

    def kind(self, method: str, path: str) -> str:
        """This protocol's word for a path: graphql, operations, entity, file, payload, thumbnail, socket, …"""
        return kind_of(method, path)

    def calls(self, kind: str, body: bytes, query: bytes = b"") -> list[str] | None:
        """The names of the GraphQL operations in a body, or what a batch does: `Dir`, `create version`."""
        return named(kind, body)

    def apply_switches(self, values: dict[str, Any]) -> None:
        """Change lasting behaviour."""
        self.server.switches.change(values)
        self.server.on_switch(self.server.switches)
        self.hub.look()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or talk over one WebSocket."""
        if scope["type"] == "websocket":
            await self.hub.talk(scope, receive, send)
            return
        with tempfile.TemporaryDirectory(dir=self.server.store.blobs.scratch) as folder:
            call = _call(self.server, scope)
            try:
                reply = await self._reply(call, scope, receive, Path(folder) / "body")
            except Refused as refusal:
                reply = Reply(refusal.status, refusal.body, refusal.content_type, list(refusal.headers))
                await self._send(reply, scope, receive, send)
                if refusal.hang_up:
                    break_off(scope["client"])
                return
            await self._send(reply, scope, receive, send)
            await self._after(call, reply)

    async def _reply(self, call: Call, scope: Scope, receive: Receive, spool: Path) -> Reply:
        found = find(scope["method"], scope["path"])
        if found is None:
            raise no_route(scope["path"])
        route, call.params = found
        if route.upload:
            call.spool = spool
            call.spooled = await save_body(receive, spool)
        else:
            call.body = await read_body(receive, LARGEST_JSON)
        credential = header(scope, "x-api-key") or header(scope, "authorization") or ""
        place = (route.kind, credential)
        self._together[place] += 1
        try:
            limit = TOGETHER.get(route.kind)
            if self.server.switches.throttle and limit is not None and self._together[place] > limit:
                raise refused(429, "Too many concurrent requests")
            async with self._turn:
                reply: Reply = await trio.to_thread.run_sync(self._transaction, call, lambda: _handled(call, route))
        finally:
            self._together[place] -= 1
        if call.memo.get("wait_for_events"):
            self._dispatch(call)
        return reply

    async def _after(self, call: Call, reply: Reply) -> None:
        """What the server does when the answer is out: events, and work in the background."""
        self._dispatch(call)
        if reply.later is not None:
            later = Call(self.server, call.method, call.path, call.params, headers=call.headers, user_=call.user_)
            work = reply.later
            async with self._turn:
                await trio.to_thread.run_sync(self._transaction, later, lambda: work(later))
            self._dispatch(later)

    def _dispatch(self, call: Call) -> None:
        self.hub.publish(call.events)
        call.events = []

    def _transaction(self, call: Call, work: Callable[[], Any]) -> Any:
        """Run a handler; its events are kept with what it changed, and go with it when it fails."""
        self.server.db.execute("BEGIN IMMEDIATE")
        try:
            result = work()
            events.keep(self.server.db, call.events)
        except Refused:
            self._roll_back(call.projects)
            raise
        except Exception as error:  # the server makes an answer of whatever its code raises
            self._roll_back(call.projects)
            raise crashed(f"{type(error).__name__}: {error}") from error
        for project in call.projects.values():
            project.db.execute("COMMIT")
        self.server.db.execute("COMMIT")
        return result

    def _roll_back(self, projects: dict[str, Project]) -> None:
        for project in projects.values():
            project.db.execute("ROLLBACK")
        self.server.db.execute("ROLLBACK")
        self.server.undo(projects)

    async def _send(self, reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
        content = reply.content
        headers = [("x-request-id", uuid.uuid4().hex), *reply.headers]
        if reply.content_type is not None:
            headers.insert(0, ("content-type", reply.content_type))
        declared = dict(headers).get("content-length")
        if declared is None and reply.status not in (204, 304):
            declared = str(len(reply.body) if content is None else content.announced)
            headers.append(("content-length", declared))
        await start(send, reply.status, headers)
        if scope["method"] == "HEAD" or declared is None:
            await send({"type": "http.response.body", "body": b""})
        elif content is not None and content.announced == content.size:
            await send_file(receive, send, content.path, content.start, content.size)
        elif content is None and len(reply.body) == int(declared):
            await send({"type": "http.response.body", "body": reply.body})
        else:  # what was announced is not what there is: the connection breaks
            body = reply.body if content is None else await trio.Path(content.path).read_bytes()
            if len(body) < int(declared):
                await send({"type": "http.response.body", "body": body, "more_body": True})
            break_off(scope["client"])


def _handled(call: Call, route: Route) -> Reply:
    if not route.open or any(name in call.headers for name in ("x-api-key", "authorization", "cookie")):
        try:
            call.user_ = users.authenticate(call.server, call.headers, call.query, call.client)
        except Refused:
            if not route.open:
                raise
    if not route.open and call.user_ is None:
        raise refused(401, "Access token is missing")
    if call.method != "GET":
        call.check_sender()
    return route.handler(call)


def _call(server: Server, scope: Scope) -> Call:
    query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
    headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
    client = scope["client"][0] if scope.get("client") else ""
    return Call(server, scope["method"], unquote(scope["path"]), query=query, headers=headers, client=client)
