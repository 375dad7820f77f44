"""Renaming. What the server has is renamed there at once, but for a backup that may be the first step of a save; what
it does not have changes the journal; what is in a draft is the disk's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from assetfs.repository import Conflict, CrossScope, Kind, Node, NotEmpty, NotFound, Unsupported
from assetfs.vfs.drafting import NOREPLACE, Drafting
from assetfs.vfs.errors import InvalidArgument, IsAFolder, NotAFolder
from assetfs.vfs.inodes import Inode
from assetfs.writeback.draft import is_draft
from assetfs.writeback.staging import Staged, is_local
from assetfs.writeback.writeback import WriteBack

if TYPE_CHECKING:
    from assetfs.vfs.filesystem import FileSystem
    from assetfs.vfs.tree import Tree


class Renaming:
    """rename(2)."""

    def __init__(self, fs: FileSystem, tree: Tree) -> None:
        self._fs = fs
        self._tree = tree

    async def rename(self, old_parent: int, old: bytes, new_parent: int, new: bytes, flags: int) -> None:
        if flags & ~NOREPLACE:
            raise InvalidArgument("only RENAME_NOREPLACE is known")
        writeback, source = self._tree.changeable(old_parent, old)
        _, destination = self._tree.changeable(new_parent, new)
        if self._fs.drafting is not None and await self._renamed_draft(
            self._fs.drafting, source, old, destination, new, flags
        ):
            return
        raw = self._tree.raw(new)
        node = await self._tree.existing(source, old)
        over = await self._fs.find(destination.node, new)
        if over is not None:
            if flags & NOREPLACE:
                raise Conflict("an entry of this name exists")
            if over.id == node.id:
                return
            if (over.kind is Kind.FOLDER) != (node.kind is Kind.FOLDER):
                raise IsAFolder(over.id) if over.kind is Kind.FOLDER else NotAFolder(over.id)
            if over.kind is Kind.FOLDER and writeback.overlay.any_staged(over.id):
                raise NotEmpty("files that were written here are in it")
        if is_local(node.id):
            if over is not None and not is_local(over.id):
                over = await self._fs.versions.of(over)  # what a new content is made from
            self._rename_ours(writeback, node, source, destination, new, over)
        else:
            await self._rename_theirs(writeback, node, (source, old), (destination, new, raw), over)

    async def _renamed_draft(
        self, drafting: Drafting, source: Inode, old: bytes, destination: Inode, new: bytes, flags: int
    ) -> bool:
        """Do what is asked where a draft has to do with it; False where none has."""
        inside = is_draft(source.node.id), is_draft(destination.node.id)
        if all(inside):
            await drafting.rename(source, old, destination, new, flags)
            return True
        if any(inside):
            raise CrossScope("between a draft and what the server has: copy it")
        draft = drafting.drafts.find(source.node.id, old)
        if draft is None:
            return False
        if source is destination and old == new:
            return True
        self._tree.raw(new)
        if await self._fs.find(destination.node, new) is not None:
            raise Conflict("an entry of this name exists")
        await drafting.handover.rename(draft, source, destination, new)
        return True

    def _rename_ours(
        self, writeback: WriteBack, node: Node, source: Inode, destination: Inode, new: bytes, over: Node | None
    ) -> None:
        """A file or folder that the server does not have."""
        staged = writeback.of(node.id)
        if staged is None:
            raise NotFound(node.id)
        stays = writeback.admission.keeps_here(destination.node.id, new)
        if node.kind is Kind.FOLDER and not stays:
            raise CrossScope("a folder that is kept here cannot become one of the server's: copy it")
        if over is not None and not is_local(over.id) and (stays or over.kind is Kind.FOLDER):
            raise CrossScope("names that are kept here cannot stand for what the server has")
        replaced: Node | Staged | None = over
        if over is not None and is_local(over.id):
            replaced = writeback.of(over.id)
        elif over is None and not stays:
            replaced = writeback.holding.taken(destination.node.id, new, staged)
            if replaced is None:
                writeback.admission.check(destination.node, new)
        elif over is not None:
            writeback.holding.end(over.id)
        inode = self._fs.inodes.known(node.id, node.kind)
        writeback.naming.rename(staged, destination.node, new, replaced)
        if inode is not None:
            self._fs.inodes.rebind(inode, staged.node(), self._fs.clock())
            inode.parent = destination.node.id

    async def _rename_theirs(
        self,
        writeback: WriteBack,
        node: Node,
        source: tuple[Inode, bytes],
        destination: tuple[Inode, bytes, str],
        over: Node | None,
    ) -> None:
        """What the server has: it is asked at once, but for a backup that may be the first step of a save."""
        (from_, old), (to, new, raw) = source, destination
        repository = self._fs.repository
        if writeback.admission.keeps_here(to.node.id, new):
            raise CrossScope("names that are kept here cannot stand for what the server has: copy it")
        held = writeback.holding.end(node.id)
        if held is not None and held.old == new and from_ is to:
            return
        ours = writeback.of(over.id) if over is not None else None
        free = over is None or is_local(over.id)
        if held is None and free and from_ is to and node.kind is Kind.FILE and writeback.admission.is_backup(new):
            node = await self._fs.versions.of(node)
            size = await self._fs.sizes.of(node, from_.node.id)
            if ours is not None:
                writeback.forget(ours)  # an older backup
            writeback.holding.hold(msgspec.structs.replace(node, size=size), from_.node, old, new)
            return
        theirs = over if over is not None and not is_local(over.id) else None
        async with self._tree.nothing_on_its_way(writeback, ours):
            if from_ is to:
                if not repository.capabilities.rename:
                    raise Unsupported("this repository cannot rename")
                moved = await repository.rename(node, from_.node, raw, theirs)
            else:
                if not repository.capabilities.move:
                    raise CrossScope("this repository cannot move")
                moved = await repository.move(node, from_.node, to.node, raw, theirs)
            if ours is not None:
                writeback.forget(ours)
        now = self._fs.clock()
        writeback.overlay.vanish(from_.node.id, node.id, now)
        if theirs is not None:
            writeback.overlay.vanish(to.node.id, theirs.id, now)
        writeback.overlay.appear(to.node.id, new, moved, now)
        if from_ is not to:
            writeback.overlay.reappear(to.node.id, moved.id)
            self._fs.folders.unlinked(node.id, from_.node.id)
        self._tree.changed(from_, to)
        inode = self._fs.inodes.known(node.id, node.kind)
        if inode is not None:
            self._fs.inodes.rebind(inode, moved, now)
            inode.parent = to.node.id
        staged = writeback.overlay.staged_for(node.id)
        if staged is not None:
            writeback.naming.follow(staged, moved, to.node, new)
