"""Extended attributes of drafts and of what is in them: those of files are on the disk, a draft's in its record."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from assetfs.repository import Attribute
from assetfs.vfs.errors import NoAttribute
from assetfs.vfs.inodes import Inode
from assetfs.vfs.xattrs import present

if TYPE_CHECKING:
    from assetfs.vfs.drafting import Drafting
    from assetfs.vfs.filesystem import FileSystem


class DraftXattrs:
    """What `vfs/xattrs.py` is to everything else."""

    def __init__(self, drafting: Drafting, fs: FileSystem) -> None:
        self._drafting = drafting
        self._fs = fs

    async def get(self, inode: Inode, name: str) -> bytes:
        values = await self._values(inode)
        alias = self._fs.repository.capabilities.aliases.get(name)
        if alias is not None and alias.attribute in values:
            return present(alias, Attribute(values[alias.attribute])) or b""
        if name not in values:
            raise NoAttribute(name)
        return values[name]

    async def names(self, inode: Inode) -> list[str]:
        return sorted(await self._values(inode))

    async def _values(self, inode: Inode) -> dict[str, bytes]:
        draft = self._drafting.draft(inode.node.id)
        values = {"user.assetfs.id": inode.node.id.encode(), "user.assetfs.state": draft.state.encode()}
        if draft.record.error:
            values["user.assetfs.error"] = draft.record.error.encode()
        if inode.node.id == draft.id:
            told = self._fs.repository.draft_metadata(draft, draft.record.ledger)
            return {**values, **draft.attributes, **{name: one.value for name, one in told.items()}}
        relative = os.fsdecode(self._drafting.relative(inode.node.id))
        return {**await self._drafting.run(lambda: dict(draft.attributes_of(relative))), **values}

    async def set(self, inode: Inode, name: str, value: bytes | None) -> None:
        """Set or remove one; the commit verb on a draft commits it."""
        draft, capabilities = self._drafting.draft(inode.node.id), self._fs.repository.capabilities
        drafts, is_top = self._drafting.drafts, inode.node.id == draft.id
        if name == capabilities.commit_verb and is_top and value is not None:
            await drafts.committing.commit(draft, draft.record.name, value)
            return
        draft.check_open()
        name, value = self._fs.xattrs.unaliased(name, value)
        if not self._fs.xattrs.kept(name, value):
            return
        if is_top:
            if value is None and name not in draft.record.attributes:
                raise NoAttribute(name)
            with drafts.changing(draft):
                draft.record.attributes = {
                    **{other: was for other, was in draft.record.attributes.items() if other != name},
                    **({name: value} if value is not None else {}),
                }
                await drafts.save(draft.record)
            return
        path = self._drafting.path(inode.node.id)
        try:
            if value is None:
                await self._drafting.change(draft, lambda: os.removexattr(path, name, follow_symlinks=False))
            else:
                await self._drafting.change(draft, lambda: os.setxattr(path, name, value, follow_symlinks=False))
        except OSError as error:
            if error.errno == errno.ENODATA:
                raise NoAttribute(name) from None
            raise
