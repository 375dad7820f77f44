"""Records into extended attributes, and texts into values (section 6.1). Pure.

`user.jama.meta.<Set>.<field>` holds all values of a field, joined by the separator that the project's own spreadsheets
use. Set and field titles are free texts, so what would not survive as an attribute's name is percent-encoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote_to_bytes

from assetfs.backends.jama.wire import Collection, Field, Resource, Tag, Value
from assetfs.repository import Alias, Attribute, Metadata, ValueRejected

PREFIX = "user.jama."
META = "user.jama.meta."
TAGS = "user.jama.tags"
COLLECTIONS = "user.jama.collections"
SEPARATOR = "\n--\n"
NAME_LIMIT = 255

AUTOMATIC_SETS = frozenset({"ExifTool", "OCR"})

WRITABLE = ("user.jama.tags", "user.jama.meta.[!EO]*", "user.jama.meta.E[!x]*", "user.jama.meta.O[!C]*")
"""What a new file can be given: tags, and fields of all sets but the automatic ones (section 6.1)."""
"""Sets that the server fills itself; read-only here."""

BEARER_URLS = frozenset({"download_public", "serve"})
"""URLs that need no key when the server has them on: shown only when asked for."""

DUBLIN_CORE = (
    "title", "creator", "subject", "description", "publisher", "contributor", "date", "type", "format", "identifier",
    "source", "language", "relation", "coverage", "rights", "audience", "provenance", "rightsholder",
)  # fmt: skip

ALIASES: Mapping[str, Alias] = {
    "user.xdg.tags": Alias(TAGS, separator=",", stored="\n"),
    "user.xdg.comment": Alias(f"{META}Dublin_Core.description"),
    "user.mime_type": Alias(f"{PREFIX}mime"),
    **{f"user.dublincore.{field}": Alias(f"{META}Dublin_Core.{field}") for field in DUBLIN_CORE},
}

_COMMON = ("id", "object_type", "project_id", "title", "ark", "created_at", "updated_at")
_OF_RESOURCES = {
    "original_name": "original_name",
    "mime": "type",
    "sha256": "hash",
    "width": "width",
    "height": "height",
}
READ_ONLY = frozenset(
    PREFIX + name for name in (*_COMMON, *_OF_RESOURCES, "public", "published_at", "collections")
)  # fmt: skip


# ---- names --------------------------------------------------------------------------------------------------------


def escape(title: str, *, dots: bool) -> str:
    """A set's (`dots`) or field's title as a part of an attribute's name."""
    table = {"%": "%25", "\0": "%00", "=": "%3D"} | ({".": "%2E"} if dots else {})
    return "".join(table.get(letter, letter) for letter in title)


def attribute_name(field: Field) -> str:
    """The attribute's name for a field: at most 255 bytes, else cut and ended in `~<field id>`."""
    name = f"{META}{escape(field.set_title, dots=True)}.{escape(field.title, dots=False)}"
    raw = name.encode("utf-8", "surrogatepass")
    if len(raw) <= NAME_LIMIT:
        return name
    tail = f"~{field.id}"
    return raw[: NAME_LIMIT - len(tail)].decode("utf-8", "ignore") + tail


def titles(name: str) -> tuple[str, str] | None:
    """(set title, field title) of a metadata attribute's name; None for another name. Reverses `attribute_name` for
    names that were not cut."""
    if not name.startswith(META):
        return None
    set_part, dot, field_part = name[len(META) :].partition(".")
    if not dot or not set_part or not field_part:
        return None
    return _unescape(set_part), _unescape(field_part)


def _unescape(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogatepass")


# ---- values -------------------------------------------------------------------------------------------------------


def joined(values: Iterable[str]) -> bytes:
    return SEPARATOR.join(values).encode("utf-8", "surrogatepass")


def values_of(name: str, raw: bytes) -> list[str]:
    """The field's values in a new attribute value: stripped, without doubles. Raises ValueRejected.

    Stripping comes first because the server strips after it has looked for a double, and then fails (6.2).
    """
    values = [part.strip() for part in _text(name, raw).split(SEPARATOR)]
    if not all(values):
        raise ValueRejected(f"{name}: a value cannot be empty or blank")
    return list(dict.fromkeys(values))


def tags_of(name: str, raw: bytes) -> list[str]:
    """Tag uids in a new value, one per line, sorted. An empty value means no tags. Raises ValueRejected."""
    text = _text(name, raw)
    lines = text.removesuffix("\n").split("\n") if text else []
    if not all(line.strip() for line in lines):
        raise ValueRejected(f"{name}: a tag cannot be empty")
    return sorted({line.strip() for line in lines})


def _text(name: str, raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ValueRejected(f"{name}: a value must be UTF-8 text") from None
    if "\0" in text:
        raise ValueRejected(f"{name}: a value cannot hold a NUL")
    return text


# ---- records ------------------------------------------------------------------------------------------------------


def of_resource(record: Resource, *, bearer_urls: bool = False) -> Metadata:
    """All attributes of a resource that was read with its metas."""
    found = _common(record, "resource")
    for name, key in _OF_RESOURCES.items():
        _put(found, PREFIX + name, getattr(record, key))
    for key, url in _urls(record.urls):
        if bearer_urls or key not in BEARER_URLS:
            _put(found, f"{PREFIX}url.{key}", url)
    return found


def of_collection(record: Collection) -> Metadata:
    """All attributes of a collection."""
    found = _common(record, "collection")
    _put(found, PREFIX + "public", "true" if record.public_access else "false")
    _put(found, PREFIX + "published_at", record.published_at)
    return found


def _common(record: Resource | Collection, object_type: str) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for name in _COMMON:
        _put(found, PREFIX + name, object_type if name == "object_type" else getattr(record, name))
    uids = tag_uids(record.tags)
    if uids:
        found[TAGS] = Attribute("\n".join(uids).encode("utf-8", "surrogatepass"), writable=True)
    for field, values in by_field(record.metas).values():
        writable = field.set_title not in AUTOMATIC_SETS
        found[attribute_name(field)] = Attribute(joined(value.value for value in values), writable=writable)
    return found


def _put(found: dict[str, Attribute], name: str, value: object) -> None:
    if value is not None:
        found[name] = Attribute(str(value).encode("utf-8", "surrogatepass"))


def _urls(urls: dict[str, str] | list[object] | None) -> Iterable[tuple[str, str]]:
    if isinstance(urls, dict):
        return urls.items()
    return [(str(number), url) for number, url in enumerate(urls or (), 1) if isinstance(url, str)]


def tag_uids(tags: Sequence[Tag] | None) -> list[str]:
    """Uids that can stand on a line of their own, sorted."""
    return sorted(tag.uid for tag in tags or () if "\n" not in tag.uid)


def by_field(metas: Sequence[Value] | None) -> dict[int, tuple[Field, list[Value]]]:
    """Values by field id, each field's in the order of their ids."""
    found: dict[int, tuple[Field, list[Value]]] = {}
    for value in sorted(metas or (), key=lambda value: value.id):
        found.setdefault(value.meta.id, (value.meta, []))[1].append(value)
    return found
