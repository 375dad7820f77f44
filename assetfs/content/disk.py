"""The content cache on disk: one sparse file per node and version, and beside it a map of the blocks that it has.

The map is a header and eight bytes per block: 0 for a block that is absent, else a checksum of its bytes. A block is
written first and marked second, and its checksum is compared every time it is read: a crash between the two, a torn
page, a full disk or a curious hand in the folder costs a block its place in the cache and nothing else. (XXH3 runs at
39 GB/s here, 1.7 µs for a block.)

The folder may be deleted at any time. Nothing in it was ever promised to anybody; what is owed to a server lives in
`writeback/`. Files are named by a hash of repository, node and version, never by a name that a server chose.

All methods block, and are called in worker threads, except where they say otherwise.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import struct
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path

import xxhash

from assetfs.content.blocks import BLOCK, count
from assetfs.content.direct import Direct

log = logging.getLogger("assetfs.content")

_WOULD_WAIT = frozenset({errno.EAGAIN, errno.EOPNOTSUPP})
"""What a read that must not wait answers; the second where the file system has no such reads: tmpfs, overlayfs."""

_HEADER = struct.Struct("<16sQQ32s")  # magic, size, verified, key
_MAGIC = b"assetfs cache 1\n"
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class CacheFile:
    """The cached content of one node in one version. Open it once; share it."""

    def __init__(self, path: Path, key: str, size: int) -> None:
        self.path = path
        self.size = size
        self.verified = False
        """The whole content was compared with the server's digest once."""
        self._key = key.encode()
        self._data = os.open(path.with_suffix(".data"), _OPEN, 0o600)
        try:
            self._map = os.open(path.with_suffix(".map"), _OPEN, 0o600)
        except BaseException:
            os.close(self._data)
            raise
        self._direct = Direct(path.with_suffix(".data"), size)
        self._sums = self._load()
        self.missing = self._sums.count(0)
        self.stored = count(size) - self.missing

    def _load(self) -> array[int]:
        blocks = count(self.size)
        raw = os.pread(self._map, _HEADER.size + 8 * blocks + 1, 0)
        if len(raw) == _HEADER.size + 8 * blocks:
            magic, size, verified, key = _HEADER.unpack_from(raw)
            if magic == _MAGIC and size == self.size and key.rstrip(b"\0") == self._key:
                self.verified = bool(verified)
                os.utime(self._map)
                return array("Q", raw[_HEADER.size :])
        if raw:  # and not for every new file: ext4 sends one that was cut to nothing to the disk when it is closed
            log.warning("cache file %s is damaged: dropped", self.path.name)
            os.ftruncate(self._data, 0)
            os.ftruncate(self._map, 0)
        os.ftruncate(self._data, self.size)
        os.ftruncate(self._map, _HEADER.size + 8 * blocks)
        self._write_header()
        return array("Q", bytes(8 * blocks))

    def _write_header(self) -> None:
        os.pwrite(self._map, _HEADER.pack(_MAGIC, self.size, self.verified, self._key), 0)

    def has(self, block: int) -> bool:
        """Whether a block is here. Does not block."""
        return self._sums[block] != 0

    def write(self, start: int, data: memoryview) -> None:
        """Keep whole blocks: `start` on a block border, `data` ending on one or at the end of the file."""
        position = self._direct.write(start, data)
        while position < len(data):
            position += os.pwrite(self._data, data[position:], start + position)
        first = start // BLOCK
        sums = array("Q", (xxhash.xxh3_64_intdigest(data[at : at + BLOCK]) or 1 for at in range(0, len(data), BLOCK)))
        os.pwrite(self._map, sums.tobytes(), _HEADER.size + 8 * first)
        for index, value in enumerate(sums, first):
            self.missing -= self._sums[index] == 0
            self.stored += self._sums[index] == 0
            self._sums[index] = value

    def read(self, start: int, into: memoryview, *, wait: bool = True) -> bool | None:
        """Read present blocks from a block border. False: at least one was damaged, and those are absent now.

        With `wait=False` it never waits for a disk (so it may be called on the loop): None means that it would have.
        """
        position = self._direct.read(start, into) if wait else 0
        while position < len(into):
            try:
                got = os.preadv(self._data, [into[position:]], start + position, 0 if wait else os.RWF_NOWAIT)
            except OSError as error:
                if wait or error.errno not in _WOULD_WAIT:
                    raise
                return None
            if got == 0:
                break
            position += got
            if not wait and position < len(into):
                return None
        good = True
        for at in range(0, len(into), BLOCK):
            block = (start + at) // BLOCK
            if (xxhash.xxh3_64_intdigest(into[at : at + BLOCK]) or 1) != self._sums[block]:
                self.drop(block)
                good = False
        return good

    def drop(self, block: int) -> None:
        """Forget one damaged block."""
        log.warning("cache file %s: block %d is damaged, it will be fetched again", self.path.name, block)
        if self._sums[block]:
            self.missing += 1
            self.stored -= 1
            self._sums[block] = 0
            os.pwrite(self._map, bytes(8), _HEADER.size + 8 * block)

    def mark_verified(self) -> None:
        self.verified = True
        self._write_header()

    def close(self, *, discard: bool = False) -> None:
        if discard:
            self.path.with_suffix(".map").unlink(missing_ok=True)
            self.path.with_suffix(".data").unlink(missing_ok=True)
        else:
            with contextlib.suppress(OSError):
                os.utime(self._map)
        self._direct.close()
        os.close(self._data)
        os.close(self._map)


class DiskCache:
    """All cache files of one repository. They take `limit` bytes at most, and leave `free` bytes of the disk free.

    Those that were used longest ago go first, open ones never."""

    def __init__(self, folder: Path, repository: str, *, limit: int, free: int) -> None:
        self.folder = folder / hashlib.blake2b(repository.encode(), digest_size=8).hexdigest()
        self._limit = limit
        self._free = free
        self._lock = threading.Lock()
        self._open: set[Path] = set()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.used = sum(self._weight(path) for path in self._maps())

    def limits(self, limit: int, free: int) -> None:
        """Others from now on; what is too much goes with the next that comes. Does not block."""
        self._limit, self._free = limit, free

    def _maps(self) -> Iterator[Path]:
        return self.folder.glob("*/*.map")

    @staticmethod
    def _weight(path: Path) -> int:
        total = 0
        for suffix in (".map", ".data"):
            with contextlib.suppress(OSError):
                total += path.with_suffix(suffix).stat().st_blocks * 512
        return total

    def _place(self, node: str, version: str) -> tuple[Path, str]:
        key = hashlib.blake2b(f"{node}\0{version}".encode("utf-8", "surrogatepass"), digest_size=15).hexdigest()
        return self.folder / key[:2] / key[2:], key

    def has(self, node: str, version: str) -> bool:
        """Whether there is a cache file. One stat(2): may be called on the loop."""
        return self._place(node, version)[0].with_suffix(".map").exists()

    def stored(self, node: str, version: str) -> int:
        """About how many bytes there are of a content that is not open. One stat(2)."""
        try:
            found = self._place(node, version)[0].with_suffix(".data").stat()
        except OSError:
            return 0
        return min(found.st_blocks * 512, found.st_size)

    def open(self, node: str, version: str, size: int) -> CacheFile | None:
        """The cache file for a node in a version; None where there can be none (disk full, folder gone)."""
        path, key = self._place(node, version)
        try:
            try:
                opened = CacheFile(path, key, size)
            except FileNotFoundError:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                opened = CacheFile(path, key, size)
        except OSError as error:
            log.warning("no cache file for %s: %s", node, error.strerror)
            return None
        with self._lock:
            self._open.add(path)
        return opened

    def close(self, cached: CacheFile, *, discard: bool = False) -> None:
        cached.close(discard=discard)
        with self._lock:
            self._open.discard(cached.path)

    def admit(self, size: int) -> bool:
        """Make room for `size` more bytes; False when there is none, and then nothing is to be written."""
        with self._lock:
            if not self._short(size):
                self.used += size
                return True
        self._evict(size)
        with self._lock:
            if self._short(size):
                return False
            self.used += size
            return True

    def _short(self, size: int) -> bool:
        if self.used + size > self._limit:
            return True
        space = os.statvfs(self.folder)
        return space.f_bavail * space.f_frsize - size < self._free

    def _evict(self, size: int) -> None:
        """Drop the least recently used closed files until `size` fits, and a tenth of the limit more."""
        ages: list[tuple[float, Path]] = []
        there = 0
        for path in self._maps():
            with contextlib.suppress(OSError):
                ages.append((path.stat().st_mtime, path.with_suffix("")))
                there += self._weight(path)
        with self._lock:
            self.used = min(self.used, there)  # somebody else may have cleared the folder
        for _, path in sorted(ages):
            with self._lock:
                if not self._short(size + self._limit // 10):
                    return
                if path in self._open:
                    continue
                weight = self._weight(path)
                for suffix in (".map", ".data"):
                    path.with_suffix(suffix).unlink(missing_ok=True)
                self.used -= weight
                log.debug("evicted %s, %d bytes", path.name, weight)

    def census(self) -> tuple[int, int]:
        """How many files there are, and how many of them have every block."""
        files = complete = 0
        for path in self._maps():
            with contextlib.suppress(OSError):
                raw = path.read_bytes()
                files += 1
                complete += len(raw) >= _HEADER.size and 0 not in array("Q", raw[_HEADER.size :])
        return files, complete

    def clear(self) -> int:
        """Drop everything that is not open; returns the bytes freed."""
        before = self.used
        for path in self._maps():
            base = path.with_suffix("")
            with self._lock:
                if base in self._open:
                    continue
                self.used -= self._weight(base)
                for suffix in (".map", ".data"):
                    base.with_suffix(suffix).unlink(missing_ok=True)
        return before - self.used
