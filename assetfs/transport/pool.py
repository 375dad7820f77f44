"""Connections for content: how many, and which may be used again.

At most `limit` are in use, waiters are served in the order in which they came, and idle ones count towards the same
limit. A connection comes back only if its answer was read to the end (`State.IDLE`); whatever else happened to the
one who used it, an error or a cancellation, it is closed. Idle ones are looked at when somebody needs one: too old, or
readable (the server has closed it) means closed. There is no background task.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from assetfs.transport.origin import Origin
from assetfs.transport.wire import State, Wire

IDLE = 8.0
"""Seconds. Readers of one file come back within milliseconds; servers close after 2 to 75 s."""


class Seat:
    """The right to use one wire, and that wire once it is there."""

    def __init__(self, pool: WirePool, origin: Origin) -> None:
        self._pool = pool
        self._origin = origin
        self._wire: Wire | None = None

    async def wire(self, *, fresh: bool = False) -> Wire:
        """A BUSY wire, kept afterwards if it is IDLE then. `fresh`: one that has never served; the idle ones of its
        origin go, for one of them has turned out to be dead. Raises what `connect` raises."""
        self._wire = await self._pool.take(self._origin, fresh=fresh)
        return self._wire

    def keep(self) -> None:
        """The wire is somebody else's from now on, who closes it."""
        self._wire = None

    def leave(self) -> None:
        if self._wire is not None:
            self._pool.take_back(self._wire)
            self._wire = None


class WirePool:
    """Wires to any origin, opened by `connect`."""

    def __init__(self, limit: int, connect: Callable[[Origin], Awaitable[Wire]]) -> None:
        self._connect = connect
        self._slots = trio.Semaphore(limit, max_value=limit)
        self._limit = limit
        self._used = 0
        self._idle: list[Wire] = []
        self._open = True

    @asynccontextmanager
    async def seat(self, origin: Origin) -> AsyncIterator[Seat]:
        """Wait for a slot, first come, first served."""
        async with self._slots:
            self._used += 1
            seat = Seat(self, origin)
            try:
                yield seat
            finally:
                self._used -= 1
                seat.leave()

    async def take(self, origin: Origin, *, fresh: bool) -> Wire:
        if fresh:
            self._drop(lambda idle: idle.origin == origin)
        oldest = trio.current_time() - IDLE
        self._drop(lambda idle: idle.idle_since < oldest)
        for wire in [wire for wire in reversed(self._idle) if wire.origin == origin]:
            self._idle.remove(wire)
            if wire.alive():
                wire.state = State.BUSY
                return wire
            wire.close()
        while self._idle and self._used + len(self._idle) > self._limit:
            self._idle.pop(0).close()
        return await self._connect(origin)

    def take_back(self, wire: Wire) -> None:
        if wire.state is State.IDLE and self._open:
            wire.idle_since = trio.current_time()
            self._idle.append(wire)
        else:
            wire.close()

    def close(self) -> None:
        """Closes idle wires; those in use are closed when they come back."""
        self._open = False
        self._drop(lambda idle: True)

    def _drop(self, unwanted: Callable[[Wire], bool]) -> None:
        for wire in [wire for wire in self._idle if unwanted(wire)]:
            self._idle.remove(wire)
            wire.close()
