"""The reserve: room on the disk that is kept for the journal, and given up when the disk is full.

A disk that is full to the last block cannot record that an upload has arrived, so its staging file could never go:
what would make room would wait for room. So a file beside the journal holds a little of the disk. When the journal
finds no room, the reserve is given up, once; until it is back, nothing new is written here (ENOSPC), and what the
uploads record has what it needs.
"""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

log = logging.getLogger("assetfs.writeback")

SIZE = 2 << 20
"""Bytes: some thousand rows of the journal, or the log's longest between two checkpoints of a few uploads."""


class Reserve:
    """The file at `path`. It may be missing: a disk that is full already has none to give."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.spent = False
        """It was given up, and is not back yet."""
        self.refill()

    def give_up(self) -> bool:
        """Free its room; False when there is none. Takes microseconds."""
        if self.spent:
            return False
        self.spent = True
        try:
            self._path.unlink()
        except OSError:
            return False
        log.error("the disk under %s is full: nothing new can be written until uploads make room", self._path.parent)
        return True

    def check(self) -> None:
        """Raises OSError (ENOSPC) while what is left of the disk is the journal's. While that is so it looks for room
        every time: some microseconds, and one moment of allocation."""
        if self.spent:
            self.refill()
        if self.spent:
            raise OSError(errno.ENOSPC, "the disk is full, and what was written before waits for its upload")

    def refill(self) -> None:
        """Take the room again, when there is more than that. Blocks for a moment; call it now and then."""
        if self._path.exists():
            self.spent = False
            return
        try:
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < 2 * SIZE:
                return
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return
        try:
            os.posix_fallocate(file, 0, SIZE)
            self.spent = False
        except OSError:
            self._path.unlink(missing_ok=True)
        finally:
            os.close(file)
