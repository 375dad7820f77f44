"""Ranges: a set of byte positions, kept as sorted intervals that neither touch nor overlap. Pure.

A staging file knows with one which of its bytes were written; the others still have to come from the version that the
file was opened on.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Ranges:
    """Half-open intervals [start, stop)."""

    __slots__ = ("_starts", "_stops")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._stops, strict=True)

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, start: int, stop: int) -> None:
        """Include [start, stop), joined with what it touches."""
        if start >= stop:
            return
        first = bisect_left(self._stops, start)
        last = bisect_right(self._starts, stop)
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]

    def cut(self, end: int) -> None:
        """Leave out everything from `end` on."""
        keep = bisect_left(self._starts, end)
        del self._starts[keep:], self._stops[keep:]
        if self._stops and self._stops[-1] > end:
            self._stops[-1] = end

    def missing(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The gaps in [start, stop)."""
        position = start
        for index in range(bisect_right(self._stops, start), len(self._starts)):
            if self._starts[index] >= stop:
                break
            if self._starts[index] > position:
                yield position, self._starts[index]
            position = self._stops[index]
        if position < stop:
            yield position, stop

    def pack(self) -> bytes:
        """For the journal: 16 bytes an interval."""
        return array("Q", [edge for pair in self for edge in pair]).tobytes()

    @classmethod
    def unpack(cls, data: bytes) -> Ranges:
        edges = array("Q")
        edges.frombytes(data)
        made = cls()
        made._starts, made._stops = list(edges[::2]), list(edges[1::2])
        return made
