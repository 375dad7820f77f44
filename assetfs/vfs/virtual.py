"""Virtual files: `.assetfs/` at the root of every mount, which answers to its name and is not listed.

    .assetfs/status.json      what the mount is doing, made anew at every open
    .assetfs/metrics          the same in numbers, as Prometheus reads them
    .assetfs/search/<query>/  links to what the server finds; so `tags/<tag>/` and `recent/` (`finding.py`)
    .assetfs/by-id/<id>       a link to where the node is in the tree
    .assetfs/uploads/<n>.txt  one for everything that is still owed to the server: what, where, why
    .assetfs/uploads/<n>      a file's content, wherever it is in the tree; answers to its name, and is not listed

Commands are attributes of `.assetfs` itself that do something when they are set, and are never listed:
`user.assetfs.flush` starts every upload now; `user.assetfs.retry` and `user.assetfs.discard` take the number of an
upload, or `all`.

Virtual nodes are ordinary nodes whose ids begin with `assetfs:`; no server is asked about them,
except for where an id is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from assetfs import names
from assetfs.repository import Kind, Node, NodeId, NotFound, Rights
from assetfs.vfs.errors import NotPermitted
from assetfs.vfs.finding import Finding
from assetfs.vfs.uploads import Uploads
from assetfs.writeback.staging import Staged

PREFIX = "assetfs:"
FOLDER = b".assetfs"
UPLOADS = PREFIX + "uploads"


def is_virtual(node: Node) -> bool:
    return node.id.startswith(PREFIX)


class Virtual:
    """The tree below `.assetfs/`. `status` makes the status document, `place` tells where a node is: the names from
    the mount's root. `flush` starts every upload now; None where nothing can be written."""

    def __init__(
        self,
        finding: Finding,
        place: Callable[[NodeId], Awaitable[list[bytes]]],
        status: Callable[[], object],
        uploads: Uploads,
        flush: Callable[[], None] | None,
        metrics: Callable[[], bytes] | None = None,
    ) -> None:
        self._finding = finding
        self._place = place
        self._status = status
        self._uploads = uploads
        self._flush = flush
        self._metrics = metrics
        self.folder = self._node("", Kind.FOLDER)
        self._entries = {
            b"status.json": self._node("status.json", Kind.FILE, size=0),
            **({b"metrics": self._node("metrics", Kind.FILE, size=0)} if metrics is not None else {}),
            b"by-id": self._node("by-id", Kind.FOLDER),
            b"uploads": self._node("uploads", Kind.FOLDER),
        }

    def _node(self, path: str, kind: Kind, **more: object) -> Node:
        name = path.rsplit("/", 1)[-1] or ".assetfs"
        fields: dict[str, object] = {"mtime_ns": 0, "rights": Rights.READ, **more}
        return Node(id=PREFIX + path, kind=kind, name=name, **fields)  # type: ignore[arg-type]

    async def entries(self, folder: Node) -> list[tuple[bytes, Node]]:
        """What a virtual folder lists."""
        if folder.id == self.folder.id:
            return [*self._entries.items(), *self._finding.folders().items()]
        if self._finding.owns(folder):
            return await self._finding.entries(folder)
        if folder.id == UPLOADS:
            names_ = (f"{owed.number}.txt" for owed in self._uploads.owed())
            return [(name.encode(), self._node(f"uploads/{name}", Kind.FILE, size=0)) for name in names_]
        return []

    def staged(self, node: Node) -> Staged | None:
        """The file whose content a virtual node shows, if it shows one."""
        owed = self._uploads.find(node.name) if node.id.startswith(f"{UPLOADS}/") else None
        return owed.staged if owed is not None else None

    async def lookup(self, folder: Node, name: bytes) -> Node:
        """A virtual node by its name. Raises NotFound."""
        if folder.id == self.folder.id and name in self._entries:
            return self._entries[name]
        if folder.id == self.folder.id and name in (there := self._finding.folders()):
            return there[name]
        if self._finding.owns(folder):
            return await self._finding.lookup(folder, name)
        if folder.id == UPLOADS and (found := self._upload(names.decode(name))) is not None:
            return found
        if folder.id == PREFIX + "by-id":
            return await self._by_id(names.decode(name))
        raise NotFound(f"no {name!r} in {folder.id}")

    def _upload(self, name: str) -> Node | None:
        """`<n>.txt` tells of an upload, `<n>` is the content of one that is a file."""
        owed = self._uploads.find(name.removesuffix(".txt"))
        if owed is None or (owed.staged is None and not name.endswith(".txt")):
            return None
        size = 0 if owed.staged is None or name.endswith(".txt") else owed.staged.size
        return self._node(f"uploads/{name}", Kind.FILE, size=size)

    async def _by_id(self, id_: str) -> Node:
        """A link, relative to `.assetfs/by-id`, to the first place where the node is."""
        path = [name.decode("utf-8", "surrogateescape") for name in await self._place(id_)]
        return self._node(f"by-id/{id_}", Kind.LINK, target="/".join(["..", "..", *path]))

    def content(self, node: Node) -> bytes:
        """The bytes of a virtual file, now."""
        if node.id == PREFIX + "status.json":
            return msgspec.json.format(msgspec.json.encode(self._status())) + b"\n"
        if node.id == PREFIX + "metrics" and self._metrics is not None:
            return self._metrics()
        owed = self._uploads.find(node.name.removesuffix(".txt")) if node.id.startswith(f"{UPLOADS}/") else None
        if owed is not None:
            return msgspec.json.format(msgspec.json.encode(owed.account())) + b"\n"
        raise NotFound(node.id)

    async def command(self, node: Node, name: str, value: bytes | None) -> None:
        """An attribute of `.assetfs` that does something. Raises NotPermitted for any other, and what the command
        raises."""
        which = (value or b"").decode("ascii", "replace").strip()
        if self._flush is None or node.id != self.folder.id or value is None:
            raise NotPermitted(name)
        if name == "user.assetfs.flush":
            self._flush()
        elif name == "user.assetfs.retry":
            await self._uploads.retry(which)
        elif name == "user.assetfs.discard":
            await self._uploads.discard(which)
        else:
            raise NotPermitted(name)
