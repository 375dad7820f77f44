"""Pace: how fast requests for content are answered, and what follows from that.

On a slow way many requests have to be under way at once. On a fast one (loopback, a rack's network, a proxy next door)
more of them help nobody, and memory that is used again while the processor still has it in its caches is cheaper: 1 GiB
over loopback on two cores came at 500 to 740 MB/s with a window of 64 MiB and at 760 to 900 MB/s with one of 24 MiB;
at 20 ms and 12 MB/s a connection, 64 MiB gave 81 MB/s and 128 MiB 107.
"""

from __future__ import annotations

MIB = 1 << 20

FAST = 0.008
"""Seconds for a MiB, below which a way is fast: 125 MB/s in one request, more than a gigabit line gives."""

WINDOW = 24 * MIB
"""Bytes to fetch ahead on a fast way: three requests."""

WEIGHT = 0.3
"""Of the newest request in the running mean."""


class Pace:
    """A running mean over the requests of a mount. Pure; the caller has the clock."""

    def __init__(self) -> None:
        self._seconds: float | None = None
        """For a MiB; None until a request has told."""

    def took(self, count: int, seconds: float) -> None:
        """A request has brought `count` bytes in so many seconds. Small ones tell nothing."""
        if count < MIB:
            return
        new = seconds * MIB / count
        self._seconds = new if self._seconds is None else (1 - WEIGHT) * self._seconds + WEIGHT * new

    @property
    def fast(self) -> bool:
        return self._seconds is not None and self._seconds < FAST

    def window(self, limit: int) -> int:
        """How far to fetch ahead, where `limit` is the most that is allowed."""
        return min(limit, WINDOW) if self.fast else limit
