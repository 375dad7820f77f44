"""Buffers: the memory that content passes through, within one budget for the whole mount.

Buffers are private anonymous mappings (shared ones have no huge pages, and cost 150 ms more per GiB) in power-of-two
sizes, and are used again: the first touch of a fresh page costs more than a network copy into it (measured on a 2-core
virtual machine: 3 to 11 µs a page, up to 3 s per GiB, against 0.25 s per GiB into pages that were touched before).

Nobody is ever refused for lack of memory: prefetch simply does not start (`try_take`), and a read that must have a
buffer waits (`take`) while the owner of idle buffers is asked to give some back.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable

import trio

SMALLEST = 64 << 10
LARGEST = 8 << 20


class Buffer:
    """`size` writable bytes. Whoever takes one gives it back exactly once, with no view of it left in use."""

    __slots__ = ("size", "view")

    def __init__(self, size: int) -> None:
        memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if size >= 2 << 20 and hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        self.size = size
        self.view = memoryview(memory)


class BufferPool:
    """`budget` bytes at most in all buffers, idle ones included. `reclaim(size)` asks the owner of buffers that could
    be given up to give some back; it returns False when it has none.
    `spare(size)` asks for one of that size that its reader has done with."""

    def __init__(self, budget: int, reclaim: Callable[[int], bool], spare: Callable[[int], bool]) -> None:
        self.budget = max(budget, 2 * LARGEST)
        self.in_use = 0
        self._idle: dict[int, list[Buffer]] = {}
        self._idle_bytes = 0
        self._asked = False
        self._reclaim = reclaim
        self._spare = spare
        self._freed = trio.Event()

    @staticmethod
    def rounded(size: int) -> int:
        return max(SMALLEST, 1 << (size - 1).bit_length())

    def try_take(self, size: int, share: float = 1.0) -> Buffer | None:
        """A buffer of at least `size` bytes, or None when that would take more than `share` of the budget."""
        self._asked = True
        size = self.rounded(size)
        if not self._idle.get(size):
            self._spare(size)  # a used buffer is better than a fresh one
        if self._idle.get(size) and self.in_use + size <= self.budget * share:
            self._idle_bytes -= size
            self.in_use += size
            return self._idle[size].pop()
        while self.in_use + size > self.budget * share:
            if not self._reclaim(size):
                return None
        while self.in_use + self._idle_bytes + size > self.budget and self._drop_idle(size):
            pass
        if self._idle.get(size):
            self._idle_bytes -= size
            self.in_use += size
            return self._idle[size].pop()
        self.in_use += size
        return Buffer(size)

    async def take(self, size: int) -> Buffer:
        """A buffer of at least `size` bytes; waits until there is one."""
        while (buffer := self.try_take(size)) is None:
            await self._freed.wait()
        return buffer

    def give(self, buffer: Buffer) -> None:
        """Take a buffer back."""
        self.in_use -= buffer.size
        self._idle.setdefault(buffer.size, []).append(buffer)
        self._idle_bytes += buffer.size
        self.wake()

    def rest(self) -> None:
        """To be called every few seconds: idle buffers go back to the system when nobody has asked for one since the
        last time. A mount that nobody reads from takes no memory for it."""
        if not self._asked:
            self._idle.clear()
            self._idle_bytes = 0
        self._asked = False

    def wake(self) -> None:
        """Something that could be reclaimed has appeared: let those who wait try again."""
        self._freed.set()
        self._freed = trio.Event()

    def _drop_idle(self, but: int) -> bool:
        for size in sorted(self._idle, reverse=True):
            if size != but and self._idle[size]:
                self._idle[size].pop()
                self._idle_bytes -= size
                return True
        return False
