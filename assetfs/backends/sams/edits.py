"""Extended attributes into changes of documents (section 6). Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from assetfs.backends.sams import attributes
from assetfs.backends.sams.attributes import ASSET_STATES, EXTRA, PREFIX, READ_ONLY, SET_STATES, TAG
from assetfs.backends.sams.wire import Asset, Set, is_id
from assetfs.repository import Busy, Fixed, Forbidden, NotFound, Unsupported, ValueRejected

Changes = Mapping[str, bytes | None]
Parse = Callable[[str], Any]

_TAG_ORDER = {"tags": 0, "tag_names": 1}
"""All tags at once come before one tag, where a copied file has both."""


class _NamedTag(msgspec.Struct):
    code: str
    name: str


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


def _names(value: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in value.split("\n") if name.strip()))


def _tags(value: str) -> dict[str, str]:
    try:
        found = msgspec.json.decode(value, type=list[_NamedTag])
    except msgspec.DecodeError:
        raise ValueRejected('the value must be JSON: a list of {"code": text, "name": text}') from None
    return {tag.code: tag.name for tag in found}


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
    "tags": (_tags, {}),
    "tag_names": (_names, []),
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
            raise Fixed(f"{name} cannot be removed")
        return None
    try:
        return parse(value.decode())
    except UnicodeDecodeError:
        raise ValueRejected("the value must be UTF-8 text") from None


def _check_key(key: str) -> None:
    if not key or "." in key or "\0" in key or key.startswith("$"):
        raise ValueRejected("a key of extra is not empty, has no dot in it and does not begin with $")


class Edit:
    """A wish, and the record that it was made from. Calling it says what to send so that an asset becomes as wished.

    Where the asset is not that record any more, what others did to it meanwhile stays: tags that came stay beside those
    that are added now, other keys of `extra` are taken as they are. The same field changed by both is Busy.
    """

    def __init__(self, wished: Mapping[str, Any], codes: Callable[[str], str | None], *, new_extra: bool) -> None:
        self._wished = wished
        self._codes = codes
        self._new_extra = new_extra
        self._base: Asset | None = None

    @property
    def needs_exact(self) -> bool:
        """`extra` is sent whole, so it must not be one that remembers what was removed."""
        return any(field.startswith("extra.") for field in self._wished)

    def __call__(self, asset: Asset) -> dict[str, Any]:
        """The changes; empty when the asset is so already. Raises NotFound for a removal of what is not there,
        ValueRejected for a value of another type than the field of `extra` has on this server, or for a new one where
        those are not allowed, Busy where somebody else has changed the same meanwhile."""
        base = self._base = self._base or asset
        had = attributes.of_asset(base)
        for field, value in self._wished.items():
            if value is None and PREFIX + field not in had:
                raise NotFound(f"there is no {PREFIX}{field}")
        sent = {
            field: _ASSET[field][1] if value is None else value
            for field, value in self._wished.items()
            if field in _ASSET and field not in ("tags", "tag_names")
        }
        for field, value in sent.items():
            _same_or_ours(field, getattr(base, field), getattr(asset, field), value)
        sent = {name: value for name, value in sent.items() if (getattr(asset, name) or "") != (value or "")}
        tags = self._tags(base, asset)
        if tags != _by_code(asset):
            sent["tags"] = [{"code": code, "name": name or code} for code, name in tags.items()]
        extra = self._extra(base, asset)
        if extra != (asset.extra or {}):
            sent["extra"] = extra
        return sent

    def _tags(self, base: Asset, asset: Asset) -> dict[str, str]:
        """The tags of the asset with what the wish changes of those of the base."""
        before, now = _by_code(base), _by_code(asset)
        wished, named = dict(before), frozenset[str]()
        for field, value in sorted(self._wished.items(), key=lambda item: _TAG_ORDER.get(item[0], 2)):
            if field == "tags":
                wished = dict(value or {})
            elif field == "tag_names":
                wished = self._named(value or [], wished)
                named = frozenset(wished)
            elif field.startswith("tag."):
                code = field.removeprefix("tag.")
                _same_or_ours(field, before.get(code), now.get(code), value)
                if value is None:
                    wished.pop(code, None)
                else:
                    wished[code] = value
        for code in before.keys() - wished.keys():
            now.pop(code, None)
        for code, name in wished.items():
            if before.get(code) != name and not (code in named and name in now.values()):
                now[code] = name
        return now

    def _named(self, names: Sequence[str], tags: Mapping[str, str]) -> dict[str, str]:
        """Tags of these names: those that the asset has, then those that the server knows, then new ones."""
        mine = {" ".join((name or code).split("\n")): code for code, name in tags.items()}
        found: dict[str, str] = {}
        for name in _rejoined(names, mine):
            code = mine.get(name)
            if code is not None:
                found[code] = tags[code]
            else:
                found[self._codes(name) or name] = name
        return found

    def _extra(self, base: Asset, asset: Asset) -> dict[str, Any]:
        extra = dict(asset.extra or {})
        for field, value in self._wished.items():
            if field.startswith("extra."):
                key = field.removeprefix("extra.")
                old = extra.get(key)
                new = _fitting(key, value, old, self._new_extra)
                _same_or_ours(field, (base.extra or {}).get(key), old, new)
                if new is not None or key in extra:
                    extra[key] = new
        return extra

    @property
    def new_names(self) -> list[str]:
        """Names of tags that the wish has."""
        return list(self._wished.get("tag_names") or ())


def _same_or_ours(field: str, before: Any, now: Any, wished: Any) -> None:
    if (before or None) != (now or None) and (now or None) != (wished or None):
        raise Busy(f"somebody else has changed {PREFIX}{field} meanwhile: read it again")


def _by_code(asset: Asset) -> dict[str, str]:
    return {tag.code: tag.name for tag in asset.tags or ()}


def _rejoined(parts: Sequence[str], names: Iterable[str]) -> list[str]:
    """Names from a list that was cut at commas: a known name with commas in it is one name."""
    broken = {tuple(part.strip() for part in name.split(",")): name for name in names if "," in name}
    found: list[str] = []
    start = 0
    while start < len(parts):
        fits = next((key for key in broken if tuple(parts[start : start + len(key)]) == key), None)
        found.append(broken[fits] if fits else parts[start])
        start += len(fits) if fits else 1
    return found


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
        raise ValueRejected(f"the value must be JSON of the same type as before: {attributes.shown(old)[:60]}")
    return found


def set_changes(document: Set, wished: Mapping[str, Any]) -> dict[str, Any]:
    """What to send so that a set becomes as wished; empty when it is so already. Raises NotFound, Forbidden."""
    had = attributes.of_set(document)
    for field, value in wished.items():
        if value is None and PREFIX + field not in had:
            raise NotFound(f"there is no {PREFIX}{field}")
    sent = {field: _SET[field][1] if value is None else value for field, value in wished.items()}
    sent = {name: value for name, value in sent.items() if getattr(document, name) != value}
    if document.state != "draft" and sent.keys() & {"destination_name", "destination_config"}:
        raise Fixed("the destination of a set can be changed only while the set is a draft")
    return sent
