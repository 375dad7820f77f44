"""One connection for content: a non-blocking socket, plain or TLS, that trio waits for.

`recv_into` puts bytes straight where they belong: plain sockets copy once, in the kernel; `ssl.SSLSocket` decrypts
into the buffer that it is given. So both sorts share one loop: try, and wait only when the socket says that it would
block. A wire is used by one task at a time and closed without ceremony: `close` never waits.
"""

from __future__ import annotations

import enum
import functools
import select
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import trio

from assetfs.transport.origin import Origin

T = TypeVar("T")
Wait = Callable[[socket.socket], Awaitable[None]]

RECEIVE_BUFFER = 4 << 20
"""SO_RCVBUF: what may lie ready when we come to read. 1 GiB from nginx on loopback, ranges of 8 MiB, four in flight,
two cores shared with other work, medians of five in two series: 4 MiB 1.6 and 2.3 GB/s for 0.32 and 0.36 s of CPU; the
kernel's own tuning 1.4 and 2.3 GB/s for 0.34 and 0.40 s, which is hardly another figure; 208 KiB 1.3 and 1.7 GB/s for
0.62 and 0.56 s, which is."""

SCRATCH = 256 << 10

GATHER = 256 << 10
"""TLS hands out records of 16 KiB. As many as are there are taken together, up to this, so that readers are woken less
often: 50 to 240 KiB per landing instead of 15 (nginx on loopback). Rate and CPU of the fetch itself did not change
(0.5 to 0.9 GB/s, 1.2 s of CPU per GiB). Bounded for the sake of other tasks: some 0.3 ms of decryption."""

CHECKPOINT_EVERY = 1 << 20
"""Bytes that may be received without waiting before other tasks get their turn (0.3 ms at 3 GB/s)."""


class Cut(Exception):
    """The connection broke, or ended in the middle of an answer."""


class State(enum.Enum):
    """IDLE in a pool -> BUSY with a request -> IDLE when its answer was read to the end, or else CLOSED."""

    IDLE = "idle"
    BUSY = "busy"
    CLOSED = "closed"


class Wire:
    """A connected socket to one origin."""

    def __init__(self, sock: socket.socket, origin: Origin, patience: float) -> None:
        """`patience`: seconds of silence until trio.TooSlowError is raised."""
        self.origin = origin
        self._patience = patience
        self.state = State.BUSY
        self.served = 0
        """Requests answered to the end."""
        self.forwarded: Mapping[str, str] | None = None
        """At the other end is a proxy that forwards: it wants whole URLs and these headers."""
        self.received = 0
        """Bytes received, since whoever counts them has set it to 0."""
        self.idle_since = 0.0
        self._sock = sock
        self._unyielded = 0

    @functools.cached_property
    def scratch(self) -> memoryview:
        """Memory for what is not wanted, or is parsed before it is. Kept: touching new pages costs more than the
        bytes in them (11 µs per page on a small virtual machine)."""
        return memoryview(bytearray(SCRATCH))

    async def send(self, data: bytes) -> None:
        """All of it. Raises Cut, trio.TooSlowError."""
        view = memoryview(data)
        try:
            while view:
                sent = await self._ready(functools.partial(self._sock.send, view), trio.lowlevel.wait_writable)
                view = view[sent:]
        except OSError as error:
            raise Cut from error

    async def recv_into(self, buffer: memoryview) -> int:
        """At least one byte into `buffer`, or 0 at the end of the stream. Raises Cut, trio.TooSlowError."""
        try:
            count = await self._ready(functools.partial(self._sock.recv_into, buffer), trio.lowlevel.wait_readable)
        except OSError as error:
            raise Cut from error
        if isinstance(self._sock, ssl.SSLSocket) and count:
            count += self._records(self._sock, buffer[count:GATHER])
        self.received += count
        self._unyielded += count
        if self._unyielded >= CHECKPOINT_EVERY:
            self._unyielded = 0
            await trio.lowlevel.checkpoint()
        return count

    def _records(self, sock: ssl.SSLSocket, buffer: memoryview) -> int:
        """What more of TLS lies ready, without waiting. Errors show again at the next read."""
        count = 0
        try:
            while count < len(buffer) and (more := sock.recv_into(buffer[count:])):
                count += more
        except OSError:
            pass
        return count

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on. Raises OSError (ssl.SSLError is one), trio.TooSlowError."""
        self._sock = secured = context.wrap_socket(
            self._sock, server_hostname=self.origin.host, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        await self._ready(secured.do_handshake, trio.lowlevel.wait_readable)

    def alive(self) -> bool:
        """Nothing to read on an idle connection: neither its end nor bytes that nobody asked for."""
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLIN)
        return not poll.poll(0)

    def answered(self) -> None:
        """The answer was read to its last byte, and the server keeps the connection."""
        self.served += 1
        self.state = State.IDLE

    def close(self) -> None:
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

    async def _ready(self, act: Callable[[], T], wait: Wait) -> T:
        while True:
            try:
                return act()
            except BlockingIOError:
                needed = wait
            except ssl.SSLWantReadError:
                needed = trio.lowlevel.wait_readable
            except ssl.SSLWantWriteError:
                needed = trio.lowlevel.wait_writable
            with trio.fail_after(self._patience):
                await needed(self._sock)


async def open_wire(host: str, port: int, origin: Origin, patience: float) -> Wire:
    """A plain connection to host and port, which lead to `origin`. Raises OSError."""
    stream = await trio.open_tcp_stream(host, port)
    # As a plain non-blocking socket, without trio's wrapper.
    family, kind, protocol = stream.socket.family, stream.socket.type, stream.socket.proto
    sock = socket.socket(family, kind, protocol, fileno=stream.socket.detach())
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if kernel_allows(RECEIVE_BUFFER):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return Wire(sock, origin, patience)


@functools.cache
def kernel_allows(size: int) -> bool:
    """Whether SO_RCVBUF may be this large. Many machines allow 208 KiB only; asking for more there would pin the
    buffer to that and switch off the kernel's own tuning, which goes to 6 MiB and more."""
    try:
        return int(Path("/proc/sys/net/core/rmem_max").read_text()) >= size
    except (OSError, ValueError):
        return False
