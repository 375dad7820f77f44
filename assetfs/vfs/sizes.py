"""Sizes: what a file's size is, when the listing did not say.

A size is asked for when somebody wants to know it (`stat`), never for a mere `ls`. The second unknown size that is
asked for in one folder says that somebody is walking through it (`ls -l`): the rest are measured in bulk, behind the
scenes, and each waiter is answered as soon as its own is known.
"""

from __future__ import annotations

import logging
from collections import Counter

import trio

from assetfs.content.catalogue import Catalogue, key_of
from assetfs.repository import Kind, Node, NodeId, NotFound, Repository, RepositoryError
from assetfs.vfs.folders import Folders

log = logging.getLogger("assetfs.vfs")

BATCH = 64
"""Nodes in one call of `measure`: eight rounds of eight parallel requests, so that a walker is seldom far behind."""


class Sizes:
    """Knows and measures sizes. Everything learned goes to the catalogue."""

    def __init__(self, repository: Repository, catalogue: Catalogue, folders: Folders, nursery: trio.Nursery) -> None:
        self._repository = repository
        self._catalogue = catalogue
        self._folders = folders
        self._nursery = nursery
        self._asked: Counter[NodeId] = Counter()
        self._pending: dict[str, trio.Event] = {}
        self._errors: dict[str, Exception] = {}

    def known(self, node: Node) -> int | None:
        """The size, if it needs no request."""
        return node.size if node.size is not None else self._catalogue.peek(key_of(node))

    async def of(self, node: Node, folder: NodeId | None) -> int:
        """The size, measured if need be. `folder` is where the node was found."""
        size = self.known(node)
        if size is not None:
            return size
        key = key_of(node)
        if key is None or not self._repository.capabilities.measure:
            return (await self._repository.measure([node])).get(node.id, 0)
        if key not in self._pending:
            self._start(node, key, folder)
        await self._pending[key].wait()
        size = self.known(node)
        if size is None:
            raise self._errors.get(key) or NotFound(f"{node.id} has no size: it is gone")
        return size

    def _start(self, node: Node, key: str, folder: NodeId | None) -> None:
        nodes = {key: node}
        if folder is not None:
            self._asked[folder] += 1
            listing = self._folders.last(folder)
            if self._asked[folder] > 1 and listing is not None:
                del self._asked[folder]
                for _, sibling in listing.entries:
                    other = key_of(sibling) if sibling.kind is Kind.FILE else None
                    if other is not None and other not in self._pending and self.known(sibling) is None:
                        nodes.setdefault(other, sibling)
        for waiting in nodes:
            self._pending[waiting] = trio.Event()
            self._errors.pop(waiting, None)
        self._nursery.start_soon(self._measure, nodes)

    async def _measure(self, nodes: dict[str, Node]) -> None:
        keys = list(nodes)
        try:
            for at in range(0, len(keys), BATCH):
                batch = keys[at : at + BATCH]
                try:
                    found = await self._repository.measure([nodes[key] for key in batch])
                except RepositoryError as error:
                    self._errors = {**dict.fromkeys(batch, error), **dict(list(self._errors.items())[-BATCH:])}
                    return
                self._catalogue.remember({key: found[nodes[key].id] for key in batch if nodes[key].id in found})
                self._wake(batch)
        finally:
            self._wake(keys)

    def _wake(self, keys: list[str]) -> None:
        for key in keys:
            if (event := self._pending.pop(key, None)) is not None:
                event.set()
