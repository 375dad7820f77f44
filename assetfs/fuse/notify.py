"""Notifications: names that are not what they were are taken from the kernel, and who watches the folder is woken.

The kernel takes a folder's lock for this, and waits for whatever is under way in that folder; that is most likely a
question to us. So it is never done in the loop that answers: one worker thread sends batches, with pauses in which the
loop has the processor. Nothing is sent for a folder of which a question waits to be answered (if the process were
killed in that moment, its thread would wait for the folder, the folder for the answer, and the end of the mount for the
thread). What is left of that is the time between the kernel's lock and our reading of its question, which nobody here
can see: the kernel writes no notification without a device of the mount, and the mount lives as long as one is open.

Nothing is sent for a file of which a read waits to be answered (dropping its last name could wait for its pages),
nothing once the mount ends, and nothing ever drops a file's pages: a changed modification time makes the kernel do that
by itself.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pyfuse3
import trio

log = logging.getLogger("assetfs.fuse")

BATCH = 64
PAUSE = 0.01
"""Seconds between batches."""

MOST = 10_000
"""Notifications that wait. More are dropped, the oldest first: the kernel then finds out by its timeouts."""

ENDING = 1.0
"""Seconds that the end of the mount waits for a batch that is under way."""

Entry = tuple[int, bytes]

FOLDERS = {
    **dict.fromkeys(("lookup", "create", "mkdir", "rmdir", "unlink", "symlink", "mknod"), (0,)),
    "link": (1,),
    "rename": (0, 2),
}
"""Questions for which the kernel holds folders locked, to the places of those folders among the arguments."""


class Notifier:
    """`reading(inode)` says whether a read of an inode waits for its answer, `outer(inode)` by which number the kernel
    knows it."""

    def __init__(self, reading: Callable[[int], bool], outer: Callable[[int], int]) -> None:
        self._reading = reading
        self._outer = outer
        self._waiting: OrderedDict[Entry, tuple[int, bool]] = OrderedDict()
        self._wake = trio.Event()
        self._idle = trio.Event()
        self._idle.set()
        self._ended = False
        self._asked: Counter[int] = Counter()
        self.sent = 0

    @contextmanager
    def question(self, folders: Sequence[int]) -> Iterator[None]:
        """An operation of the kernel is being answered: nothing is sent for the folders that it holds."""
        self._asked.update(folders)
        try:
            yield
        finally:
            self._asked.subtract(folders)
            for folder in folders:
                if not self._asked[folder]:
                    del self._asked[folder]
            if self._waiting:
                self._wake.set()

    def _may_go(self, parent: int, child: int) -> bool:
        return parent not in self._asked and not (child and self._reading(child))

    def entry(self, parent: int, name: bytes, child: int, *, deleted: bool) -> None:
        """A name in a folder is not what it was. Never waits."""
        if self._ended:
            return
        self._waiting[parent, name] = (child, deleted)
        while len(self._waiting) > MOST:
            self._waiting.popitem(last=False)
        self._wake.set()

    async def run(self) -> None:
        """Send what is to be sent, as a task of the mount."""
        while not self._ended:
            batch = [entry for entry, (child, _) in self._waiting.items() if self._may_go(entry[0], child)]
            if not batch:
                self._wake = trio.Event()
                with trio.move_on_after(1.0 if self._waiting else float("inf")):
                    await self._wake.wait()
                continue
            work = [self._numbered(entry, *self._waiting.pop(entry)) for entry in batch[:BATCH]]
            self._idle = trio.Event()
            try:
                await trio.to_thread.run_sync(_send, work, abandon_on_cancel=True)
            finally:
                self._idle.set()
            self.sent += len(work)
            await trio.sleep(PAUSE)

    def _numbered(self, entry: Entry, child: int, deleted: bool) -> tuple[int, bytes, int]:
        """As the kernel is told: the child only where its name is gone."""
        return self._outer(entry[0]), entry[1], self._outer(child) if deleted and child else 0

    async def stop(self) -> None:
        """Nothing more is sent; returns when nothing is under way, or soon. Before the mount is taken down."""
        self._ended = True
        self._waiting.clear()
        self._wake.set()
        with trio.move_on_after(ENDING):
            await self._idle.wait()


def _send(work: list[tuple[int, bytes, int]]) -> None:
    for parent, name, gone in work:
        try:
            pyfuse3.invalidate_entry(pyfuse3.InodeT(parent), pyfuse3.FileNameT(name), pyfuse3.InodeT(gone))
        except OSError as error:
            log.debug("%r in %d is not told to the kernel: %s", name, parent, error)
