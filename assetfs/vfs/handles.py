"""Handles: what is open. Numbers are never used twice while the mount lives."""

from __future__ import annotations

from typing import TypeVar

from assetfs.repository import Node
from assetfs.vfs.errors import BadHandle
from assetfs.vfs.inodes import Inode
from assetfs.vfs.recalls import Readable
from assetfs.writeback.draft import DraftFolder
from assetfs.writeback.staging import Staged


class FolderHandle:
    """An open folder: a snapshot of its entries, so that a reader is not disturbed by what changes meanwhile."""

    def __init__(self, inode: Inode, entries: list[tuple[bytes, Node]], opened: float) -> None:
        self.inode = inode
        self.entries = entries
        self.opened = opened
        """Seconds of the mount's clock."""


class FileHandle:
    """An open file. It reads one version of what the server has, or what was written here (`staged`)."""

    def __init__(
        self, inode: Inode, reader: Readable | None, staged: Staged | None, *, writing: bool, append: bool = False
    ) -> None:
        self.inode = inode
        self.reader = reader
        self.staged = staged
        self.writing = writing
        self.append = append
        self.direct = False
        """Its reads pass by the kernel's pages, which are another version's."""


class DraftHandle:
    """An open file of a draft: a file of this machine."""

    def __init__(self, inode: Inode, file: int, draft: DraftFolder, *, writing: bool) -> None:
        self.inode = inode
        self.file = file
        self.draft = draft
        self.writing = writing


class BytesHandle:
    """An open virtual file: its bytes as they were at open."""

    def __init__(self, inode: Inode, content: bytes) -> None:
        self.inode = inode
        self.content = content


Handle = FolderHandle | FileHandle | BytesHandle | DraftHandle
H = TypeVar("H", FolderHandle, FileHandle, BytesHandle, DraftHandle)


class Handles:
    """All open handles by number."""

    def __init__(self) -> None:
        self._open: dict[int, Handle] = {}
        self._next = 1
        self.folders = 0
        """How many of them are folders."""

    def __len__(self) -> int:
        return len(self._open)

    def add(self, handle: Handle) -> int:
        number = self._next
        self._next += 1
        self._open[number] = handle
        handle.inode.handles += 1
        self.folders += isinstance(handle, FolderHandle)
        return number

    def get(self, number: int) -> Handle:
        try:
            return self._open[number]
        except KeyError:
            raise BadHandle(f"handle {number} is not open") from None

    def peek(self, number: int) -> Handle | None:
        """The handle, if it is open."""
        return self._open.get(number)

    def folder(self, number: int) -> FolderHandle:
        return self._of_kind(number, FolderHandle)

    def file(self, number: int) -> FileHandle:
        return self._of_kind(number, FileHandle)

    def _of_kind(self, number: int, kind: type[H]) -> H:
        handle = self.get(number)
        if not isinstance(handle, kind):
            raise BadHandle(f"handle {number} is not for this")
        return handle

    def remove(self, number: int) -> Handle | None:
        handle = self._open.pop(number, None)
        if handle is not None:
            handle.inode.handles -= 1
            self.folders -= isinstance(handle, FolderHandle)
        return handle

    def of(self, inode: Inode) -> list[Handle]:
        """The open handles on this inode."""
        return [h for h in self._open.values() if h.inode is inode] if inode.handles else []

    def files_of(self, inode: Inode) -> list[FileHandle]:
        """The open handles on this inode's file."""
        if not inode.handles:
            return []
        return [h for h in self._open.values() if isinstance(h, FileHandle) and h.inode is inode]
