"""A TCP proxy that makes a near server a far one: a delay each way, and a rate for each connection.

    python -m tests.benchmarks.proxy --to 127.0.0.1:8080 --delay 0.01 --rate 12e6

prints the port it listens on and serves until SIGTERM. What it imitates: every byte is `delay` seconds older when it
comes out; a direction passes at most `rate` bytes a second per connection; a new connection costs one round trip before
its first byte is on its way (the handshake with the proxy itself takes none, so the first bytes wait for two delays
more). What it does not: slow start, loss, a limit for all connections together.

Each direction is two tasks with a few buffers between them: one receives and says when a piece is due, the other sends
it then. Buffers go round, because the first touch of fresh memory costs more than the copy; when all are on their way,
nothing more is received, and TCP tells the sender to wait.
"""

from __future__ import annotations

import argparse
import socket
from collections import deque

import trio

PIECE = 16 << 10
"""At 12 MB/s a piece takes 1.4 ms: fine enough for the wait for a single block to show."""

STREAM_PIECE = 64 << 10
"""Pieces of a transfer that has been running for STREAM bytes: a quarter of the work for the proxy."""

STREAM = 512 << 10

FREE_PIECE = 512 << 10
"""Pieces where no rate is set."""

IN_FLIGHT = 1 << 20
"""Bytes under way in one direction: 12 MB/s for 10 ms are 120 KB."""


class Direction:
    """One of the two ways through a connection."""

    def __init__(self, source: trio.SocketStream, target: trio.SocketStream, delay: float, rate: float) -> None:
        self._source = source.socket
        self._target = target
        self._delay = delay
        self._rate = rate
        self._opened = trio.current_time() + 2 * delay
        self._free_at = 0.0
        self._streamed = 0
        size = STREAM_PIECE if rate else FREE_PIECE
        self._free = deque(memoryview(bytearray(size)) for _ in range(max(2, IN_FLIGHT // size)))
        self._due: deque[tuple[float, memoryview, int]] = deque()
        self._changed = trio.Event()

    async def run(self) -> None:
        """Until the source has ended and everything is delivered."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._deliver)
            await self._receive()

    async def _receive(self) -> None:
        while True:
            while not self._free:
                await self._changed.wait()
            buffer = self._free.popleft()
            size = PIECE if self._rate and self._streamed < STREAM else len(buffer)
            try:
                count = await self._source.recv_into(buffer[:size])
            except OSError:
                count = 0
            self._due.append((self._when(count), buffer, count))
            self._tell()
            if not count:
                return

    def _when(self, count: int) -> float:
        """When a piece that came just now is to be sent on."""
        now = max(trio.current_time(), self._opened)
        if not self._rate:
            return now + self._delay
        if now > self._free_at + self._delay:
            self._streamed = 0
        self._streamed += count
        self._free_at = max(self._free_at, now) + count / self._rate
        return self._free_at + self._delay

    async def _deliver(self) -> None:
        while True:
            while not self._due:
                await self._changed.wait()
            when, buffer, count = self._due.popleft()
            if self._delay or self._rate:
                await trio.sleep_until(when)
            if not count:
                await self._target.send_eof()
                return
            await self._target.send_all(buffer[:count])
            self._free.append(buffer)
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


async def serve(host: str, port: int, delay: float, rate: float) -> None:
    """Pass every connection on to host and port, for ever. Prints the port that it listens on."""

    async def connection(client: trio.SocketStream) -> None:
        try:
            async with client, await trio.open_tcp_stream(host, port) as server, trio.open_nursery() as nursery:
                for one, other in ((client, server), (server, client)):
                    one.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    nursery.start_soon(Direction(one, other, delay, rate).run)
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # one side has gone, and the other was closed

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=256)
    print(listeners[0].socket.getsockname()[1], flush=True)
    await trio.serve_listeners(connection, listeners)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds, each way")
    parser.add_argument("--rate", type=float, default=0.0, help="bytes a second for each connection; 0: no limit")
    options = parser.parse_args()
    host, _, port = options.to.rpartition(":")
    try:
        trio.run(serve, host, int(port), options.delay, options.rate)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
