"""The content store: every open content of a repository, the memory and the connections that they share.

It owns the tasks that fetch, hash and write, in the mount's nursery. Contents are shared by (node, version): two
readers of one file, by whatever name, read the same bytes once.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable

import trio

from assetfs.content.buffers import BufferPool
from assetfs.content.catalogue import Catalogue, key_of
from assetfs.content.content import Content
from assetfs.content.disk import CacheFile, DiskCache
from assetfs.content.pace import Pace
from assetfs.content.quiet import QuietThreads
from assetfs.content.segment import Segment
from assetfs.observe.enduring import once
from assetfs.observe.transfers import Transfers
from assetfs.repository import Node, NodeId, Repository

log = logging.getLogger("assetfs.content")

Key = tuple[NodeId, str | None]


class ContentStore:
    """Opens contents. `nursery` outlives every content; `memory` is the budget for buffers in bytes, `downloads` how
    many requests may be under way, of which a quarter is kept for readers that wait."""

    def __init__(
        self,
        repository: Repository,
        catalogue: Catalogue,
        disk: DiskCache | None,
        nursery: trio.Nursery,
        *,
        memory: int,
        downloads: int,
        window: int,
        verify: bool = True,
    ) -> None:
        self.repository = repository
        self.catalogue = catalogue
        self.disk = disk
        self.window = window
        self.verify = verify
        self.pool = BufferPool(memory, self._reclaim, self._spare)
        self.workers = trio.CapacityLimiter(4)
        self.quiet = QuietThreads()
        self.pace = Pace()
        self.counts: Counter[str] = Counter()
        self.transfers = Transfers()
        self.on_changed: Callable[[Node], None] = lambda node: None
        """Called when the server turned out to have another version of a node."""
        self.on_measured: Callable[[Node, int], None] = lambda node, size: None
        """Called when a fetch has told the size of a node."""
        self.on_distrusted: Callable[[Node], None] = lambda node: None
        """Called when a node's bytes did not fit its digest: what the kernel keeps of them must go."""
        self._nursery = nursery
        self._contents: dict[Key, Content] = {}
        self._resident: OrderedDict[Segment, Content] = OrderedDict()
        self.ahead = trio.CapacityLimiter(max(1, downloads * 3 // 4))
        """For whole files that are fetched ahead."""
        self._ahead = 0
        self._ahead_limit = max(1, downloads * 3 // 4)

    # ---- opening ------------------------------------------------------------------------------------------------

    async def open(self, node: Node) -> Content:
        """The content of exactly this version of a node, for one more reader; `release` it."""
        key = (node.id, node.version)
        while (content := self._contents.get(key)) is not None and content.doomed and not content.readers:
            await content.closed.wait()
        if content is None:
            content = self._contents[key] = Content(self, node)
            content.readers += 1
            try:
                await self._prepare(content)
            except BaseException:
                self.release(content)
                raise
            finally:
                content.prepared.set()
        else:
            content.readers += 1
            try:
                await content.prepared.wait()
            except BaseException:
                self.release(content)
                raise
        return content

    async def _prepare(self, content: Content) -> None:
        """What is known of a content from earlier: its size, and its cache file."""
        content.size = content.node.size
        if content.size is None:
            content.size = await self.catalogue.size(key_of(content.node))
        if content.size is not None and self._has_cache(content):
            cached = await trio.to_thread.run_sync(self.open_cache, content)
            if cached is not None:
                content.keeper.adopt(cached)

    def release(self, content: Content) -> None:
        """One reader less. With the last one, what is on its way is stopped."""
        content.readers -= 1
        if content.readers == 0:
            content.cancel()
            self.drained(content)

    def drained(self, content: Content) -> None:
        """A content's background work has ended; close it if nobody reads it."""
        if content.readers or content.busy:
            return
        if self._contents.get((content.node.id, content.node.version)) is content:
            del self._contents[content.node.id, content.node.version]
        content.release()
        content.closed.set()
        if content.keeper.cached is not None and self.disk is not None:
            cached, content.keeper.cached = content.keeper.cached, None
            if content.doomed:
                self.disk.close(cached, discard=True)  # here and now: an open that follows must not find it
            else:
                self.start(self._close_cache, cached)

    async def _close_cache(self, cached: CacheFile) -> None:
        if self.disk is not None:
            try:
                await trio.to_thread.run_sync(self.disk.close, cached)
            except OSError as error:
                log.warning("a cache file cannot be closed: %s", error.strerror)

    def _has_cache(self, content: Content) -> bool:
        return (
            self.disk is not None
            and content.node.version is not None
            and self.disk.has(content.node.id, content.node.version)
        )

    def open_cache(self, content: Content) -> CacheFile | None:
        """In a thread."""
        node = content.node
        if self.disk is None or node.version is None or content.size is None:
            return None
        return self.disk.open(node.id, node.version, content.size)

    def present(self, node: Node) -> int:
        """Bytes of this version that need no server, because the disk cache has them."""
        content = self._contents.get((node.id, node.version))
        if content is not None:
            return content.keeper.present()
        if self.disk is None or node.version is None:
            return 0
        return self.disk.stored(node.id, node.version)

    def outdated(self, node: Node) -> None:
        """The server has another version of this node now: who reads this one goes on with what is here."""
        content = self._contents.get((node.id, node.version))
        if content is not None:
            content.stale = True

    def distrust(self, content: Content) -> None:
        """These bytes are not what the server's digest says. Who has them open gets errors; once nobody has, and no
        worker is busy with them, they are deleted, and the next open fetches anew."""
        self.count("digest_mismatches")
        content.abandon()
        self.on_distrusted(content.node)

    async def seed(self, node: Node, size: int, file: int) -> None:
        """Keep a content that is here anyway, in a local file: reading it then asks no server. Raises what `open`
        raises."""
        if self.disk is None or node.version is None:
            return
        content = await self.open(node)
        try:
            if content.size == size:
                await content.keeper.seed(file)
        finally:
            self.release(content)

    # ---- what contents ask of it --------------------------------------------------------------------------------

    def start(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        self._nursery.start_soon(once, work, *args)

    def may_fetch_ahead(self) -> bool:
        return self._ahead < self._ahead_limit

    def start_ahead(self, fetch: Callable[[Segment], Awaitable[None]], segment: Segment) -> None:
        async def counted() -> None:
            try:
                await fetch(segment)
            finally:
                self._ahead -= 1

        self._ahead += 1
        self._nursery.start_soon(once, counted)

    def count(self, what: str, amount: int = 1) -> None:
        self.counts[what] += amount

    def measured(self, node: Node, size: int) -> None:
        """A fetch has told a size that was not known."""
        if (key := key_of(node)) is not None:
            self.catalogue.remember({key: size})
        self.on_measured(node, size)

    def changed(self, node: Node) -> None:
        self.count("versions_changed")
        self.on_changed(node)

    # ---- memory -------------------------------------------------------------------------------------------------

    def resident(self, content: Content, segment: Segment) -> None:
        self._resident[segment] = content

    def touch(self, segment: Segment) -> None:
        self._resident.move_to_end(segment)

    def gone(self, segment: Segment) -> None:
        self._resident.pop(segment, None)

    def _reclaim(self, size: int) -> bool:
        """Give up the segment that was used longest ago and may go."""
        return any(content.evict(segment) for segment, content in list(self._resident.items())[:64])

    def _spare(self, size: int) -> bool:
        """Give up one buffer of this size whose bytes were read and are on disk."""
        oldest = list(itertools.islice(self._resident.items(), 64))
        return any(segment.buffer.size == size and content.spare(segment) for segment, content in oldest)

    def status(self) -> dict[str, int]:
        """For the status document."""
        return {
            "memory_in_use": self.pool.in_use,
            "disk_used": self.disk.used if self.disk else 0,
            "open_contents": len(self._contents),
            **self.counts,
        }
