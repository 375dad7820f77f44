"""A segment: a stretch of one file in memory, filled by one fetch (from the server) or one load (from disk).

    FILLING --landed everything--> READY --memory wanted--> (gone)
       |
       +--error, cancelled, server stopped early--> BROKEN (what has landed stays readable, the rest is asked for anew)

Readers wait for the byte they need, not for the whole: `landed` wakes those whose bytes have come.
A segment is the `Sink` of its fetch, so that the socket receives into its buffer and nothing copies.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import trio

from assetfs.content.buffers import Buffer


class State(enum.Enum):
    FILLING = "filling"
    READY = "ready"
    BROKEN = "broken"


class Segment:
    """Bytes [start, stop) of a file; [start, arrived) are there."""

    __slots__ = (
        "_on_total",
        "_waiters",
        "arrived",
        "buffer",
        "error",
        "fetched",
        "pins",
        "scope",
        "sized",
        "spent",
        "start",
        "state",
        "stop",
        "used",
    )

    def __init__(self, start: int, stop: int, buffer: Buffer, on_total: Callable[[int], None]) -> None:
        self.start = start
        self.stop = stop
        self.arrived = start
        self.buffer = buffer
        self.state = State.FILLING
        self.error: Exception | None = None
        self.scope = trio.CancelScope()
        self.sized = trio.Event()
        """The file's size is known, or the fetch has ended without."""
        self.spent = False
        """A reader has come to its end."""
        self.fetched = False
        """It came from the server, and not from the cache."""
        self.used = start
        """Up to where somebody has read it."""
        self.pins = 0
        """Workers that read the buffer in threads; it must not be given back meanwhile."""
        self._on_total = on_total
        self._waiters: list[tuple[int, trio.Event]] = []

    # ---- Sink ----

    def lend(self, offset: int) -> memoryview:
        if offset >= self.stop or self.state is not State.FILLING:
            return self.buffer.view[:0]
        return self.buffer.view[offset - self.start : self.stop - self.start]

    def landed(self, offset: int, count: int) -> None:
        self.arrived = max(self.arrived, offset + count)
        if self._waiters:
            self._wake()

    def landed_bytes(self) -> int:
        return self.arrived - self.start

    def total(self, size: int) -> None:
        self._on_total(size)

    # ---- readers ----

    def view(self, start: int, stop: int) -> memoryview:
        """Bytes that have arrived. Good until the next checkpoint, or as long as the segment is pinned."""
        return self.buffer.view[start - self.start : stop - self.start]

    async def wait(self, stop: int) -> None:
        """Until everything before `stop` has arrived, or will not."""
        while self.arrived < stop and self.state is State.FILLING:
            event = trio.Event()
            self._waiters.append((stop, event))
            await event.wait()

    @property
    def watched(self) -> bool:
        """A reader waits for it now."""
        return bool(self._waiters) or self.sized.statistics().tasks_waiting > 0

    def finish(self, error: Exception | None = None) -> None:
        """The fetch has ended."""
        self.error = error
        self.state = State.READY if self.arrived >= self.stop else State.BROKEN
        self.sized.set()
        self._wake()

    def shorten(self, stop: int) -> None:
        """The file turned out to end here."""
        self.stop = max(min(self.stop, stop), self.start)
        self.sized.set()
        self._wake()

    def _wake(self) -> None:
        done = self.state is not State.FILLING
        keep = []
        for waiter in self._waiters:
            if done or waiter[0] <= self.arrived or waiter[0] > self.stop:
                waiter[1].set()
            else:
                keep.append(waiter)
        self._waiters = keep
