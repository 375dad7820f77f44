"""Documents into extended attributes (section 6). Pure. `edits.py` has the way back.

`user.sams.tags` is the JSON that the server has; `user.sams.tag.<code>` one tag's name; `user.sams.tag_names` the names
of all, one a line, which is what desktops edit (`user.xdg.tags`). Keys of `extra` are `user.sams.extra.<key>`: texts as
they are, everything else as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from assetfs.backends.sams.wire import Asset, Set, Tag
from assetfs.repository import Alias, Attribute, Metadata

PREFIX = "user.sams."
TAGS, TAG_NAMES, TAG, EXTRA = f"{PREFIX}tags", f"{PREFIX}tag_names", f"{PREFIX}tag.", f"{PREFIX}extra."
SHA1, COUNT, BYTES = f"{PREFIX}sha1", f"{PREFIX}asset_count", f"{PREFIX}total_bytes"
LAZY = frozenset({SHA1, COUNT, BYTES})
NAME_LIMIT, VALUE_LIMIT = 255, 65536
LIST_ROOM = 56 << 10
"""Bytes that the names of keys of `extra` may have together: 64 KiB is Linux's limit for all names of a file."""

_TAGS = ("tags", "tag_names", "tag.*")
WRITABLE = tuple(f"{PREFIX}{name}" for name in ("name", "description", "state", "parent_id", *_TAGS, "extra.*"))
ALIASES: Mapping[str, Alias] = {
    "user.xdg.tags": Alias(TAG_NAMES, separator=",", stored="\n"),
    "user.xdg.comment": Alias(f"{PREFIX}description"),
    "user.mime_type": Alias(f"{PREFIX}mimetype"),
    "user.dublincore.title": Alias(f"{PREFIX}name"),
    "user.dublincore.subject": Alias(TAG_NAMES, separator=",", stored="\n"),
    "user.dublincore.description": Alias(f"{PREFIX}description"),
}
ASSET_STATES, SET_STATES = ("draft", "internal", "public"), ("draft", "usable", "disabled")

_COMMON = ("id", "etag", "created", "updated", "firstcreated", "versioncreated", "original_creator", "version_creator")
_OF_ASSETS = ("set_id", "media_id", "mimetype", "length")
_LOCK = ("lock_user", "lock_session", "lock_action", "lock_time")
_MADE = ("renditions", "public_url", "extra", "destination_provider")
READ_ONLY = frozenset(PREFIX + name for name in (*_COMMON, *_OF_ASSETS, *_LOCK, *_MADE)) | LAZY


def of_asset(asset: Asset) -> Metadata:
    """The attributes of a file."""
    found = _plain(asset, (*_COMMON, *_OF_ASSETS, *(_LOCK if asset.lock_action is not None else ())))
    for name in ("name", "description", "state", "parent_id"):
        if value := getattr(asset, name):
            found[PREFIX + name] = Attribute(_encoded(value), writable=True)
    if asset.tags:
        found[TAGS] = Attribute(
            _encoded(shown([{"code": tag.code, "name": tag.name} for tag in asset.tags])), writable=True
        )
        found[TAG_NAMES] = Attribute(_encoded("\n".join(tag_names(asset.tags))), writable=True)
        for tag in asset.tags:
            found[TAG + tag.code] = Attribute(_encoded(tag.name), writable=True)
    known = {key: value for key, value in (asset.extra or {}).items() if value is not None}
    if sum(len(_encoded(key)) + len(EXTRA) + 1 for key in known) <= LIST_ROOM:
        found |= {EXTRA + key: Attribute(_encoded(shown(value)), writable=True) for key, value in known.items()}
    else:
        found[f"{PREFIX}extra"] = Attribute(_encoded(shown(known)))
    if asset.renditions:
        entries = [
            {"name": one.name, "width": one.width, "height": one.height, "length": one.length, "filename": one.filename}
            for one in asset.renditions
        ]
        found[f"{PREFIX}renditions"] = Attribute(_encoded(json.dumps(entries, ensure_ascii=False)))
    if public := asset.links.public:
        found[f"{PREFIX}public_url"] = Attribute(_encoded(public.href))
    return dict(_bearable(found))


def tag_names(tags: Iterable[Tag]) -> list[str]:
    """The names of tags as desktops see them, each once; a tag without a name has its code."""
    return sorted({" ".join((tag.name or tag.code).split("\n")) for tag in tags})


def of_set(document: Set, provider: str | None = None) -> Metadata:
    """The attributes of a set. `provider` is what keeps its content, where that is known."""
    found = _plain(document, _COMMON)
    if provider is not None:
        found[f"{PREFIX}destination_provider"] = Attribute(_encoded(provider))
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
