"""A content answer as it comes from a wire: its head through h11, its body into the reader's memory.

A body of announced length is received straight into the buffer that it is for. Only the bytes that came together with
the head (`HEAD_BUFFER` at most) are copied. Chunked bodies and those that end with the connection go through h11, which
copies; servers that send whole files in that way are old, and their disks are slower than that.
"""

from __future__ import annotations

from typing import Protocol

import h11

from assetfs.transport.types import Head
from assetfs.transport.wire import Cut, Wire

FORM = "application/x-www-form-urlencoded"
HEAD_BUFFER = 4 << 10
"""Longest first read: heads have 200 to 1,500 bytes, and what follows in the same read is body that must be copied."""


class BodyReader(Protocol):
    """The body, from its first byte on."""

    position: int
    """Bytes read so far."""
    spilled: bool
    """Bytes came that belong to no answer: the server and we disagree about where this one ends."""

    async def read_into(self, buffer: memoryview) -> int:
        """At least one byte into `buffer` (not empty); 0 at the body's proper end. Raises Cut,
        trio.TooSlowError, h11.RemoteProtocolError."""
        ...

    @property
    def left(self) -> int | None:
        """Bytes that are still to come; None while that is unknown."""
        ...


async def ask(wire: Wire, target: str, headers: list[tuple[str, str]], form: bytes | None = None) -> h11.Connection:
    """Send a GET, or a form with POST; the answer is to be read with what it returns."""
    parser = h11.Connection(h11.CLIENT)
    if form is not None:
        headers = [*headers, ("Content-Type", FORM), ("Content-Length", str(len(form)))]
    head = parser.send(h11.Request(method="GET" if form is None else "POST", target=target, headers=headers))
    body = parser.send(h11.Data(form)) if form else b""
    end = parser.send(h11.EndOfMessage())
    await wire.send((head or b"") + (body or b"") + (end or b""))
    return parser


async def read_head(wire: Wire, parser: h11.Connection) -> tuple[Head, h11.Response]:
    """The final answer's head; interim ones are passed over.

    Raises Cut, trio.TooSlowError, h11.RemoteProtocolError.
    """
    buffer = wire.scratch[:HEAD_BUFFER]
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            count = await wire.recv_into(buffer)
            if not count:
                raise Cut
            parser.receive_data(bytes(buffer[:count]))
        elif isinstance(event, h11.Response):
            headers: dict[str, str] = {}
            for raw_name, raw_value in event.headers:
                name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
            return Head(event.status_code, headers), event
        elif not isinstance(event, h11.InformationalResponse):
            raise Cut


def keeps_alive(head: Head, response: h11.Response) -> bool:
    """Whether the server keeps the connection, once the body is read."""
    options = {option.strip().lower() for option in head.headers.get("connection", "").split(",")}
    framed = "content-length" in head.headers or "transfer-encoding" in head.headers or head.status in (204, 304)
    return response.http_version >= b"1.1" and "close" not in options and framed


def body_of(wire: Wire, parser: h11.Connection, head: Head) -> BodyReader:
    """The reader that fits the head's framing."""
    length = head.headers.get("content-length")
    if head.status in (204, 304):
        return Measured(wire, b"", 0)
    if length is None or "transfer-encoding" in head.headers:
        return Parsed(wire, parser, chunked="transfer-encoding" in head.headers)
    came, _ = parser.trailing_data
    return Measured(wire, came, int(length))


class Measured:
    """A body of announced length."""

    def __init__(self, wire: Wire, came: bytes, length: int) -> None:
        self.position = 0
        self._wire = wire
        self._came = memoryview(came)[:length]
        self.spilled = len(came) > length
        self._length = length

    @property
    def left(self) -> int | None:
        return self._length - self.position

    async def read_into(self, buffer: memoryview) -> int:
        wanted = min(len(buffer), self._length - self.position)
        if not wanted:
            return 0
        if self._came:
            count = min(wanted, len(self._came))
            buffer[:count] = self._came[:count]
            self._came = self._came[count:]
        else:
            count = await self._wire.recv_into(buffer[:wanted])
            if not count:
                raise Cut
        self.position += count
        return count


class Parsed:
    """A body whose end h11 finds: chunked, or as long as the connection lasts."""

    def __init__(self, wire: Wire, parser: h11.Connection, *, chunked: bool) -> None:
        self.position = 0
        self._chunked = chunked
        self.left: int | None = None
        self.spilled = False
        self._wire = wire
        self._parser = parser
        self._came = memoryview(b"")

    async def read_into(self, buffer: memoryview) -> int:
        while not self._came and self.left is None:
            await self._more()
        count = min(len(buffer), len(self._came))
        buffer[:count] = self._came[:count]
        self._came = self._came[count:]
        self.position += count
        return count

    async def _more(self) -> None:
        event = self._parser.next_event()
        if event is h11.NEED_DATA:
            count = await self._wire.recv_into(self._wire.scratch)
            if not count and self._chunked:
                raise Cut
            self._parser.receive_data(bytes(self._wire.scratch[:count]))
        elif isinstance(event, h11.Data):
            self._came = memoryview(event.data)
        else:
            self.left = 0
            self.spilled = bool(self._parser.trailing_data[0])
