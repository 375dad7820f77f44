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
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import trio

from assetfs.transport.origin import Origin

T = TypeVar("T")
Wait = Callable[[socket.socket], Awaitable[None]]

RECEIVE_BUFFER = 4 << 20
"""SO_RCVBUF: what lies ready when we come to read."""

SCRATCH = 256 << 10

CHECKPOINT_EVERY = 1 << 20
"""Bytes that may be received without waiting before other tasks get their turn (0.3 ms at 3 GB/s)."""


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
        """All of it. Raises OSError (ssl.SSLError is one), trio.TooSlowError."""
        view = memoryview(data)
        while view:
            sent = await self._ready(functools.partial(self._sock.send, view), trio.lowlevel.wait_writable)
            view = view[sent:]

    async def recv_into(self, buffer: memoryview) -> int:
        """At least one byte into `buffer`, or 0 at the end of the stream. Raises OSError, trio.TooSlowError."""
        count = await self._ready(functools.partial(self._sock.recv_into, buffer), trio.lowlevel.wait_readable)
        self.received += count
        self._unyielded += count
        if self._unyielded >= CHECKPOINT_EVERY:
            self._unyielded = 0
            await trio.lowlevel.checkpoint()
        return count

    async def handshake(self) -> None:
        if isinstance(self._sock, ssl.SSLSocket):
            await self._ready(self._sock.do_handshake, trio.lowlevel.wait_readable)

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


async def connect(origin: Origin, tls: ssl.SSLContext, timeout: float, patience: float) -> Wire:
    """A new connection. Raises OSError, ssl.SSLError, trio.TooSlowError after `timeout` seconds."""
    with trio.fail_after(timeout):
        stream = await trio.open_tcp_stream(origin.host, origin.port)
        sock = _untied(stream)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if kernel_allows(RECEIVE_BUFFER):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            if origin.scheme == "https":
                sock = tls.wrap_socket(
                    sock, server_hostname=origin.host, do_handshake_on_connect=False, suppress_ragged_eofs=False
                )
            wire = Wire(sock, origin, patience)
            await wire.handshake()
        except BaseException:
            sock.close()
            raise
    return wire


@functools.cache
def kernel_allows(size: int) -> bool:
    """Whether SO_RCVBUF may be this large. Many machines allow 208 KiB only; asking for more there would pin the
    buffer to that and switch off the kernel's own tuning, which goes to 6 MiB and more."""
    try:
        return int(Path("/proc/sys/net/core/rmem_max").read_text()) >= size
    except (OSError, ValueError):
        return False


def _untied(stream: trio.SocketStream) -> socket.socket:
    """The stream's socket as a plain non-blocking one, without trio's wrapper."""
    family, kind, protocol = stream.socket.family, stream.socket.type, stream.socket.proto
    sock = socket.socket(family, kind, protocol, fileno=stream.socket.detach())
    sock.setblocking(False)
    return sock
