"""Links: what readlink(2) says, and where a path leads.

A server is not trusted with the local machine: a link that it describes goes up as far as the mount's root at most, and
then down through plain names. `..` behind a name is refused, because the name may be a link itself, and the way up from
where it leads is not the way that the text shows. A URL is given out as it is: no folder of its name exists, so it
leads nowhere, and people can read it.

A link that names a node and no path is worked out when somebody reads it: that costs a request where the backend has to
ask the server for the node's place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cachetools import LRUCache

from assetfs import names
from assetfs.repository import Kind, Node, NodeId, NotFound
from assetfs.vfs.errors import NotPermitted
from assetfs.vfs.inodes import Inode
from assetfs.vfs.virtual import is_virtual

if TYPE_CHECKING:
    from assetfs.vfs.filesystem import FileSystem

KEPT = 10_000
"""Places of nodes that are remembered."""

LONGEST = 4095
"""Bytes in a path, of Linux."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]")


def harmless(target: str, depth: int | None) -> bytes:
    """The text of a link that lies `depth` folders below the mount's root (None: unknown). Raises NotPermitted for
    what could lead out of the mount."""
    text = target.encode("utf-8", "surrogateescape")
    parts = target.split("/")
    if not target or "\0" in target or len(text) > LONGEST:
        raise NotPermitted("a link that leads nowhere")
    if _URL.match(target):
        if ".." in parts or "." in parts:
            raise NotPermitted(f"a link to a URL that is also a path: {target}")
        return text
    up = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    if target.startswith("/") or ".." in parts[up:] or (up and (depth is None or up > depth)):
        raise NotPermitted(f"a link that would lead out of the mount: {target}")
    return text


class Links:
    """The links of a file system, and the places of its nodes."""

    def __init__(self, fs: FileSystem) -> None:
        self._fs = fs
        self._places: LRUCache[NodeId, tuple[float, list[bytes]]] = LRUCache(KEPT)

    async def read(self, inode: Inode) -> bytes:
        """The text of a link. Raises NotPermitted, NotFound."""
        node = inode.node
        if node.target is not None or node.leads_to is None:
            return harmless(node.target or "", self.depth(inode))
        depth = self.depth(inode)
        if depth is None:
            raise NotFound(f"the place of {node.id} is not known any more")
        return b"/".join([*[b".."] * depth, *await self.place(node.leads_to)]) or b"."

    def size(self, node: Node) -> int:
        """What lstat(2) says: the length of the text, or 0 where nobody has asked for it yet."""
        return len((node.target or "").encode("utf-8", "surrogateescape"))

    def depth(self, inode: Inode) -> int | None:
        """How many folders up the mount's root is from the folder that an inode is in."""
        inodes, steps = self._fs.inodes, 0
        seen = {inode.number}
        while inode.parent is not None:
            parent = inodes.known(inode.parent, Kind.FOLDER)
            if parent is None or parent.number in seen:
                return None
            if parent is inodes.root:
                return steps
            seen.add(parent.number)
            inode, steps = parent, steps + 1
        return None

    async def place(self, id_: NodeId) -> list[bytes]:
        """The names from the mount's root to the first place where a node is. Raises NotFound."""
        now = self._fs.clock()
        asked, place = self._places.get(id_, (float("-inf"), []))
        if now - asked <= self._fs.timeouts.listings:
            return place
        if id_ == self._fs.inodes.root.node.id:
            return []
        if not self._fs.repository.capabilities.locate:
            raise NotFound("this repository cannot find nodes by their id")
        for chain in await self._fs.repository.locate(id_):
            found = await self._names(self._below_root(chain))
            if found is not None:
                self._places[id_] = (now, found)
                return found
        raise NotFound(f"{id_} is not in the part of the repository that is mounted")

    async def _names(self, chain: Sequence[Node]) -> list[bytes] | None:
        """The names by which a chain of nodes is shown; None where one of them is not."""
        found: list[bytes] = []
        folder = self._fs.inodes.root.node
        for node in chain:
            writeback = self._fs.writeback
            name = writeback.overlay.name_of(folder.id, node.id) if writeback is not None else None
            name = name or (await self._fs.folders.open(folder)).name_of(node.id)
            hidden = names.encode(node.name)
            if name is None and self._fs.hidden.may_have(folder, hidden):
                name = hidden
            if name is None:
                return None
            found.append(name)
            folder = node
        return found

    def _below_root(self, chain: Sequence[Node]) -> Sequence[Node]:
        """What of a way from the repository's root lies below the mount's; all of it where they are the same."""
        inside = [at for at, node in enumerate(chain) if node.id == self._fs.inodes.root.node.id]
        return chain[inside[0] + 1 :] if inside else chain

    def expire(self) -> None:
        """Something was moved or renamed."""
        self._places.clear()

    async def lead(self, folder: Inode, target: bytes) -> Node | None:
        """The node that a path leads to from a folder, without following other links; None: nothing of the
        repository's in this mount."""
        if not target or target.startswith(b"/"):
            return None
        here: Inode | None = folder
        node: Node | None = folder.node
        for part in target.split(b"/"):
            if part in (b"", b"."):
                continue
            if part == b"..":
                parent = here.parent if here is not None else None
                here = self._fs.inodes.known(parent, Kind.FOLDER) if parent is not None else None
                node = here.node if here is not None else None
            else:
                node = await self._below(node, part)
                here = self._fs.inodes.known(node.id, node.kind) if node is not None else None
            if node is None:
                return None
        return None if node is None or is_virtual(node) else node

    async def _below(self, folder: Node | None, name: bytes) -> Node | None:
        if folder is None or folder.kind is not Kind.FOLDER:
            return None
        try:
            return await self._fs.find(folder, name)
        except NotFound:
            return None
