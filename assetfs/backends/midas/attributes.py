"""Extended attributes (section 6.2): names, and what may be written into them. Pure.

`user.midas.meta.<element>[.<qualifier>][@<type>]` are the metadata of an item's newest revision. In element and
qualifier `%`, `.`, `@`, `/`, NUL and control characters are percent-encoded; a type other than text is named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from assetfs.backends.midas.wire import PRIVATE, Folder, Item, Value
from assetfs.repository import Alias, Attribute, Forbidden, Metadata, Unsupported, ValueRejected

PREFIX = "user.midas."
META = f"{PREFIX}meta."
DESCRIPTION, PRIVACY, MIME = f"{PREFIX}description", f"{PREFIX}privacy", f"{PREFIX}mimetype"
LONGEST_NAME = 255
LONGEST_VALUE = 1024
"""Characters of a metadata value (MySQL, PostgreSQL)."""
LONGEST_MIME = 30
TYPES = ("text", "int", "double", "float", "bool", "long", "string")
WRITABLE = (f"{META}*", DESCRIPTION, PRIVACY)
READ_ONLY = frozenset(
    PREFIX + name
    for name in (
        *("id", "uuid", "type", "url", "md5", "size", "bitstream_id", "thumbnail_id"),
        *("revision", "changes", "date_creation", "date_update", "view", "download"),
    )
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
    if name == PRIVACY:
        if text not in ("Public", "Private"):
            raise ValueRejected(f"{name} is Public or Private")
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


def of_folder(record: Folder) -> Metadata:
    """What a folder is known by."""
    found = {
        f"{PREFIX}id": Attribute(f"folder:{record.folder_id}".encode()),
        f"{PREFIX}uuid": Attribute(record.uuid.encode()),
        f"{PREFIX}type": Attribute(b"folder"),
        PRIVACY: Attribute(b"Private" if record.privacy_status == PRIVATE else b"Public", True),
        **_known("date_creation", record.date_creation),
        **_known("date_update", record.date_update),
    }
    if record.description:
        found[DESCRIPTION] = Attribute(record.description.encode(), True)
    return found


def of_item(record: Item, values: Sequence[Value]) -> Metadata:
    """What an item is known by."""
    found = {
        f"{PREFIX}id": Attribute(f"item:{record.item_id}".encode()),
        f"{PREFIX}uuid": Attribute(record.uuid.encode()),
        f"{PREFIX}type": Attribute(b"item"),
        PRIVACY: Attribute(b"Private" if record.privacy_status == PRIVATE else b"Public", True),
    }
    for name in ("date_creation", "date_update", "view", "download", "thumbnail_id"):
        found |= _known(name, getattr(record, name))
    if record.description:
        found[DESCRIPTION] = Attribute(record.description.encode(), True)
    if record.head:
        found |= {**_known("revision", record.head.revision), **_known("changes", record.head.changes)}
    if len(record.files) == 1:
        file = record.files[0]
        found |= {**_known("md5", file.checksum), **_known("size", file.sizebytes)}
        found |= _known("bitstream_id", file.bitstream_id)
        found[MIME] = Attribute(file.mimetype.encode(), True)
    for value in values:
        name = name_of(value)
        found[name] = Attribute(value.value.encode(), not name.startswith(f"{META}%23"))
    return found


def _known(name: str, text: str) -> dict[str, Attribute]:
    return {PREFIX + name: Attribute(text.encode())} if text else {}
