"""Hidden folders: what Midas knows of items besides their newest bytes.

    FOLDER/.revisions/<item>/<number>/<file>    every revision, never to be changed; `.revisions` of an item of several
                                                files has the numbers at once
    FOLDER/.thumbnails/<item>.jpg               the small picture, of items that have one; `<item>.big.jpg` beside it
                                                once it was made (`user.midas.thumbnail`)
    FOLDER/.metadata/<item>.json                all of an item and its metadata, however much that is
    COMMUNITY/.trackers/<producer>/<trend>.csv  scalars of the module tracker, where the server has it
    /.midas/md5/<checksum>                      bytes by their MD5; MD5 as well, for CMake's ExternalData

Ids begin with a letter of their own and name what they are made of, so that `stat` can make the node again.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from cachetools import LRUCache

from assetfs.backends.midas.catalogue import Catalogue
from assetfs.backends.midas.client import Client
from assetfs.backends.midas.nodes import ROOT, Held, Nodes, held
from assetfs.backends.midas.trackers import MODULE as TRACKER
from assetfs.backends.midas.trackers import Trackers
from assetfs.backends.midas.tree import Tree
from assetfs.backends.midas.wire import BitstreamInfo, Item, Revision, Value, number
from assetfs.repository import Forbidden, Kind, Node, NodeId, NotFound, ProtocolViolation, Rights, Sink

REVISIONS, THUMBNAILS, METADATA, TRACKERS = ".revisions", ".thumbnails", ".metadata", ".trackers"
SHELVES = {REVISIONS: "v", THUMBNAILS: "t", METADATA: "j", TRACKERS: "k"}
"""Names of hidden folders, and the letters that stand before the ids of the folders that they are in."""
OWN, SUMS = "m", {"md5": "m5", "MD5": "M5"}
PICTURES = 256
"""Thumbnails that are kept, a few KB each: a size is asked for just before the bytes."""
_ID = re.compile(r"(vf|vi|tf|jf|kf|kp|kt|o|t|T|j)([1-9]\d{0,17})|r([1-9]\d{0,17})\.([1-9]\d{0,17})|m|m5|M5")
_MD5 = re.compile("[0-9a-f]{32}")

Stat = Callable[[NodeId], Awaitable[Node]]


def is_hidden(node: NodeId) -> bool:
    """Whether an id is one of ours."""
    return _ID.fullmatch(node) is not None


def _folder(node_id: str, name: str, **more: Any) -> Node:
    mine = more.pop("private", Held())
    return Node(id=node_id, kind=Kind.FOLDER, name=name, rights=Rights.READ, private=mine, **more)


class Hidden:
    """`hidden`, and `children`, `stat` and `fetch` for what it gives."""

    def __init__(
        self, client: Client, nodes: Nodes, catalogue: Catalogue, tree: Tree, modules: frozenset[str], stat: Stat
    ) -> None:
        self._client = client
        self._nodes = nodes
        self._catalogue = catalogue
        self._tree = tree
        self._trackers = Trackers(client)
        self._modules = modules
        self._stat = stat
        self._pictures: LRUCache[tuple[NodeId, str | None], bytes] = LRUCache(PICTURES)
        self.big: dict[int, str] = {}
        """Big thumbnails that were made since the mount began, by item: nothing else tells their numbers."""

    # ---- names ----------------------------------------------------------------------------------------------------

    async def find(self, folder: Node, name: str) -> Node:
        """A hidden node. Raises NotFound, without a request for names that nothing here has."""
        if folder.id in SUMS.values():
            return await self._by_sum(name)
        if folder.id == ROOT and name == ".midas":
            return _folder(OWN, name)
        if name in SHELVES and name in [shelf.name for shelf in self.shelves(folder)]:
            return self._shelf(folder, name)
        raise NotFound(f"no {name!r} in {folder.id}")

    def shelves(self, folder: Node) -> Sequence[Node]:
        """The hidden folders of an ordinary one."""
        mine = held(folder)
        names: list[str] = []
        if mine.item and folder.id.startswith("i"):
            names = [REVISIONS]
        elif mine.folder and folder.id.startswith("f"):
            has_trackers = mine.community and TRACKER in self._modules
            names = [TRACKERS] if has_trackers else [] if mine.top else [REVISIONS, THUMBNAILS, METADATA]
        return [self._shelf(folder, name) for name in names]

    def _shelf(self, folder: Node, name: str) -> Node:
        return _folder(f"{SHELVES[name]}{folder.id}", name, private=folder.private)

    # ---- nodes ----------------------------------------------------------------------------------------------------

    async def stat(self, node: NodeId) -> Node:
        """Make a hidden node again. Raises NotFound."""
        found = _ID.fullmatch(node)
        if found is None:
            raise NotFound(f"{node!r} is no id of a Midas repository")
        if node in (OWN, *SUMS.values()):
            return next(one for one in (_folder(OWN, ".midas"), *self._sums()) if one.id == node)
        if found[3]:
            return self._revision(*await self._revision_of(int(found[3]), found[4]))
        kind, ident = found[1], int(found[2])
        if kind in ("vf", "tf", "jf", "kf"):
            name = next(name for name, letter in SHELVES.items() if letter == kind[0])
            return self._shelf(await self._stat(f"f{ident}"), name)
        if kind == "o":
            info = await self._client.call("bitstream.get", BitstreamInfo, id=ident)
            return self._nodes.bitstream(info.plain(), number(info.item_id), old=True)
        if kind in ("kp", "kt"):
            return await self._trackers.stat(kind, ident)
        item = await self._catalogue.item(ident)
        if kind == "vi":
            return self._history(item)
        return next((one for one in self._files(item, kind) if one.id == node), None) or self._absent(node)

    def _absent(self, node: NodeId) -> Node:
        raise NotFound(f"{node} is not there (any more)")

    def _history(self, item: Item) -> Node:
        return _folder(f"vi{item.item_id}", item.name, label=item.item_id, private=Held(item=number(item.item_id)))

    def _revision(self, item: Item, revision: Revision) -> Node:
        node_id = f"r{item.item_id}.{revision.itemrevision_id}"
        return _folder(node_id, revision.revision, private=Held(item=number(item.item_id)))

    async def _revision_of(self, item_id: int, revision_id: str) -> tuple[Item, Revision]:
        item = await self._catalogue.item(item_id, all_revisions=True)
        for one in item.revisions or ():
            if one.itemrevision_id == revision_id:
                return item, one
        raise NotFound("this revision has been deleted")

    def _files(self, item: Item, kind: str) -> list[Node]:
        """Files that are made of an item, of the kinds that ids begin with."""
        item_id = number(item.item_id)
        found = {
            "j": (f"{item.name}.json", None),
            "t": (f"{item.name}.jpg", item.thumbnail_id or None),
            "T": (f"{item.name}.big.jpg", self.big.get(item_id)),
        }
        return [
            Node(
                id=f"{letter}{item_id}",
                kind=Kind.FILE,
                name=name,
                label=item.item_id,
                version=version,
                measurable=letter != "j",
                rights=Rights.READ,
                private=Held(item=item_id),
            )
            for letter, (name, version) in found.items()
            if letter.lower() == kind.lower() and (version or letter == "j")
        ]

    async def children(self, folder: Node) -> Sequence[Node]:
        """What a hidden folder lists."""
        found = _ID.fullmatch(folder.id)
        assert found is not None
        if folder.id == OWN:
            return self._sums()
        if found[0] in SUMS.values():
            return []
        if found[3]:
            _, revision = await self._revision_of(int(found[3]), found[4])
            return [self._nodes.bitstream(one, int(found[3]), old=True) for one in revision.bitstreams]
        kind, ident = found[1], int(found[2])
        if kind == "vi":
            item = await self._catalogue.item(ident, all_revisions=True)
            return [self._revision(item, one) for one in item.revisions or ()]
        if kind == "kf":
            return await self._trackers.producers(held(folder).community or await self._community(ident))
        if kind == "kp":
            return await self._trackers.trends(ident)
        listed = await self._tree.children(Node(id=f"f{ident}", kind=Kind.FOLDER, name="", private=Held(folder=ident)))
        if kind == "vf":
            return [self._history(item) for item in listed.items]
        return [node for item in listed.items for node in self._files(item, kind[0])]

    async def _community(self, folder_id: int) -> int:
        return held(await self._stat(f"f{folder_id}")).community

    # ---- bytes ----------------------------------------------------------------------------------------------------

    async def content(self, node: Node) -> bytes | None:
        """The bytes of a file that is made here or comes from a page; None where it is a bitstream."""
        if node.id.startswith("kt"):
            content = held(node).content
            return content if content is not None else await self._trackers.table(int(node.id[2:]))
        if node.id.startswith("j"):
            return await self._all_of(held(node).item)
        return await self._picture(node) if node.id[0] in "tT" else None

    async def sizes(self, nodes: Sequence[Node]) -> Mapping[NodeId, int]:
        """Of thumbnails, which have to be fetched for that, and are kept for who reads them next."""
        by_id = {node.id: node for node in nodes}

        async def ask(node_id: str) -> int | None:
            try:
                return len(await self._picture(by_id[node_id]))
            except (NotFound, Forbidden):
                return None

        told = await self._catalogue.gather(ask, by_id)
        return {node_id: size for node_id, size in told.items() if size is not None}

    async def _picture(self, node: Node) -> bytes:
        kept: bytes | None = self._pictures.get((node.id, node.version))
        if kept is not None:
            return kept
        letter, mine = node.id[0], held(node)
        if letter == "t":
            answer = await self._client.page("item/thumbnail", verb="GET", itemId=mine.item)
        else:
            answer = await self._client.page(
                "thumbnailcreator/thumbnail/item", verb="GET", itemthumbnail=self.big.get(mine.item, "")
            )
        if answer.status != 200 or not answer.content:
            raise NotFound("there is no thumbnail any more")
        self._pictures[node.id, node.version] = answer.content
        return answer.content

    async def _all_of(self, item_id: int) -> bytes:
        item = await self._client.call("item.get", dict[str, Any], id=item_id)
        values: list[Value] = []
        if item.get("revisions"):
            values = await self._client.call("item.getmetadata", list[Value], id=item_id)
        return msgspec.json.format(msgspec.json.encode({**item, "metadata": values})) + b"\n"

    # ---- bytes by their sum ---------------------------------------------------------------------------------------

    def _sums(self) -> Sequence[Node]:
        return [_folder(node_id, name, open_ended=True) for name, node_id in SUMS.items()]

    async def _by_sum(self, name: str) -> Node:
        if _MD5.fullmatch(name) is None:
            raise NotFound(f"{name!r} is no MD5")
        location = await self._client.location("bitstream.download", checksum=name, name="f")
        if location is None:
            raise NotFound("no file that may be read has this MD5")
        ident = parse_qs(urlsplit(location).query).get("bitstream", [""])[0]
        if not ident.isdigit():
            raise ProtocolViolation("the server does not say which file has this MD5")
        return msgspec.structs.replace(await self.stat(f"o{ident}"), name=name)


async def land(content: bytes, start: int, stop: int, sink: Sink) -> None:
    """Bytes that are here already into a sink."""
    sink.total(len(content))
    at, stop = start, min(stop, len(content))
    while at < stop:
        room = sink.lend(at)
        count = min(len(room), stop - at)
        if not count:
            return
        room[:count] = content[at : at + count]
        sink.landed(at, count)
        at += count
