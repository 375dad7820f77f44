"""The file system without FUSE: names, numbers and handles on one side, the repository on the other.

Every method is one operation of the kernel, in terms of inode numbers, names in bytes and handle numbers. It raises
errors of `repository.py` and `vfs/errors.py`; `fuse/` turns them into errnos and puts a deadline on each.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import msgspec
import trio

from assetfs.content.store import ContentStore
from assetfs.names import LIMIT
from assetfs.repository import (
    Availability,
    Kind,
    Node,
    NodeId,
    NotAuthenticated,
    NotFound,
    Repository,
    RepositoryError,
    Usage,
)
from assetfs.vfs.attributes import Attributes, Ownership, describe
from assetfs.vfs.errors import NameTooLong, NoAttribute, NotAFolder, NotPermitted, ReadOnly
from assetfs.vfs.files import Files
from assetfs.vfs.folders import Folders, Listing
from assetfs.vfs.handles import FolderHandle, Handles
from assetfs.vfs.inodes import Inode, Inodes
from assetfs.vfs.sizes import Sizes
from assetfs.vfs.tree import Tree
from assetfs.vfs.virtual import FOLDER, Virtual, is_virtual
from assetfs.vfs.xattrs import Xattrs, facts_of
from assetfs.writeback.accounts import state_of
from assetfs.writeback.staging import Staged, is_local
from assetfs.writeback.writeback import WriteBack

REFRESH = "user.assetfs.refresh"

USAGE_KEPT = 30.0
"""Seconds that the answer to statfs is good: `df` and file managers ask often, servers count slowly."""


class Timeouts(msgspec.Struct, frozen=True):
    """How long what was learned is good, in seconds: attributes and entries in the kernel, names that do not exist,
    listings and metadata here."""

    attributes: float = 1.0
    entries: float = 1.0
    negative: float = 5.0
    listings: float = 60.0
    patience: float = 5.0
    """How long a listing past its time is waited for anew, before the old one serves."""


class FileSystem:
    """One mounted repository. Made inside the mount's nursery; `root` is the folder that is mounted."""

    def __init__(
        self,
        repository: Repository,
        root: Node,
        store: ContentStore,
        nursery: trio.Nursery,
        *,
        owner: Ownership,
        timeouts: Timeouts,
        status: Callable[[], object],
        writeback: WriteBack | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.repository = repository
        self.store = store
        self.owner = owner
        self.timeouts = timeouts
        self.inodes = Inodes(root)
        self.handles = Handles()
        self.folders = Folders(
            repository,
            store.catalogue,
            nursery,
            clock,
            ttl=timeouts.listings,
            patience=timeouts.patience,
            taken={root.id: FOLDER},
        )
        self.sizes = Sizes(repository, store.catalogue, self.folders, nursery)
        self.xattrs = Xattrs(
            repository, self.folders, clock, self._facts, self.staged_of, self._save, ttl=timeouts.listings
        )
        self.virtual = Virtual(repository, root, self.folders, status, writeback)
        self.writeback = writeback
        self.files = Files(self)
        self.tree = Tree(self)
        self.clock = clock
        self._became: dict[NodeId, tuple[float, Node]] = {}
        """What the server has confirmed while folders were open: their snapshots still have the node of before."""
        self._started_ns = time.time_ns()
        self._usage: tuple[float, Usage] = (float("-inf"), Usage())
        self.forget_attributes: Callable[[int], None] = lambda number: None
        """Makes the kernel forget an inode's size and times, and nothing else."""
        self.inodes.root.seen = clock()
        self.folders.on_listed = self._listed
        store.on_changed = self._changed
        store.on_distrusted = self._distrusted
        if writeback is not None:
            writeback.on_settled = self._settled
            writeback.on_conflict = self._pushed_aside
            writeback.on_copied = self._copied
            writeback.on_refused = self.xattrs.refuse

    # ---- names --------------------------------------------------------------------------------------------------

    async def lookup(self, parent: int, name: bytes) -> Attributes | None:
        """The node behind a name; the kernel now refers to it once more. None: there is no such name."""
        if len(name) > LIMIT:
            raise NameTooLong(f"{len(name)} bytes")
        folder = self.inodes.get(parent)
        try:
            node = await self.find(folder.node, name)
        except NotFound:
            return None
        if node is None:
            return None
        return self.enter(node, folder)

    def enter(self, node: Node, folder: Inode) -> Attributes:
        """Count one more reference of the kernel to a node that was found in a folder, and describe it."""
        listing = self.folders.last(folder.node.id)
        seen = listing.fetched if listing is not None else self.clock()
        inode = self.inodes.remember(node, folder.node.id, seen)
        inode.lookups += 1
        return self.tell(inode)

    async def find(self, folder: Node, name: bytes) -> Node | None:
        """What a name in a folder leads to, as it is here. None or NotFound: nothing."""
        if folder.kind is not Kind.FOLDER:
            raise NotAFolder(folder.id)
        if is_virtual(folder):
            return await self.virtual.lookup(folder, name)
        if name == FOLDER and folder.id == self.inodes.root.node.id:
            return self.virtual.folder
        if (placed := self._placed(folder, name)) is not None:
            return placed
        if is_local(folder.id):
            return None
        listing = await self.folders.open(folder)
        node = listing.find(name)
        if (placed := self._placed(folder, name)) is not None:
            return placed  # meanwhile
        if node is None and name[:1] in (b".", b"@") and self.repository.capabilities.hidden:
            with suppress(NotFound):
                return await self.repository.hidden(folder, name.decode("utf-8", "surrogateescape"))
        if node is not None and self.writeback is not None and self.writeback.overlay.hides(folder.id, node.id):
            return None
        if node is not None and self.writeback is not None:
            return self.writeback.overlay.newest(node, listing.fetched)
        return node

    def _placed(self, folder: Node, name: bytes) -> Node | None:
        """What a name leads to by what was done here."""
        placed = self.writeback.overlay.find(folder.id, name) if self.writeback is not None else None
        return placed.node() if isinstance(placed, Staged) else placed

    def staged_of(self, inode: Inode) -> Staged | None:
        """What was written here of an inode's file."""
        if self.writeback is None:
            return None
        if inode.detached:
            return next((h.staged for h in self.handles.files_of(inode) if h.staged is not None), None)
        return self.writeback.of(inode.node.id)

    async def folder_of(self, inode: Inode) -> Node | None:
        """A folder that the inode's node is in."""
        if inode.parent is None:
            if not self.repository.capabilities.locate:
                return None
            return next((way[-2] for way in await self.repository.locate(inode.node.id) if len(way) > 1), None)
        folder = self.inodes.known(inode.parent, Kind.FOLDER)
        listing = self.folders.last(inode.parent)
        if folder is not None:
            return folder.node
        return listing.folder if listing is not None else await self.repository.stat(inode.parent)

    def name_of(self, inode: Inode) -> bytes | None:
        """The name that the inode's node shows in its folder."""
        if inode.parent is None:
            return None
        if self.writeback is not None:
            name = self.writeback.overlay.name_of(inode.parent, inode.node.id)
            if name is not None:
                return name
        listing = self.folders.last(inode.parent)
        return listing.name_of(inode.node.id) if listing is not None else None

    async def open_folder(self, number: int) -> int:
        """A handle on a snapshot of a folder's entries."""
        inode = self.inodes.get(number)
        if inode.node.kind is not Kind.FOLDER:
            raise NotAFolder(inode.node.id)
        if is_virtual(inode.node):
            entries = self.virtual.entries(inode.node)
        else:
            listing = None if is_local(inode.node.id) else await self.folders.open(inode.node)
            entries = listing.entries if listing is not None else []
            if self.writeback is not None:
                begun = listing.fetched if listing is not None else 0.0
                entries = self.writeback.overlay.merge(inode.node.id, entries, begun)
        return self.handles.add(FolderHandle(inode, entries, self.clock()))

    def read_folder(self, handle: int, start: int) -> Iterator[tuple[bytes, Attributes, int, Node | None]]:
        """Entries from the cookie `start` (0: the first): name, attributes, the next cookie, and the node to `enter`
        once the entry was taken (None for `.` and `..`). Cookies 1 and 2 are `.` and `..`, as NFS wants them."""
        folder = self.handles.folder(handle)
        here = self.describe(folder.inode)
        for cookie, name in ((1, b"."), (2, b"..")):
            if start < cookie:
                yield name, here, cookie, None
        for index in range(max(start - 2, 0), len(folder.entries)):
            name, node = folder.entries[index]
            became = self._became.get(node.id)
            if became is not None and became[0] >= folder.opened:
                node = became[1]
            yield name, self._describe(node), index + 3, node

    def close_folder(self, number: int) -> None:
        handle = self.handles.remove(number)
        if handle is not None:
            self.inodes.release(handle.inode)

    async def read_link(self, number: int) -> bytes:
        node = self.inodes.get(number).node
        return (node.target or "").encode("utf-8", "surrogateescape")

    def forget(self, number: int, lookups: int) -> None:
        self.inodes.forget(number, lookups)

    # ---- attributes ---------------------------------------------------------------------------------------------

    async def attributes(self, number: int) -> Attributes:
        """What stat(2) says now: confirmed by the server if the last time is too long ago, measured if need be."""
        inode = self.inodes.get(number)
        if not is_virtual(inode.node) and self.staged_of(inode) is None and not inode.detached:
            await self.revalidate(inode)
            if inode.node.kind is Kind.FILE and not self.files.pinned(number) and self.sizes.known(inode.node) is None:
                if self.sizes.alone(inode.parent):
                    await self.files.peek(inode)
                else:
                    await self.sizes.of(inode.node, inode.parent)
        return self.tell(inode)

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
        inode = self.inodes.get(number)
        if self.writeback is None:
            raise ReadOnly("mounted read-only")
        here = self.describe(inode)
        same = mode is None or stat.S_IMODE(mode) == stat.S_IMODE(here.mode)
        same = same and uid in (None, here.uid) and gid in (None, here.gid)
        if not same and not is_local(inode.node.id):
            raise NotPermitted("owner and mode of what a repository has cannot be changed")
        if size is not None:
            await self.files.truncate(inode, size, handle)
        if mtime_ns is not None and inode.node.kind is Kind.FILE and not is_virtual(inode.node):
            staged = self.staged_of(inode)
            if staged is not None:
                self.writeback.complete_time(staged, mtime_ns)
            else:
                self.writeback.times.give(inode.node, mtime_ns)
                if self.repository.capabilities.set_times:
                    inode.node = await self.repository.set_times(inode.node, mtime_ns)
        return self.tell(inode)

    async def revalidate(self, inode: Inode) -> None:
        """Ask the server about a node that it has not confirmed for a while: one listing if the folder is small
        (it tells about all siblings), else the node alone."""
        now = self.clock()
        if now - inode.seen <= self.timeouts.listings or inode is self.inodes.root:
            return
        try:
            listing = self.folders.last(inode.parent) if inode.parent is not None else None
            if listing is not None and len(listing) <= 2000:
                listing = await self.folders.open(listing.folder)
                if inode.seen >= listing.fetched:
                    return
            node = await self.repository.stat(inode.node.id)
            if node.version != inode.node.version:
                self.xattrs.expire(node.id)
                self.store.outdated(inode.node)
            inode.node = node
            inode.seen = now
        except NotFound:
            if not inode.handles:
                raise
        except RepositoryError as error:
            if not error.transient and not isinstance(error, NotAuthenticated):
                raise
            inode.seen = now - self.timeouts.listings / 2  # serve what is known; ask again in a while

    def _listed(self, listing: Listing) -> None:
        """A folder was listed: bring the inodes that the kernel knows up to date."""
        if self.writeback is not None:
            self.writeback.overlay.listed(listing.folder.id, listing.fetched)
        for _, node in listing.entries:
            inode = self.inodes.known(node.id, node.kind)
            if inode is not None and listing.fetched >= inode.seen:
                if node.version != inode.node.version:
                    self.xattrs.expire(node.id)
                    self.store.outdated(inode.node)
                inode.node = node
                inode.seen = listing.fetched

    def tell(self, inode: Inode) -> Attributes:
        """`describe` for the kernel, which goes by the size that it was told last."""
        told = self.describe(inode)
        inode.told_size = told.size
        return told

    def describe(self, inode: Inode) -> Attributes:
        """An inode for the kernel: as the version that somebody reads, with the size and time of what was written."""
        if inode.detached and (staged := self.staged_of(inode)) is not None:
            return self._describe_as(staged.node(), inode.number)
        node = inode.node
        pinned = self.files.pinned(inode.number)
        if pinned is not None and pinned.version != node.version:
            node = pinned
        inode.told_version = node.version
        if self.writeback is not None and not inode.detached:
            node = self.writeback.view(node)
        return self._describe_as(node, inode.number)

    def _describe(self, node: Node) -> Attributes:
        """A node of a listing: as its inode, where it has one, which may know more by now."""
        inode = self.inodes.known(node.id, node.kind)
        if inode is not None:
            return self.describe(inode)
        viewed = self.writeback.view(node) if self.writeback is not None else node
        return self._describe_as(viewed, self.inodes.number(node))

    def _describe_as(self, node: Node, number: int) -> Attributes:
        timeout = 0.0 if is_virtual(node) else self.timeouts.attributes
        given = self.writeback.times.of(node) if self.writeback is not None else None
        return describe(node, number, self.sizes.known(node), self.owner, self._started_ns, timeout, given)

    async def usage(self) -> Usage:
        """Space and files, as far as the server tells."""
        asked, usage = self._usage
        if self.repository.capabilities.usage and self.clock() - asked > USAGE_KEPT:
            usage = await self.repository.usage()
            self._usage = (self.clock(), usage)
        return usage

    # ---- what content tells -------------------------------------------------------------------------------------

    def _settled(self, was: str, node: Node, folder: Node | None) -> None:
        """The server has confirmed what was written here: the inode is the server's node from now on."""
        if not self.handles.folders:
            self._became.clear()
        self._became[was] = (self.clock(), node)
        inode = self.inodes.known(was, Kind.FILE)
        if inode is not None:
            other = self.inodes.known(node.id, Kind.FILE)
            if is_local(was) and other is not None:
                self.inodes.join(inode, node, self.clock())
            else:
                self.inodes.rebind(inode, node, self.clock())
            if inode.pages is not None and inode.pages.startswith("staged "):
                inode.pages = node.version
            if folder is not None:
                inode.parent = folder.id
        self.xattrs.expire(was)
        self.xattrs.expire(node.id)

    def _pushed_aside(self, staged: Staged, node: Node | None) -> None:
        """Somebody else's content has the name of a file of ours, which has another one now."""
        folder = self.folders.last(staged.entry.parent)
        if folder is not None:
            self.folders.expire(staged.entry.parent)
        inode = self.inodes.known(node.id, node.kind) if node is not None else None
        if node is not None and inode is not None:
            inode.node = node
            inode.seen = self.clock()
            self.xattrs.expire(node.id)

    def _copied(self, was: str, copy: Staged) -> None:
        """A save has moved an asset's old bytes to a backup, and its identity to a new file."""
        inode = self.inodes.known(was, Kind.FILE)
        if inode is not None:
            if inode.pages is not None:
                inode.pages = f"staged {copy.entry.number}"
            self.inodes.rebind(inode, copy.node(), self.clock())

    def _changed(self, node: Node) -> None:
        """A fetch has met another version than the one that the listing told."""
        inode = self.inodes.known(node.id, node.kind)
        if inode is not None:
            inode.seen = float("-inf")
            if inode.parent is not None:
                self.folders.expire(inode.parent)

    def _distrusted(self, node: Node) -> None:
        inode = self.inodes.known(node.id, node.kind)
        if inode is not None:
            inode.pages = None

    # ---- extended attributes ------------------------------------------------------------------------------------

    async def get_xattr(self, number: int, name: str) -> bytes:
        inode = self.inodes.get(number)
        if is_virtual(inode.node):
            raise NoAttribute(name)
        return await self.xattrs.get(inode, name)

    async def list_xattrs(self, number: int) -> list[str]:
        inode = self.inodes.get(number)
        return [] if is_virtual(inode.node) else await self.xattrs.names(inode)

    async def set_xattr(self, number: int, name: str, value: bytes | None) -> None:
        """Set an attribute; remove it with None."""
        inode = self.inodes.get(number)
        if self.writeback is None:
            raise ReadOnly("mounted read-only")
        if is_virtual(inode.node):
            self.virtual.command(inode.node, name, value)
        elif name == REFRESH and value is not None:
            self.refresh(inode)
        else:
            await self.xattrs.set(inode, name, value)

    def refresh(self, inode: Inode) -> None:
        """Ask the server anew for what is known of a node, when it is next asked for."""
        self.xattrs.expire(inode.node.id)
        inode.seen = float("-inf")
        folder = inode.node.id if inode.node.kind is Kind.FOLDER else inode.parent
        if folder is not None:
            self.folders.expire(folder)

    def _save(self, staged: Staged) -> None:
        assert self.writeback is not None
        self.writeback.save(staged)

    def _facts(self, inode: Inode) -> Mapping[str, bytes]:
        staged = self.staged_of(inode)
        if staged is not None:
            error = staged.entry.error or self.xattrs.refused(staged.id)
            return facts_of(staged.node(), cached=staged.size, state=state_of(staged.entry), error=error)
        node = inode.node
        states = {Availability.ONLINE: "clean", Availability.OFFLINE: "offline", Availability.RECALLING: "recalling"}
        error = self.xattrs.refused(node.id)
        return facts_of(node, cached=self.store.present(node), state=states[node.availability], error=error)
