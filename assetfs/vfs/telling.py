"""Telling: what the kernel learns of an inode, and what it may set.

A file is described as the version that somebody reads, or as what was written here, with the time that somebody gave
it. What the kernel was told last is remembered, because it goes by that.
"""

from __future__ import annotations

import stat
import time
from typing import TYPE_CHECKING

import msgspec

from assetfs.repository import Availability, Kind, Node
from assetfs.vfs.attributes import Attributes, Ownership, describe
from assetfs.vfs.errors import NotPermitted, ReadOnly
from assetfs.vfs.inodes import Inode
from assetfs.vfs.virtual import is_virtual
from assetfs.writeback.staging import is_local

if TYPE_CHECKING:
    from assetfs.vfs.filesystem import FileSystem


class Telling:
    """The attribute side of a file system."""

    def __init__(self, fs: FileSystem, owner: Ownership) -> None:
        self._fs = fs
        self._owner = owner
        self._started_ns = time.time_ns()

    async def attributes(self, number: int) -> Attributes:
        """What stat(2) says now: confirmed by the server if the last time is too long ago, measured if need be."""
        inode = self._fs.inodes.get(number)
        if (drafting := self._fs.within_draft(inode.node)) is not None:
            await drafting.refresh(inode)
            return self.tell(inode)
        if not is_virtual(inode.node) and self._fs.staged_of(inode) is None and not inode.detached:
            await self._fs.following.revalidate(inode)
            if inode.node.kind is Kind.FILE and not self._fs.files.pinned(number):
                await self._measure(inode)
        return self.tell(inode)

    async def _measure(self, inode: Inode) -> None:
        """Learn a size that nobody has told, if anybody can; that of a local file is its own."""
        sizes = self._fs.sizes
        await self._fs.local.look(inode.node)
        if inode.node.availability is not Availability.ONLINE or self._fs.local.shown(inode.node) is not inode.node:
            return
        if sizes.known(inode.node) is not None or not sizes.may_be_asked(inode.node):
            return
        if sizes.alone(inode.parent):
            await self._fs.files.peek(inode)
        else:
            await sizes.of(inode.node, inode.parent)

    async def set_attributes(
        self,
        number: int,
        *,
        size: int | None = None,
        mtime_ns: int | None = None,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        handle: int | None = None,
    ) -> Attributes:
        """chmod and chown to what is there succeed, to anything else they fail; sizes and times are set.

        On what the server does not have yet chmod and chown are accepted and forgotten: rsync makes its temporary file
        private, cp -p and tar give the copy the mode of the original, and all of them give up where that fails."""
        inode = self._fs.inodes.get(number)
        if self._fs.writeback is None:
            raise ReadOnly("mounted read-only")
        if (drafting := self._fs.within_draft(inode.node)) is not None:
            await drafting.set_attributes(
                inode, size=size, mtime_ns=mtime_ns, mode=mode, uid=uid, gid=gid, handle=handle
            )
            return await self.attributes(number)
        here = self.describe(inode)
        same = mode is None or stat.S_IMODE(mode) == stat.S_IMODE(here.mode)
        same_owner = uid in (None, here.uid) and gid in (None, here.gid)
        if not (same and same_owner) and not is_local(inode.node.id):
            if mode is None or not same_owner or not self._fs.repository.capabilities.chmod:
                raise NotPermitted("owner and mode of what a repository has cannot be changed")
            await self._let_others(inode, readable=bool(mode & stat.S_IROTH))
        if size is not None:
            await self._fs.files.truncate(inode, size, handle)
        if mtime_ns is not None and inode.node.kind is Kind.FILE and not is_virtual(inode.node):
            staged = self._fs.staged_of(inode)
            if staged is not None:
                self._fs.writeback.complete_time(staged, mtime_ns)
            else:
                self._fs.writeback.times.give(inode.node, mtime_ns)
                if self._fs.repository.capabilities.set_times:
                    inode.node = await self._fs.repository.set_times(inode.node, mtime_ns)
        return self.tell(inode)

    async def _let_others(self, inode: Inode, *, readable: bool) -> None:
        """The one bit that a server keeps. Raises NotPermitted for a change of others only."""
        if readable is inode.node.others or is_virtual(inode.node):
            raise NotPermitted("of a mode, the server keeps only whether others may read")
        inode.node = await self._fs.repository.set_others(inode.node, readable)
        if inode.parent is not None:
            self._fs.folders.expire(inode.parent)

    def tell(self, inode: Inode) -> Attributes:
        """`describe` for the kernel, which goes by the size that it was told last."""
        told = self.describe(inode)
        inode.told_size = told.size
        return told

    def describe(self, inode: Inode) -> Attributes:
        """An inode for the kernel: as the version that somebody reads, with the size and time of what was written."""
        told = self._describe(inode)
        return msgspec.structs.replace(told, links=0) if inode.detached else told

    def _describe(self, inode: Inode) -> Attributes:
        if inode.detached and (staged := self._fs.staged_of(inode)) is not None:
            return self._describe_as(staged.node(), inode.number)
        node = inode.node
        pinned = self._fs.files.pinned(inode.number)
        if pinned is not None and (pinned.version != node.version or self._fs.sizes.known(node) is None):
            node = pinned
        inode.told_version = node.version
        if self._fs.writeback is not None and not inode.detached:
            node = self._fs.writeback.view(node)
        return self._describe_as(node, inode.number)

    def entry(self, node: Node) -> Attributes:
        """A node of a listing: as its inode, where it has one, which may know more by now."""
        inode = self._fs.inodes.known(node.id, node.kind)
        if inode is not None:
            return self.describe(inode)
        viewed = self._fs.writeback.view(node) if self._fs.writeback is not None else node
        return self._describe_as(viewed, self._fs.inodes.number(node))

    def _describe_as(self, node: Node, number: int) -> Attributes:
        timeout = self._fs.timeouts.attributes
        if (drafting := self._fs.within_draft(node)) is not None:
            told = drafting.attributes(node, number, self._owner.uid, self._owner.gid, timeout)
            if told is not None:
                return told
        if is_virtual(node) or self._fs.local.unseen(node):
            timeout = 0.0
        node = self._fs.local.shown(node)
        given = self._fs.writeback.times.of(node) if self._fs.writeback is not None else None
        size = self._fs.sizes.known(node) if node.kind is not Kind.LINK else self._fs.links.size(node)
        links = max(node.links or 0, len(self._fs.folders.places(node.id)))
        return describe(node, number, size, self._owner, self._started_ns, timeout, given, links)
