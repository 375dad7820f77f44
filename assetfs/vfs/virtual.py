"""Virtual files: `.assetfs/` at the root of every mount, which answers to its name and is not listed.

    .assetfs/status.json      what the mount is doing, made anew at every open
    .assetfs/by-id/<id>       a link to where the node is in the tree

Virtual nodes are ordinary nodes whose ids begin with `assetfs:`; no server is asked about them,
except for where an id is.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from assetfs import names
from assetfs.repository import Kind, Node, NotFound, Repository, Rights
from assetfs.vfs.folders import Folders

PREFIX = "assetfs:"
FOLDER = b".assetfs"


def is_virtual(node: Node) -> bool:
    return node.id.startswith(PREFIX)


class Virtual:
    """The tree below `.assetfs/`. `status` makes the status document."""

    def __init__(self, repository: Repository, folders: Folders, status: Callable[[], object]) -> None:
        self._repository = repository
        self._folders = folders
        self._status = status
        self.folder = self._node("", Kind.FOLDER)
        self._entries = {
            b"status.json": self._node("status.json", Kind.FILE, size=0),
            b"by-id": self._node("by-id", Kind.FOLDER),
        }

    def _node(self, path: str, kind: Kind, **more: object) -> Node:
        name = path.rsplit("/", 1)[-1] or ".assetfs"
        fields: dict[str, object] = {"mtime_ns": 0, "rights": Rights.READ, **more}
        return Node(id=PREFIX + path, kind=kind, name=name, **fields)  # type: ignore[arg-type]

    def entries(self, folder: Node) -> list[tuple[bytes, Node]]:
        """What a virtual folder lists."""
        return list(self._entries.items()) if folder.id == self.folder.id else []

    async def lookup(self, folder: Node, name: bytes) -> Node:
        """A virtual node by its name. Raises NotFound."""
        if folder.id == self.folder.id and name in self._entries:
            return self._entries[name]
        if folder.id == PREFIX + "by-id":
            return await self._by_id(names.decode(name))
        raise NotFound(f"no {name!r} in {folder.id}")

    async def _by_id(self, id_: str) -> Node:
        """A link, relative to `.assetfs/by-id`, to the first place where the node is."""
        if not self._repository.capabilities.locate:
            raise NotFound("this repository cannot find nodes by their id")
        for chain in await self._repository.locate(id_):
            path: list[str] = []
            folder = await self._repository.root()
            for node in chain:
                name = (await self._folders.open(folder)).name_of(node.id)
                if name is None:
                    break
                path.append(name.decode("utf-8", "surrogateescape"))
                folder = node
            else:
                return self._node(f"by-id/{id_}", Kind.LINK, target="/".join(["..", "..", *path]))
        raise NotFound(f"{id_} is not in the part of the repository that is mounted")

    def content(self, node: Node) -> bytes:
        """The bytes of a virtual file, now."""
        if node.id == PREFIX + "status.json":
            return msgspec.json.format(msgspec.json.encode(self._status())) + b"\n"
        raise NotFound(node.id)
