"""The overlay: what is different here from what the server last listed.

    staged   names of files and local folders that a journal row stands for; they stay as long as the row does
    recent   names that the server has by our own doing; they stay until a listing comes that was begun later
    gone     nodes of the listing that have left the folder by our own doing; likewise
    newest   what the server has last said of nodes that were changed here: a file with several names is in several
             listings, and those of other folders may be older

So our own changes are seen at once, and a listing that was already under way does not undo them.
A name that is placed here hides a listed one; the listed node then shows under its decorated name.
"""

from __future__ import annotations

from collections.abc import Callable

from cachetools import LRUCache

from assetfs.names import decorate
from assetfs.repository import Kind, Node, NodeId
from assetfs.writeback.staging import Staged

FOREVER = float("inf")

REMEMBERED = 10_000
"""Changed nodes that are known better than by a listing; a listing is older than a change for a minute or so."""


class _Folder:
    __slots__ = ("gone", "recent", "staged")

    def __init__(self) -> None:
        self.staged: dict[bytes, Staged] = {}
        self.recent: dict[bytes, tuple[float, Node]] = {}
        self.gone: dict[NodeId, float] = {}


def _may_be(staged: Staged | None, node: Node) -> bool:
    """Whether a listed node may be what a transfer has made of a file, and its answer has not reached us."""
    return staged is not None and node.kind is Kind.FILE and bool(staged.entry.ledger or staged.entry.stale)


class Overlay:
    """For all folders of a mount. Times are seconds of the mount's clock."""

    def __init__(self) -> None:
        self._folders: dict[NodeId, _Folder] = {}
        self._targets: dict[NodeId, Staged] = {}
        self.on_untarget: Callable[[NodeId], None] = lambda node: None
        """Called when a node of the server's has no new content here any more."""
        self._newest: LRUCache[NodeId, tuple[float, Node]] = LRUCache(REMEMBERED)

    def _folder(self, folder: NodeId) -> _Folder:
        return self._folders.setdefault(folder, _Folder())

    # ---- changing -----------------------------------------------------------------------------------------------

    def place(self, folder: NodeId, name: bytes, staged: Staged) -> None:
        """A new file or local folder of ours has this name."""
        there = self._folder(folder)
        there.recent.pop(name, None)
        there.staged[name] = staged

    def lift(self, folder: NodeId, name: bytes) -> Staged | None:
        """The name is not that file's any more."""
        there = self._folders.get(folder)
        return there.staged.pop(name, None) if there is not None else None

    def appear(self, folder: NodeId, name: bytes, node: Node, until: float) -> None:
        """The server has this node under this name now; `until` is the begin of the first listing that will tell."""
        there = self._folder(folder)
        there.recent[name] = (until, node)
        if until != FOREVER:
            self._newest[node.id] = (until, node)

    def vanish(self, folder: NodeId, node: NodeId, until: float) -> None:
        """The server's node is not in the folder any more."""
        there = self._folder(folder)
        there.gone[node] = until
        for name in [n for n, (_, recent) in there.recent.items() if recent.id == node]:
            del there.recent[name]

    def reappear(self, folder: NodeId, node: NodeId) -> None:
        """It is, after all."""
        if (there := self._folders.get(folder)) is not None:
            there.gone.pop(node, None)

    def target(self, staged: Staged, node: NodeId) -> None:
        """The server's node has new content here."""
        self._targets[node] = staged

    def untarget(self, staged: Staged, node: NodeId) -> None:
        if self._targets.get(node) is staged:
            del self._targets[node]
            self.on_untarget(node)

    def listed(self, folder: NodeId, begun: float) -> None:
        """A listing that was begun then has come: what it knows need not be remembered."""
        there = self._folders.get(folder)
        if there is None:
            return
        there.recent = {name: entry for name, entry in there.recent.items() if entry[0] >= begun}
        there.gone = {node: until for node, until in there.gone.items() if until >= begun}
        if not (there.staged or there.recent or there.gone):
            del self._folders[folder]

    # ---- asking -------------------------------------------------------------------------------------------------

    def staged_for(self, node: NodeId) -> Staged | None:
        """The new content of a server's node, if it has one here."""
        return self._targets.get(node)

    def find(self, folder: NodeId, name: bytes) -> Staged | Node | None:
        """What a name leads to by the overlay alone."""
        there = self._folders.get(folder)
        if there is None:
            return None
        if name in there.staged:
            return there.staged[name]
        return there.recent[name][1] if name in there.recent else None

    def name_of(self, folder: NodeId, node: NodeId) -> bytes | None:
        """The name that a node has in a folder by the overlay alone."""
        there = self._folders.get(folder)
        if there is None:
            return None
        names = {recent.id: name for name, (_, recent) in there.recent.items()}
        names.update((staged.id, name) for name, staged in there.staged.items())
        return names.get(node)

    def hides(self, folder: NodeId, node: NodeId) -> bool:
        """Whether a listed node has left the folder."""
        there = self._folders.get(folder)
        return there is not None and node in there.gone

    def any_staged(self, folder: NodeId) -> bool:
        """Whether there are files of ours in the folder."""
        there = self._folders.get(folder)
        return there is not None and bool(there.staged)

    def newest(self, node: Node, begun: float) -> Node:
        """A node of a listing that was begun then, as the server has described it last."""
        known = self._newest.get(node.id)
        return known[1] if known is not None and known[0] >= begun else node

    def merge(
        self,
        folder: NodeId,
        listed: list[tuple[bytes, Node]],
        begun: float,
        hides: Callable[[bytes], bool] = lambda name: False,
    ) -> list[tuple[bytes, Node]]:
        """A folder's entries as they are here; those that were listed come from a listing that was begun then. What
        was done here under a name that `hides` is left out."""
        there = self._folders.get(folder)
        if self._newest:
            listed = [(name, self.newest(node, begun)) for name, node in listed]
        if there is None:
            return listed
        placed: dict[bytes, Node] = {name: node for name, (_, node) in there.recent.items()}
        placed.update((name, staged.node()) for name, staged in there.staged.items())
        ours = {node.id for node in placed.values()}
        merged = []
        for name, node in listed:
            if node.id in there.gone or node.id in ours:
                continue
            if name not in placed:
                merged.append((name, node))
            elif not _may_be(there.staged.get(name), node):
                merged.append((decorate(name, node.label), node))
        return [*merged, *((name, node) for name, node in placed.items() if not hides(name))]
