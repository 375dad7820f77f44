"""Staging files: what was written here and is not on the server yet.

A staging file is sparse. Opening an asset for writing copies nothing: bytes that nobody has written still are those of
the version that it was opened on, and are fetched when they are read, or when the whole is uploaded (`complete`).

Local paths are numbers; no name from a server or a program is ever part of one.
"""

from __future__ import annotations

import hashlib
import os
import resource
import time
from pathlib import Path

import msgspec
import trio

from assetfs import names
from assetfs.content.reader import Reader
from assetfs.content.store import ContentStore
from assetfs.repository import Kind, Node, NodeId, Rights, VersionChanged
from assetfs.writeback.early import Early
from assetfs.writeback.journal import Entry
from assetfs.writeback.ranges import Ranges
from assetfs.writeback.states import Event, State, after

LOCAL = "local:"

_OPEN = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW

INLINE = 64 << 10
"""Bytes that are read on the loop itself, and always written there: some 20 µs. A thread costs 100 µs, and much more
where processors sleep deeply."""

AT_ONCE = 1 << 20
"""Bytes that are written on the loop while the disk takes them into its cache: 0.15 to 0.3 ms for the kernel's largest
write. 512 MiB: 1.1 GB/s, against 0.5 GB/s through threads (2-core virtual machine)."""

SLOW, REST = 0.003, 1.0
"""Seconds of one such write, if it has slept, after which it is clear that the kernel makes writers wait for the disk,
and for how long this file's writes then go through threads."""

PIECE = 1 << 20


def is_local(node: NodeId) -> bool:
    """Whether an id is one of ours: the server does not know it yet, or never will."""
    return node.startswith(LOCAL)


class Staged:
    """One file (or local folder) that was written here. `entry` is its row of the journal, as it is or is to be."""

    def __init__(self, entry: Entry, path: Path, store: ContentStore) -> None:
        self.entry = entry
        self.path = path
        self.written = Ranges.unpack(entry.written)
        self.writers = 0
        self.handles = 0
        self.generation = 0
        """Goes up with every change of content."""
        self.saved = -1
        """The generation that the journal knows."""
        self.gone = False
        """Deleted, discarded, or confirmed by the server: no row stands for it any more."""
        self.confirmed = False
        """Gone because the server has it: whoever goes on writing begins anew."""
        self.superseded: list[Path] = []
        """Staging files of earlier contents, which the journal still knows."""
        self.upload: trio.CancelScope | None = None
        self.due = 0.0
        """When its upload may start; seconds of the mount's clock."""
        self._ended = trio.Event()
        self.failure: Exception | None = None
        self._store = store
        self._file = -1
        self._retired: list[int] = []
        self._base: Reader | None = None
        self._digests: dict[tuple[int, str], str] = {}
        self._rests_until = 0.0
        self._early = Early()
        self._filling = trio.Lock()
        self._changing = trio.Lock()
        """Held while a thread writes: what is written on the loop, and what is cut, waits for it."""

    # ---- what it is ---------------------------------------------------------------------------------------------

    @property
    def id(self) -> NodeId:
        return self.entry.target.id if self.entry.target is not None else f"{LOCAL}{self.entry.number}"

    @property
    def size(self) -> int:
        return self.entry.size

    @property
    def dirty(self) -> bool:
        """Something has changed that the journal does not know."""
        return self.generation != self.saved

    def step(self, event: Event) -> None:
        """Go on to the next state, by the table."""
        self.entry.state = after(self.entry.state, event)

    def node(self) -> Node:
        """The node as the file system shows it."""
        entry = self.entry
        if entry.target is not None:
            return msgspec.structs.replace(
                entry.target,
                size=entry.size,
                mtime_ns=entry.mtime_ns,
                ctime_ns=entry.mtime_ns,
                version=None,
                digest=None,
            )
        return Node(
            id=self.id,
            kind=Kind.FOLDER if entry.folder else Kind.FILE,
            name=names.decode(entry.name),
            label=f"new{entry.number}",
            size=None if entry.folder else entry.size,
            mtime_ns=entry.mtime_ns,
            ctime_ns=entry.mtime_ns,
            rights=Rights.ALL,
        )

    async def ended(self) -> None:
        """Until the next transfer of it has come to an end, whatever end."""
        await self._ended.wait()

    def end(self) -> None:
        """A transfer has come to an end: wake those who wait for it."""
        self._ended.set()
        self._ended = trio.Event()

    # ---- content ------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the staging file. Blocks for a moment. Raises OSError."""
        if not self.entry.folder:
            self._file = os.open(self.path, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)

    @property
    def _fd(self) -> int:
        """The open staging file. Only files that somebody uses are open: thousands may be owed. Raises OSError."""
        if self._file < 0:
            self._file = os.open(self.path, _OPEN)
        return self._file

    def duplicate(self) -> int:
        """One more descriptor of the content, which outlives the file's name."""
        return os.dup(self._fd)

    async def read(self, offset: int, count: int) -> bytes | memoryview:
        """What the file has there now: written bytes, those of the base, or zeros."""
        stop = min(offset + count, self.size)
        if offset >= stop:
            return b""
        gaps = list(self.written.missing(offset, min(stop, self.entry.base_limit)))
        if not gaps and stop - offset <= INLINE:
            return _exactly(self._fd, offset, stop)
        if not gaps:
            return await trio.to_thread.run_sync(_exactly, self._fd, offset, stop)
        found = bytearray(await trio.to_thread.run_sync(_exactly, self._fd, offset, stop))
        for start, end in gaps:
            found[start - offset : end - offset] = await self._from_base(start, end)
        return memoryview(found)

    async def _from_base(self, start: int, stop: int) -> bytes:
        async with self._filling:
            if self._base is None:
                assert self.entry.base is not None
                self._base = await Reader.open(self._store, await self._current_base(self.entry.base))
        found = bytearray()
        while start + len(found) < stop:
            piece = await self._base.read(start + len(found), stop - start - len(found))
            if not len(piece):
                found += bytes(stop - start - len(found))
            found += piece
        return bytes(found)

    async def _current_base(self, base: Node) -> Node:
        """The base as the backend wants it: after a restart its own part has to be asked for anew."""
        if base.private is not None:
            return base
        now = await self._store.repository.stat(base.id)
        if now.version != base.version:
            raise VersionChanged(f"{base.id} is not what it was when somebody began to change it")
        self.entry.base = msgspec.structs.replace(now, size=base.size)
        return self.entry.base

    async def write(self, offset: int, data: bytes) -> int:
        """Put bytes where they belong. Raises OSError (no space, read-only)."""
        began, slept = time.perf_counter(), _sleeps()
        inline = INLINE if began < self._rests_until else AT_ONCE
        if len(data) <= inline and not self._changing.locked():
            _put(self._fd, offset, data)
            self._wrote(offset, data)
            if time.perf_counter() - began > SLOW and _sleeps() > slept:
                self._rests_until = began + REST
        else:
            async with self._changing:
                await trio.to_thread.run_sync(_put, self._fd, offset, data)
                self._wrote(offset, data)
        return len(data)

    def _wrote(self, offset: int, data: bytes) -> None:
        self.written.add(offset, offset + len(data))
        self.entry.size = max(self.entry.size, offset + len(data))
        self.changed()
        if self._early.wrote(offset, offset + len(data)):
            self._store.start(self._early.send, self.path)

    async def truncate(self, size: int) -> None:
        """Cut, or lengthen with zeros. Raises OSError."""
        async with self._changing:
            os.ftruncate(self._fd, size)
            self.cut(size)

    def cut(self, size: int) -> None:
        """The row says so; the staging file may still be longer."""
        self.written.cut(size)
        self.entry.base_limit = min(self.entry.base_limit, size)
        self.entry.size = size
        self.changed()

    async def begin_anew(self, path: Path) -> None:
        """An empty staging file for a new content; the old one stays until the journal knows the new one."""
        async with self._changing:
            file = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
            if self._file >= 0:
                self._retired.append(self._file)  # a thread may be at work on it
            self.superseded.append(self.path)
            self._file, self.path = file, path
            self.cut(0)

    def changed(self, mtime_ns: int | None = None) -> None:
        """The content is another one now; its time is now, unless somebody says."""
        self.generation += 1
        self.entry.mtime_ns = mtime_ns or time.time_ns()

    async def complete(self) -> None:
        """Fetch every byte that is still missing. Whoever writes meanwhile is right. Raises what the fetch raises."""
        while gap := next(self.written.missing(0, self.entry.base_limit), None):
            start, stop = gap[0], min(gap[1], gap[0] + PIECE)
            piece = await self._from_base(start, stop)
            async with self._changing:
                for first, last in list(self.written.missing(start, min(stop, self.entry.base_limit))):
                    await trio.to_thread.run_sync(_put, self._fd, first, piece[first - start : last - start])
                    self.written.add(first, last)
        async with self._changing:
            if os.fstat(self._fd).st_size < self.size:
                os.ftruncate(self._fd, self.size)

    async def sync(self) -> None:
        """The content survives the machine's death. Raises OSError."""
        await trio.to_thread.run_sync(os.fdatasync, self._fd)

    def snapshot(self) -> Entry:
        """The row as it should be saved now."""
        self.entry.written = self.written.pack()
        return self.entry

    def close(self) -> None:
        """Let go of the file."""
        if self._base is not None:
            self._base.close()
            self._base = None
        for file in (self._file, *self._retired):
            if file >= 0:
                os.close(file)
        self._file = -1
        self._retired.clear()

    # ---- Source -------------------------------------------------------------------------------------------------

    async def content(self, offset: int, count: int) -> bytes:
        """Bytes of a complete file, for the server."""
        return await trio.to_thread.run_sync(_exactly, self._fd, offset, min(offset + count, self.size))

    async def digest(self, algorithm: str) -> str:
        """Lower-case hex digest of a complete file; remembered until it changes."""
        key = (self.generation, algorithm)
        if key not in self._digests:
            self._digests = {key: await trio.to_thread.run_sync(_digest, self._fd, self.size, algorithm)}
        return self._digests[key]


def _exactly(file: int, start: int, stop: int) -> bytes:
    """Bytes [start, stop); zeros where the file ends before."""
    data = os.pread(file, stop - start, start)
    return data + bytes(stop - start - len(data))


def _sleeps() -> int:
    """How often this thread has waited for something, other than for a processor."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def _put(file: int, offset: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while len(view):
        done = os.pwrite(file, view, offset)
        view, offset = view[done:], offset + done


def _digest(file: int, size: int, algorithm: str) -> str:
    made = hashlib.new(algorithm, usedforsecurity=False)
    for at in range(0, size, PIECE):
        made.update(_exactly(file, at, min(at + PIECE, size)))
    return made.hexdigest()


class Outgoing:
    """A staged file as the `Source` that backends read."""

    def __init__(self, staged: Staged) -> None:
        self._staged = staged
        self.size = staged.size

    async def read(self, offset: int, count: int) -> bytes:
        return await self._staged.content(offset, count)

    async def digest(self, algorithm: str) -> str:
        return await self._staged.digest(algorithm)


__all__ = ["LOCAL", "Outgoing", "Staged", "State", "is_local"]
