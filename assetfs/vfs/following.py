"""Following: the inodes that the kernel knows are brought up to date with what is learned of their nodes.

a listing, a stat       as the server describes it now
a fetch                 has met another version, or bytes that are not to be trusted
write-back              the server has confirmed a file, another one has its name, its bytes are a copy's
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assetfs.repository import Kind, Node, NodeId, NotAuthenticated, NotFound, RepositoryError, VersionChanged
from assetfs.vfs.folders import Listing
from assetfs.vfs.inodes import Inode
from assetfs.vfs.versions import is_open
from assetfs.writeback.staging import Staged, is_local

if TYPE_CHECKING:
    from assetfs.vfs.filesystem import FileSystem


class Following:
    """Hears what others learn, and changes inodes."""

    def __init__(self, fs: FileSystem) -> None:
        self._fs = fs
        self._became: dict[NodeId, tuple[float, Node]] = {}
        """What the server has confirmed while folders were open: their snapshots still have the node of before."""
        fs.folders.on_listed = self._listed
        fs.store.on_changed = self._changed
        fs.store.on_distrusted = self._distrusted
        if fs.writeback is not None:
            fs.writeback.on_settled = self._settled
            fs.writeback.on_conflict = self._pushed_aside
            fs.writeback.on_copied = self._copied

    def newest(self, node: Node, opened: float) -> Node:
        """A node of a folder that was opened then, or what it has become since."""
        became = self._became.get(node.id)
        return became[1] if became is not None and became[0] >= opened else node

    async def revalidate(self, inode: Inode) -> None:
        """Ask the server about a node that it has not confirmed for a while: one listing if the folder is small
        (it tells about all siblings), else the node alone."""
        now = self._fs.clock()
        if now - inode.seen <= self._fs.timeouts.listings or inode is self._fs.inodes.root:
            return
        try:
            listing = self._fs.folders.last(inode.parent) if inode.parent is not None else None
            if listing is not None and len(listing) <= 2000:
                listing = await self._fs.folders.open(listing.folder)
                if inode.seen >= listing.fetched:
                    return
            node = await self._fs.repository.stat(inode.node.id)
            if node.version != inode.node.version:
                self._fs.xattrs.expire(node.id)
                self._fs.store.outdated(inode.node)
            inode.node = node
            inode.seen = now
        except NotFound:
            if not inode.handles:
                raise
        except RepositoryError as error:
            if not error.transient and not isinstance(error, NotAuthenticated):
                raise
            inode.seen = now - self._fs.timeouts.listings / 2  # serve what is known; ask again in a while

    async def settle(self, inode: Inode) -> None:
        """Learn the version of a file that was listed without it. Raises VersionChanged where it turns out to be no
        file: the kernel then looks again."""
        if not is_open(inode.node):
            return
        node = await self._fs.versions.of(inode.node)
        if node.kind is not inode.node.kind:
            self.refresh(inode)
            raise VersionChanged(f"{node.id} is a {node.kind.value} on the server")
        if is_open(inode.node):
            inode.node = node

    def _listed(self, listing: Listing) -> None:
        """A folder was listed: bring the inodes that the kernel knows up to date."""
        if self._fs.writeback is not None:
            self._fs.writeback.overlay.listed(listing.folder.id, listing.fetched)
        for _, listed in listing.entries:
            node = self._fs.versions.newest(listed)
            inode = self._fs.inodes.known(node.id, node.kind)
            if inode is not None and listing.fetched >= inode.seen:
                if is_open(node) and node.stamp == inode.node.stamp:
                    node = inode.node  # the listing says no more than that nothing has changed
                if node.version != inode.node.version:
                    self._fs.xattrs.expire(node.id)
                    self._fs.store.outdated(inode.node)
                inode.node = node
                inode.seen = listing.fetched

    def _settled(self, was: str, node: Node, folder: Node | None) -> None:
        """The server has confirmed what was written here: the inode is the server's node from now on."""
        if not self._fs.handles.folders:
            self._became.clear()
        self._became[was] = (self._fs.clock(), node)
        self._fs.versions.learn(node)
        inode = self._fs.inodes.known(was, Kind.FILE)
        if inode is not None:
            other = self._fs.inodes.known(node.id, Kind.FILE)
            if is_local(was) and other is not None:
                self._fs.inodes.join(inode, node, self._fs.clock())
            else:
                self._fs.inodes.rebind(inode, node, self._fs.clock())
            if inode.pages is not None and inode.pages.startswith("staged "):
                inode.pages = node.version
            if folder is not None:
                inode.parent = folder.id
        if folder is not None:
            self._fs.hidden.expire(folder.id)
        self._fs.xattrs.expire(was)
        self._fs.xattrs.expire(node.id)

    def _pushed_aside(self, staged: Staged, node: Node | None) -> None:
        """Somebody else's content has the name of a file of ours, which has another one now."""
        folder = self._fs.folders.last(staged.entry.parent)
        if folder is not None:
            self._fs.folders.expire(staged.entry.parent)
        inode = self._fs.inodes.known(node.id, node.kind) if node is not None else None
        if node is not None and inode is not None:
            inode.node = node
            inode.seen = self._fs.clock()
            self._fs.xattrs.expire(node.id)

    def _copied(self, was: str, copy: Staged) -> None:
        """A save has moved an asset's old bytes to a backup, and its identity to a new file."""
        inode = self._fs.inodes.known(was, Kind.FILE)
        if inode is not None:
            if inode.pages is not None:
                inode.pages = f"staged {copy.entry.number}"
            self._fs.inodes.rebind(inode, copy.node(), self._fs.clock())

    def _changed(self, node: Node) -> None:
        """A fetch has met another version than the one that the listing told."""
        inode = self._fs.inodes.known(node.id, node.kind)
        if inode is not None:
            inode.seen = float("-inf")
            if inode.parent is not None:
                self._fs.folders.expire(inode.parent)

    def _distrusted(self, node: Node) -> None:
        inode = self._fs.inodes.known(node.id, node.kind)
        if inode is not None:
            inode.pages = None

    def refresh(self, inode: Inode) -> None:
        """Ask the server anew for what is known of a node, when it is next asked for."""
        self._fs.xattrs.expire(inode.node.id)
        inode.seen = float("-inf")
        folder = inode.node.id if inode.node.kind is Kind.FOLDER else inode.parent
        if folder is not None:
            self._fs.folders.expire(folder)
            self._fs.hidden.expire(folder)
