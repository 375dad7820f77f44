"""The tree: making, linking and removing entries (`renaming.py` renames them).

What the server has is changed there at once, and its answer is the answer. What it does not have yet changes the
journal. Either way the overlay shows the result before the next listing does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from assetfs import names
from assetfs.repository import (
    Conflict,
    CrossScope,
    Forbidden,
    Kind,
    NameRejected,
    Node,
    NotEmpty,
    NotFound,
    Rights,
    Unsupported,
)
from assetfs.vfs.attributes import Attributes
from assetfs.vfs.errors import IsAFolder, NameTooLong, NotAFolder, NotPermitted, ReadOnly
from assetfs.vfs.files import Opened
from assetfs.vfs.inodes import Inode
from assetfs.vfs.virtual import FOLDER, is_virtual
from assetfs.writeback.staging import LOCAL, Staged, is_local
from assetfs.writeback.writeback import WriteBack

if TYPE_CHECKING:
    from assetfs.vfs.filesystem import FileSystem


class Tree:
    """The naming side of a file system."""

    def __init__(self, fs: FileSystem) -> None:
        self._fs = fs

    def changeable(self, number: int, name: bytes) -> tuple[WriteBack, Inode]:
        """The folder that is to be changed, and what to change it with."""
        writeback = self._fs.writeback
        if writeback is None:
            raise ReadOnly("mounted read-only")
        if len(name) > names.LIMIT:
            raise NameTooLong(f"{len(name)} bytes")
        folder = self._fs.inodes.get(number)
        if folder.node.kind is not Kind.FOLDER:
            raise NotAFolder(folder.node.id)
        if is_virtual(folder.node) or (folder is self._fs.inodes.root and name == FOLDER):
            raise NotPermitted("virtual entries cannot be changed")
        if not folder.node.rights & Rights.WRITE:
            raise Forbidden(f"this credential may not change the entries of {folder.node.id}")
        return writeback, folder

    @staticmethod
    def raw(name: bytes) -> str:
        """The server's text for a name. Raises NameRejected for bytes that are no text, and for what would be shown
        under another name than it was given."""
        raw = names.decode(name)
        try:
            raw.encode()
        except UnicodeEncodeError:
            raise NameRejected("the name is not UTF-8") from None
        if names.encode(raw) != name:
            raise NameRejected(f"such a name would be shown as {names.encode(raw)!r}")
        return raw

    # ---- making -------------------------------------------------------------------------------------------------

    async def create(
        self,
        parent: int,
        name: bytes,
        *,
        mode: int = 0o666,
        exclusive: bool = True,
        truncate: bool = False,
        append: bool = False,
    ) -> tuple[Opened, Attributes]:
        """A new file, open for writing. Without `exclusive`, one that has come there meanwhile is opened."""
        writeback, folder = self.changeable(parent, name)
        if (drafting := self._fs.within_draft(folder.node)) is not None:
            return await drafting.create(folder, name, mode, exclusive=exclusive, truncate=truncate)
        self.raw(name)
        if not writeback.admission.keeps_here(folder.node.id, name):
            await self._fs.repository.expect_writable(folder.node)
        there = await self._fs.find(folder.node, name)
        if there is not None:
            if exclusive or there.kind is not Kind.FILE:
                raise Conflict("an entry of this name exists")
            attributes = self._fs.enter(there, folder)
            opened = await self._fs.files.open(attributes.number, writing=True, truncate=truncate, append=append)
            return opened, await self._fs.telling.attributes(attributes.number)
        staged = writeback.making.create(folder.node, name)
        # Its number is that of a new file, also where it takes the identity of one that was moved to a backup: who
        # has that one open goes on reading it.
        node = msgspec.structs.replace(staged.node(), id=f"{LOCAL}{staged.entry.number}")
        attributes = self._fs.enter(node, folder)
        inode = self._fs.inodes.get(attributes.number)
        if staged.entry.target is not None:
            self._fs.inodes.rebind(inode, staged.node(), self._fs.clock())
        return self._fs.files.created(inode, staged, append=append), attributes

    async def make_file(self, parent: int, name: bytes, mode: int = 0o666) -> Attributes:
        """A new file, empty and open nowhere: what tar makes before it sets attributes."""
        opened, attributes = await self.create(parent, name, mode=mode)
        self._fs.files.close(opened.handle)
        return attributes

    async def make_folder(self, parent: int, name: bytes, mode: int = 0o777) -> Attributes:
        writeback, folder = self.changeable(parent, name)
        if (drafting := self._fs.within_draft(folder.node)) is not None:
            return await drafting.make_folder(folder, name, mode)
        raw = self.raw(name)
        if await self._fs.find(folder.node, name) is not None:
            raise Conflict("an entry of this name exists")
        if writeback.admission.keeps_here(folder.node.id, name):
            return self._fs.enter(writeback.making.create_folder(folder.node, name).node(), folder)
        if self._fs.drafting is not None and self._fs.repository.drafts_in(folder.node, raw):
            return await self._fs.drafting.handover.make(folder, name)
        if not self._fs.repository.capabilities.create_folder:
            raise Unsupported("this repository makes no folders")
        self._fs.repository.admit(folder.node, raw, Kind.FOLDER)
        node = await self._fs.repository.create_folder(folder.node, raw)
        writeback.overlay.appear(folder.node.id, name, node, self._fs.clock())
        return self._fs.enter(node, folder)

    async def link(self, number: int, parent: int, name: bytes) -> Attributes:
        """One more name for a file."""
        writeback, folder = self.changeable(parent, name)
        inode = self._fs.inodes.get(number)
        if (drafting := self._fs.within_draft(folder.node)) is not None:
            return await drafting.link(inode, folder, name)
        raw = self.raw(name)
        if inode.node.kind is Kind.FOLDER or is_virtual(inode.node) or is_local(inode.node.id):
            raise NotPermitted("only files that the server has can have several names")
        if not self._fs.repository.capabilities.link:
            raise NotPermitted("this repository has no links")
        if await self._fs.find(folder.node, name) is not None:
            raise Conflict("an entry of this name exists")
        if writeback.admission.keeps_here(folder.node.id, name):
            raise CrossScope("names that are kept here cannot lead to what the server has")
        try:
            node = await self._fs.repository.link(inode.node, folder.node, raw)
        except CrossScope:
            raise
        except Unsupported as reason:
            raise NotPermitted(str(reason)) from None
        writeback.overlay.reappear(folder.node.id, node.id)
        writeback.overlay.appear(folder.node.id, name, node, self._fs.clock())
        self._fs.folders.linked(node.id, folder.node.id)
        return self._fs.enter(node, folder)

    async def symlink(self, parent: int, name: bytes, target: bytes) -> Attributes:
        """A link, where the server has such."""
        writeback, folder = self.changeable(parent, name)
        if (drafting := self._fs.within_draft(folder.node)) is not None:
            return await drafting.symlink(folder, name, target)
        raw = self.raw(name)
        if not self._fs.repository.capabilities.symlinks:
            raise NotPermitted("this repository has no symbolic links")
        if await self._fs.find(folder.node, name) is not None:
            raise Conflict("an entry of this name exists")
        if writeback.admission.keeps_here(folder.node.id, name):
            raise NotPermitted("what is kept here has no symbolic links")
        to = await self._fs.links.lead(folder, target)
        try:
            self._fs.repository.admit(folder.node, raw, Kind.LINK)
            node = await self._fs.repository.symlink(folder.node, raw, target.decode("utf-8", "surrogateescape"), to)
        except Unsupported as reason:
            raise NotPermitted(str(reason)) from None
        writeback.overlay.appear(folder.node.id, name, node, self._fs.clock())
        self.changed(folder)
        return self._fs.enter(node, folder)

    def changed(self, *folders: Inode) -> None:
        """What is remembered of these folders beside their listings may be another thing now."""
        for folder in folders:
            self._fs.hidden.expire(folder.node.id)
        self._fs.links.expire()

    # ---- removing -----------------------------------------------------------------------------------------------

    async def remove_folder(self, parent: int, name: bytes) -> None:
        writeback, folder = self.changeable(parent, name)
        if (drafting := self._fs.within_draft(folder.node)) is not None:
            await drafting.remove(folder, name, is_folder=True)
            return
        if self._fs.drafting is not None and (draft := self._fs.drafting.drafts.find(folder.node.id, name)) is not None:
            await self._fs.drafting.drafts.remove(draft)
            return
        node = await self.existing(folder, name)
        if node.kind is not Kind.FOLDER:
            raise NotAFolder(node.id)
        if writeback.overlay.any_staged(node.id):
            raise NotEmpty("files that were written here are in it")
        local = writeback.of(node.id)
        if local is not None:
            writeback.forget(local)
            return
        await self._fs.repository.remove_folder(node, folder.node)
        writeback.overlay.vanish(folder.node.id, node.id, self._fs.clock())
        self.changed(folder)

    async def remove_file(self, parent: int, name: bytes) -> None:
        writeback, folder = self.changeable(parent, name)
        if (drafting := self._fs.within_draft(folder.node)) is not None:
            await drafting.remove(folder, name, is_folder=False)
            return
        node = await self.existing(folder, name)
        if node.kind is Kind.FOLDER:
            raise IsAFolder(node.id)
        if is_local(node.id):
            local = writeback.of(node.id)
            if local is not None:
                writeback.forget(local)
                self._unnamed(node)
            return
        writeback.holding.end(node.id)
        staged = writeback.overlay.staged_for(node.id)
        async with self.nothing_on_its_way(writeback, staged):
            await self._fs.repository.remove(node, folder.node)
            writeback.overlay.vanish(folder.node.id, node.id, self._fs.clock())
            self._fs.folders.unlinked(node.id, folder.node.id)
            self.changed(folder)
            inode = self._fs.inodes.known(node.id, node.kind)
            if inode is not None and inode.parent == folder.node.id:
                inode.parent = None
            if (staged is not None or (inode is not None and inode.handles)) and await self._is_gone(node):
                self._unnamed(node)
                if staged is not None:
                    writeback.forget(staged)

    def _unnamed(self, node: Node) -> None:
        """Nothing leads to the node any more but what is open."""
        inode = self._fs.inodes.known(node.id, node.kind)
        if inode is not None:
            inode.detached = True

    @asynccontextmanager
    async def nothing_on_its_way(self, writeback: WriteBack, staged: Staged | None) -> AsyncIterator[None]:
        """While the server changes what a file is, its new content must not arrive there."""
        if staged is None:
            yield
            return
        try:
            await writeback.pause(staged)
            yield
        finally:
            writeback.resume(staged)

    async def _is_gone(self, node: Node) -> bool:
        """Whether that was the node's last entry; its new content is then not owed any more."""
        try:
            await self._fs.repository.stat(node.id)
        except NotFound:
            return True
        return False

    async def existing(self, folder: Inode, name: bytes) -> Node:
        """What a name leads to. Raises NotFound."""
        node = await self._fs.find(folder.node, name)
        if node is None:
            raise NotFound(f"no {name!r}")
        return node
