"""What others change, from the server's event stream (section 4.13).

Where there is none to be had, projects are looked through now and then (`polling.py`), until there is.

The stream has no acknowledgement and no history: the first message of any kind says that we were let in, and from then
on what is remembered can be believed. Frames are taken for invalidations only; the values in them are those of whatever
was written last. WebSocket frames are taken apart by wsproto, on a stream of our own: nothing runs beside whoever
iterates, so that he may stop at any point.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from assetfs.backends.ayon.client import Client
from assetfs.backends.ayon.ids import ENTITIES, ROOT, Ref, is_id, place
from assetfs.backends.ayon.polling import EVERY, Poller
from assetfs.backends.ayon.studio import Studio
from assetfs.backends.ayon.wire import Me
from assetfs.repository import Change, NodeId, NotAuthenticated, Offline, Unavailable
from assetfs.transport.origin import origin_of, refuse_plaintext
from assetfs.transport.proxy import proxy_for, tunnel
from assetfs.transport.tls import tls_context
from assetfs.transport.wire import Cut, Wire, open_wire

TOPICS = ("entity.", "link.", "links.", "thumbnail.updated", "reviewable.", "activity.", "entity_list.")
PATIENCE = 15.0
"""Seconds of silence until the server is pinged: it sends a heartbeat every five to seven."""
PONG = 10.0
LET_IN = 20.0
"""Seconds until the first message: refused clients are shut out after three to eight."""
SOON = 0.2
"""Seconds until it is looked again whether a publish is over."""
LONGEST = 4 << 20
"""Bytes of one message."""
ATTRIBUTES = frozenset(
    {"status", "tags", "attrib", "data", "label", "type", "assignees", "author", "thumbnail", "product_type", "task"}
)
"""What changes in an entity without changing what its folder lists."""
SHALLOW = frozenset({"created", "files"})
"""Changes that concern nothing below the entity."""
UNFORESEEN = frozenset({"product", "version", "representation"})
"""What publishing makes: the mount learns of it in no other way, so that our own echoes are passed on."""


class NoStream(Unavailable):
    """Whoever answers does not know of WebSockets: a proxy, perhaps. A server that restarts answers otherwise."""


class Frame(msgspec.Struct, frozen=True):
    """One event."""

    topic: str = ""
    project: str | None = None
    sender: str | None = None
    summary: dict[str, Any] = {}


async def follow(studio: Studio) -> AsyncGenerator[Change, None]:
    """Changes as they come. See `Repository.changes`."""
    client = studio.client
    poller: Poller | None = None
    while True:
        # A key is good for the stream only while the server remembers that it was used.
        await client.get("api/users/me", Me, "whoami")
        try:
            socket = await _Socket.open(client)
            break
        except NoStream:
            if poller is None:
                poller = Poller(studio)
                yield Change()
            for change in await poller.look():
                yield change
            await trio.sleep(EVERY)
    try:
        await socket.send({"topic": "auth", "token": client.token, "subscribe": list(TOPICS)})
        with trio.move_on_after(LET_IN) as scope:
            await socket.receive()
        if scope.cancelled_caught:
            raise Unavailable("AYON's event stream does not begin", timeout=True)
        studio.forget()
        studio.followed = True
        yield Change()
        held: list[Change] = []
        while True:
            # The mount must not be told of a folder while it is being changed there: whoever publishes waits in it.
            if held and not studio.publishing:
                told, held = held, []
                for change in told:
                    yield change
            frame = await socket.receive(SOON if held else None)
            for change in changes_of(studio, frame) if frame is not None else ():
                if studio.publishing and frame is not None and frame.sender == client.sender:
                    held.append(change)
                else:
                    yield change
    finally:
        studio.followed = False
        await socket.close()


def changes_of(studio: Studio, frame: Frame) -> Iterator[Change]:
    """What a frame invalidates: rows here, and nodes for the mount."""
    group, _, rest = frame.topic.partition(".")
    if group == "server" and rest == "started":
        studio.forget()
        yield Change()
    if frame.project is None:
        return
    ours = frame.sender == studio.client.sender
    if group in ("link", "links"):
        studio.links(frame.project).clear()
    match group:
        case "entity":
            what, _, verb = rest.partition(".")
            if what == "project":
                studio.projects.forget(frame.project)
                studio.descriptions(frame.project).clear()
                yield Change(folder=ROOT, node=f"project.{frame.project}", subtree=True)
            elif what in ENTITIES:
                found = list(_entity(studio, frame, what, verb))
                if not ours or what in UNFORESEEN:
                    yield from found
        case "link" if not ours:
            yield from _link(frame)
        case "links" if not ours:
            yield Change()
        case "thumbnail":
            kind, id_ = frame.summary.get("entityType"), frame.summary.get("entityId")
            if kind in ENTITIES and is_id(id_):
                _forget(studio, frame.project, str(kind), str(id_), None)
                for extension in ("png", "jpg"):
                    yield Change(node=Ref("thumbnail", frame.project, (str(kind), str(id_), extension)).node)
        case "reviewable":
            id_ = frame.summary.get("versionId") or frame.summary.get("entityId")
            if is_id(id_):
                yield Change(folder=Ref("review", frame.project, (str(id_),)).node)
        case "entity_list":
            yield Change(folder=Ref("lists", frame.project).node)
            if is_id(frame.summary.get("id")):
                yield Change(folder=Ref("list", frame.project, (str(frame.summary["id"]),)).node)


def _entity(studio: Studio, frame: Frame, what: str, verb: str) -> Iterator[Change]:
    project, id_ = frame.project or "", frame.summary.get("entityId")
    if not is_id(id_):
        return
    old = frame.summary.get("parentId")
    aspect, changed, _ = verb.partition("_changed")
    moved = bool(changed) and aspect in ("parent", "folder", "product", "version") and aspect != what
    parents = [old]
    if moved:
        parents.append(frame.summary.get("value"))
    node = Ref(what, project, (str(id_),)).node
    subtree = not (changed and aspect in ATTRIBUTES) and verb not in SHALLOW
    for parent in parents:
        if parent is not None and not is_id(parent):
            continue
        _forget(studio, project, what, str(id_), parent)
        if changed and aspect in ATTRIBUTES and what != "version":
            inherited = what == "folder" and aspect == "attrib"
            yield Change(node=node, kind="metadata", subtree=inherited)
            continue
        for folder in _folders(what, project, parent):
            yield Change(node=node, folder=folder, kind=verb, subtree=subtree)


def _folders(what: str, project: str, parent: str | None) -> list[NodeId]:
    """The folders whose listings an entity is in, or is the reason for."""
    if what == "folder":
        return [place(project, parent)]
    if parent is None:
        return []
    if what in ("task", "product"):
        return [Ref(f"{what}s", project, (parent,)).node, place(project, parent)]
    above = {"version": "product", "representation": "version", "workfile": "task"}[what]
    return [Ref(above, project, (parent,)).node]


def _forget(studio: Studio, project: str, what: str, id_: str, parent: str | None) -> None:
    studio.changed(what, project, id_, [parent])


def _link(frame: Frame) -> Iterator[Change]:
    told = frame.summary
    for end, direction in (("input", "out"), ("output", "in")):
        what, id_ = told.get(f"{end}Type"), told.get(f"{end}Id")
        if what in ENTITIES and is_id(id_):
            key = (str(what), str(id_), str(told.get("linkType")), direction)
            yield Change(folder=Ref("linkset", frame.project or "", key).node)


class _Socket:
    """A WebSocket connection."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._text = ""
        self._waiting: list[Event] = []

    @classmethod
    async def open(cls, client: Client) -> _Socket:
        """Connect, on the way and with the trust that every request has. Raises Offline, Unavailable."""
        origin, options = origin_of(client.base), client.options
        refuse_plaintext(origin, allowed=options.allow_plaintext)
        proxy = proxy_for(origin)
        host, port = (proxy.host, proxy.port) if proxy else (origin.host, origin.port)
        wire: Wire | None = None
        try:
            with trio.fail_after(options.connect_timeout + options.read_timeout):
                wire = await open_wire(host, port, origin, math.inf)
                if proxy:
                    await tunnel(wire, origin, proxy)  # also for plain http: nothing else lets a WebSocket through
                if origin.scheme == "https":
                    await wire.start_tls(tls_context(options.ca_file, options.client_cert))
                socket = cls(wire)
                path = client.base.split("/", 3)[3]
                await socket._out(Request(host=origin.authority, target=f"/{path}ws"))
                event = await socket._event()
                if not isinstance(event, AcceptConnection):
                    status = getattr(event, "status_code", 0)
                    said = f"AYON has no event stream here ({status or 'no answer'})"
                    raise NoStream(said) if 300 <= status < 500 else Unavailable(said)
                return socket
        except BaseException as error:
            if wire is not None:
                wire.close()
            match error:
                case trio.TooSlowError():
                    raise Unavailable("AYON's event stream does not answer", timeout=True) from None
                case OSError() | Cut():
                    said = getattr(error, "strerror", None) or "the connection broke"
                    raise Offline(f"AYON's event stream cannot be reached: {said}") from None
            raise

    async def send(self, message: object) -> None:
        """One JSON message."""
        await self._out(TextMessage(data=msgspec.json.encode(message).decode()))

    async def receive(self, limit: float | None = None) -> Frame | None:
        """The next event or heartbeat; None when there is none within `limit` seconds. Without one, silence is broken
        by a ping. Raises Unavailable, NotAuthenticated."""
        while True:
            try:
                event = await self._within(PATIENCE if limit is None else limit)
                if event is None and limit is not None:
                    return None
                if event is None:
                    await self._out(Ping())
                    event = await self._within(PONG)
                if event is None:
                    raise Unavailable("AYON's event stream is silent", timeout=True)
            except (Cut, ProtocolError) as error:
                raise Unavailable(f"AYON's event stream broke: {error or 'it was cut'}") from None
            match event:
                case TextMessage():
                    self._text += event.data
                    if len(self._text) > LONGEST:
                        raise Unavailable("AYON's event stream sends more than 4 MiB at once")
                    if event.message_finished:
                        text, self._text = self._text, ""
                        with suppress(msgspec.DecodeError):
                            return msgspec.json.decode(text, type=Frame)
                case CloseConnection():
                    raise Unavailable(f"AYON closed its event stream ({event.code})")
                case RejectConnection():
                    raise NotAuthenticated("AYON refuses its event stream")

    async def _within(self, seconds: float) -> Event | None:
        with trio.move_on_after(seconds):
            return await self._event()
        return None

    async def _event(self) -> Event:
        """The next thing that came; pings are answered by the way."""
        while not self._waiting:
            count = await self._wire.recv_into(self._wire.scratch)
            self._connection.receive_data(bytes(self._wire.scratch[:count]) or None)
            self._waiting = list(self._connection.events())
            for event in self._waiting:
                if isinstance(event, Ping):
                    await self._out(event.response())
        return self._waiting.pop(0)

    async def _out(self, event: Any) -> None:
        await self._wire.send(self._connection.send(event))

    async def close(self) -> None:
        """Say goodbye, if that is quick, and close."""
        with trio.move_on_after(1) as scope:
            scope.shield = True
            with suppress(Cut, ProtocolError):
                await self._out(CloseConnection(code=1000))
        self._wire.close()
