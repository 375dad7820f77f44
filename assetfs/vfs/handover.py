"""Drafts as entries of ordinary folders: made, renamed, discarded, and become what the server has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from assetfs import names
from assetfs.repository import CrossScope, Kind, NameRejected, Node, NodeId
from assetfs.vfs.attributes import Attributes
from assetfs.vfs.errors import BadHandle
from assetfs.vfs.inodes import Inode
from assetfs.writeback.draft import DRAFT, DraftFolder

if TYPE_CHECKING:
    from assetfs.vfs.drafting import Drafting
    from assetfs.vfs.filesystem import FileSystem


class Handover:
    """What the file system does with drafts as a whole."""

    def __init__(self, drafting: Drafting, fs: FileSystem) -> None:
        self._drafting = drafting
        self._drafts = drafting.drafts
        self._fs = fs
        self._renaming: set[str] = set()
        """Drafts that the kernel is renaming, by key: it moves the name itself."""
        drafting.drafts.committing.on_committed = self._committed

    async def make(self, folder: Inode, name: bytes) -> Attributes:
        """mkdir of a new one."""
        return self._fs.enter(await self.top(await self._drafts.make(folder.node, name)), folder)

    async def top(self, draft: DraftFolder) -> Node:
        """The node of a draft's own folder."""
        try:
            return self._drafting.described(draft.node(), await self._drafting.run(lambda: os.lstat(draft.path)))
        except OSError:
            return draft.node()  # its disk is away

    def waits(self, folder: int, name: bytes) -> bool:
        """Whether a rename of this name, or an attribute of this inode, may be what commits a draft."""
        try:
            inode = self._fs.inodes.get(folder)
        except BadHandle:
            return False
        return inode.node.id.startswith(DRAFT) or self._drafts.find(inode.node.id, name) is not None

    async def rename(self, draft: DraftFolder, source: Inode, destination: Inode, new: bytes) -> None:
        """Another name, which may be what commits it. Raises NameRejected, and why a commit fails."""
        raw = names.decode(new)
        if source is destination and self._fs.repository.draft_commits(draft, raw):
            self._renaming.add(draft.key)
            try:
                await self._drafts.committing.commit(draft, new, b"")
            finally:
                self._renaming.discard(draft.key)
        elif self._fs.repository.drafts_in(destination.node, raw):
            await self._drafts.rename(draft, destination.node, new)
            inode = self._fs.inodes.known(draft.id, Kind.FOLDER)
            if inode is not None:
                inode.parent = destination.node.id
        elif source is destination:
            raise NameRejected("neither a draft's name nor one that commits it")
        else:
            raise CrossScope("a draft cannot be there")

    async def discard(self, draft: DraftFolder) -> None:
        """Give it up, with all that is in it. Raises Busy, Immutable, OSError, and what the server says."""
        await self._drafts.discard(draft)
        self._gone(draft, draft.record.folder, {draft.record.name}, deleted=True)

    def _committed(self, draft: DraftFolder, folder: NodeId, node: Node) -> None:
        """A draft has become the server's: the kernel's inode of it is that node from now on."""
        fs, now = self._fs, self._fs.clock()
        assert fs.writeback is not None
        shown, target = names.encode(node.name), draft.record.target
        moved = {target} if draft.key in self._renaming and target == shown else set()
        self._gone(draft, folder, {draft.record.name, target, shown} - moved, deleted=False)
        fs.writeback.overlay.appear(folder, shown, node, now)
        top = fs.inodes.known(draft.id, Kind.FOLDER)
        if top is not None and node.kind is Kind.FOLDER:
            fs.inodes.rebind(top, node, now)
            top.parent = folder
        fs.folders.expire(folder)

    def _gone(self, draft: DraftFolder, folder: NodeId, shown: set[bytes], *, deleted: bool) -> None:
        """Have the kernel forget these names in the draft's folder, and all names in the draft."""
        inodes, kernel = self._fs.inodes, self._fs.changes.kernel
        own, top = f"{draft.id}/", inodes.known(draft.id, Kind.FOLDER)
        if kernel is not None:
            for inode in inodes:
                place = self._drafting.holder(inode.node.id) if inode.node.id.startswith(own) else None
                if place is not None and (above := inodes.known(place[0], Kind.FOLDER)) is not None:
                    kernel.entry(above.number, place[1], inode.number, deleted=False)
            if (parent := inodes.known(folder, Kind.FOLDER)) is not None:
                for name in shown:
                    kernel.entry(parent.number, name, top.number if top is not None else 0, deleted=deleted)
        self._drafting.forget(draft)
