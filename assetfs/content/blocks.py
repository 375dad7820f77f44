"""Blocks: the unit that the content cache knows as present or absent. Pure arithmetic.

64 KiB: a random 4 KiB read fetches one block and waits, on average, for half of it (2.7 ms at 12 MB/s, where 128 KiB
would take 5.3 ms and 1 MiB 44 ms), and a checksum of 8 bytes for each costs 128 KiB per GiB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

BLOCK = 64 << 10


def floor(offset: int) -> int:
    """The start of the block that holds `offset`."""
    return offset - offset % BLOCK


def ceil(offset: int, size: int) -> int:
    """The end of the block that ends at or behind `offset`, but not behind the end of the file."""
    return min(-(-offset // BLOCK) * BLOCK, size)


def count(size: int) -> int:
    return -(-size // BLOCK)


def runs(start: int, stop: int, limit: int, state: Callable[[int], object]) -> Iterator[tuple[int, int, object]]:
    """Split [start, stop), both on block borders (or at the end of the file), into runs of blocks of equal state.

    Runs never cross a multiple of `limit`. Yields (start, stop, state of the run).
    """
    position = start
    while position < stop:
        border = min(stop, (position // limit + 1) * limit)
        kind = state(position // BLOCK)
        end = position
        while end < border and state(end // BLOCK) == kind:
            end = min(end + BLOCK, border)
        yield position, end, kind
        position = end
