"""What is on its way now, and how fast: uploads and downloads in flight.

Whoever moves bytes says so with `under_way`, and how to ask how far it has come; nothing is counted per piece.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer as it is shown. Bytes, and bytes per second since it began."""

    direction: str
    """`upload` or `download`."""
    name: str
    size: int
    done: int
    speed: float
    seconds: float


class _UnderWay:
    __slots__ = ("begun", "direction", "moved", "name", "size")

    def __init__(self, direction: str, name: str, size: int, moved: Callable[[], int]) -> None:
        self.direction = direction
        self.name = name
        self.size = size
        self.moved = moved
        self.begun = time.monotonic()


class Transfers:
    """Those of one repository."""

    def __init__(self) -> None:
        self._under_way: set[_UnderWay] = set()

    @contextmanager
    def under_way(self, direction: str, name: str, size: int, moved: Callable[[], int]) -> Iterator[None]:
        """A transfer lasts as long as the block; `moved` says how many of its bytes are there."""
        one = _UnderWay(direction, name, size, moved)
        self._under_way.add(one)
        try:
            yield
        finally:
            self._under_way.discard(one)

    def now(self) -> list[Transfer]:
        """Oldest first; requests for parts of one file are one download."""
        found: dict[tuple[str, str], Transfer] = {}
        now = time.monotonic()
        for one in sorted(self._under_way, key=lambda one: one.begun):
            key, seconds, done = (one.direction, one.name), max(now - one.begun, 1e-3), one.moved()
            so_far = found.get(key)
            found[key] = Transfer(
                direction=one.direction,
                name=one.name,
                size=one.size + (so_far.size if so_far else 0),
                done=done + (so_far.done if so_far else 0),
                speed=round(done / seconds + (so_far.speed if so_far else 0), 1),
                seconds=round(max(seconds, so_far.seconds if so_far else 0), 3),
            )
        return list(found.values())
