"""Several repositories in one mount: each is a folder of the mount's root.

The kernel knows one file system; which repository an inode or a handle belongs to stands in its number: the upper bits
name the part, the lower ones are the part's own. So nothing is looked up on the way to a part, and a rename or a link
from one to another is seen from the numbers alone: EXDEV, as between any two file systems, and mv(1) copies.

The root itself, its listing and `.assetfs` are those of a file system of its own without content (part 0).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyfuse3

from assetfs.fuse.operations import Operations

BITS = 56
"""Bits of a number that are the part's own. Numbers of inodes are hashes: two of a folder of 100,000 share one with a
probability of 10^-7, and a part then counts on to the next that is free."""
_OWN = (1 << BITS) - 1

_NOBODY: Any = None
"""No operation here asks who the caller is."""

_INODE = ("opendir", "readlink", "getattr", "open", "getxattr", "listxattr", "setxattr", "removexattr")
_FOLDER = ("create", "mkdir", "rmdir", "unlink", "mknod", "symlink")
_HANDLE = ("releasedir", "read", "write", "flush", "fsync", "fsyncdir", "release")


def outer(part: int) -> Callable[[int], int]:
    """From a part's own numbers to the kernel's."""
    return lambda number: number & _OWN | part << BITS


class SeveralOperations(pyfuse3.Operations):
    """`top` is the root's own; `parts` are by folder name, in the order in which they are listed."""

    supports_dot_lookup = True
    enable_writeback_cache = False
    enable_acl = False

    def __init__(self, top: Operations, parts: Mapping[bytes, Operations], *, ready: Callable[[], None]) -> None:
        super().__init__()
        self._parts: Sequence[Operations] = [top, *parts.values()]
        self._names = {name: index for index, name in enumerate(parts, 1)}
        self._ready = ready
        for index, part in enumerate(self._parts):
            part.outer = outer(index)

    def init(self) -> None:
        self._ready()

    def _of(self, number: int) -> tuple[Operations, int]:
        """The part and its own number. Its root has the number 1 everywhere."""
        return self._parts[number >> BITS], number & _OWN

    async def _root_of(self, index: int, ctx: Any = _NOBODY) -> pyfuse3.EntryAttributes:
        """A part's root, for the kernel, which refers to it once more."""
        part = self._parts[index]
        part.fs.inodes.root.lookups += 1
        return await part.getattr(pyfuse3.ROOT_INODE, ctx)

    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        if parent_inode == pyfuse3.ROOT_INODE and name in self._names:
            return await self._root_of(self._names[name], ctx)
        if name == b".." and parent_inode & _OWN == pyfuse3.ROOT_INODE:
            return await self._parts[0].getattr(pyfuse3.ROOT_INODE, ctx)
        part, own = self._of(parent_inode)
        return await part.lookup(own, name, ctx)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        for number, count in inode_list:
            part, own = self._of(number)
            await part.forget([(own, count)])

    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        part, own = self._of(fh)
        if part is not self._parts[0] or part.fs.handles.folder(own).inode.number != pyfuse3.ROOT_INODE:
            return await part.readdir(own, start_id, token)
        for cookie, name in enumerate((b".", b"..", *self._names), 1):
            if cookie <= start_id:
                continue
            if cookie <= 2:
                entry = await part.getattr(pyfuse3.ROOT_INODE, _NOBODY)
            else:
                entry = await self._root_of(cookie - 2)
            if not pyfuse3.readdir_reply(token, name, entry, cookie):
                if cookie > 2:
                    self._parts[cookie - 2].fs.inodes.root.lookups -= 1
                return None
        return None

    async def setattr(
        self,
        inode: int,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: int | None,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        part, own = self._of(inode)
        return await part.setattr(own, attr, fields, None if fh is None else fh & _OWN, ctx)

    async def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: pyfuse3.RequestContext,
    ) -> None:
        part, old = self._of(parent_inode_old)
        other, new = self._of(parent_inode_new)
        self._may_change(parent_inode_old, name_old)
        self._may_change(parent_inode_new, name_new)
        if part is not other:
            raise pyfuse3.FUSEError(errno.EXDEV)
        await part.rename(old, name_old, new, name_new, flags, ctx)

    async def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        part, own = self._of(inode)
        other, folder = self._of(new_parent_inode)
        if part is not other:
            raise pyfuse3.FUSEError(errno.EXDEV)
        return await part.link(own, folder, new_name, ctx)

    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        """Of the first repository: a mount has one answer for all of it."""
        return await self._parts[1].statfs(ctx)

    def stacktrace(self) -> None:
        self._parts[0].stacktrace()

    def _may_change(self, folder: int, name: bytes) -> None:
        """The root's folders are the configuration's."""
        if folder == pyfuse3.ROOT_INODE:
            raise pyfuse3.FUSEError(errno.EBUSY if name in self._names else errno.EPERM)


def _by_inode(name: str) -> Callable[..., Any]:
    async def call(self: SeveralOperations, inode: int, *args: Any) -> Any:
        part, own = self._of(inode)
        return _numbered(part, await getattr(part, name)(own, *args))

    return call


def _by_folder(name: str) -> Callable[..., Any]:
    async def call(self: SeveralOperations, parent_inode: int, entry: bytes, *args: Any) -> Any:
        self._may_change(parent_inode, entry)
        part, own = self._of(parent_inode)
        return _numbered(part, await getattr(part, name)(own, entry, *args))

    return call


def _by_handle(name: str) -> Callable[..., Any]:
    async def call(self: SeveralOperations, fh: int, *args: Any) -> Any:
        part, own = self._of(fh)
        return await getattr(part, name)(own, *args)

    return call


def _numbered(part: Operations, answer: Any) -> Any:
    """The answer with the kernel's number of a handle in it. Numbers of inodes are in it already."""
    if isinstance(answer, int):
        return part.outer(answer)
    handle = answer[0] if isinstance(answer, tuple) else answer
    if isinstance(handle, pyfuse3.FileInfo):
        handle.fh = pyfuse3.FileHandleT(part.outer(handle.fh))
    return answer


for _names, _kind in ((_INODE, _by_inode), (_FOLDER, _by_folder), (_HANDLE, _by_handle)):
    for _name in _names:
        setattr(SeveralOperations, _name, _kind(_name))
