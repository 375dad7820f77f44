"""Inodes: numbers for nodes, derived from id and kind, the same after every remount.

The number is a 63-bit hash of (id, kind): among a hundred million nodes two would meet with a probability of one in
two thousand, and then the later one takes the next number. The kernel holds references (lookups); what it has
forgotten and nobody has open is dropped from memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from assetfs.repository import Kind, Node, NodeId
from assetfs.vfs.errors import BadHandle

ROOT = 1

_KINDS = {Kind.FOLDER: b"d", Kind.FILE: b"f", Kind.LINK: b"l"}


class Inode:
    """One node as the kernel knows it."""

    __slots__ = (
        "detached",
        "handles",
        "lookups",
        "node",
        "number",
        "pages",
        "parent",
        "reads",
        "seen",
        "told_size",
        "told_version",
    )

    def __init__(self, number: int, node: Node, parent: NodeId | None, seen: float) -> None:
        self.number = number
        self.node = node
        """As it was last described."""
        self.parent = parent
        """A folder that it was found in: whose listing tells about it."""
        self.seen = seen
        """When the server last confirmed the node; seconds of the mount's clock."""
        self.lookups = 0
        self.handles = 0
        self.reads = 0
        """Reads of it that have not been answered yet."""
        self.told_version: str | None = None
        """The version that the kernel was last told the size and times of."""
        self.pages: str | None = None
        """The version of which the kernel may hold pages."""
        self.detached = False
        """It has no name any more, or its node's identity belongs to another inode; open handles still use it."""
        self.told_size = 0
        """The size that the kernel takes it to have: the last one that it was told, and what it wrote since."""


class Inodes:
    """All inodes that the kernel or a handle refers to."""

    def __init__(self, root: Node) -> None:
        self._by_number: dict[int, Inode] = {}
        self._numbers: dict[tuple[NodeId, Kind], int] = {}
        self.root = Inode(ROOT, root, None, 0.0)
        self.root.lookups = 1
        self._by_number[ROOT] = self.root
        self._numbers[root.id, root.kind] = ROOT

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[Inode]:
        """All of them as they are now."""
        return iter(list(self._by_number.values()))

    def of(self, node: NodeId) -> list[Inode]:
        """The inodes of a node, of whatever kind it is or was."""
        return [inode for kind in Kind if (inode := self.known(node, kind)) is not None]

    def reading(self, number: int) -> bool:
        """Whether a read of an inode waits for its answer."""
        inode = self._by_number.get(number)
        return inode is not None and inode.reads > 0

    def get(self, number: int) -> Inode:
        """The inode of a number that the kernel was told."""
        try:
            return self._by_number[number]
        except KeyError:
            raise BadHandle(f"inode {number} is not known") from None

    def number(self, node: Node) -> int:
        """The number that a node has or would have. Does not remember anything."""
        known = self._numbers.get((node.id, node.kind))
        if known is not None:
            return known
        raw = blake2b(node.id.encode("utf-8", "surrogatepass"), digest_size=8, person=_KINDS[node.kind]).digest()
        number = int.from_bytes(raw, "big") >> 8  # 56 bits: the rest says which of several repositories
        while number <= ROOT or number in self._by_number:
            number += 1
        return number

    def remember(self, node: Node, parent: NodeId | None, seen: float) -> Inode:
        """The inode of a node, brought up to date. The caller counts the lookup."""
        number = self.number(node)
        inode = self._by_number.get(number)
        if inode is None:
            inode = Inode(number, node, parent, seen)
            self._by_number[number] = inode
            self._numbers[node.id, node.kind] = number
        elif seen >= inode.seen:
            inode.node = node
            inode.seen = seen
            if parent is not None:
                inode.parent = parent
        elif inode.parent is None:
            inode.parent = parent
        return inode

    def rebind(self, inode: Inode, node: Node, seen: float) -> None:
        """The inode is that node from now on: a file of ours that the server has now, or one that was renamed over
        another and took its identity. The inode that had it, if any, is detached."""
        other = self.known(node.id, node.kind)
        if other is not None and other is not inode:
            other.detached = True
        if self._numbers.get((inode.node.id, inode.node.kind)) == inode.number:
            del self._numbers[inode.node.id, inode.node.kind]
        self._numbers[node.id, node.kind] = inode.number
        inode.node = node
        inode.seen = seen
        inode.detached = False

    def join(self, inode: Inode, node: Node, seen: float) -> None:
        """The inode's file turned out to be another name of a node that has an inode already. Both lead to it until
        the kernel looks the name up again, and then it gets the older one."""
        if self._numbers.get((inode.node.id, inode.node.kind)) == inode.number:
            del self._numbers[inode.node.id, inode.node.kind]
        inode.node = node
        inode.seen = seen

    def known(self, node: NodeId, kind: Kind) -> Inode | None:
        """The inode of a node, if the kernel knows it."""
        number = self._numbers.get((node, kind))
        return None if number is None else self._by_number[number]

    def forget(self, number: int, lookups: int) -> None:
        """The kernel has dropped some references."""
        inode = self._by_number.get(number)
        if inode is not None:
            inode.lookups = max(0, inode.lookups - lookups)
            self.release(inode)

    def release(self, inode: Inode) -> None:
        """Drop an inode that nothing refers to any more."""
        if inode.lookups <= 0 and inode.handles <= 0 and inode is not self.root:
            self._by_number.pop(inode.number, None)
            if self._numbers.get((inode.node.id, inode.node.kind)) == inode.number:
                del self._numbers[inode.node.id, inode.node.kind]
