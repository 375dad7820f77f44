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
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from assetfs.content import blocks
from assetfs.content.keeping import Keeper
from assetfs.content.segment import Segment, State
from assetfs.content.verify import Verdict
from assetfs.content.window import INITIAL, REQUEST
from assetfs.repository import (
    Node,
    NotFound,
    Offline,
    ProtocolViolation,
    RepositoryError,
    Unavailable,
    VersionChanged,
)

if TYPE_CHECKING:
    from assetfs.content.store import ContentStore

log = logging.getLogger("assetfs.content")

PAUSE = 1.0
"""Seconds for which a fetch is not repeated that has taken long to fail. The kernel asks for the pages of a failed read
once more, for each reader in turn: with a server that hangs, each of them would wait to the deadline again."""


class Content:
    """One node's bytes in one version. Made by `ContentStore.open`; lives while it has readers."""

    def __init__(self, store: ContentStore, node: Node) -> None:
        self.store = store
        self.node = node
        self.size: int | None = None
        self.prepared = trio.Event()
        self.closed = trio.Event()
        self.readers = 0
        self.stale = False
        """The server has another version now; what is here goes on serving, the rest is gone."""
        self.segments: list[Segment] = []
        self._starts: list[int] = []
        self.keeper = Keeper(self)
        self._failed: tuple[float, Segment] | None = None
        """The fetch that found nobody in time while somebody waited for it, and until when that counts."""

    # ---- size ---------------------------------------------------------------------------------------------------

    async def learn_size(self, first: int = INITIAL) -> int:
        """The size, from the answer to a fetch of the first `first` bytes if nothing else has told it."""
        while self.size is None:
            segment = self.covering(0)
            if segment is None or segment.state is State.BROKEN:
                buffer = await self.store.pool.take(first)
                if self.size is not None or self.covering(0) not in (None, segment):
                    self.store.pool.give(buffer)
                    continue
                if segment is not None:
                    self._drop(segment)
                segment = Segment(0, first, buffer, self._total)
                self._insert(segment)
                self.store.start(self._fetch, segment)
            while self.size is None and segment.state is State.FILLING:
                await segment.sized.wait()
            if self.size is None:
                self._drop(segment)
                raise segment.error or ProtocolViolation(f"the server did not say how large {self.node.id} is")
        return self.size

    def _total(self, size: int) -> None:
        if self.size is None:
            self.size = size
            for segment in self.segments:
                segment.shorten(size)
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
            if self.doomed:
                raise await self._why_doomed()
            missing = self._first_missing(start, stop)
            if missing is None:
                with self._pinned(start, stop):
                    self._fetch_ahead(stop, ahead)
                if stop < size or not self.keeper.verdict_is_near():
                    return self._collect(start, stop)
                await self.keeper.settled.wait()
                continue
            segment = self.covering(missing)
            if segment is None:
                if self.stale and not self.keeper.has(missing):
                    raise VersionChanged(f"{self.node.id} was replaced on the server while it was open")
                self._pause(missing)
                await self._demand(missing, stop, ahead)
                continue
            self._fetch_ahead(missing, ahead)
            await segment.wait(min(stop, segment.stop))
            if segment.state is not State.FILLING and segment.arrived <= missing:
                error = segment.error
                self._trim(segment)
                if error is not None:
                    raise error

    async def _why_doomed(self) -> RepositoryError:
        """Bytes that do not fit the digest are mostly another version's, where no answer tells versions apart."""
        try:
            now = await self.store.repository.stat(self.node.id)
        except NotFound:
            now = None
        if now is not None and now.version == self.node.version:
            return ProtocolViolation(f"the bytes of {self.node.id} do not fit the digest that the server gives")
        if not self.stale:
            self.stale = True
            self.store.changed(self.node)
        return VersionChanged(f"{self.node.id} was replaced on the server")

    def _pause(self, position: int) -> None:
        """Raise again what a fetch of this byte has raised a moment ago."""
        if self._failed is None:
            return
        until, segment = self._failed
        if trio.current_time() < until and segment.start <= position < segment.stop and segment.error is not None:
            raise segment.error

    @contextmanager
    def _pinned(self, start: int, stop: int) -> Iterator[None]:
        """What a reader is about to get must not make room for what comes after it."""
        held = self.segments[
            max(bisect.bisect_right(self._starts, start) - 1, 0) : bisect.bisect_left(self._starts, stop)
        ]
        for segment in held:
            segment.pins += 1
        try:
            yield
        finally:
            for segment in held:
                segment.pins -= 1

    def _first_missing(self, start: int, stop: int) -> int | None:
        position = start
        while position < stop:
            segment = self.covering(position)
            if segment is None or segment.arrived <= position:
                return position
            self.store.touch(segment)
            position = min(segment.arrived, segment.stop)
            segment.spent = segment.spent or segment.stop <= stop
            segment.used = max(segment.used, min(stop, segment.arrived))
        return None

    def _collect(self, start: int, stop: int) -> bytes | memoryview:
        first = self.covering(start)
        assert first is not None
        if first.arrived >= stop:
            return first.view(start, stop)
        joined = bytearray(stop - start)
        position = start
        while position < stop:
            segment = self.covering(position)
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
        start, stop, present = next(blocks.runs(start, limit, REQUEST, self.keeper.has_block))
        buffer = await self.store.pool.take(stop - start)
        if self._free_until(start, stop) < stop or self.covering(start) is not None:
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
            segment = self.covering(position)
            if segment is not None:
                position = segment.stop
                continue
            limit = self._free_until(position, stop)
            for begin, end, present in list(blocks.runs(position, limit, REQUEST, self.keeper.has_block)):
                if not present and not self.store.may_fetch_ahead():
                    return
                buffer = self.store.pool.try_take(end - begin, share=0.8)
                if buffer is None:
                    return
                segment = Segment(begin, end, buffer, self._total)
                self._insert(segment)
                if present:
                    self.store.start(self._load, segment)
                else:
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
        began = trio.current_time()
        with segment.scope:
            try:
                self.store.count("fetches")
                size, segment.fetched = segment.stop - segment.start, True
                with self.store.transfers.under_way("download", self.node.name, size, segment.landed_bytes):
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
        self.store.pace.took(segment.arrived - segment.start, trio.current_time() - began)
        slow = isinstance(error, Offline) or (isinstance(error, Unavailable) and error.timeout)
        if slow and segment.watched:
            self._failed = (trio.current_time() + PAUSE, segment)
        segment.finish(error)
        if segment.state is State.BROKEN and not segment.watched:
            self._trim(segment)
        self.keeper.progress()

    async def _load(self, segment: Segment) -> None:
        """Fill a segment from the disk cache. Damaged blocks are absent afterwards and will be fetched."""
        cached = self.keeper.cached
        assert cached is not None
        into = segment.view(segment.start, segment.stop)
        segment.pins += 1
        try:
            good = cached.read(segment.start, into, wait=False) if len(into) <= REQUEST // 8 else None
            if good is None:
                good = await trio.to_thread.run_sync(lambda: cached.read(segment.start, into))
        except Exception as broken:
            log.warning("cache file %s cannot be read: %s", cached.path.name, broken)
            good = False
            self.keeper.give_up()
        finally:
            segment.pins -= 1
        if good:
            segment.landed(segment.start, segment.stop - segment.start)
            self.store.count("cache_hits")
            self.store.count("cache_bytes", segment.stop - segment.start)
            segment.finish()
        else:
            segment.finish()
            self._drop(segment)
        self.keeper.progress()

    # ---- segments -----------------------------------------------------------------------------------------------

    def covering(self, position: int) -> Segment | None:
        index = bisect.bisect_right(self._starts, position) - 1
        if index >= 0 and position < self.segments[index].stop:
            return self.segments[index]
        return None

    def _insert(self, segment: Segment) -> None:
        index = bisect.bisect_right(self._starts, segment.start)
        self.segments.insert(index, segment)
        self._starts.insert(index, segment.start)
        self.store.resident(self, segment)

    def _drop(self, segment: Segment) -> None:
        """Forget a segment and give its memory back."""
        if segment in self.segments:
            index = self.segments.index(segment)
            del self.segments[index], self._starts[index]
            self.store.gone(segment)
            self.store.pool.give(segment.buffer)
            if segment.fetched and segment.used < segment.arrived:
                self.store.count("unread_bytes", segment.arrived - segment.used)

    def _trim(self, segment: Segment) -> None:
        """Of a broken segment keep the whole blocks that have landed. Once; again does nothing."""
        if segment.state is not State.BROKEN or segment not in self.segments:
            return
        end = blocks.floor(segment.arrived)
        if end > segment.start:
            segment.stop = segment.arrived = end
            segment.state = State.READY
            self.keeper.progress()
        else:
            self._drop(segment)

    def spare(self, segment: Segment) -> bool:
        """Give up a segment that was read to its end and is on disk. False when it is not so."""
        return segment.spent and self.keeper.has(segment.start) and self.evict(segment)

    def evict(self, segment: Segment) -> bool:
        """Give up a segment's memory if nobody needs it now. False when it must stay.

        What was not written to disk yet is dropped too: the cache is a help, never a brake. What the digest needs
        next stays until it was hashed.
        """
        if segment.pins or segment.watched or segment.state is State.FILLING:
            return False
        if self.keeper.needs(segment):
            return False
        self._drop(segment)
        self.keeper.settle()
        return True

    def cancel(self) -> None:
        """The last reader has gone: stop what is still on its way; whole blocks that have landed are kept."""
        for segment in list(self.segments):
            if segment.state is State.FILLING:
                segment.scope.cancel()

    @property
    def doomed(self) -> bool:
        """Its bytes do not fit its digest."""
        return self.keeper.verdict is Verdict.BAD

    @property
    def busy(self) -> bool:
        return self.keeper.busy or any(s.state is State.FILLING or s.pins for s in self.segments)

    def abandon(self) -> None:
        """Its bytes are not to be trusted: stop, and keep nothing."""
        self.keeper.give_up()
        self.cancel()
        for segment in list(self.segments):
            if not segment.pins and segment.state is not State.FILLING:
                self._drop(segment)

    def release(self) -> None:
        """Give all memory back; nothing may be busy."""
        for segment in list(self.segments):
            self._drop(segment)
