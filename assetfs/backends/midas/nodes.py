"""Nodes from records: what of Midas is a folder, a file or a link (section 8).

Ids: `root`, `communities`, `users`; `f<folder>`, `i<item>`, `b<bitstream>`. The root folder of a community shows under
the community's name, that of a user as `First_Last`. An item is a file where its newest revision has one bitstream or
none, a folder where it has several, and a link where its one bitstream is a URL.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Any

import msgspec

from assetfs.backends.midas.wire import (
    EMPTY_MD5,
    LINK,
    Bitstream,
    Community,
    Folder,
    Item,
    User,
    nanoseconds,
    number,
)
from assetfs.repository import Kind, Node, NodeId, NotFound, Rights

ROOT, COMMUNITIES, USERS = "root", "communities", "users"
PART = ".assetfs-"
"""Names of items that are not complete: this and their uuid."""
_ID = re.compile(r"([fib])([1-9]\d{0,17})")
_MD5 = re.compile("[0-9a-f]{32}")
_URL = re.compile("https?://", re.IGNORECASE)
_PART = re.compile(re.escape(PART) + "[0-9a-f]{32}")


class Held(msgspec.Struct, frozen=True):
    """What a node keeps for the backend. `id` is the bitstream whose bytes it has; 0 where it has none."""

    id: int = 0
    item: int = 0
    folder: int = 0
    uuid: str = ""
    top: bool = False
    """A root folder of a user or community: never deleted, moved or renamed."""


def held(node: Node) -> Held:
    mine = node.private
    assert isinstance(mine, Held)
    return mine


def parse(node: NodeId) -> tuple[str, int]:
    """Kind letter and number of an id. Raises NotFound for what is none."""
    found = _ID.fullmatch(node)
    if found is None:
        raise NotFound(f"{node!r} is no id of a Midas repository")
    return found[1], int(found[2])


def is_part(name: str) -> bool:
    """Whether an item's name says that it is an upload that is not complete."""
    return _PART.fullmatch(name) is not None


def synthetic(node: NodeId) -> Node:
    """The root and the two folders in it."""
    return Node(id=node, kind=Kind.FOLDER, name="" if node == ROOT else node, rights=Rights.READ, private=Held())


class Nodes:
    """Makes nodes. `base` is the server's URL, `tops` the names of root folders."""

    def __init__(self, base: str, zone: tzinfo, user: User) -> None:
        self._base = base.rstrip("/")
        self._zone = zone
        self.user = user
        self.home = number(user.folder_id)
        self.communities: dict[int, Community] = {}

    def note(self, communities: list[Community]) -> None:
        """Remember which root folders belong to which communities."""
        self.communities = {number(one.folder_id): one for one in communities}

    def top_name(self, folder: Folder) -> str:
        """What a root folder is called here."""
        folder_id = number(folder.folder_id)
        if folder_id == self.home:
            return f"{self.user.firstname}_{self.user.lastname}"
        found = self.communities.get(folder_id)
        return folder.name if found is None else found.name

    def folder(self, record: Folder) -> Node:
        top = record.parent_id.startswith("-")
        return Node(
            id=f"f{record.folder_id}",
            kind=Kind.FOLDER,
            name=self.top_name(record) if top else record.name,
            label=record.folder_id,
            mtime_ns=nanoseconds(record.date_update, self._zone),
            birth_ns=nanoseconds(record.date_creation, self._zone),
            rights=Rights.ALL,
            url=f"{self._base}/folder/{record.folder_id}",
            private=Held(folder=number(record.folder_id), uuid=record.uuid, top=top),
        )

    def item(self, record: Item) -> Node:
        """The node of an item whose revisions are known."""
        files = record.files
        item_id = number(record.item_id)
        common: dict[str, Any] = {
            "id": f"i{item_id}",
            "name": record.name,
            "label": record.item_id,
            "mtime_ns": nanoseconds(record.date_update, self._zone),
            "birth_ns": nanoseconds(record.date_creation, self._zone),
            "url": f"{self._base}/item/{record.item_id}",
        }
        if len(files) > 1:
            mine = Held(item=item_id, uuid=record.uuid)
            return Node(kind=Kind.FOLDER, rights=Rights.READ | Rights.ANNOTATE, private=mine, **common)
        mine = Held(item=item_id, uuid=record.uuid)
        if not files:
            return Node(kind=Kind.FILE, size=0, version=EMPTY_MD5, digest=f"md5:{EMPTY_MD5}", private=mine, **common)
        if files[0].mimetype == LINK:
            return Node(**_link(files[0]), private=mine, **common)
        return Node(
            **_content(files[0]),
            private=msgspec.structs.replace(mine, id=number(files[0].bitstream_id)),
            **common,
        )

    def bitstream(self, record: Bitstream, item_id: int) -> Node:
        """A file inside an item with several."""
        link = record.mimetype == LINK
        return Node(
            **(_link(record) if link else {**_content(record), "rights": Rights.READ}),
            id=f"b{record.bitstream_id}",
            name=record.name,
            label=record.bitstream_id,
            mtime_ns=nanoseconds(record.date, self._zone),
            private=Held(id=0 if link else number(record.bitstream_id), item=item_id),
        )


def _content(record: Bitstream) -> dict[str, Any]:
    """The fields of a file; one without a usable checksum goes by its number, for its bytes never change."""
    known = _MD5.fullmatch(record.checksum) is not None
    return {
        "kind": Kind.FILE,
        "size": number(record.sizebytes),
        "version": record.checksum if known else f"b{record.bitstream_id}",
        "digest": f"md5:{record.checksum}" if known else None,
        "mime": record.mimetype,
    }


def _link(record: Bitstream) -> dict[str, Any]:
    """The fields of a link to a web address; anything else that a server calls a link is an empty file here, because
    it could lead anywhere on this machine."""
    target = record.path or record.name
    if _URL.match(target):
        return {"kind": Kind.LINK, "target": target}
    return {"kind": Kind.FILE, "size": 0, "version": EMPTY_MD5, "digest": f"md5:{EMPTY_MD5}", "rights": Rights.READ}
