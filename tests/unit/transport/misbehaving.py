"""Servers that do to the byte what a test says, and a sink that remembers what landed."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio
import trio.testing
import trustme

from assetfs.transport import Transport

Clock = trio.testing.MockClock
Start = Callable[..., Awaitable["Server"]]
Open = Callable[..., Transport]


@dataclass
class Asked:
    """One request as it arrived. Header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def range(self) -> tuple[int, int] | None:
        """The asked range as [start, stop)."""
        value = self.headers.get("range")
        if value is None:
            return None
        first, last = value.removeprefix("bytes=").split("-")
        return int(first), int(last) + 1


class Peer:
    """One accepted connection."""

    def __init__(self, server: Server, stream: trio.SocketStream | trio.SSLStream) -> None:
        self.number = server.connections
        self.server = server
        self.stream = stream
        self._buffer = b""

    async def request(self, *, read_body: bool = True) -> Asked | None:
        """The next request; None when the client has closed."""
        while b"\r\n\r\n" not in self._buffer:
            if not await self._more():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        headers = {}
        for one in fields:
            name, _, value = one.partition(":")
            headers[name.lower()] = value.strip()
        asked = Asked(method, target, headers)
        self.server.requests.append(asked)
        if read_body:
            length = int(headers.get("content-length", "0"))
            while len(self._buffer) < length and await self._more():
                pass
            asked.body, self._buffer = self._buffer[:length], self._buffer[length:]
        return asked

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A well-formed answer; header names with `_` for `-`. `content_length` may lie."""
        headers.setdefault("content_length", str(len(body)))
        lines = [f"HTTP/1.1 {status} Whatever"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def part(self, content: bytes, asked: Asked, *, cut: int | None = None, **headers: str) -> None:
        """A proper 206 for the asked range, of which only the first `cut` bytes are sent."""
        start, stop = asked.range or (0, len(content))
        stop = min(stop, len(content))
        body = content[start:stop]
        headers.setdefault("content_range", f"bytes {start}-{stop - 1}/{len(content)}")
        headers.setdefault("content_length", str(len(body)))
        await self.answer(206, body if cut is None else body[:cut], **headers)

    async def close(self) -> None:
        await self.stream.aclose()

    async def reset(self) -> None:
        """RST instead of FIN."""
        stream = self.stream.transport_stream if isinstance(self.stream, trio.SSLStream) else self.stream
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(stream)

    async def _more(self) -> bool:
        try:
            data = await self.stream.receive_some(65536)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        self._buffer += data
        return bool(data)


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    """A listening socket on loopback whose connections run `script`, one call per connection."""

    script: Script
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    port: int = 0
    connections: int = 0
    requests: list[Asked] = field(default_factory=list)
    closed: int = 0
    """Connections that have ended."""

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}/"

    async def run(self, *, task_status: trio.TaskStatus[Server]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started(self)
        await trio.serve_listeners(self._connection, listeners)

    async def _connection(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        wrapped = trio.SSLStream(stream, self.tls, server_side=True, https_compatible=True) if self.tls else stream
        try:
            await self.script(Peer(self, wrapped))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.closed += 1
            await trio.aclose_forcefully(stream)


def every(content: bytes) -> Script:
    """A good server: every connection is kept, every range of `content` delivered."""

    async def script(peer: Peer) -> None:
        while asked := await peer.request():
            await peer.part(content, asked)

    return script


def always(status: int, body: bytes = b"", **headers: str) -> Script:
    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.answer(status, body, **headers)

    return script


class Landed:
    """A sink over one piece of memory for [start, start + size), lent in blocks; `wants` is where it has enough."""

    def __init__(self, start: int, size: int, *, block: int = 1 << 20, wants: int | None = None) -> None:
        self.start = start
        self.next = start
        self.memory = bytearray(size)
        self.block = block
        self.wants = start + size if wants is None else wants
        self.totals: list[int] = []
        self.arrived = trio.Event()

    @property
    def content(self) -> bytes:
        return bytes(self.memory[: self.next - self.start])

    def lend(self, offset: int) -> memoryview:
        assert offset == self.next
        if offset >= self.wants:
            return memoryview(b"")
        at = offset - self.start
        return memoryview(self.memory)[at : at + self.block]

    def landed(self, offset: int, count: int) -> None:
        assert offset == self.next
        assert count > 0
        self.next += count
        self.arrived.set()

    def total(self, size: int) -> None:
        self.totals.append(size)


def context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(made)
    return made
