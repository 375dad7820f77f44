"""Streams: answers that go on behind what was asked for.

Some servers hear where a range begins, and not where it ends. Reading such a file window by window would ask again, and
break off, for each of them. So whoever has got what it wanted leaves the connection where it stands, and who wants the
next byte reads on there; whoever comes while the window before is still on its way waits for that. A file that is read
from its beginning to its end costs one request.

What was left is looked at when somebody comes, like idle connections: too old, or too many, means closed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import trio

from assetfs.transport.body import BodyReader
from assetfs.transport.wire import Wire

WORTH = 1 << 20
"""Bytes of a fetch from which on its reader is taken to go on; smaller ones are of somebody who looks around."""
MOST = 4
"""Connections that are left; the server keeps a process for each."""
AGE = 8.0
"""Seconds. Readers come back within milliseconds."""

Place = tuple[str, int]
"""A stream's name, and an offset in it."""


class Left(msgspec.Struct, frozen=True):
    """A connection in the middle of an answer, whose next byte is the one at its place."""

    wire: Wire
    reader: BodyReader
    total: int | None
    since: float


class Streams:
    """What was left, and who is on the way where."""

    def __init__(self) -> None:
        self._left: OrderedDict[Place, Left] = OrderedDict()
        self._heading: dict[Place, trio.Event] = {}

    @asynccontextmanager
    async def turn(self, name: str, start: int, stop: int) -> AsyncIterator[None]:
        """Wait until nobody is on the way to `start`; others who begin at `stop` wait for the block to end."""
        event = self._heading[name, stop] = trio.Event()
        try:
            await trio.lowlevel.checkpoint()  # all windows that begin together have said where they end
            before = self._heading.get((name, start))
            if before is not None:
                await before.wait()
            yield
        finally:
            if self._heading.get((name, stop)) is event:
                del self._heading[name, stop]
            event.set()

    def take(self, name: str, offset: int) -> Left | None:
        """A connection that stands there."""
        self._close_old()
        return self._left.pop((name, offset), None)

    def leave(self, name: str, offset: int, wire: Wire, reader: BodyReader, total: int | None) -> None:
        """Leave a connection there, for whoever goes on."""
        self._close_old()
        other = self._left.pop((name, offset), None)
        if other is not None:
            other.wire.close()
        self._left[name, offset] = Left(wire, reader, total, trio.current_time())
        while len(self._left) > MOST:
            self._left.popitem(last=False)[1].wire.close()

    def close(self) -> None:
        """Close all that was left."""
        while self._left:
            self._left.popitem()[1].wire.close()

    def _close_old(self) -> None:
        oldest = trio.current_time() - AGE
        for place in [place for place, left in self._left.items() if left.since < oldest]:
            self._left.pop(place).wire.close()
