"""Prefetch windows: what to fetch ahead for one reader. Pure; no I/O, no clock.

A window starts near one request and grows while reads stay sequential: when the reader has used half of what was
fetched ahead, the window doubles, and the target moves to the next multiple of a request behind it. So a long
sequential read costs ceil(size / REQUEST) requests and one more, and a reader of the first kilobytes costs one small
one. A read elsewhere fetches only its own blocks and starts a window anew.

A handle keeps a few cursors, each with a window of its own: programs that read a header and a payload in turn, or
several threads on one descriptor, each stay sequential.
"""

from __future__ import annotations

from assetfs.content import blocks

REQUEST = 8 << 20
"""Bytes in a full range request: the cost per request dominates below 1 MiB, a cancelled one wastes too much above."""

INITIAL = (1 << 20) + (128 << 10)
"""The first request: a program that reads 1 MiB makes the kernel ask 128 KiB beyond it, which would otherwise wait for
a second request."""

SKIP = 16 << 20
"""A forward jump up to here, or to where the window ends, is still sequential (a reader that skips what it knows)."""

BACK = 1 << 20
"""The kernel sends the reads of one window in parallel, out of order: this far back is not a jump."""

RUN = blocks.BLOCK
"""Bytes that must be read in a row before a window starts anywhere but at 0: one small read may come as several, page
by page, and across the border of two blocks."""


class Window:
    """One cursor of one reader."""

    def __init__(self, offset: int) -> None:
        self._size = 0
        self.position = offset
        self.target = offset

    def follows(self, offset: int) -> bool:
        """Whether a read at `offset` goes on from here."""
        ahead = max(self.target, self.position + min(SKIP, 2 * self._size))
        return self.position - BACK <= offset <= ahead

    def advance(self, stop: int, file_size: int, limit: int) -> int:
        """The reader has asked for bytes up to `stop`. Returns up to where to have or fetch them."""
        self.position = max(self.position, stop)
        if self.target - self.position <= self._size // 2 and self.target < file_size:
            if not self._size:
                self._size = INITIAL
                end = self.target + INITIAL if file_size - self.target > 2 * INITIAL else file_size
            else:
                self._size = min(max(2 * self._size, REQUEST), limit)
                end = -(-(self.position + self._size) // REQUEST) * REQUEST
            self.target = max(min(end, file_size), self.target)
        return max(self.target, stop)


class Cursors:
    """The windows of one handle. `observe` says what to fetch for a read, ahead included."""

    KEPT = 4

    def __init__(self) -> None:
        self._windows: list[Window] = []
        self._run: tuple[int, int] | None = None
        """What was read in a row elsewhere than in a window."""

    def observe(self, start: int, stop: int, file_size: int, limit: int) -> int:
        """A read of [start, stop), where a window may have `limit` bytes now. Returns up to where to fetch: `stop`
        itself where nothing is wanted ahead.

        A first read at 0 starts a window at once; elsewhere it takes more than `RUN` bytes in a row, in more than one
        read, so that a random read costs its own blocks only.
        """
        for index, window in enumerate(self._windows):
            if window.follows(start):
                self._windows.insert(0, self._windows.pop(index))
                return window.advance(stop, file_size, limit)
        run, begins = (start, stop), start == 0
        if self._run is not None and self._run[1] - blocks.BLOCK <= start <= self._run[1] + BACK:
            run = (min(start, self._run[0]), max(stop, self._run[1]))
            begins = begins or run[1] - run[0] > RUN
        if not begins:
            self._run = run
            return stop
        window = Window(start)
        self._windows = [window, *self._windows[: self.KEPT - 1]]
        self._run = None
        return window.advance(stop, file_size, limit)
