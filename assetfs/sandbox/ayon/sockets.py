"""The WebSocket that sends events: no acknowledgement, prefixes as subscriptions, heartbeats in silence.

Whoever does not say who they are in time, or with a credential that is no good, is hung up on after some seconds and
told nothing.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import trio

from assetfs.sandbox.ayon import users
from assetfs.sandbox.ayon.context import User
from assetfs.sandbox.ayon.server import Server
from assetfs.sandbox.http import Receive, Scope, Send

PATH = "/ws"
NORMAL = 1000
ALWAYS = ("heartbeat", "server.started", "server.restart_requested")
HEARTBEAT = {"topic": "heartbeat"}
BACKLOG = 100_000  # frames that wait for a client that does not read


@dataclass(eq=False)
class Listener:
    """One connection. `user` is None until it has said who it is."""

    outgoing: trio.MemorySendChannel[dict[str, Any]]
    scope: trio.CancelScope
    user: User | None = None
    prefixes: list[str] = field(default_factory=list)
    project: str | None = None

    def wants(self, event: dict[str, Any]) -> bool:
        """Whether a message is for this connection: a topic that starts as it asked, of a project that it may see."""
        if self.user is None:
            return False
        topic, project = event["topic"], event["project"]
        if topic in ALWAYS:
            return True
        if not any(prefix == "*" or topic.startswith(prefix) for prefix in self.prefixes):
            return False
        if project is None:
            return True
        if self.project is not None and project != self.project:
            return False
        return self.user.manager or bool((self.user.data.get("accessGroups") or {}).get(project))


class Hub:
    """All connections, and what goes out over them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.listeners: set[Listener] = set()

    def publish(self, events: list[dict[str, Any]]) -> None:
        """Send events to all who want them."""
        if not self.server.switches.events:
            return
        for event in events:
            frame = {key: value for key, value in event.items() if key not in ("payload", "hash")}
            for listener in self.listeners:
                if listener.wants(frame):
                    with suppress(trio.WouldBlock):
                        listener.outgoing.send_nowait(frame)

    def look(self) -> None:
        """Close all connections when the switch says so."""
        if not self.server.switches.sockets:
            for listener in self.listeners:
                listener.scope.cancel()

    async def talk(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until either side ends it."""
        await receive()
        if scope["path"] != PATH or not self.server.switches.sockets:
            await send({"type": "websocket.close", "code": NORMAL})
            return
        await send({"type": "websocket.accept"})
        outgoing, frames = trio.open_memory_channel[dict[str, Any]](BACKLOG)
        async with trio.open_nursery() as nursery:
            listener = Listener(outgoing, nursery.cancel_scope)
            self.listeners.add(listener)
            try:
                nursery.start_soon(self._send, listener, frames, send)
                await self._listen(listener, receive)
            finally:
                self.listeners.discard(listener)
                nursery.cancel_scope.cancel()
        with suppress(Exception):  # the other side may have gone already
            await send({"type": "websocket.close", "code": NORMAL})

    async def _listen(self, listener: Listener, receive: Receive) -> None:
        with trio.move_on_after(self.server.switches.auth_wait):
            while listener.user is None:
                if not await self._hear(listener, receive):
                    return
        if listener.user is None:
            return
        while await self._hear(listener, receive):
            pass

    async def _hear(self, listener: Listener, receive: Receive) -> bool:
        """Take one message. False when the client has gone."""
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return False
        try:
            frame = json.loads(message.get("text") or message.get("bytes") or b"")
        except ValueError:
            return True
        if isinstance(frame, dict) and frame.get("topic") == "auth":
            user = users.on_socket(self.server, str(frame.get("token") or ""))
            if user is not None:
                listener.user = user
                listener.prefixes = [str(prefix) for prefix in frame.get("subscribe") or []]
                listener.project = frame.get("project")
        return True

    async def _send(self, listener: Listener, frames: trio.MemoryReceiveChannel[dict[str, Any]], send: Send) -> None:
        while True:
            frame: dict[str, Any] | None = None
            with trio.move_on_after(self.server.switches.heartbeat if listener.user else 0.1) as silence:
                frame = await frames.receive()
            if silence.cancelled_caught:
                if listener.user is None or not self.server.switches.heartbeats:
                    continue
                frame = HEARTBEAT
            await send({"type": "websocket.send", "text": json.dumps(frame)})
