"""Keeping: what happens to a content's bytes once they have arrived: hashed in order, and written to the disk cache.

Two workers, each in a thread, each with one segment at a time: a slow disk never holds the digest, and neither ever
holds a reader, but for the very end of a file whose digest is not known yet.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from assetfs.content import blocks
from assetfs.content.disk import CacheFile
from assetfs.content.segment import Segment, State
from assetfs.content.verify import Verdict, Verifier
from assetfs.content.window import REQUEST

if TYPE_CHECKING:
    from assetfs.content.content import Content

log = logging.getLogger("assetfs.content")

HELD = 256 << 20
"""The end of a file is held back for its digest when no more than this is left to hash: 0.16 s. A file that was
gathered over days by random reads is verified in the background."""

INLINE = 256 << 10
"""Bytes that are hashed on the loop itself: 0.15 ms, less than a trip through a worker thread and back."""


class Keeper:
    """Digest and disk cache of one content."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._store = content.store
        self._verifier = Verifier(content.node.digest if content.store.verify else None)
        self._hashing = False
        self._writing = False
        self._cacheable = content.store.disk is not None and content.node.version is not None
        self._readable = True
        self.cached: CacheFile | None = None
        self.settled = trio.Event()
        """Set, and replaced, whenever the verdict may have become known or unknowable."""

    @property
    def verdict(self) -> Verdict:
        return self._verifier.verdict

    @property
    def busy(self) -> bool:
        return self._hashing or self._writing

    def has_block(self, block: int) -> bool:
        """Whether the disk cache has a block."""
        return self.cached is not None and self._readable and self.cached.has(block)

    def has(self, position: int) -> bool:
        return self.has_block(position // blocks.BLOCK)

    def present(self) -> int:
        """Bytes that need no server, because the disk cache has them."""
        if self.cached is None or self._content.size is None:
            return 0
        return min(self.cached.stored * blocks.BLOCK, self._content.size)

    def adopt(self, cached: CacheFile) -> None:
        """A cache file from an earlier life; believe its digest if it was verified then."""
        self.cached = cached
        if cached.verified and not cached.missing:
            self._verifier.trust()

    def give_up(self) -> None:
        """Keep nothing on disk from now on, and read nothing from there."""
        self._cacheable, self._readable = False, False

    async def seed(self, file: int) -> None:
        """Take the whole content from an open local file, whose bytes the server has confirmed."""
        if self._writing or not self._cacheable:
            return
        self._writing = True
        try:
            await trio.to_thread.run_sync(self._seed, file, limiter=self._store.workers)
        finally:
            self._writing = False
        if self.cached is not None and not self.cached.missing and not self._hashing:
            self._verifier.trust()
        self.progress()

    def _seed(self, file: int) -> None:
        """In a thread. The file may be longer: a write that met a full disk leaves bytes behind the end."""
        disk, size = self._store.disk, self._content.size
        assert size is not None
        try:
            if self.cached is None:
                self.cached = self._store.open_cache(self._content)
            if self.cached is None or disk is None or not disk.admit(size):
                return
            for start in range(0, size, REQUEST):
                self.cached.write(start, memoryview(os.pread(file, min(REQUEST, size - start), start)))
            if not self.cached.missing:
                self.cached.mark_verified()
        except OSError as full:
            log.warning("the content cache cannot be written: %s", full.strerror)

    def needs(self, segment: Segment) -> bool:
        """Whether the running digest is about to need a segment that is nowhere else."""
        return self._hashing and segment.stop > self._verifier.position and not self.has(segment.start)

    def progress(self) -> None:
        """Something has arrived: hash what comes next, write what is complete, each in a worker of its own, so that
        a slow disk never holds a reader."""
        if self._content.size and self._content.size <= INLINE and not self._verifier.position and not self._hashing:
            segment = self._next_hash()
            if segment is not None and segment.stop == self._content.size:
                self._verifier.update(segment.view(0, self._content.size))
                self._judge()
        if not self._hashing and (self._next_hash() is not None or self._disk_hash()):
            self._hashing = True
            self._store.start(self._hash)
        if not self._writing and self._next_write() is not None:
            self._writing = True
            self._store.start(self._write)
        self.settle()
        self._store.pool.wake()

    def _next_hash(self) -> Segment | None:
        """The complete segment that the digest needs next, if it is to be hashed now."""
        if self._verifier.verdict is not Verdict.OPEN or self._later():
            return None
        segment = self._content.covering(self._verifier.position)
        return segment if segment is not None and segment.state is State.READY else None

    def _later(self) -> bool:
        """Whether the digest may wait until all is on disk: for a large file on a fast way, where it would take the
        processor from its reader (0.6 s per GiB), and is too late to hold back the end anyway."""
        large = self._content.size is not None and self._content.size > HELD
        return large and self._cacheable and self._store.pace.fast

    def _disk_hash(self) -> bool:
        """Whether the rest can be hashed from the disk cache: only once all of it is there."""
        return self._verifier.verdict is Verdict.OPEN and self.cached is not None and not self.cached.missing

    def _next_write(self) -> Segment | None:
        if not self._cacheable:
            return None
        for segment in self._content.segments:
            if segment.state is State.READY and segment.stop > segment.start and not self.has(segment.start):
                return segment
        return None

    async def _hash(self) -> None:
        try:
            while True:
                if (segment := self._next_hash()) is not None:
                    await self._with_pinned(segment, self._hash_segment)
                elif self._disk_hash():
                    await self._store.quiet.run(self._hash_from_disk)
                else:
                    break
                self._judge()
                self.settle()
        except OSError as broken:
            log.warning("the content cache cannot be read: %s", broken.strerror)
            self._verifier.give_up()
        except Exception:
            self._verifier.give_up()
            raise
        finally:
            self._hashing = False
            self.settle()
            self._store.drained(self._content)

    async def _write(self) -> None:
        try:
            while (segment := self._next_write()) is not None:
                await self._with_pinned(segment, self._write_segment)
        finally:
            self._writing = False
            self._store.drained(self._content)
        self.progress()

    async def _with_pinned(self, segment: Segment, work: Callable[[Segment], None]) -> None:
        segment.pins += 1
        try:
            await self._store.quiet.run(work, segment)
        finally:
            segment.pins -= 1
            self._store.pool.wake()

    def _hash_segment(self, segment: Segment) -> None:
        self._verifier.update(segment.view(self._verifier.position, segment.stop))

    def _hash_from_disk(self) -> None:
        assert self.cached is not None
        assert self._content.size is not None
        position = self._verifier.position
        start = blocks.floor(position)
        piece = memoryview(bytearray(min(REQUEST, self._content.size - start)))
        if self.cached.read(start, piece):
            self._verifier.update(piece[position - start :])

    def _write_segment(self, segment: Segment) -> None:
        """In a thread."""
        disk = self._store.disk
        try:
            if self.cached is None:
                self.cached = self._store.open_cache(self._content)
            if self.cached is None or disk is None or not disk.admit(segment.stop - segment.start):
                self._cacheable = False
                return
            self.cached.write(segment.start, segment.view(segment.start, segment.stop))
        except OSError as full:
            log.warning("the content cache cannot be written: %s", full.strerror)
            self._cacheable = False
        except Exception:
            log.exception("a fault of assetfs while %s was written to the content cache", self._content.node.id)
            self._cacheable = False

    def _judge(self) -> None:
        finished = self._verifier.verdict is Verdict.OPEN and self._verifier.position == self._content.size
        if finished and self._verifier.conclude() is Verdict.BAD:
            log.error("the bytes of %s do not fit the digest that the server gives: dropped", self._content.node.id)
            self._store.distrust(self._content)
        if self._verifier.verdict is Verdict.GOOD and self.cached is not None and not self.cached.missing:
            self.cached.mark_verified()

    def verdict_is_near(self) -> bool:
        """Whether the digest will be known soon, because everything has arrived and little is left to hash."""
        if self._verifier.verdict is not Verdict.OPEN or self._content.size is None:
            return False
        position = self._verifier.position
        if self._content.size - position > HELD:
            return False
        while position < self._content.size:
            segment = self._content.covering(position)
            if segment is None or segment.state is State.BROKEN:
                return self._disk_hash()
            position = segment.stop
        return True

    def settle(self) -> None:
        self.settled.set()
        self.settled = trio.Event()
