"""What a mount is above its parts: one repository's own file system, or several beside each other below a root."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import trio

from assetfs.config import MountConfig
from assetfs.content.store import ContentStore
from assetfs.daemon.part import Part, timeouts
from assetfs.daemon.status import together
from assetfs.fuse.operations import Operations
from assetfs.fuse.several import SeveralOperations
from assetfs.repository import Capabilities, Identity, Kind, Metadata, Node, NodeId, NotFound, Page, Repository, Sink
from assetfs.vfs.attributes import Ownership
from assetfs.vfs.filesystem import FileSystem


class Mount:
    """One mount and its parts, which are added while they open."""

    def __init__(self, config: MountConfig) -> None:
        self.config = config
        self.parts: list[Part] = []
        self._render: Callable[[], bytes] | None = None

    def metrics(self) -> bytes:
        if self._render is None:
            from assetfs.daemon.metrics import renderer

            self._render = renderer(self.parts)
        return self._render()

    def gone(self) -> None:
        """The mount is nowhere to be seen any more: nobody waits for a tape."""
        for part in self.parts:
            part.fs.recalls.end()

    async def operations(self, nursery: trio.Nursery, hello: Callable[[], None]) -> Operations | SeveralOperations:
        """What the kernel talks to."""
        if not self.config.parts:
            return self.parts[0].operations
        root = Operations(self._root(nursery), deadline=self.config.timeout, ready=hello)
        folders = {os.fsencode(part.config.name): part.operations for part in self.parts}
        return SeveralOperations(root, folders, ready=hello)

    def _root(self, nursery: trio.Nursery) -> FileSystem:
        repository = Nothing()
        config = self.config
        catalogue = self.parts[0].status.store.catalogue
        return FileSystem(
            repository,
            repository.folder,
            ContentStore(repository, catalogue, None, nursery, memory=1 << 20, downloads=1, window=0),
            nursery,
            owner=Ownership(config.uid, config.gid, config.umask, True),
            timeouts=timeouts(config),
            status=lambda: together(config, [(part.config.name, part.status) for part in self.parts]),
            metrics=self.metrics,
        )


class Nothing(Repository):
    """A repository of one empty folder: the root above several, whose `.assetfs` tells about all of them."""

    name = "several"
    capabilities = Capabilities()
    folder = Node(id="several", kind=Kind.FOLDER, name="")

    async def connect(self) -> Identity:
        return Identity(server="", user="", url="")

    async def close(self) -> None:
        return

    async def root(self) -> Node:
        return self.folder

    async def children(self, folder: Node) -> AsyncIterator[Page]:
        yield Page([])

    async def stat(self, node: NodeId) -> Node:
        if node != self.folder.id:
            raise NotFound(node)
        return self.folder

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        raise NotFound(node.id)

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        return {}
