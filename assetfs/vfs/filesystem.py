"""The file system without FUSE: names, numbers and handles on one side, the repository on the other.

Every method is one operation of the kernel, in terms of inode numbers, names in bytes and handle numbers. It raises
errors of `repository.py` and `vfs/errors.py`; `fuse/` turns them into errnos and puts a deadline on each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import msgspec
import trio

from assetfs.content.reader import Reader
from assetfs.content.store import ContentStore
from assetfs.names import LIMIT
from assetfs.repository import Availability, Kind, Node, NotFound, Repository, RepositoryError, Usage
from assetfs.vfs.attributes import Attributes, Ownership, describe
from assetfs.vfs.errors import IsAFolder, NameTooLong, NoAttribute, NotAFolder, ReadOnly
from assetfs.vfs.folders import Folders, Listing
from assetfs.vfs.handles import BytesHandle, FileHandle, FolderHandle, Handles
from assetfs.vfs.inodes import Inode, Inodes
from assetfs.vfs.sizes import Sizes
from assetfs.vfs.virtual import FOLDER, Virtual, is_virtual
from assetfs.vfs.xattrs import Xattrs, facts_of

USAGE_KEPT = 30.0
"""Seconds that the answer to statfs is good: `df` and file managers ask often, servers count slowly."""


class Timeouts(msgspec.Struct, frozen=True):
    """How long what was learned is good, in seconds: attributes and entries in the kernel, names that do not exist,
    listings and metadata here."""

    attributes: float = 1.0
    entries: float = 1.0
    negative: float = 5.0
    listings: float = 60.0


class Opened(msgspec.Struct, frozen=True):
    """The answer to open: a handle, and whether the kernel may keep the pages that it has."""

    handle: int
    keep_cache: bool
    direct_io: bool = False


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.repository = repository
        self.store = store
        self.owner = owner
        self.timeouts = timeouts
        self.inodes = Inodes(root)
        self.handles = Handles()
        self.folders = Folders(repository, store.catalogue, nursery, clock, ttl=timeouts.listings)
        self.sizes = Sizes(repository, store.catalogue, self.folders, nursery)
        self.xattrs = Xattrs(repository, self.folders, clock, self._facts, ttl=timeouts.listings)
        self.virtual = Virtual(repository, self.folders, status)
        self._clock = clock
        self._started_ns = time.time_ns()
        self._usage: tuple[float, Usage] = (float("-inf"), Usage())
        self.inodes.root.seen = clock()
        self.folders.on_listed = self._listed
        store.on_changed = self._changed
        store.on_distrusted = self._distrusted

    # ---- names --------------------------------------------------------------------------------------------------

    async def lookup(self, parent: int, name: bytes) -> Attributes | None:
        """The node behind a name; the kernel now refers to it once more. None: there is no such name."""
        if len(name) > LIMIT:
            raise NameTooLong(f"{len(name)} bytes")
        folder = self.inodes.get(parent)
        try:
            node = await self._find(folder.node, name)
        except NotFound:
            return None
        if node is None:
            return None
        return self.enter(node, folder)

    def enter(self, node: Node, folder: Inode) -> Attributes:
        """Count one more reference of the kernel to a node that was found in a folder, and describe it."""
        listing = self.folders.last(folder.node.id)
        seen = listing.fetched if listing is not None else self._clock()
        inode = self.inodes.remember(node, folder.node.id, seen)
        inode.lookups += 1
        return self.describe(inode)

    async def _find(self, folder: Node, name: bytes) -> Node | None:
        if folder.kind is not Kind.FOLDER:
            raise NotAFolder(folder.id)
        if is_virtual(folder):
            return await self.virtual.lookup(folder, name)
        if name == FOLDER and folder.id == self.inodes.root.node.id:
            return self.virtual.folder
        node = (await self.folders.open(folder)).find(name)
        if node is None and name[:1] in b".@" and self.repository.capabilities.hidden:
            return await self.repository.hidden(folder, name.decode("utf-8", "surrogateescape"))
        return node

    async def open_folder(self, number: int) -> int:
        """A handle on a snapshot of a folder's entries."""
        inode = self.inodes.get(number)
        if inode.node.kind is not Kind.FOLDER:
            raise NotAFolder(inode.node.id)
        if is_virtual(inode.node):
            entries = self.virtual.entries(inode.node)
        else:
            entries = (await self.folders.open(inode.node)).entries
        return self.handles.add(FolderHandle(inode, entries))

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
            yield name, self._describe(node, self.inodes.number(node)), index + 3, node

    def close_folder(self, handle: int) -> None:
        self._closed(handle)

    async def read_link(self, number: int) -> bytes:
        node = self.inodes.get(number).node
        return (node.target or "").encode("utf-8", "surrogateescape")

    def forget(self, number: int, lookups: int) -> None:
        self.inodes.forget(number, lookups)

    # ---- attributes ---------------------------------------------------------------------------------------------

    async def attributes(self, number: int) -> Attributes:
        """What stat(2) says now: confirmed by the server if the last time is too long ago, measured if need be."""
        inode = self.inodes.get(number)
        if not is_virtual(inode.node):
            await self._revalidate(inode)
            if inode.node.kind is Kind.FILE and self.sizes.known(inode.node) is None:
                opened = self.handles.file_of(inode)
                if opened is not None:
                    await opened.reader.learn_size()
                else:
                    await self.sizes.of(inode.node, inode.parent)
        return self.describe(inode)

    async def _revalidate(self, inode: Inode) -> None:
        """Ask the server about a node that it has not confirmed for a while: one listing if the folder is small
        (it tells about all siblings), else the node alone."""
        now = self._clock()
        if now - inode.seen <= self.timeouts.listings or inode is self.inodes.root:
            return
        try:
            listing = self.folders.last(inode.parent) if inode.parent is not None else None
            if listing is not None and len(listing) <= 2000:
                listing = await self.folders.open(listing.folder)
                if inode.seen >= listing.fetched:
                    return
            inode.node = await self.repository.stat(inode.node.id)
            inode.seen = now
        except NotFound:
            if not inode.handles:
                raise
        except RepositoryError as error:
            if not error.transient:
                raise
            inode.seen = now - self.timeouts.listings / 2  # serve what is known; ask again in a while

    def _listed(self, listing: Listing) -> None:
        """A folder was listed: bring the inodes that the kernel knows up to date."""
        for _, node in listing.entries:
            inode = self.inodes.known(node.id, node.kind)
            if inode is not None and listing.fetched >= inode.seen:
                if node.version != inode.node.version:
                    self.xattrs.expire(node.id)
                inode.node = node
                inode.seen = listing.fetched

    def describe(self, inode: Inode) -> Attributes:
        return self._describe(inode.node, inode.number)

    def _describe(self, node: Node, number: int) -> Attributes:
        timeout = 0.0 if is_virtual(node) else self.timeouts.attributes
        return describe(node, number, self.sizes.known(node), self.owner, self._started_ns, timeout)

    async def usage(self) -> Usage:
        """Space and files, as far as the server tells."""
        asked, usage = self._usage
        if self.repository.capabilities.usage and self._clock() - asked > USAGE_KEPT:
            usage = await self.repository.usage()
            self._usage = (self._clock(), usage)
        return usage

    # ---- content ------------------------------------------------------------------------------------------------

    async def open(self, number: int, *, writing: bool) -> Opened:
        """Open a file. Its version is pinned: the handle reads that one to the end."""
        inode = self.inodes.get(number)
        if inode.node.kind is Kind.FOLDER:
            raise IsAFolder(inode.node.id)
        if writing:
            raise ReadOnly(inode.node.id)
        if is_virtual(inode.node):
            content = self.virtual.content(inode.node)
            return Opened(self.handles.add(BytesHandle(inode, content)), keep_cache=False, direct_io=True)
        reader = await Reader.open(self.store, inode.node)
        try:
            await reader.learn_size()
        except BaseException:
            reader.close()
            raise
        keep = inode.pages is not None and inode.pages == inode.node.version
        inode.pages = inode.node.version
        return Opened(self.handles.add(FileHandle(inode, reader)), keep_cache=keep)

    async def read(self, handle: int, offset: int, count: int) -> bytes | memoryview:
        """Bytes of an open file. A view is good until the next checkpoint."""
        opened = self.handles.get(handle)
        if isinstance(opened, FileHandle):
            return await opened.reader.read(offset, count)
        if isinstance(opened, BytesHandle):
            return opened.content[offset : offset + count]
        raise IsAFolder(opened.inode.node.id)

    def close(self, handle: int) -> None:
        self._closed(handle)

    def _closed(self, number: int) -> None:
        handle = self.handles.remove(number)
        if handle is None:
            return
        if isinstance(handle, FileHandle):
            handle.reader.close()
        self.inodes.release(handle.inode)

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

    def _facts(self, inode: Inode) -> Mapping[str, bytes]:
        node = inode.node
        states = {Availability.ONLINE: "clean", Availability.OFFLINE: "offline", Availability.RECALLING: "recalling"}
        return facts_of(node, cached=self.store.present(node), state=states[node.availability])

    # ---- what a read-only mount refuses -------------------------------------------------------------------------

    async def refuse(self) -> None:
        """Every operation that would change something."""
        raise ReadOnly("mounted read-only")
