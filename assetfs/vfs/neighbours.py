"""Folder prefetch: when files of a folder are opened one after the other, the next small ones are fetched ahead.

Programs go through a folder in one of two orders: as it was listed (tar, grep -r, find), or by inode number (cp -r,
which sorts so because that is fast on disks). For each folder that is being walked both are watched; the one in which
the opens follow each other says which files come next. The number of files ahead doubles while the prediction holds.

A fetched neighbour is held open until somebody opens it, or until too many others were fetched after it.
"""

from __future__ import annotations

import itertools
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

from assetfs.content.content import Content
from assetfs.content.store import ContentStore
from assetfs.repository import Availability, Kind, Node, NodeId, RepositoryError
from assetfs.vfs.versions import Versions, is_open

log = logging.getLogger("assetfs.vfs")

SMALL = 1 << 20
"""Bytes: a larger file has a prefetch window of its own, which fills the line as well."""

FIRST, MOST = 4, 64
"""Files ahead. With 12 requests under way 64 files are five round trips: enough to never wait for one."""

BYTES = 64 << 20
"""Of files ahead, where one request brings many: a quarter of the memory that all contents share."""

STREAK = 2
"""Opens in a row that follow an order, from which on we believe in it."""

SKIPPED = 8
"""An order is still followed when up to so many entries (folders, large files, links) were passed over."""

HELD = 4 * MOST
"""Fetched files that nobody has opened yet; older ones are let go (they are in the disk cache)."""

WALKS = 8
"""Folders that are watched at a time."""


class _Order:
    """One way through a folder's files."""

    def __init__(self, nodes: Sequence[Node], bundle: int) -> None:
        self.nodes = nodes
        two = 2 * bundle - 2  # one on its way while the other is read; whole ones are asked for after half of it
        self.first, self.most = (two, two) if bundle else (FIRST, MOST)
        self.at = {node.id: index for index, node in enumerate(nodes)}
        self.last = -SKIPPED
        self.streak = 0
        self.ahead = self.first
        self.fetched = 0

    def next(self, node: NodeId) -> Sequence[Node]:
        """A file was opened: those to fetch now, none while the opens do not follow this order."""
        index = self.at.get(node)
        if index is None:
            return ()
        follows = 0 < index - self.last <= SKIPPED
        self.streak = self.streak + 1 if follows else 0
        self.last = index
        if self.streak < STREAK:
            self.ahead, self.fetched = self.first, index + 1
            return ()
        if self.fetched - index > self.ahead // 2:
            return ()
        self.ahead = min(2 * self.ahead, self.most)
        start = max(self.fetched, index + 1)
        self.fetched = index + 1 + self.ahead
        if self.most > MOST:
            sizes = itertools.accumulate(min(node.size or 0, SMALL) for node in self.nodes[start : self.fetched])
            self.fetched = start + sum(1 for _ in itertools.takewhile(lambda size: size <= BYTES, sizes))
        return self.nodes[start : self.fetched]


class _Walk:
    """A folder that files are opened in. Most are opened one file of: the orders are worked out from the second on."""

    def __init__(self, listing: object, entries: Sequence[tuple[bytes, Node]], bundle: int) -> None:
        self.listing = listing
        self._bundle = bundle
        self._entries = entries
        self._opens = 0
        self._orders: list[_Order] = []

    def orders(self, number: Callable[[Node], int]) -> list[_Order]:
        self._opens += 1
        if self._opens == 2:
            files = [entry for _, entry in self._entries if entry.kind is Kind.FILE]
            self._orders = [_Order(files, self._bundle), _Order(sorted(files, key=number), self._bundle)]
        return self._orders


class Neighbours:
    """Watches opens, and fetches ahead. `number(node)` is a node's inode number, `size(node)` its size if known."""

    def __init__(
        self,
        store: ContentStore,
        number: Callable[[Node], int],
        size: Callable[[Node], int | None],
        versions: Versions,
    ) -> None:
        self._store = store
        self._versions = versions
        self._number = number
        self._size = size
        self._walks: OrderedDict[NodeId, _Walk] = OrderedDict()
        self._held: OrderedDict[tuple[NodeId, str | None], Content] = OrderedDict()
        self._fetching: set[tuple[NodeId, str | None]] = set()

    def opened(self, folder: NodeId, listing: object, entries: Sequence[tuple[bytes, Node]], node: Node) -> None:
        """A file of a folder was opened; `listing` tells one state of the folder from another."""
        self._let_go((node.id, node.version))
        walk = self._walks.pop(folder, None)
        if walk is None or walk.listing is not listing:
            walk = _Walk(listing, entries, self._store.repository.capabilities.bundle)
        self._walks[folder] = walk
        while len(self._walks) > WALKS:
            self._walks.popitem(last=False)
        for order in walk.orders(self._number):
            coming = [newest for newest in map(self._versions.newest, order.next(node.id)) if self._is_wanted(newest)]
            self._store.repository.expect(coming)
            for following in coming:
                self._fetching.add((following.id, following.version))
                self._store.start(self._fetch, following, (following.id, following.version))

    def _is_wanted(self, node: Node) -> bool:
        key = (node.id, node.version)
        size = self._size(node)
        there = (
            (node.version is not None or is_open(node))
            and node.availability is Availability.ONLINE
            and node.local is None
            and node.measurable  # else its content is made when somebody opens it
        )
        return there and key not in self._held and key not in self._fetching and (size is None or size <= SMALL)

    async def _fetch(self, node: Node, key: tuple[NodeId, str | None]) -> None:
        try:
            async with self._store.ahead:
                node = await self._versions.of(node)
                content = await self._store.open(node)
                try:
                    size = await content.learn_size()
                    if size <= SMALL:
                        await content.read(0, size, size)
                except BaseException:
                    self._store.release(content)
                    raise
        except RepositoryError as error:
            log.debug("%s was not fetched ahead: %s", node.id, error)
            return
        finally:
            self._fetching.discard(key)
        self._store.count("fetched_ahead")
        self._held[node.id, node.version] = content
        while len(self._held) > HELD:
            self._store.release(self._held.popitem(last=False)[1])

    def _let_go(self, key: tuple[NodeId, str | None]) -> None:
        """Somebody has opened it: it is theirs now."""
        content = self._held.pop(key, None)
        if content is not None:
            self._store.release(content)
