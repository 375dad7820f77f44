"""The file system without FUSE: names, numbers and handles on one side, the repository on the other.

Every method is one operation of the kernel, in terms of inode numbers, names in bytes and handle numbers. It raises
errors of `repository/errors.py` and `vfs/errors.py`; `fuse/` turns them into errnos and puts a deadline on each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import msgspec
import trio

from assetfs.content.store import ContentStore
from assetfs.names import LIMIT, decode
from assetfs.repository import Availability, Change, Kind, Node, NotFound, Repository, Usage
from assetfs.vfs.attributes import Attributes, Ownership
from assetfs.vfs.changes import Changes
from assetfs.vfs.claims import Claims
from assetfs.vfs.drafting import Drafting
from assetfs.vfs.errors import NameTooLong, NoAttribute, NotAFolder, ReadOnly
from assetfs.vfs.files import Files
from assetfs.vfs.finding import Finding
from assetfs.vfs.folders import Folders
from assetfs.vfs.following import Following
from assetfs.vfs.handles import FolderHandle, Handles
from assetfs.vfs.hidden import Hidden
from assetfs.vfs.inodes import Inode, Inodes
from assetfs.vfs.links import Links
from assetfs.vfs.local import Local
from assetfs.vfs.recalls import Recalls
from assetfs.vfs.renaming import Renaming
from assetfs.vfs.sizes import Sizes
from assetfs.vfs.telling import Telling
from assetfs.vfs.tree import Tree
from assetfs.vfs.uploads import Uploads
from assetfs.vfs.versions import Versions
from assetfs.vfs.virtual import FOLDER, PREFIX, Virtual, is_virtual
from assetfs.vfs.xattrs import Xattrs, facts_of
from assetfs.writeback.accounts import state_of
from assetfs.writeback.draft import is_draft
from assetfs.writeback.drafts import Drafts
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
        metrics: Callable[[], bytes] | None = None,
        writeback: WriteBack | None = None,
        drafts: Drafts | None = None,
        show_virtual: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.repository = repository
        self.store = store
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
        self.versions = Versions(repository)
        self.sizes = Sizes(repository, store.catalogue, self.folders, nursery)
        self.xattrs = Xattrs(
            repository, self.folders, clock, self._facts, self.staged_of, self._save, ttl=timeouts.listings
        )
        self.hidden = Hidden(repository, clock, timeouts.listings)
        self.links = Links(self)
        self.local = Local(clock)
        self.recalls = Recalls(self, nursery)
        self.drafting = Drafting(self, drafts) if drafts is not None else None
        self.finding = Finding(repository, PREFIX, clock)
        self.xattrs.perform = self._perform
        self.uploads = Uploads(writeback, self.drafting)
        flush = writeback.hurry if writeback is not None else None
        self.virtual = Virtual(self.finding, self.links.place, status, self.uploads, flush, metrics)
        self.writeback = writeback
        self.claims = Claims(self)
        self.files = Files(self)
        self.tree = Tree(self)
        self.renaming = Renaming(self, self.tree)
        self.telling = Telling(self, owner)
        self.following = Following(self)
        self.changes = Changes(self)
        self.clock = clock
        self._show_virtual = show_virtual
        self._usage: tuple[float, Usage] = (float("-inf"), Usage())
        self.forget_attributes: Callable[[int], None] = lambda number: None
        """Makes the kernel forget an inode's size and times, and nothing else."""
        self.inodes.root.seen = clock()
        if writeback is not None:
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
        await self.local.look(node)
        return self.enter(node, folder)

    def enter(self, node: Node, folder: Inode) -> Attributes:
        """Count one more reference of the kernel to a node that was found in a folder, and describe it."""
        listing = self.folders.last(folder.node.id)
        seen = listing.fetched if listing is not None else self.clock()
        inode = self.inodes.remember(self.versions.newest(node), folder.node.id, seen)
        inode.lookups += 1
        return self.telling.tell(inode)

    async def find(self, folder: Node, name: bytes) -> Node | None:
        """What a name in a folder leads to, as it is here. None or NotFound: nothing."""
        if folder.kind is not Kind.FOLDER:
            raise NotAFolder(folder.id)
        if is_virtual(folder):
            return await self.virtual.lookup(folder, name)
        if name == FOLDER and folder.id == self.inodes.root.node.id:
            return self.virtual.folder
        if (drafting := self.within_draft(folder)) is not None:
            return await drafting.find(folder, name)
        if self.drafting is not None and (draft := self.drafting.drafts.find(folder.id, name)) is not None:
            return await self.drafting.handover.top(draft)
        if (placed := self._placed(folder, name)) is not None:
            return placed
        if is_local(folder.id):
            return None
        listing = await self.folders.open(folder)
        node = listing.find(name)
        if (placed := self._placed(folder, name)) is not None:
            return placed  # meanwhile
        asked = listing.fetched
        if node is None and self.hidden.may_have(folder, name):
            node, asked = await self.hidden.find(folder, name) or (None, asked)
        if node is not None and self.writeback is not None:
            overlay = self.writeback.overlay
            return None if overlay.hides(folder.id, node.id) else overlay.newest(node, asked)
        return node

    def within_draft(self, node: Node) -> Drafting | None:
        """What a draft, or something in one, is done with; None for any other node."""
        return self.drafting if is_draft(node.id) else None

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
            entries = await self.virtual.entries(inode.node)
        elif (drafting := self.within_draft(inode.node)) is not None:
            entries = await drafting.entries(inode.node)
        else:
            listing = None if is_local(inode.node.id) else await self.folders.open(inode.node)
            entries = listing.entries if listing is not None else []
            if self.writeback is not None:
                begun = listing.fetched if listing is not None else 0.0
                entries = self.writeback.overlay.merge(
                    inode.node.id, entries, begun, lambda name: self.repository.hides(inode.node, decode(name))
                )
            if self.drafting is not None and (drafts := self.drafting.drafts.within(inode.node.id)):
                entries = [entry for entry in entries if entry[0] not in drafts]
                entries += [(name, await self.drafting.handover.top(draft)) for name, draft in list(drafts.items())]
            if self._show_virtual and not is_local(inode.node.id):
                entries = await self._with_hidden(inode, entries)
        return self.handles.add(FolderHandle(inode, entries, self.clock()))

    async def _with_hidden(self, folder: Inode, entries: list[tuple[bytes, Node]]) -> list[tuple[bytes, Node]]:
        """A folder's entries, and behind them what is not listed otherwise."""
        hidden = await self.hidden.entries(folder.node)
        if folder is self.inodes.root:
            hidden = [(FOLDER, self.virtual.folder), *hidden]
        shown = {name for name, _ in entries} if hidden else set()
        return [*entries, *((name, node) for name, node in hidden if name not in shown)]

    def read_folder(self, handle: int, start: int) -> Iterator[tuple[bytes, Attributes, int, Node | None]]:
        """Entries from the cookie `start` (0: the first): name, attributes, the next cookie, and the node to `enter`
        once the entry was taken (None for `.` and `..`). Cookies 1 and 2 are `.` and `..`, as NFS wants them."""
        folder = self.handles.folder(handle)
        here = self.telling.describe(folder.inode)
        for cookie, name in ((1, b"."), (2, b"..")):
            if start < cookie:
                yield name, here, cookie, None
        for index in range(max(start - 2, 0), len(folder.entries)):
            name, node = folder.entries[index]
            node = self.following.newest(node, folder.opened)
            yield name, self.telling.entry(node), index + 3, node

    def close_folder(self, number: int) -> None:
        handle = self.handles.remove(number)
        if handle is not None:
            self.inodes.release(handle.inode)

    async def read_link(self, number: int) -> bytes:
        """What a link says. Raises NotPermitted for what would lead out of the mount."""
        inode = self.inodes.get(number)
        drafting = self.within_draft(inode.node)
        return await (drafting.read_link(inode) if drafting is not None else self.links.read(inode))

    def forget(self, number: int, lookups: int) -> None:
        self.inodes.forget(number, lookups)

    async def usage(self) -> Usage:
        """Space and files, as far as the server tells."""
        asked, usage = self._usage
        if self.repository.capabilities.usage and self.clock() - asked > USAGE_KEPT:
            usage = await self.repository.usage()
            self._usage = (self.clock(), usage)
        return usage

    # ---- extended attributes ------------------------------------------------------------------------------------

    async def get_xattr(self, number: int, name: str) -> bytes:
        inode = self.inodes.get(number)
        if is_virtual(inode.node):
            raise NoAttribute(name)
        if (drafting := self.within_draft(inode.node)) is not None:
            return await drafting.xattrs.get(inode, name)
        return await self.xattrs.get(inode, name)

    async def list_xattrs(self, number: int) -> list[str]:
        inode = self.inodes.get(number)
        if is_virtual(inode.node):
            return []
        drafting = self.within_draft(inode.node)
        return await (drafting.xattrs.names(inode) if drafting is not None else self.xattrs.names(inode))

    async def set_xattr(self, number: int, name: str, value: bytes | None) -> None:
        """Set an attribute; remove it with None."""
        inode = self.inodes.get(number)
        if self.writeback is None:
            raise ReadOnly("mounted read-only")
        if is_virtual(inode.node):
            await self.virtual.command(inode.node, name, value)
        elif (drafting := self.within_draft(inode.node)) is not None:
            await drafting.xattrs.set(inode, name, value)
        elif name == REFRESH and value is not None:
            self.following.refresh(inode)
        else:
            await self.xattrs.set(inode, name, value)

    async def _perform(self, inode: Inode, verb: str, value: bytes | None) -> None:
        """Do what a verb of the backend's stands for; what is known of the node is asked for anew."""
        if verb == self.repository.capabilities.recall_verb and value is not None:
            await self.recalls.explicit(inode)
        else:
            await self.repository.perform(inode.node, verb, value or b"")
        self.changes.take(Change(node=inode.node.id, kind="verb"))

    def _save(self, staged: Staged) -> None:
        assert self.writeback is not None
        self.writeback.save(staged)

    def _facts(self, inode: Inode) -> Mapping[str, bytes]:
        staged = self.staged_of(inode)
        if staged is not None:
            error = staged.entry.error or self.xattrs.refused(staged.id)
            return facts_of(staged.node(), cached=staged.size, state=state_of(staged.entry), error=error)
        node = inode.node
        state = "clean" if node.availability is Availability.ONLINE else node.availability.value
        error = self.xattrs.refused(node.id)
        return facts_of(node, cached=self.store.present(node), state=state, error=error)
