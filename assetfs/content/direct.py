"""Direct reads and writes of large cache files: between the disk and our own buffers, past the kernel's page cache.

What was fetched is in the page cache already, as pages of the mount. Written through the page cache a second time it
would take twice the memory, and the processor for another copy into fresh pages (here 340 MB/s, against 1.4 GB/s
direct; read back 0.9 GB/s). Small pieces stay with the page cache, which is faster for them.

Everything that does not fit (a file system without direct access, memory or lengths that are not aligned) is left to
the caller: methods return how many bytes from the front were done.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

ALIGNED = 4096
LEAST = 1 << 20
"""Bytes of a piece, below which it is left to the page cache."""


class Direct:
    """A second descriptor of the file at `path`, if it is large enough to have a use for one."""

    def __init__(self, path: Path, size: int) -> None:
        self._file = -1
        if size >= LEAST:
            with contextlib.suppress(OSError):
                self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECT)

    def write(self, start: int, data: memoryview) -> int:
        """Raises OSError for what is wrong with the disk (full, broken)."""
        return self._through(start, data, os.pwritev)

    def read(self, start: int, into: memoryview) -> int:
        return self._through(start, into, os.preadv)

    def _through(self, start: int, data: memoryview, act: Callable[[int, list[memoryview], int], int]) -> int:
        end = len(data) - len(data) % ALIGNED
        if self._file < 0 or end < LEAST or start % ALIGNED:
            return 0
        done = 0
        while done < end:
            try:
                count = act(self._file, [data[done:end]], start + done)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                return done
            if count % ALIGNED or not count:
                return done + count
            done += count
        return done

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
