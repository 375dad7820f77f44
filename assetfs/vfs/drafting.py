"""Inside drafts: operations of the kernel on real files of this machine.

An entry's id is its draft and the number that its file has on that disk; where the file is follows from the entries by
which it was found, so that a renamed folder takes all below it along. No link is ever followed: paths are made of parts
that the kernel has looked up one by one. Everything that touches the disk runs in a thread: it may be a network's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import trio

from assetfs import names
from assetfs.repository import (
    Conflict,
    Kind,
    NameRejected,
    Node,
    NodeId,
    NotFound,
    Rights,
    VersionChanged,
)
from assetfs.vfs.attributes import Attributes
from assetfs.vfs.draftxattrs import DraftXattrs
from assetfs.vfs.errors import NotPermitted
from assetfs.vfs.files import Opened
from assetfs.vfs.handles import DraftHandle
from assetfs.vfs.handover import Handover
from assetfs.vfs.inodes import Inode
from assetfs.writeback.draft import DRAFT, DraftFolder, is_draft
from assetfs.writeback.drafts import Drafts

if TYPE_CHECKING:
    from assetfs.vfs.filesystem import FileSystem

T = TypeVar("T")

NOREPLACE = 1
"""The flag of renameat2(2) that we know; EXCHANGE and WHITEOUT are refused."""


class Drafting:
    """What the file system does with ids of drafts."""

    def __init__(self, fs: FileSystem, drafts: Drafts) -> None:
        self._fs = fs
        self.drafts = drafts
        self._places: dict[NodeId, tuple[NodeId, bytes]] = {}
        """The entry by which a file was found last: the folder's id and the name."""
        self.handover = Handover(self, fs)
        self.xattrs = DraftXattrs(self, fs)

    # ---- where things are -------------------------------------------------------------------------------------------

    def draft(self, node: NodeId) -> DraftFolder:
        """The draft that an id belongs to. Raises VersionChanged once it is the server's: the kernel then looks the
        path up anew by itself."""
        draft = self.drafts.of(node)
        if draft is None:
            raise VersionChanged("the draft is not here any more")
        return draft

    def relative(self, node: NodeId) -> bytes:
        """The way from the draft's folder. Raises VersionChanged."""
        parts: list[bytes] = []
        while "/" in node:
            if node not in self._places:
                raise VersionChanged(f"{node} is not in its draft any more")
            node, name = self._places[node]
            parts.append(name)
        return b"/".join(reversed(parts))

    def path(self, node: NodeId) -> bytes:
        """Where the file of an id is. Raises VersionChanged."""
        relative = self.relative(node)
        top = os.fsencode(self.draft(node).path)
        return top + b"/" + relative if relative else top

    def _below(self, folder: NodeId, name: bytes) -> bytes:
        return self.path(folder) + b"/" + name

    async def run(self, work: Callable[[], T]) -> T:
        """What touches the disk."""
        return await trio.to_thread.run_sync(work)

    def _node(self, folder: NodeId, name: bytes, found: os.stat_result) -> Node:
        """The node of an entry that was seen."""
        kind = Kind.FOLDER if stat.S_ISDIR(found.st_mode) else Kind.LINK if stat.S_ISLNK(found.st_mode) else Kind.FILE
        id_ = f"{DRAFT}{self.draft(folder).key}/{found.st_ino}"
        self._places[id_] = (folder, name)
        return Node(
            id=id_,
            kind=kind,
            name=names.decode(name),
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            ctime_ns=found.st_ctime_ns,
            rights=Rights.ALL,
            private=found,
        )

    # ---- looking ----------------------------------------------------------------------------------------------------

    async def find(self, folder: Node, name: bytes) -> Node | None:
        """An entry of a folder in a draft."""
        path = self._below(folder.id, name)
        try:
            return self._node(folder.id, name, await self.run(lambda: os.lstat(path)))
        except (FileNotFoundError, NotADirectoryError):
            return None

    async def entries(self, folder: Node) -> list[tuple[bytes, Node]]:
        path = self.path(folder.id)

        def scan() -> list[tuple[bytes, os.stat_result]]:
            found = []
            with os.scandir(path) as scanned:
                for entry in scanned:
                    try:
                        found.append((entry.name, entry.stat(follow_symlinks=False)))
                    except FileNotFoundError:
                        continue
            return found

        entries = [(name, self._node(folder.id, name, found)) for name, found in await self.run(scan)]
        for _, node in entries:
            if (inode := self._fs.inodes.known(node.id, node.kind)) is not None:
                inode.node = node
        return entries

    async def refresh(self, inode: Inode) -> None:
        """Bring an inode up to date: by what is open of it, or by its path."""
        handle = next((h for h in self._fs.handles.of(inode) if isinstance(h, DraftHandle)), None)
        if handle is not None:
            found = await self.run(lambda: os.fstat(handle.file))
        else:
            path = self.path(inode.node.id)
            try:
                found = await self.run(lambda: os.lstat(path))
            except FileNotFoundError:
                raise NotFound(f"{inode.node.name} is gone") from None
        inode.node = self.described(inode.node, found)

    @staticmethod
    def described(node: Node, found: os.stat_result) -> Node:
        """A node with what was seen of its file."""
        return Node(
            id=node.id,
            kind=node.kind,
            name=node.name,
            label=node.label,
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            ctime_ns=found.st_ctime_ns,
            rights=Rights.ALL,
            private=found,
        )

    def attributes(self, node: Node, number: int, uid: int, gid: int, timeout: float) -> Attributes | None:
        """What stat(2) says, as the disk does; owned by whom the mount belongs to. None for a draft that nobody has
        looked at yet."""
        found = node.private
        if not isinstance(found, os.stat_result):
            return None
        return Attributes(
            number=number,
            mode=found.st_mode,
            links=found.st_nlink,
            uid=uid,
            gid=gid,
            size=0 if node.kind is Kind.FOLDER else found.st_size,
            blocks=found.st_blocks,
            mtime_ns=found.st_mtime_ns,
            ctime_ns=found.st_ctime_ns,
            birth_ns=0,
            timeout=timeout,
        )

    async def read_link(self, inode: Inode) -> bytes:
        path = self.path(inode.node.id)
        return await self.run(lambda: os.readlink(path))

    def holder(self, id_: NodeId) -> tuple[NodeId, bytes] | None:
        """The entry by which a file was found last."""
        return self._places.get(id_)

    def forget(self, draft: DraftFolder) -> None:
        """There is nothing in this draft any more."""
        own = f"{draft.id}/"
        self._places = {id_: place for id_, place in self._places.items() if not id_.startswith(own)}

    # ---- changing ---------------------------------------------------------------------------------------------------

    async def change(self, draft: DraftFolder, work: Callable[[], T]) -> T:
        """What changes the disk: the draft is not committed meanwhile. Raises Immutable, OSError."""
        with self.drafts.changing(draft):
            return await self.run(work)

    def _admit(self, folder: Node, name: bytes, kind: Kind) -> DraftFolder:
        """The draft, if it may have such an entry. Raises NameRejected, Immutable."""
        draft = self.draft(folder.id)
        draft.check_open()
        raw = names.decode(name)
        try:
            raw.encode()
        except UnicodeEncodeError:
            raise NameRejected("the name is not UTF-8") from None
        relative = "/".join(filter(None, (os.fsdecode(self.relative(folder.id)), os.fsdecode(name))))
        self._fs.repository.admit_draft(draft, relative, kind)
        return draft

    async def create(
        self, folder: Inode, name: bytes, mode: int, *, exclusive: bool, truncate: bool
    ) -> tuple[Opened, Attributes]:
        draft = self._admit(folder.node, name, Kind.FILE)
        path = self._below(folder.node.id, name)
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY

        def make() -> int:
            try:
                made = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                if exclusive:
                    raise
                return os.open(path, flags | (os.O_TRUNC if truncate else 0))
            os.fchmod(made, stat.S_IMODE(mode))
            return made

        file = await self.change(draft, make)
        attributes = self._fs.enter(self._node(folder.node.id, name, os.fstat(file)), folder)
        inode = self._fs.inodes.get(attributes.number)
        return self._opened(inode, draft, file, writing=True), attributes

    async def open(self, inode: Inode, *, writing: bool, truncate: bool) -> Opened:
        draft, path = self.draft(inode.node.id), self.path(inode.node.id)
        wanted = (os.O_RDWR if writing else os.O_RDONLY) | (os.O_TRUNC if truncate else 0)
        wanted |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
        if writing:
            file = await self.change(draft, lambda: os.open(path, wanted))
        else:
            file = await self.run(lambda: os.open(path, wanted))
        return self._opened(inode, draft, file, writing=writing)

    def _opened(self, inode: Inode, draft: DraftFolder, file: int, *, writing: bool) -> Opened:
        draft.writers += writing
        handle = DraftHandle(inode, file, draft, writing=writing)
        return Opened(self._fs.handles.add(handle), keep_cache=False)

    def closed(self, handle: DraftHandle) -> None:
        """The last descriptor of a handle is closed."""
        os.close(handle.file)
        if handle.writing:
            handle.draft.writers -= 1
            handle.draft.touched = self._fs.clock()

    async def read(self, handle: DraftHandle, offset: int, count: int) -> bytes:
        return await self.run(lambda: os.pread(handle.file, count, offset))

    async def write(self, handle: DraftHandle, offset: int, data: bytes) -> int:
        def put() -> int:
            done = 0
            while done < len(data):
                done += os.pwrite(handle.file, memoryview(data)[done:], offset + done)
            return done

        return await self.change(handle.draft, put)

    async def make_folder(self, folder: Inode, name: bytes, mode: int) -> Attributes:
        draft = self._admit(folder.node, name, Kind.FOLDER)
        path = self._below(folder.node.id, name)

        def make() -> None:
            os.mkdir(path, 0o700)
            os.chmod(path, stat.S_IMODE(mode))

        await self.change(draft, make)
        return await self._entered(folder, name)

    async def symlink(self, folder: Inode, name: bytes, target: bytes) -> Attributes:
        if not self._fs.repository.capabilities.draft_links:
            raise NotPermitted("a draft of this repository cannot have links")
        draft = self._admit(folder.node, name, Kind.LINK)
        path = self._below(folder.node.id, name)
        await self.change(draft, lambda: os.symlink(target, path))
        return await self._entered(folder, name)

    async def link(self, inode: Inode, folder: Inode, name: bytes) -> Attributes:
        if not self._fs.repository.capabilities.draft_links or not is_draft(inode.node.id):
            raise NotPermitted("a draft cannot have links of this kind")
        draft = self._admit(folder.node, name, inode.node.kind)
        old, new = self.path(inode.node.id), self._below(folder.node.id, name)
        await self.change(draft, lambda: os.link(old, new, follow_symlinks=False))
        return await self._entered(folder, name)

    async def _entered(self, folder: Inode, name: bytes) -> Attributes:
        node = await self.find(folder.node, name)
        if node is None:
            raise NotFound(f"{name!r} has gone again")
        return self._fs.enter(node, folder)

    async def remove(self, folder: Inode, name: bytes, *, is_folder: bool) -> None:
        """unlink, rmdir."""
        path = self._below(folder.node.id, name)
        await self.change(self.draft(folder.node.id), lambda: os.rmdir(path) if is_folder else os.unlink(path))

    async def rename(self, source: Inode, old: bytes, destination: Inode, new: bytes, flags: int) -> None:
        """Within a draft, or from one to another."""
        node = await self.find(source.node, old)
        if node is None:
            raise NotFound(f"no {old!r}")
        draft = self._admit(destination.node, new, node.kind)
        if flags & NOREPLACE and await self.find(destination.node, new) is not None:
            raise Conflict("an entry of this name exists")
        before, after = self._below(source.node.id, old), self._below(destination.node.id, new)
        with self.drafts.changing(self.draft(source.node.id)):
            await self.change(draft, lambda: os.rename(before, after))
        moved = await self.find(destination.node, new)
        inode = self._fs.inodes.known(node.id, node.kind)
        if inode is not None and moved is not None:
            if moved.id != node.id:
                self._fs.inodes.rebind(inode, moved, self._fs.clock())
            inode.parent = destination.node.id

    async def set_attributes(
        self,
        inode: Inode,
        *,
        size: int | None,
        mtime_ns: int | None,
        mode: int | None,
        uid: int | None,
        gid: int | None,
        handle: int | None,
    ) -> None:
        opened = self._fs.handles.peek(handle) if handle is not None else None
        file = opened.file if isinstance(opened, DraftHandle) else None
        path = self.path(inode.node.id)

        def change() -> None:
            if size is not None:
                os.truncate(file if file is not None else path, size)
            if mode is not None:
                os.chmod(path, stat.S_IMODE(mode))
            if uid is not None or gid is not None:
                os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid, follow_symlinks=False)
            if mtime_ns is not None:
                os.utime(path, ns=(mtime_ns, mtime_ns), follow_symlinks=False)

        await self.change(self.draft(inode.node.id), change)

    async def sync(self, handle: DraftHandle) -> None:
        await self.run(lambda: os.fsync(handle.file))
