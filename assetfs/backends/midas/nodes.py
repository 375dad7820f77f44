"""Nodes from records: what of Midas is a folder, a file or a link (section 8).

Ids: `root`, `communities`, `users`; `f<folder>`, `i<item>`, `b<bitstream>` in an item of several files, and those of
`hidden.py`. The root folder of a community shows under the community's name, that of a user as `First_Last`. An item is
a file where its newest revision has one bitstream or none, a folder where it has several, and a link where its one
bitstream is a URL. With `items=dir` each is a folder, with `items=file` each is a file, of several files their zip.

What a listing alone tells of an item (`listed`) is a file of a size and without a version: `stat` settles that.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Any

import msgspec

from assetfs.backends.midas.wire import (
    EMPTY_MD5,
    LINK,
    PRIVATE,
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
"""Names of items that are not complete: this and 32 digits."""
AUTO, DIR, FILE = "auto", "dir", "file"
"""Of the option `items`."""
SYMLINK, REFUSE, FETCH = "symlink", "refuse", "fetch"
"""Of the option `links`."""
ZIP = "application/x-zip"
_ID = re.compile(r"([fib])([1-9]\d{0,17})")
_MD5 = re.compile("[0-9a-f]{32}")
_URL = re.compile("https?://", re.IGNORECASE)
_PART = re.compile(re.escape(PART) + "[0-9a-f]{32}")


class Held(msgspec.Struct, frozen=True):
    """What a node keeps for the backend. `id` is the bitstream whose bytes it has; 0 where it has none, and where only
    its checksum is known."""

    id: int = 0
    file: str = ""
    """The name of an item's one file; empty where it has several, none, or a link."""
    item: int = 0
    folder: int = 0
    uuid: str = ""
    top: bool = False
    """A root folder of a user or community: never deleted or moved."""
    community: int = 0
    """Of the root folder of a community."""
    web: str = ""
    """The address of a link that shows as a file."""
    content: bytes | None = None
    """Of a file that this machine has made."""


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
    """The root and the two folders in it: communities can be made, and both have names that are not listed."""
    name = "" if node == ROOT else node
    rights = Rights.READ | Rights.WRITE if node == COMMUNITIES else Rights.READ
    return Node(id=node, kind=Kind.FOLDER, name=name, rights=rights, open_ended=node != ROOT, private=Held())


class Nodes:
    """Makes nodes. `base` is the server's URL, `items` and `links` are the options of these names; with `modes`, what
    is private is not for others to read."""

    def __init__(
        self, base: str, zone: tzinfo, items: str = AUTO, links: str = SYMLINK, *, modes: bool = False
    ) -> None:
        self._base = base.rstrip("/")
        self._zone = zone
        self.items = items
        self.links = links
        self._modes = modes
        self.communities: dict[int, Community] = {}
        """By their root folders."""
        self.homes: dict[int, str] = {}
        """Names of the users that have been asked for, by their root folders."""

    def note(self, communities: list[Community]) -> None:
        """Remember which root folders belong to which communities."""
        self.communities |= {number(one.folder_id): one for one in communities}

    def meet(self, user: User) -> int:
        """Remember a user's name, and nothing else of what the server tells everybody. Returns the root folder."""
        home = number(user.folder_id)
        self.homes[home] = f"{user.firstname}_{user.lastname}"
        return home

    def folder(self, record: Folder) -> Node:
        folder_id = number(record.folder_id)
        top = record.parent_id.startswith("-")
        community = self.communities.get(folder_id) if top else None
        name = community.name if community is not None else self.homes.get(folder_id, record.name) if top else ""
        place = f"community/{community.community_id}" if community is not None else f"folder/{record.folder_id}"
        return Node(
            id=f"f{record.folder_id}",
            kind=Kind.FOLDER,
            name=name or record.name,
            label=record.folder_id,
            mtime_ns=nanoseconds(record.date_update, self._zone),
            birth_ns=nanoseconds(record.date_creation, self._zone),
            rights=Rights.ALL,
            others=self._for_others(record),
            url=f"{self._base}/{place}",
            private=Held(
                folder=folder_id,
                uuid=record.uuid if community is None else community.uuid,
                top=top,
                community=number(community.community_id) if community is not None else 0,
            ),
        )

    def _for_others(self, record: Folder | Item) -> bool:
        return not (self._modes and is_private(record))

    def _common(self, record: Item) -> dict[str, Any]:
        return {
            "id": f"i{number(record.item_id)}",
            "name": record.name,
            "label": record.item_id,
            "mtime_ns": nanoseconds(record.date_update, self._zone),
            "birth_ns": nanoseconds(record.date_creation, self._zone),
            "url": f"{self._base}/item/{record.item_id}",
            "links": len(record.owningfolders) or None,
            "others": self._for_others(record),
            "stamp": f"{record.date_update} {number(record.sizebytes)}",
        }

    def listed(self, record: Item) -> Node:
        """The node of an item that has one file, or whose files do not matter, by its listing alone."""
        mine = Held(item=number(record.item_id), uuid=record.uuid)
        if self.items == DIR:
            return Node(kind=Kind.FOLDER, private=mine, **self._common(record))
        return Node(kind=Kind.FILE, size=number(record.sizebytes), private=mine, **self._common(record))

    def item(self, record: Item) -> Node:
        """The node of an item whose revisions are known."""
        files = record.files
        mine = Held(item=number(record.item_id), uuid=record.uuid)
        common = self._common(record)
        if self.items == DIR or (self.items == AUTO and len(files) > 1):
            return Node(kind=Kind.FOLDER, private=mine, **common)
        if not files:
            return Node(kind=Kind.FILE, size=0, version=EMPTY_MD5, digest=f"md5:{EMPTY_MD5}", private=mine, **common)
        if len(files) > 1:
            assert record.head is not None
            version, rights = f"zip {record.head.itemrevision_id}", Rights.READ | Rights.ANNOTATE
            return Node(
                kind=Kind.FILE, version=version, mime=ZIP, measurable=False, rights=rights, private=mine, **common
            )
        if files[0].mimetype == LINK:
            return Node(**self._link(files[0], mine), **common)
        return Node(
            **_content(files[0]),
            private=msgspec.structs.replace(mine, id=number(files[0].bitstream_id), file=files[0].name),
            **common,
        )

    def edited(self, node: Node, record: Item, *, file: str | None = None) -> Node:
        """A node of an item after a call that has changed its name or place, and `file`'s, and not its content."""
        mine = held(node)
        common = {**self._common(record), "links": len(record.owningfolders) or node.links}
        private = mine if file is None else msgspec.structs.replace(mine, file=file)
        return msgspec.structs.replace(node, **common, private=private)

    def bitstream(self, record: Bitstream, item_id: int, *, old: bool = False) -> Node:
        """A file inside an item with several; `old`: of any revision, and never changed."""
        mine = Held(id=number(record.bitstream_id), item=item_id)
        if record.mimetype == LINK:
            fields = self._link(record, Held(item=item_id))
        else:
            fields = {**_content(record), "private": mine}
        if old:
            fields["rights"] = Rights.READ
        return Node(
            **fields,
            id=f"{'o' if old else 'b'}{record.bitstream_id}",
            name=record.name,
            label=record.bitstream_id,
            mtime_ns=nanoseconds(record.date, self._zone),
            url=f"{self._base}/item/{item_id}",
        )

    def _link(self, record: Bitstream, mine: Held) -> dict[str, Any]:
        """The fields of a link to a web address; anything else that a server calls a link is an empty file here,
        because it could lead anywhere on this machine. Size and checksum are what somebody said who made it."""
        target = record.path or record.name
        if not _URL.match(target):
            empty = {"version": EMPTY_MD5, "digest": f"md5:{EMPTY_MD5}"}
            return {"kind": Kind.FILE, "size": 0, **empty, "rights": Rights.READ, "private": mine}
        if self.links == SYMLINK:
            return {"kind": Kind.LINK, "target": target, "private": mine}
        return {
            "kind": Kind.FILE,
            "version": f"url {record.bitstream_id}",
            "measurable": False,
            "rights": Rights.READ,
            "private": msgspec.structs.replace(mine, web=target),
        }


def is_private(record: Folder | Item | Community) -> bool:
    """Whether nobody but those named may see it."""
    return record.privacy != "0" if isinstance(record, Community) else record.privacy_status == PRIVATE


def _content(record: Bitstream) -> dict[str, Any]:
    """The fields of a file; one without a usable checksum goes by its number, for its bytes never change."""
    known = _MD5.fullmatch(record.checksum) is not None
    return {
        "kind": Kind.FILE,
        "size": number(record.sizebytes),
        "version": record.checksum if known else f"b{record.bitstream_id}",
        "digest": f"md5:{record.checksum}" if known else None,
        "mime": record.mimetype or None,
    }
