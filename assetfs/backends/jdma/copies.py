"""Copies on the shared disk that count as online: checked once, and trusted as long as they look the same.

A copy is told by its inode, its time of change and its size. Others may write to the shared disk: a copy that looks
different is dropped from the index, and its file is offline again. Evicting means to remove the copy here; what is on
tape is never touched.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import msgspec

from assetfs.backends.jdma.journal import ORIGINALS, Retrieval
from assetfs.backends.jdma.stage import Stage, beneath
from assetfs.repository import LocalContent, NotFound

log = logging.getLogger("assetfs.jdma")


class Copy(msgspec.Struct, gc=False):
    """One copy. `target` is the folder that it lies in, below the stage, or ORIGINALS."""

    pk: int
    batch: int
    key: str
    target: str
    relative: str
    size: int
    seen: tuple[int, int]
    used: float

    @property
    def original(self) -> bool:
        """Somebody's own file, which is in the stage only by chance, if at all, and is not ours to remove."""
        return self.target == ORIGINALS


class Copies:
    """All copies, by the number of their file."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._copies: dict[int, Copy] = {}
        self.bytes = 0
        self.stuck = 0
        """Bytes that could not be removed."""

    def __len__(self) -> int:
        return len(self._copies)

    def __contains__(self, pk: object) -> bool:
        return pk in self._copies

    def get(self, pk: int) -> Copy | None:
        return self._copies.get(pk)

    def local(self, pk: int) -> LocalContent | None:
        """Where the mount reads a file."""
        copy = self._copies.get(pk)
        if copy is None:
            return None
        return LocalContent(self._stage.local / copy.target, copy.relative, exact=True)

    def used(self, pk: int, now: float) -> None:
        """Somebody opens it: it goes later than others."""
        copy = self._copies.get(pk)
        if copy is not None:
            copy.used = now

    def take(self, record: Retrieval, now: float) -> None:
        """Those files of a retrieval that have been checked."""
        for item in record.items:
            if item.seen is not None and not item.failure:
                self.add(
                    Copy(item.pk, record.batch, record.key, record.target, item.relative, item.size, item.seen, now)
                )

    def add(self, copy: Copy) -> None:
        self.drop(copy.pk)
        self._copies[copy.pk] = copy
        self.bytes += 0 if copy.original else copy.size

    def drop(self, pk: int) -> Copy | None:
        """It is not online any more."""
        copy = self._copies.pop(pk, None)
        if copy is not None:
            self.bytes -= 0 if copy.original else copy.size
        return copy

    def of_batch(self, batch: int) -> list[Copy]:
        return [copy for copy in self._copies.values() if copy.batch == batch]

    def records(self) -> set[str]:
        """Retrievals of which something is online."""
        return {copy.key for copy in self._copies.values()}

    def oldest(self, spared: Iterable[int]) -> list[Copy]:
        """In the order in which they may go."""
        kept = set(spared)
        return sorted((c for c in self._copies.values() if c.pk not in kept), key=lambda copy: copy.used)

    # ---- on the disk: all of these block --------------------------------------------------------------------------

    def is_there(self, copy: Copy) -> bool:
        """Whether the copy still looks as it did when it was checked."""
        try:
            with beneath(self.place(copy), copy.relative.split("/"), os.O_PATH) as handle:
                return looks(handle) == (copy.size, copy.seen)
        except NotFound:
            return False

    def place(self, copy: Copy) -> Path:
        return self._stage.local / copy.target

    def remove(self, copy: Copy) -> bool:
        """Remove a copy's file, and the folders that are empty then. False: somebody has it open, or may not be
        hindered from keeping it. Of an original there is nothing to remove."""
        if copy.original:
            return True
        try:
            with beneath(self.place(copy), copy.relative.split("/")) as handle:
                if is_open(handle):
                    return False
        except NotFound:
            pass  # gone already, or not ours to open: try to remove it
        place = self.place(copy) / copy.relative
        try:
            if os.path.realpath(place.parent) != str(place.parent):
                return False
            place.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s cannot be removed: %s", place, error.strerror)
            self.stuck += copy.size
            return True
        above = place.parent
        while above.parent != self._stage.local:
            try:
                above.rmdir()
            except OSError:
                break
            above = above.parent
        return True


def looks(handle: int) -> tuple[int, tuple[int, int]]:
    """Size, and (inode, time of change of the content) of an open file."""
    found = os.fstat(handle)
    return found.st_size, (found.st_ino, found.st_mtime_ns)


def is_open(handle: int) -> bool:
    """Whether somebody else has this file open, where the disk can tell: a lease is only given on one that nobody
    has."""
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # ignored by default, should somebody come at this moment
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EBUSY)
    return False
