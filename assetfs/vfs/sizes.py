"""Sizes: what a file's size is, when the listing did not say.

A size is asked for when somebody wants to know it (`stat`), never for a mere `ls`. Every program's open(2) makes the
kernel ask for it first, too, so the first question in a folder is taken for such a one (`alone`): the answer comes from
a fetch of the file's beginning, which is the whole of a small file. The second question in one folder, with nothing
opened between the two, says that somebody is looking through it (`ls -l`): the rest are measured in bulk, behind the
scenes, and each waiter is answered as soon as its own is known.
"""

from __future__ import annotations

import logging
from collections import Counter

import trio

from assetfs.content.catalogue import Catalogue, key_of
from assetfs.observe.enduring import once
from assetfs.repository import Kind, Node, NodeId, ProtocolViolation, Repository, RepositoryError
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
        """Sizes that were asked for in a folder since a file of it was opened."""
        self._pending: dict[str, _Wanted] = {}

    def known(self, node: Node) -> int | None:
        """The size, if it needs no request."""
        return node.size if node.size is not None else self._catalogue.peek(key_of(node))

    def may_be_asked(self, node: Node) -> bool:
        """Whether anything but opening the file tells its size. Where nothing does, stat says 0 until then."""
        return self._repository.capabilities.measure and node.measurable

    def alone(self, folder: NodeId | None) -> bool:
        """Whether a file whose size is wanted is most likely about to be opened. Every question is to be asked once."""
        if folder is None:
            return True
        self._asked[folder] += 1
        return self._asked[folder] == 1

    def opened(self, folder: NodeId | None) -> None:
        """A file of the folder was opened: whoever asks for sizes there does it to open files."""
        if folder is not None:
            self._asked.pop(folder, None)

    async def of(self, node: Node, folder: NodeId | None = None) -> int:
        """The size, measured if need be, with those of its siblings if `folder`, where the node was found, is given."""
        size = self.known(node)
        if size is not None:
            return size
        key = key_of(node)
        if key is None or not self._repository.capabilities.measure:
            return (await self._repository.measure([node])).get(node.id, 0)
        wanted = self._pending.get(key) or self._start(node, key, folder)
        await wanted.known.wait()
        size = self.known(node)
        if size is not None:
            return size
        if wanted.error is not None:
            raise wanted.error
        await self._repository.stat(node.id)
        raise ProtocolViolation(f"the server does not tell the size of {node.id}")

    def _start(self, node: Node, key: str, folder: NodeId | None) -> _Wanted:
        nodes = {key: node}
        listing = self._folders.last(folder) if folder is not None else None
        for _, sibling in listing.entries if listing is not None else ():
            other = key_of(sibling) if sibling.kind is Kind.FILE else None
            if other is not None and other not in self._pending and self.known(sibling) is None:
                nodes.setdefault(other, sibling)
        self._pending.update((waiting, _Wanted()) for waiting in nodes)
        wanted = self._pending[key]
        self._nursery.start_soon(once, self._measure, nodes)
        return wanted

    async def _measure(self, nodes: dict[str, Node]) -> None:
        keys = list(nodes)
        error: RepositoryError | None = None
        try:
            for at in range(0, len(keys), BATCH):
                batch = keys[at : at + BATCH]
                found = await self._repository.measure([nodes[key] for key in batch])
                self._catalogue.remember({key: found[nodes[key].id] for key in batch if nodes[key].id in found})
                self._answer(batch)
        except RepositoryError as failed:
            error = failed
        finally:
            self._answer(keys, error)

    def _answer(self, keys: list[str], error: RepositoryError | None = None) -> None:
        for key in keys:
            if (wanted := self._pending.pop(key, None)) is not None:
                wanted.error = error
                wanted.known.set()


class _Wanted:
    """A size that is being measured, for all who wait for it."""

    def __init__(self) -> None:
        self.known = trio.Event()
        self.error: RepositoryError | None = None
