"""The content of one node in one version, shared by all its readers.

A read names the bytes that it needs and the bytes that will be needed soon (`window.py` decides). What is neither in
memory nor on its way is loaded from the disk cache where it is present, and fetched from the server where it is not:
as few requests as possible, each at most `REQUEST` bytes, none for bytes that another request is already bringing.
Segments that are complete are hashed and written to disk by a worker; then their memory may be used again.

What happens between two checkpoints is atomic: the loop is the only thread that touches a `Content`.
"""

from __future__ import annotations

import bisect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from assetfs.content import blocks
from assetfs.content.disk import CacheFile
from assetfs.content.segment import Segment, State
from assetfs.content.verify import Verdict, Verifier
from assetfs.content.window import INITIAL, REQUEST
from assetfs.repository import Node, ProtocolViolation, RepositoryError, VersionChanged

if TYPE_CHECKING:
    from assetfs.content.store import ContentStore

log = logging.getLogger("assetfs.content")

HELD = 256 << 20
"""The end of a file is held back for its digest when no more than this is left to hash: 0.16 s. A file that was
gathered over days by random reads is verified in the background."""

INLINE = 256 << 10
"""Bytes that are hashed or read on the loop itself: 0.15 ms, less than a trip through a worker thread and back."""


class Content:
    """One node's bytes in one version. Made by `ContentStore.open`; lives while it has readers."""

    def __init__(self, store: ContentStore, node: Node, size: int | None) -> None:
        self.store = store
        self.node = node
        self.size = size
        self.readers = 0
        self.cached: CacheFile | None = None
        self.stale = False
        """The server has another version now; what is here goes on serving, the rest is gone."""
        self._segments: list[Segment] = []
        self._starts: list[int] = []
        self._verifier = Verifier(node.digest)
        self._settled = trio.Event()
        self._size_known = trio.Event()
        self._hashing = False
        self._writing = False
        self._cacheable = store.disk is not None and node.version is not None
        if size is not None:
            self._size_known.set()

    # ---- size ---------------------------------------------------------------------------------------------------

    async def learn_size(self) -> int:
        """The size, from the first fetch's answer if nothing else has told it."""
        while self.size is None:
            segment = self._covering(0)
            if segment is None or segment.state is State.BROKEN:
                buffer = await self.store.pool.take(INITIAL)
                if self.size is not None or self._covering(0) not in (None, segment):
                    self.store.pool.give(buffer)
                    continue
                if segment is not None:
                    self._drop(segment)
                segment = Segment(0, INITIAL, buffer, self._total)
                self._insert(segment)
                self.store.start(self._fetch, segment)
            while self.size is None and segment.state is State.FILLING:
                await self._either(segment)
            if self.size is None:
                self._drop(segment)
                raise segment.error or ProtocolViolation(f"the server did not say how large {self.node.id} is")
        return self.size

    async def _either(self, segment: Segment) -> None:
        """Until the size is known or the segment has ended."""
        async with trio.open_nursery() as nursery:

            async def first(wait: Callable[[], object]) -> None:
                await wait()  # type: ignore[misc]
                nursery.cancel_scope.cancel()

            nursery.start_soon(first, self._size_known.wait)
            nursery.start_soon(first, lambda: segment.wait(segment.stop))

    def _total(self, size: int) -> None:
        if self.size is None:
            self.size = size
            for segment in self._segments:
                segment.shorten(size)
            self._size_known.set()
            self.store.measured(self.node, size)
        elif size != self.size:
            raise VersionChanged(f"{self.node.id} has {size} bytes on the server now, not {self.size}")

    # ---- reading ------------------------------------------------------------------------------------------------

    async def read(self, start: int, stop: int, ahead: int) -> bytes | memoryview:
        """Bytes [start, stop), cut at the end of the file; those up to `ahead` are fetched too, and not waited for.

        The view is good until the next checkpoint. Raises what the fetch raised, VersionChanged once `stale`, and
        ProtocolViolation for the end of a file that does not fit its digest.
        """
        size = await self.learn_size()
        stop = min(stop, size)
        if start >= stop:
            return b""
        while True:
            if self._verifier.verdict is Verdict.BAD:
                raise ProtocolViolation(f"the bytes of {self.node.id} do not fit the digest that the server gives")
            missing = self._first_missing(start, stop)
            if missing is None:
                self._fetch_ahead(stop, ahead)
                if stop < size or not self._verdict_is_near():
                    return self._collect(start, stop)
                await self._settled.wait()
                continue
            segment = self._covering(missing)
            if segment is None:
                if self.stale and not self._on_disk(missing):
                    raise VersionChanged(f"{self.node.id} was replaced on the server while it was open")
                await self._demand(missing, stop, ahead)
                continue
            self._fetch_ahead(stop, ahead)
            await segment.wait(min(stop, segment.stop))
            if segment.state is not State.FILLING and segment.arrived <= missing:
                error = segment.error
                self._trim(segment)
                if error is not None:
                    raise error

    def _first_missing(self, start: int, stop: int) -> int | None:
        position = start
        while position < stop:
            segment = self._covering(position)
            if segment is None or segment.arrived <= position:
                return position
            self.store.touch(segment)
            position = min(segment.arrived, segment.stop)
        return None

    def _collect(self, start: int, stop: int) -> bytes | memoryview:
        first = self._covering(start)
        assert first is not None
        if first.arrived >= stop:
            return first.view(start, stop)
        joined = bytearray(stop - start)
        position = start
        while position < stop:
            segment = self._covering(position)
            assert segment is not None
            end = min(segment.arrived, stop)
            joined[position - start : end - start] = segment.view(position, end)
            position = end
        return memoryview(joined)

    async def _demand(self, position: int, stop: int, ahead: int) -> None:
        """Start what brings the byte at `position`, which is nowhere in memory. Waits for a buffer."""
        assert self.size is not None
        start = blocks.floor(position)
        limit = self._free_until(start, blocks.ceil(max(stop, ahead), self.size))
        start, stop, present = next(blocks.runs(start, limit, REQUEST, self._on_disk_block))
        buffer = await self.store.pool.take(stop - start)
        if self._free_until(start, stop) < stop or self._covering(start) is not None:
            self.store.pool.give(buffer)
            return
        segment = Segment(start, stop, buffer, self._total)
        self._insert(segment)
        if present:
            await self._load(segment)
        else:
            self.store.start(self._fetch, segment)

    def _fetch_ahead(self, start: int, stop: int) -> None:
        """Start fetches for [start, stop) where nothing is, as far as memory and connections allow. Never waits."""
        if start >= stop or self.size is None or self.stale:
            return
        position = blocks.floor(start)
        stop = blocks.ceil(stop, self.size)
        while position < stop:
            segment = self._covering(position)
            if segment is not None:
                position = segment.stop
                continue
            limit = self._free_until(position, stop)
            for begin, end, present in list(blocks.runs(position, limit, REQUEST, self._on_disk_block)):
                if present:
                    continue  # the disk is near: a read loads it when it comes
                if not self.store.may_fetch_ahead():
                    return
                buffer = self.store.pool.try_take(end - begin, share=0.8)
                if buffer is None:
                    return
                segment = Segment(begin, end, buffer, self._total)
                self._insert(segment)
                self.store.start_ahead(self._fetch, segment)
            position = limit

    def _free_until(self, position: int, stop: int) -> int:
        """The end of the gap at `position`, at most `stop`."""
        index = bisect.bisect_right(self._starts, position)
        return min(stop, self._starts[index]) if index < len(self._starts) else stop

    # ---- filling ------------------------------------------------------------------------------------------------

    async def _fetch(self, segment: Segment) -> None:
        """Let the server fill a segment. Never raises: the error is the segment's."""
        error: Exception | None = None
        with segment.scope:
            try:
                self.store.count("fetches")
                await self.store.repository.fetch(self.node, segment.start, segment.stop, segment)
                if segment.arrived < segment.stop:
                    error = ProtocolViolation(f"the server sent less of {self.node.id} than it promised")
            except VersionChanged as changed:
                self.stale = True
                error = changed
                self.store.changed(self.node)
            except RepositoryError as failed:
                error = failed
            except Exception as bug:
                log.exception("fetch of %s failed", self.node.id)
                error = ProtocolViolation(f"fetching failed: {type(bug).__name__}")
        self.store.count("fetched_bytes", segment.arrived - segment.start)
        segment.finish(error)
        if segment.state is State.BROKEN and not segment.watched:
            self._trim(segment)
        self._progress()

    async def _load(self, segment: Segment) -> None:
        """Fill a segment from the disk cache. Damaged blocks are absent afterwards and will be fetched."""
        assert self.cached is not None
        cached = self.cached
        into = segment.view(segment.start, segment.stop)
        good = cached.read(segment.start, into, wait=False) if len(into) <= REQUEST // 8 else None
        if good is None:
            segment.pins += 1
            try:
                good = await trio.to_thread.run_sync(lambda: cached.read(segment.start, into))
            except OSError as broken:
                log.warning("cache file %s cannot be read: %s", cached.path.name, broken.strerror)
                good = False
                self.cached = None
            finally:
                segment.pins -= 1
        if good:
            segment.landed(segment.start, segment.stop - segment.start)
            self.store.count("cache_bytes", segment.stop - segment.start)
            segment.finish()
        else:
            segment.finish()
            self._drop(segment)
        self._progress()

    # ---- hashing and writing ------------------------------------------------------------------------------------

    def _progress(self) -> None:
        """Something has arrived: hash what comes next, write what is complete, each in a worker of its own, so that
        a slow disk never holds a reader."""
        if self.size and self.size <= INLINE and not self._verifier.position and not self._hashing:
            segment = self._next_hash()
            if segment is not None and segment.stop == self.size:
                self._verifier.update(segment.view(0, self.size))
                self._judge()
        if not self._hashing and (self._next_hash() is not None or self._disk_hash()):
            self._hashing = True
            self.store.start(self._hash)
        if not self._writing and self._next_write() is not None:
            self._writing = True
            self.store.start(self._write)
        self._settle()
        self.store.pool.wake()

    def _next_hash(self) -> Segment | None:
        """The complete segment that the digest needs next."""
        if self._verifier.verdict is not Verdict.OPEN:
            return None
        segment = self._covering(self._verifier.position)
        return segment if segment is not None and segment.state is State.READY else None

    def _disk_hash(self) -> bool:
        """Whether the rest can be hashed from the disk cache: only once all of it is there."""
        return self._verifier.verdict is Verdict.OPEN and self.cached is not None and not self.cached.missing

    def _next_write(self) -> Segment | None:
        if self.cached is None and not self._cacheable:
            return None
        for segment in self._segments:
            if segment.state is State.READY and not self._on_disk(segment.start):
                return segment
        return None

    async def _hash(self) -> None:
        try:
            while True:
                if (segment := self._next_hash()) is not None:
                    await self._with_pinned(segment, self._hash_segment)
                elif self._disk_hash():
                    await trio.to_thread.run_sync(self._hash_from_disk, limiter=self.store.workers)
                else:
                    break
                self._judge()
                self._settle()
        finally:
            self._hashing = False
            self._settle()
            self.store.drained(self)

    async def _write(self) -> None:
        try:
            while (segment := self._next_write()) is not None:
                await self._with_pinned(segment, self._write_segment)
        finally:
            self._writing = False
            self.store.drained(self)
        self._progress()

    async def _with_pinned(self, segment: Segment, work: Callable[[Segment], None]) -> None:
        segment.pins += 1
        try:
            await trio.to_thread.run_sync(work, segment, limiter=self.store.workers)
        finally:
            segment.pins -= 1
            self.store.pool.wake()

    def _hash_segment(self, segment: Segment) -> None:
        self._verifier.update(segment.view(self._verifier.position, segment.stop))

    def _hash_from_disk(self) -> None:
        assert self.cached is not None
        assert self.size is not None
        position = self._verifier.position
        start = blocks.floor(position)
        piece = memoryview(bytearray(min(REQUEST, self.size - start)))
        if self.cached.read(start, piece):
            self._verifier.update(piece[position - start :])

    def _write_segment(self, segment: Segment) -> None:
        """In a thread."""
        disk = self.store.disk
        try:
            if self.cached is None:
                self.cached = self.store.open_cache(self)
            if self.cached is None or disk is None or not disk.admit(segment.stop - segment.start):
                self._cacheable = False
                return
            self.cached.write(segment.start, segment.view(segment.start, segment.stop))
        except OSError as full:
            log.warning("the content cache cannot be written: %s", full.strerror)
            self._cacheable = False

    def _judge(self) -> None:
        finished = self._verifier.verdict is Verdict.OPEN and self._verifier.position == self.size
        if finished and self._verifier.conclude() is Verdict.BAD:
            log.error("the bytes of %s do not fit the digest that the server gives: dropped", self.node.id)
            self.store.distrust(self)
        if self._verifier.verdict is Verdict.GOOD and self.cached is not None and not self.cached.missing:
            self.cached.mark_verified()

    def _verdict_is_near(self) -> bool:
        """Whether the digest will be known soon, because everything has arrived and little is left to hash."""
        if self._verifier.verdict is not Verdict.OPEN or self.size is None:
            return False
        position = self._verifier.position
        if self.size - position > HELD:
            return False
        while position < self.size:
            segment = self._covering(position)
            if segment is None or segment.state is State.BROKEN:
                return self._disk_hash()
            position = segment.stop
        return True

    def _settle(self) -> None:
        self._settled.set()
        self._settled = trio.Event()

    # ---- segments -----------------------------------------------------------------------------------------------

    def _covering(self, position: int) -> Segment | None:
        index = bisect.bisect_right(self._starts, position) - 1
        if index >= 0 and position < self._segments[index].stop:
            return self._segments[index]
        return None

    def _insert(self, segment: Segment) -> None:
        index = bisect.bisect_right(self._starts, segment.start)
        self._segments.insert(index, segment)
        self._starts.insert(index, segment.start)
        self.store.resident(self, segment)

    def _drop(self, segment: Segment) -> None:
        """Forget a segment and give its memory back."""
        if segment in self._segments:
            index = self._segments.index(segment)
            del self._segments[index], self._starts[index]
            self.store.gone(segment)
            self.store.pool.give(segment.buffer)

    def _trim(self, segment: Segment) -> None:
        """Of a broken segment keep the whole blocks that have landed. Once; again does nothing."""
        if segment.state is not State.BROKEN or segment not in self._segments:
            return
        end = blocks.floor(segment.arrived)
        if end > segment.start:
            segment.stop = segment.arrived = end
            segment.state = State.READY
            self._progress()
        else:
            self._drop(segment)

    def evict(self, segment: Segment) -> bool:
        """Give up a segment's memory if nobody needs it now. False when it must stay.

        What was not written to disk yet is dropped too: the cache is a help, never a brake. What the digest needs
        next stays until it was hashed.
        """
        if segment.pins or segment.watched or segment.state is State.FILLING:
            return False
        if self._hashing and segment.stop > self._verifier.position and not self._on_disk(segment.start):
            return False
        self._drop(segment)
        self._settle()
        return True

    def _on_disk_block(self, block: int) -> bool:
        return self.cached is not None and self.cached.has(block)

    def _on_disk(self, position: int) -> bool:
        return self._on_disk_block(position // blocks.BLOCK)

    def present(self) -> int:
        """Bytes of this content that need no server: in the disk cache."""
        if self.cached is None or self.size is None:
            return 0
        return min(self.cached.stored * blocks.BLOCK, self.size)

    def cancel(self) -> None:
        """The last reader has gone: stop what is still on its way; whole blocks that have landed are kept."""
        for segment in list(self._segments):
            if segment.state is State.FILLING:
                segment.scope.cancel()

    @property
    def busy(self) -> bool:
        return self._hashing or self._writing or any(s.state is State.FILLING or s.pins for s in self._segments)

    def trust_disk(self) -> None:
        """The cache file says that its content was verified."""
        if self.cached is not None and self.cached.verified and not self.cached.missing:
            self._verifier.trust()

    def abandon(self) -> None:
        """Its bytes are not to be trusted: stop, and keep nothing."""
        self._cacheable = False
        self.cancel()
        for segment in list(self._segments):
            if not segment.pins and segment.state is not State.FILLING:
                self._drop(segment)

    def release(self) -> None:
        """Give all memory back; nothing may be busy."""
        for segment in list(self._segments):
            self._drop(segment)
