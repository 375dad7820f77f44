"""Local content: files of this machine that hold a node's bytes, opened without trusting the path that a server gave.

The path is resolved by the kernel below its root, following no link at any step (openat2); where there is no openat2,
step by step with O_NOFOLLOW. What it leads to is looked at before it is opened, so that a FIFO or a device is never
opened at all. Everything happens in threads of its own: the disk may be a network's, and hang.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import stat
import struct
import threading
from collections.abc import Callable

import msgspec
import trio
from cachetools import LRUCache

from assetfs.repository import Forbidden, LocalContent, Node, NotHere, ProtocolViolation

log = logging.getLogger("assetfs.vfs")

THREADS = 32
"""That may hang on such a disk at once; nothing else of the mount waits for them."""

KEPT = 10_000
"""Files whose size and time are remembered."""

GOOD = 1.0
"""Seconds that they are: as long as the kernel believes attributes."""

_OPENAT2 = 437
"""On every architecture."""
_BENEATH, _NO_MAGICLINKS, _NO_SYMLINKS = 0x08, 0x02, 0x04
_libc = ctypes.CDLL(None, use_errno=True)


class Found(msgspec.Struct, frozen=True):
    """A regular file: what it is now."""

    size: int
    mtime_ns: int
    mark: str
    """Of which file and content it is; another one when either changes."""


def open_below(content: LocalContent) -> int:
    """A descriptor of a regular file, for reading. Blocks. Raises NotHere, Forbidden, OSError."""
    relative = os.fsencode(content.relative)
    if not relative or b"\0" in relative or {b"", b".", b".."} & set(relative.split(b"/")):
        log.warning("a path that leads out of %s is not followed: %r", content.root, content.relative)
        raise NotHere("its path leads out of the place where it may be")
    try:
        root = os.open(content.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            file = _descend(root, relative)
        finally:
            os.close(root)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise NotHere("there is no regular file")
            return os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        finally:
            os.close(file)
    except PermissionError as error:
        raise Forbidden(f"{content.relative}: {error.strerror}") from None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV, errno.ENAMETOOLONG):
            raise NotHere(f"it is not at this place: {error.strerror}") from None
        raise


def _descend(root: int, relative: bytes) -> int:
    """An O_PATH descriptor of what is there."""
    how = struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW, 0, _BENEATH | _NO_MAGICLINKS | _NO_SYMLINKS)
    found = int(_libc.syscall(_OPENAT2, root, relative, how, len(how)))
    if found >= 0:
        return found
    code = ctypes.get_errno()
    if code not in (errno.ENOSYS, errno.EPERM):  # EPERM: forbidden by a seccomp filter that does not know it
        raise OSError(code, os.strerror(code))
    return descend_by_steps(root, relative)


def descend_by_steps(root: int, relative: bytes) -> int:
    """The same without openat2."""
    here = os.dup(root)
    *folders, last = relative.split(b"/")
    try:
        for part in folders:
            below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        found = os.open(last, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    finally:
        os.close(here)
    if stat.S_ISLNK(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return found


def _look(file: int) -> Found:
    now = os.fstat(file)
    return Found(now.st_size, now.st_mtime_ns, f"{now.st_dev}:{now.st_ino}:{now.st_mtime_ns}:{now.st_size}")


class _Turn:
    """One read: whether its thread came to it, or nobody waits any more."""

    def __init__(self) -> None:
        self.begun = False
        self.called_off = False


class LocalReader:
    """An open local file, read as `content.Reader` is. `node` is as it shows while this is open."""

    def __init__(self, node: Node, file: int, size: int, threads: trio.CapacityLimiter) -> None:
        self.node = node
        self.size = size
        self._file = file
        self._threads = threads
        self._lock = threading.Lock()
        self._busy = 0
        """Threads that read; the last one closes the file when nobody else wants it."""
        self._closed = False

    async def learn_size(self) -> int:
        return self.size

    async def read(self, offset: int, count: int) -> bytes:
        """Bytes at `offset`, fewer only at the end. A thread that hangs is left behind. Raises OSError."""
        turn = _Turn()
        with self._lock:
            self._busy += 1
        try:
            return await trio.to_thread.run_sync(
                self._pread, turn, offset, count, limiter=self._threads, abandon_on_cancel=True
            )
        except trio.Cancelled:
            with self._lock:
                if not turn.begun:
                    turn.called_off = True
                    self._left()
            raise

    def _pread(self, turn: _Turn, offset: int, count: int) -> bytes:
        with self._lock:
            if turn.called_off:
                return b""
            turn.begun = True
        try:
            return os.pread(self._file, min(count, max(self.size - offset, 0)), offset)
        finally:
            with self._lock:
                self._left()

    def _left(self) -> None:
        self._busy -= 1
        self._end()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._end()

    def _end(self) -> None:
        if self._closed and not self._busy and self._file >= 0:
            os.close(self._file)
            self._file = -1


class Local:
    """The local contents of a file system. `clock` is the mount's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._threads = trio.CapacityLimiter(THREADS)
        self._seen: LRUCache[LocalContent, tuple[float, Found | None]] = LRUCache(KEPT)

    async def open(self, node: Node) -> LocalReader | None:
        """A reader of the node's file; None where there is none and the backend can fetch it. Raises NotHere,
        Forbidden, ProtocolViolation, OSError."""
        content = node.local
        assert content is not None
        try:
            file, found = await self._run(lambda: _opened(content))
        except NotHere:
            self._seen[content] = (self._clock(), None)
            if content.fetchable:
                return None
            raise
        if content.exact and node.size is not None and found.size != node.size:
            os.close(file)
            raise ProtocolViolation(f"{content.relative} has {found.size} bytes, and should have {node.size}")
        self._seen[content] = (self._clock(), found)
        return LocalReader(self._as(node, found), file, found.size, self._threads)

    async def look(self, node: Node) -> None:
        """Learn the size and time of a node's file, if it can be reached."""
        content = node.local
        if content is None or content.exact or self._clock() - self._seen.get(content, (float("-inf"), None))[0] < GOOD:
            return
        try:
            file, found = await self._run(lambda: _opened(content))
        except (NotHere, Forbidden, OSError):
            self._seen[content] = (self._clock(), None)
            return
        os.close(file)
        self._seen[content] = (self._clock(), found)

    async def _run(self, work: Callable[[], tuple[int, Found]]) -> tuple[int, Found]:
        return await trio.to_thread.run_sync(work, limiter=self._threads)

    def unseen(self, node: Node) -> bool:
        """Whether there may be a file whose size and time nobody has looked at."""
        return node.local is not None and not node.local.exact and node.local not in self._seen

    def shown(self, node: Node) -> Node:
        """A node with its file's own size and time, as far as they were seen."""
        if node.local is None or node.local.exact:
            return node
        found = self._seen.get(node.local, (0.0, None))[1]
        return node if found is None else self._as(node, found)

    @staticmethod
    def _as(node: Node, found: Found) -> Node:
        if node.local is not None and node.local.exact:
            return node
        version = f"{node.version} {found.mark}"
        return msgspec.structs.replace(node, size=found.size, mtime_ns=found.mtime_ns, version=version)


def _opened(content: LocalContent) -> tuple[int, Found]:
    file = open_below(content)
    try:
        return file, _look(file)
    except BaseException:
        os.close(file)
        raise
