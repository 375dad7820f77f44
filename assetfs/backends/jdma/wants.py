"""The queue of wishes: which offline files are wanted, and when a request for them is due (7.6). Pure.

The server takes half a minute for the smallest retrieval, whatever is in it, and one after the other: few large ones
are what it wants. So wishes for one batch are gathered in a window that every new one prolongs; there is one retrieval
per batch at a time, and what comes meanwhile goes into the next.

What plain opens may ask for in an hour is limited, so that an indexer does not empty the tape.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

HOUR = 3600.0
LONGEST_WINDOWS = 10
"""How many windows the first wish of a batch waits at most, however many follow: 30 s by default."""
EXPLICIT_WINDOW = 1.0
"""Seconds that an explicit recall waits for others: a shell that sets several attributes."""


class _Batch:
    def __init__(self, now: float) -> None:
        self.files: dict[int, None] = {}
        self.first = now
        self.due = now


class Wants:
    """Wishes by batch. Times are seconds of one clock, `window` too. Files are told by their numbers."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._batches: dict[int, _Batch] = {}

    def add(self, batch: int, files: Iterable[int], now: float, *, explicit: bool) -> None:
        """Wish for files; those that are wished for already count once."""
        new = list(files)
        if not new:
            return
        queue = self._batches.setdefault(batch, _Batch(now))
        known = len(queue.files)
        queue.files.update(dict.fromkeys(new))
        if explicit:
            queue.due = min(queue.due, now + EXPLICIT_WINDOW) if known else now + min(EXPLICIT_WINDOW, self._window)
        elif len(queue.files) > known:
            queue.due = min(now + self._window, queue.first + LONGEST_WINDOWS * self._window)

    def drop(self, batch: int, files: Iterable[int]) -> int:
        """Take wishes back that were not sent yet; returns how many."""
        queue = self._batches.get(batch)
        if queue is None:
            return 0
        gone = [pk for pk in files if pk in queue.files]
        for pk in gone:
            del queue.files[pk]
        if not queue.files:
            del self._batches[batch]
        return len(gone)

    def queued(self, batch: int) -> dict[int, None]:
        """What is wished for of a batch and not taken yet."""
        queue = self._batches.get(batch)
        return queue.files if queue is not None else {}

    def due(self, now: float, busy: Iterable[int]) -> int | None:
        """The batch whose window ended first, without those that have a retrieval on its way."""
        ready = [(queue.due, batch) for batch, queue in self._idle(busy) if queue.due <= now]
        return min(ready)[1] if ready else None

    def take(self, batch: int, most: int) -> list[int]:
        """Take up to `most` wishes of a batch out of the queue, the oldest first. The rest is due at once."""
        queue = self._batches.get(batch)
        if queue is None:
            return []
        taken = list(queue.files)[:most]
        self.drop(batch, taken)
        return taken

    def put_back(self, batch: int, files: Iterable[int], due: float) -> None:
        """What could not be sent now is due again at that time, together with what was wished for meanwhile."""
        queue = self._batches.setdefault(batch, _Batch(due))
        queue.files = dict.fromkeys([*files, *queue.files])
        queue.due = due

    def next_time(self, busy: Iterable[int]) -> float:
        """When the first window ends, without those batches."""
        return min((queue.due for _, queue in self._idle(busy)), default=float("inf"))

    def _idle(self, busy: Iterable[int]) -> list[tuple[int, _Batch]]:
        without = set(busy)
        return [(batch, queue) for batch, queue in self._batches.items() if batch not in without]

    def __len__(self) -> int:
        return sum(len(queue.files) for queue in self._batches.values())


class Allowance:
    """What plain opens may ask for within an hour: so many files and bytes."""

    def __init__(self, files: int, size: int) -> None:
        self._files = files
        self._bytes = size
        self._spent: deque[tuple[float, int, int]] = deque()

    def left(self, now: float) -> tuple[int, int]:
        """Files and bytes that may still be asked for."""
        while self._spent and self._spent[0][0] <= now - HOUR:
            self._spent.popleft()
        files = self._files - sum(files for _, files, _ in self._spent)
        return files, self._bytes - sum(size for _, _, size in self._spent)

    def spend(self, sizes: Iterable[int], now: float) -> int:
        """Count files of these sizes, in this order, as far as they are allowed; returns how many are."""
        files, room = self.left(now)
        count = total = 0
        for size in sizes:
            if count >= files or total + size > room:
                break
            count, total = count + 1, total + size
        if count:
            self._spent.append((now, count, total))
        return count
