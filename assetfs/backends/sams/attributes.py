"""Documents into extended attributes, and attributes into changes of documents (section 6). Pure.

`user.sams.tags` holds the codes of all tags, one a line; `user.sams.tag.<code>` one tag's name. Keys of `extra` are
`user.sams.extra.<key>`: texts as they are, everything else as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from assetfs.backends.sams.wire import Asset, Set, is_id
from assetfs.repository import Alias, Attribute, Forbidden, Metadata, NotFound, Unsupported, ValueRejected

PREFIX = "user.sams."
TAGS, TAG, EXTRA = f"{PREFIX}tags", f"{PREFIX}tag.", f"{PREFIX}extra."
SHA1, COUNT, BYTES = f"{PREFIX}sha1", f"{PREFIX}asset_count", f"{PREFIX}total_bytes"
LAZY = frozenset({SHA1, COUNT, BYTES})
NAME_LIMIT, VALUE_LIMIT = 255, 65536

WRITABLE = tuple(f"{PREFIX}{name}" for name in ("name", "description", "state", "tags", "tag.*", "extra.*"))
ALIASES: Mapping[str, Alias] = {
    "user.xdg.tags": Alias(TAGS, separator=",", stored="\n"),
    "user.xdg.comment": Alias(f"{PREFIX}description"),
    "user.mime_type": Alias(f"{PREFIX}mimetype"),
    "user.dublincore.title": Alias(f"{PREFIX}name"),
    "user.dublincore.subject": Alias(TAGS, separator=",", stored="\n"),
    "user.dublincore.description": Alias(f"{PREFIX}description"),
}
ASSET_STATES, SET_STATES = ("draft", "internal", "public"), ("draft", "usable", "disabled")

_COMMON = ("id", "etag", "created", "updated", "firstcreated", "versioncreated", "original_creator", "version_creator")
_OF_ASSETS = ("set_id", "media_id", "mimetype", "length", "lock_user", "lock_action", "lock_time")
READ_ONLY = frozenset(PREFIX + name for name in (*_COMMON, *_OF_ASSETS, "renditions", "public_url")) | LAZY


# ---- out ----------------------------------------------------------------------------------------------------------


def of_asset(asset: Asset) -> Metadata:
    """The attributes of a file."""
    found = _plain(asset, (*_COMMON, *_OF_ASSETS))
    for name in ("name", "description", "state", "parent_id"):
        if value := getattr(asset, name):
            found[PREFIX + name] = Attribute(_encoded(value), writable=True)
    if asset.tags:
        found[TAGS] = Attribute(_encoded("\n".join(sorted({tag.code for tag in asset.tags}))), writable=True)
        for tag in asset.tags:
            found[TAG + tag.code] = Attribute(_encoded(tag.name), writable=True)
    for key, value in (asset.extra or {}).items():
        if value is not None:
            found[EXTRA + key] = Attribute(_encoded(shown(value)), writable=True)
    if asset.renditions:
        entries = [
            {"name": one.name, "width": one.width, "height": one.height, "length": one.length, "filename": one.filename}
            for one in asset.renditions
        ]
        found[f"{PREFIX}renditions"] = Attribute(_encoded(json.dumps(entries, ensure_ascii=False)))
    if public := asset.links.public:
        found[f"{PREFIX}public_url"] = Attribute(_encoded(public.href))
    return dict(_bearable(found))


def of_set(document: Set) -> Metadata:
    """The attributes of a set."""
    found = _plain(document, _COMMON)
    draft = document.state == "draft"
    found[f"{PREFIX}state"] = Attribute(_encoded(document.state), writable=True)
    if document.description:
        found[f"{PREFIX}description"] = Attribute(_encoded(document.description), writable=True)
    if document.maximum_asset_size:
        found[f"{PREFIX}maximum_asset_size"] = Attribute(b"%d" % document.maximum_asset_size, writable=True)
    found[f"{PREFIX}destination_name"] = Attribute(_encoded(document.destination_name), writable=draft)
    if document.destination_config:
        found[f"{PREFIX}destination_config"] = Attribute(_encoded(shown(document.destination_config)), writable=draft)
    return dict(_bearable(found))


def shown(value: Any) -> str:
    """A value of `extra` as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _plain(document: msgspec.Struct, names: tuple[str, ...]) -> dict[str, Attribute]:
    values = {name: getattr(document, name) for name in names}
    return {PREFIX + name: Attribute(_encoded(str(value))) for name, value in values.items() if value is not None}


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _bearable(found: Mapping[str, Attribute]) -> Iterator[tuple[str, Attribute]]:
    """What the kernel can hold: names that are not too long and have no NUL, values of at most 64 KiB."""
    for name, attribute in found.items():
        if len(_encoded(name)) <= NAME_LIMIT and "\0" not in name and len(attribute.value) <= VALUE_LIMIT:
            yield name, attribute


# ---- in -----------------------------------------------------------------------------------------------------------

Changes = Mapping[str, bytes | None]
Parse = Callable[[str], Any]


def _text(value: str) -> str:
    return value


def _needed(value: str) -> str:
    if not value:
        raise ValueRejected("the value may not be empty")
    return value


def _one_of(*allowed: str) -> Parse:
    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueRejected(f"the value must be one of {', '.join(allowed)}")
        return value

    return parse


def _codes(value: str) -> list[str]:
    return list(dict.fromkeys(code.strip() for code in value.split("\n") if code.strip()))


def _id(value: str) -> str:
    if not is_id(value):
        raise ValueRejected("the value must be the id of an asset: 24 hex digits")
    return value


def _size(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise ValueRejected("the value must be a number of bytes")
    return int(value)


def _object(value: str) -> Any:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueRejected("the value must be a JSON object")
    return found


_KEPT = object()  # the field cannot be removed

# name: (how its text is read, what removing it sends)
_ASSET: dict[str, tuple[Parse, Any]] = {
    "name": (_needed, _KEPT),
    "description": (_text, ""),
    "state": (_one_of(*ASSET_STATES), _KEPT),
    "parent_id": (_id, _KEPT),
    "tags": (_codes, []),
}
_SET: dict[str, tuple[Parse, Any]] = {
    "state": (_one_of(*SET_STATES), _KEPT),
    "description": (_text, ""),
    "maximum_asset_size": (_size, 0),
    "destination_name": (_needed, _KEPT),
    "destination_config": (_object, {}),
}


def parsed(changes: Changes, *, of_set: bool) -> dict[str, Any]:
    """Fields (`description`, `tag.election`, `extra.byline`) with what is wished for them; None is removal.

    Raises Forbidden for read-only attributes, Unsupported for unknown ones, ValueRejected for values that cannot be.
    """
    for name in changes:
        if name in READ_ONLY:
            raise Forbidden(f"{name} is the server's own")
    return {name.removeprefix(PREFIX): _parsed(name, value, of_set) for name, value in changes.items()}


def _parsed(name: str, value: bytes | None, of_set: bool) -> Any:
    table = _SET if of_set else _ASSET
    field = name.removeprefix(PREFIX)
    free = not of_set and ((name.startswith(TAG) and len(name) > len(TAG)) or name.startswith(EXTRA))
    if not name.startswith(PREFIX) or not (free or field in table):
        raise Unsupported(f"SAMS has no attribute {name} here")
    if name.startswith(EXTRA):
        _check_key(name.removeprefix(EXTRA))
    parse, removed = (_text, None) if free else table[field]
    if value is None:
        if removed is _KEPT:
            raise Forbidden(f"{name} cannot be removed")
        return None
    try:
        return parse(value.decode())
    except UnicodeDecodeError:
        raise ValueRejected("the value must be UTF-8 text") from None


def _check_key(key: str) -> None:
    if not key or "." in key or "\0" in key or key.startswith("$"):
        raise ValueRejected("a key of extra is not empty, has no dot in it and does not begin with $")


def asset_changes(asset: Asset, wished: Mapping[str, Any], *, new_extra: bool) -> dict[str, Any]:
    """What to send so that an asset becomes as wished; empty when it is so already.

    Raises NotFound for a removal of what is not there, ValueRejected for a value of another type than the field of
    `extra` has on this server, or for a new one where those are not allowed.
    """
    had = of_asset(asset)
    for field, value in wished.items():
        if value is None and PREFIX + field not in had:
            raise NotFound(f"there is no {PREFIX}{field}")
    tags = {tag.code: tag.name for tag in asset.tags or ()}
    extra = dict(asset.extra or {})
    sent: dict[str, Any] = {}
    for field, value in wished.items():
        if field == "tags":
            tags = {code: tags.get(code, code) for code in value or ()}
        elif field.startswith("tag."):
            code = field.removeprefix("tag.")
            if value is None:
                tags.pop(code, None)
            else:
                tags[code] = value
        elif field.startswith("extra."):
            key = field.removeprefix("extra.")
            extra[key] = _fitting(key, value, extra.get(key), new_extra)
        else:
            sent[field] = _ASSET[field][1] if value is None else value
    sent = {name: value for name, value in sent.items() if getattr(asset, name) != value}
    if tags != {tag.code: tag.name for tag in asset.tags or ()}:
        sent["tags"] = [{"code": code, "name": name} for code, name in tags.items()]
    if extra != (asset.extra or {}):
        sent["extra"] = extra
    return sent


def check_new_keys(wished: Mapping[str, Any], *, new_extra: bool) -> None:
    """Raise ValueRejected where a new file is to have keys of `extra`, and those are not allowed."""
    for field in wished:
        if field.startswith("extra.") and not new_extra:
            raise ValueRejected(f"{field} would be a new key; new keys need the mount option new_extra")


def _fitting(key: str, value: str | None, old: Any, new_extra: bool) -> Any:
    """A value for a key of `extra`, of the type that it has: the index takes no other. Removed is null, because the
    index forgets no keys."""
    if value is None or isinstance(old, str):
        return value
    if old is None:
        if not new_extra:
            raise ValueRejected(f"extra has no key {key} here; new keys need the mount option new_extra")
        return value
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    numbers = isinstance(found, int | float) and isinstance(old, int | float)
    if type(found) is not type(old) and not (numbers and not isinstance(found, bool) and not isinstance(old, bool)):
        raise ValueRejected(f"the value must be JSON of the same type as before: {shown(old)[:60]}")
    return found


def set_changes(document: Set, wished: Mapping[str, Any]) -> dict[str, Any]:
    """What to send so that a set becomes as wished; empty when it is so already. Raises NotFound, Forbidden."""
    had = of_set(document)
    for field, value in wished.items():
        if value is None and PREFIX + field not in had:
            raise NotFound(f"there is no {PREFIX}{field}")
    sent = {field: _SET[field][1] if value is None else value for field, value in wished.items()}
    sent = {name: value for name, value in sent.items() if getattr(document, name) != value}
    if document.state != "draft" and sent.keys() & {"destination_name", "destination_config"}:
        raise Forbidden("the destination of a set can be changed only while the set is a draft")
    return sent
