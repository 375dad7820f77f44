"""Sinks, sources and ledgers of the tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import trio

from assetfs.repository import Availability, Node, Repository

LONGEST = 60.0
"""Seconds that a recall may take."""


class Collected:
    """A sink with memory of its own."""

    def __init__(self, start: int, limit: int) -> None:
        self.start = start
        self.size: int | None = None
        self.reached = start
        self._memory = bytearray(limit)

    def lend(self, offset: int) -> memoryview:
        return memoryview(self._memory)[offset - self.start :]

    def landed(self, offset: int, count: int) -> None:
        assert offset == self.reached, "bytes must arrive in order"
        self.reached += count

    def total(self, size: int) -> None:
        self.size = size

    @property
    def content(self) -> bytes:
        return bytes(self._memory[: self.reached - self.start])


async def fetched(repository: Repository, node: Node, start: int = 0, stop: int = 1 << 20) -> Collected:
    """Bytes of a file, which is recalled before where it is not online."""
    if node.availability is not Availability.ONLINE:
        await repository.recall([node], explicit=True)
        with trio.fail_after(LONGEST):
            node = await repository.recalled(node)
    sink = Collected(start, stop - start)
    await repository.fetch(node, start, stop, sink)
    return sink


class Held:
    """A source of bytes in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    @property
    def size(self) -> int:
        return len(self.content)

    async def read(self, offset: int, count: int) -> bytes:
        await trio.lowlevel.checkpoint()
        return self.content[offset : offset + count]

    async def digest(self, algorithm: str) -> str:
        return hashlib.new(algorithm, self.content).hexdigest()


class Broken(Exception):
    """The daemon died here."""


class Book:
    """A ledger. With `breaks_at` it dies at the n-th record: `before` it is durable, or just after."""

    def __init__(self, state: Mapping[str, Any] | None = None, *, breaks_at: int = 0, before: bool = False) -> None:
        self._state: dict[str, Any] = dict(state or {})
        self.records = 0
        self.sent = 0
        self._breaks_at = breaks_at
        self._before = before

    @property
    def state(self) -> Mapping[str, Any]:
        return self._state

    async def record(self, **state: Any) -> None:
        await trio.lowlevel.checkpoint()
        self.records += 1
        breaks = self.records == self._breaks_at
        if breaks and self._before:
            raise Broken
        self._state |= state
        if breaks:
            raise Broken

    def progress(self, sent: int) -> None:
        self.sent = sent
