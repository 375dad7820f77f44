"""What the server says, as typed records: the parts of its JSON that we read, and nothing else (section 3).

The RPC face writes every scalar as a text and encodes text twice (2.3); numbers that are not there are empty texts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from assetfs.repository import ProtocolViolation

LINK = "url"
"""The MIME type of a bitstream that is a URL."""
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
"""The checksum of no bytes: an item without a file shows as an empty one."""
PRIVATE = "2"


class Found(msgspec.Struct, frozen=True, gc=False):
    """One item of Solr's answer: real types, other names, and the ids of the newest revision's bitstreams."""

    id: str | int
    name: str
    size: str | int = 0
    bitstreams: list[str | int] = []


class Envelope(msgspec.Struct, frozen=True):
    """Every answer of the RPC face."""

    stat: str
    code: str = "0"
    message: str = ""
    data: Any = None


class Bitstream(msgspec.Struct, frozen=True, gc=False):
    """One file of a revision."""

    bitstream_id: str
    name: str
    mimetype: str
    sizebytes: str
    checksum: str
    date: str
    path: str = ""


class BitstreamInfo(msgspec.Struct, frozen=True, gc=False):
    """`bitstream.get`: the same under other names, and whose it is."""

    id: str
    name: str
    size: str
    mimetype: str
    checksum: str
    item_id: str
    itemrevision_id: str
    date: str

    def plain(self) -> Bitstream:
        return Bitstream(self.id, self.name, self.mimetype, self.size, self.checksum, self.date)


class Revision(msgspec.Struct, frozen=True):
    """A complete set of files and metadata."""

    itemrevision_id: str
    revision: str
    date: str = ""
    changes: str = ""
    bitstreams: list[Bitstream] = []


class Item(msgspec.Struct, frozen=True):
    """An item; `revisions` is None where a listing leaves them out."""

    item_id: str
    name: str
    uuid: str
    description: str = ""
    sizebytes: str = ""
    date_creation: str = ""
    date_update: str = ""
    thumbnail_id: str = ""
    view: str = ""
    download: str = ""
    privacy_status: str = PRIVATE
    folder_id: str = ""
    revisions: list[Revision] | None = None
    owningfolders: list[Folder] = []

    @property
    def head(self) -> Revision | None:
        return self.revisions[-1] if self.revisions else None

    @property
    def files(self) -> list[Bitstream]:
        return self.head.bitstreams if self.head else []


class Folder(msgspec.Struct, frozen=True):
    """A folder; `parent_id` below 0 is the root of a user (-1) or a community (-2)."""

    folder_id: str
    parent_id: str
    name: str
    uuid: str
    description: str = ""
    date_creation: str = ""
    date_update: str = ""
    privacy_status: str = PRIVATE


class Children(msgspec.Struct, frozen=True):
    folders: list[Folder]
    items: list[Item] = []


class Community(msgspec.Struct, frozen=True):
    community_id: str
    name: str
    folder_id: str
    uuid: str
    description: str = ""
    creation: str = ""
    privacy: str = "0"
    can_join: str = "1"
    view: str = ""


class Existing(msgspec.Struct, frozen=True):
    """The answer of `item.exists`: empty where there is none."""

    exists: str
    item: Item | None = None


class User(msgspec.Struct, frozen=True):
    user_id: str
    firstname: str
    lastname: str
    folder_id: str
    admin: str = ""


class Value(msgspec.Struct, frozen=True, gc=False):
    """One metadata value."""

    metadata_id: str
    metadatatype: str
    element: str
    qualifier: str
    value: str


def read(data: Any, kind: Any, doing: str) -> Any:
    """Data of an answer as a record. Raises ProtocolViolation."""
    try:
        return msgspec.convert(data, type=kind)
    except msgspec.ValidationError as error:
        raise ProtocolViolation(f"the answer to {doing} is not what the protocol has: {error}") from None


def decode(content: bytes, doing: str) -> Envelope:
    """The envelope in a body, behind whatever a server in development mode says first. Raises ProtocolViolation."""
    try:
        raw = msgspec.json.decode(content[max(0, content.find(b'{"')) :])
        envelope = msgspec.convert(raw, type=Envelope)
    except msgspec.MsgspecError:
        raise ProtocolViolation(f"the answer to {doing} is no JSON of this protocol: is this a Midas Server?") from None
    return Envelope(envelope.stat, envelope.code, once(envelope.message), undone(envelope.data))


def once(text: str) -> str:
    """Text that was encoded twice, as it was meant; other text as it is."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def undone(value: Any) -> Any:
    """Data with all its texts as they were meant."""
    kinds: dict[type, Callable[[Any], Any]] = {
        str: once,
        list: lambda items: [undone(item) for item in items],
        dict: lambda fields: {key: undone(item) for key, item in fields.items()},
    }
    change = kinds.get(type(value))
    return value if change is None else change(value)


def number(text: str) -> int:
    """A number; 0 for the empty text. Raises ProtocolViolation."""
    if not (text.isascii() and text.isdigit()):
        if not text:
            return 0
        raise ProtocolViolation(f"{text!r} is no number")
    return int(text)


def nanoseconds(text: str, zone: tzinfo) -> int | None:
    """`2026-11-21 05:13:31` of the server's zone as nanoseconds since the epoch; None for what is no date."""
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1_000_000_000
    except ValueError:
        return None
