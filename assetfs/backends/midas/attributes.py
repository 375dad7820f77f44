"""Extended attributes (section 6.2): names, and what may be written into them. Pure.

`user.midas.meta.<element>[.<qualifier>][@<type>]` are the metadata of an item's newest revision. In element and
qualifier `%`, `.`, `@`, `/`, NUL and control characters are percent-encoded; a type other than text is named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from assetfs.backends.midas.nodes import is_private
from assetfs.backends.midas.wire import Community, Folder, Item, Value
from assetfs.repository import Alias, Attribute, Forbidden, Metadata, Unsupported, ValueRejected

PREFIX = "user.midas."
META = f"{PREFIX}meta."
DESCRIPTION, PRIVACY, MIME = f"{PREFIX}description", f"{PREFIX}privacy", f"{PREFIX}mimetype"
CAN_JOIN = f"{PREFIX}can_join"
CHOICES = {PRIVACY: ("Public", "Private"), CAN_JOIN: ("Everyone", "Invitation")}
DICOM, THUMBNAIL = f"{PREFIX}extract_dicom", f"{PREFIX}thumbnail"
"""Verbs: what is known of a DICOM file becomes metadata; `small` or `big` (or `big 800`) makes a thumbnail."""
LONGEST_NAME = 255
LONGEST_VALUE = 1024
"""Characters of a metadata value (MySQL, PostgreSQL)."""
LONGEST_MIME = 30
TYPES = ("text", "int", "double", "float", "bool", "long", "string")
WRITABLE = (f"{META}*", DESCRIPTION, PRIVACY, MIME)
LAZY = frozenset(
    PREFIX + name for name in ("md5", "size", "bitstream_id", "revision", "revisions", "changes", "folders")
)
"""What listings leave out: they cost a request where nobody has asked for the item yet."""
READ_ONLY = LAZY | frozenset(
    PREFIX + name
    for name in ("id", "uuid", "type", "url", "thumbnail_id", "date_creation", "date_update", "view", "download")
)
KEYWORD = f"{META}subject.keyword"
ALIASES = {
    "user.xdg.comment": Alias(DESCRIPTION),
    "user.mime_type": Alias(MIME),
    "user.xdg.tags": Alias(KEYWORD),
    "user.dublincore.title": Alias(f"{META}title"),
    "user.dublincore.creator": Alias(f"{META}contributor.author"),
    "user.dublincore.subject": Alias(KEYWORD),
    "user.dublincore.description": Alias(f"{META}description.general"),
}
_SPECIAL = re.compile(r"[%.@/\x00-\x1f\x7f]")
_NUMBER = {"int": r"[+-]?\d+", "long": r"[+-]?\d+", "bool": r"0|1|true|false"}
_FRACTION = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"

Key = tuple[int, str, str]
"""Type, element, qualifier."""


def _encoded(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", text)


def name_of(value: Value) -> str:
    """The attribute's name for a metadata value; one that is too long goes by its number, read-only."""
    kind = int(value.metadatatype) if value.metadatatype.isdigit() else 0
    word = TYPES[kind] if kind < len(TYPES) else str(kind)
    qualifier = f".{_encoded(value.qualifier)}" if value.qualifier else ""
    name = f"{META}{_encoded(value.element)}{qualifier}" + (f"@{word}" if kind else "")
    return name if len(name.encode()) <= LONGEST_NAME else f"{META}%23{value.metadata_id}"


def key_of(name: str) -> Key:
    """The metadata key of an attribute's name. Raises Unsupported for names that are none."""
    rest, _, word = name.removeprefix(META).partition("@")
    element, _, qualifier = rest.partition(".")
    known = {**{one: number for number, one in enumerate(TYPES)}, "": 0}
    if not name.startswith(META) or not element or "." in qualifier or word not in known or rest.startswith("%23"):
        raise Unsupported(f"{name} is no attribute of a Midas item")
    return known[word], unquote(element), unquote(qualifier)


def check(name: str, value: bytes) -> str:
    """The value as text. Raises ValueRejected for what the server's schema forbids, Forbidden, Unsupported."""
    if name in READ_ONLY:
        raise Forbidden(f"{name} is the server's own")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueRejected(f"{name} is a text in UTF-8") from None
    if "\0" in text:
        raise ValueRejected(f"{name} is a text without NUL")
    if name == DESCRIPTION:
        return text
    if name in CHOICES:
        if text not in CHOICES[name]:
            raise ValueRejected(f"{name} is {' or '.join(CHOICES[name])}")
        return text
    if name == MIME:
        if not 0 < len(text) <= LONGEST_MIME:
            raise ValueRejected(f"{name} has 1 to {LONGEST_MIME} characters")
        return text
    word = TYPES[key_of(name)[0]]
    if len(text) > LONGEST_VALUE:
        raise ValueRejected(f"Midas keeps values of up to {LONGEST_VALUE} characters")
    pattern = _FRACTION if word in ("double", "float") else _NUMBER.get(word, ".*")
    if not re.fullmatch(pattern, text, re.DOTALL):
        raise ValueRejected(f"{name}: {text[:40]!r} is no {word}")
    return text


def _base(kind: str, number: str, uuid: str, url: str | None) -> dict[str, Attribute]:
    found = {**_known("id", f"{kind}:{number}"), **_known("type", kind), **_known("uuid", uuid)}
    return {**found, **_known("url", url or "")}


def _edited(record: Folder | Item | Community) -> dict[str, Attribute]:
    """Privacy and description."""
    found = {PRIVACY: Attribute(b"Private" if is_private(record) else b"Public", True)}
    if record.description:
        found[DESCRIPTION] = Attribute(record.description.encode(), True)
    return found


def of_folder(record: Folder, url: str | None) -> Metadata:
    """What a folder is known by."""
    dates = {**_known("date_creation", record.date_creation), **_known("date_update", record.date_update)}
    return {**_base("folder", record.folder_id, record.uuid, url), **_edited(record), **dates}


def of_community(record: Community, url: str | None) -> Metadata:
    """What a community is known by."""
    joining = {CAN_JOIN: Attribute(b"Invitation" if record.can_join == "0" else b"Everyone", True)}
    seen = {**_known("date_creation", record.creation), **_known("view", record.view)}
    return {**_base("community", record.community_id, record.uuid, url), **_edited(record), **joining, **seen}


def of_item(record: Item, values: Sequence[Value], url: str | None) -> Metadata:
    """What an item is known by."""
    found = {**_base("item", record.item_id, record.uuid, url), **_edited(record)}
    for name in ("date_creation", "date_update", "view", "download", "thumbnail_id"):
        found |= _known(name, getattr(record, name))
    if len(record.files) == 1:
        found[MIME] = Attribute(record.files[0].mimetype.encode(), True)
    for value in values:
        name = name_of(value)
        found[name] = Attribute(value.value.encode(), not name.startswith(f"{META}%23"))
    return found


def of_bitstream(number: str, mime: str | None, url: str | None, *, old: bool) -> Metadata:
    """What one of an item's several files is known by."""
    found = _base("bitstream", number, "", url)
    if mime:
        found[MIME] = Attribute(mime.encode(), not old)
    return found


def lazy(name: str, record: Item) -> str:
    """One of the attributes that cost a request; empty where the item has none. Not `revisions` and `folders`."""
    file = record.files[0] if len(record.files) == 1 else None
    head = record.head
    return {
        "md5": file.checksum.strip() if file else "",
        "size": file.sizebytes if file else "",
        "bitstream_id": file.bitstream_id if file else "",
        "revision": head.revision if head else "",
        "changes": head.changes if head else "",
    }[name.removeprefix(PREFIX)]


def _known(name: str, text: str) -> dict[str, Attribute]:
    return {PREFIX + name: Attribute(text.encode())} if text else {}
