"""The documents of the protocol, as far as they are looked at (section 3), and the ids that they have.

Ids are MongoDB's: 24 hex digits, of which the first eight are the second in which the id was made. A `media_id` never
changes its bytes, so it is the version of a file; its time is the time of the content.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

SECOND = 1_000_000_000
_ID = re.compile(r"[0-9a-f]{24}")
_LAST_ID = re.compile(r"([0-9a-f]{8})[0-9a-f]{16}(?:\.[^.]*)?\Z")


class Tag(msgspec.Struct, frozen=True):
    """One tag; the name may be missing on the server."""

    code: str
    name: str = ""


class Params(msgspec.Struct, frozen=True):
    """What a rendition was asked for: sides in pixels, None where one was not given."""

    width: int | None = None
    height: int | None = None
    keep_proportions: bool | None = None


class Rendition(msgspec.Struct, frozen=True, kw_only=True, rename={"media_id": "_media_id"}):
    """A picture's copy in another size, or its own entry (`original`)."""

    media_id: str
    name: str | None = None
    width: int | None = None
    height: int | None = None
    length: int | None = None
    filename: str = ""
    params: Params | None = None


class Link(msgspec.Struct, frozen=True):
    """Where a thing is to be found."""

    href: str


class Links(msgspec.Struct, frozen=True):
    """The one link that is looked at: the file server's. The others depend on who was asked."""

    public: Link | None = None


class Set(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={
    "id": "_id", "etag": "_etag", "updated": "_updated", "created": "_created",
}):  # fmt: skip
    """A set: a folder of assets at one storage destination."""

    id: str
    etag: str
    updated: str
    created: str
    name: str
    destination_name: str
    state: str = "draft"
    description: str | None = None
    destination_config: dict[str, Any] | None = None
    maximum_asset_size: int | None = None
    original_creator: str | None = None
    version_creator: str | None = None
    firstcreated: str | None = None
    versioncreated: str | None = None


class Asset(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={
    "id": "_id", "etag": "_etag", "updated": "_updated", "created": "_created", "media_id": "_media_id",
    "links": "_links",
}):  # fmt: skip
    """An asset: a file with what is known about it. `length` is bytes."""

    id: str
    etag: str
    updated: str
    created: str
    media_id: str
    set_id: str
    filename: str
    name: str
    length: int
    state: str = "draft"
    mimetype: str | None = None
    description: str | None = None
    parent_id: str | None = None
    tags: list[Tag] | None = None
    extra: dict[str, Any] | None = None
    renditions: list[Rendition] | None = None
    original_creator: str | None = None
    version_creator: str | None = None
    firstcreated: str | None = None
    versioncreated: str | None = None
    lock_user: str | None = None
    lock_session: str | None = None
    lock_action: str | None = None
    lock_time: str | None = None
    links: Links = Links()


class Meta(msgspec.Struct, frozen=True):
    """The counts of a list. Those of searches stop at 10,000."""

    total: int = 0


class Sets(msgspec.Struct, frozen=True, rename={"items": "_items", "meta": "_meta"}):
    """A page of sets."""

    items: list[Set]
    meta: Meta


class Bucket(msgspec.Struct, frozen=True):
    """One value of an aggregation, how many assets have it, and their bytes and newest time where that was asked."""

    key: str
    doc_count: int
    bytes: Mapping[str, Any] = {}
    newest: Mapping[str, Any] = {}


class Buckets(msgspec.Struct, frozen=True):
    """A terms aggregation."""

    buckets: list[Bucket] = []


class Assets(msgspec.Struct, frozen=True, rename={"items": "_items", "meta": "_meta", "counted": "_aggregations"}):
    """What a search found."""

    items: list[Asset]
    meta: Meta
    counted: dict[str, Buckets] = {}


class Locked(msgspec.Struct, frozen=True, rename={"etag": "_etag", "updated": "_updated"}):
    """The answer to a lock or an unlock: only what has changed."""

    etag: str
    updated: str
    lock_user: str | None = None
    lock_session: str | None = None
    lock_action: str | None = None
    lock_time: str | None = None
    versioncreated: str | None = None


class Destination(msgspec.Struct, frozen=True, rename={"id": "_id"}):
    """A storage destination, and what kind of storage it is."""

    id: str
    provider: str = ""


class Destinations(msgspec.Struct, frozen=True, rename={"items": "_items"}):
    """All of them."""

    items: list[Destination]


class Children(msgspec.Struct, frozen=True):
    """The resources of the server."""

    child: list[Link]


class Root(msgspec.Struct, frozen=True, rename={"links": "_links"}):
    """What every SAMS says at its root."""

    links: Children


class Refusal(msgspec.Struct, frozen=True):
    """The server's own refusals (section 4.11)."""

    error: str
    description: str = ""
    errors: dict[str, Any] = {}


def is_id(text: str) -> bool:
    """Whether this is an id as the server takes it."""
    return _ID.fullmatch(text) is not None


def new_id() -> str:
    """An id that nobody else makes: the second, and 64 random bits. MongoDB's own way, a number of the process and a
    counter, makes twins in processes that were forked."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


def media_time_ns(media_id: str) -> int | None:
    """When a binary was stored, from its id; None where the id does not say."""
    found = _LAST_ID.search(media_id)
    return int(found[1], 16) * SECOND if found else None


def time_ns(text: str | None) -> int | None:
    """A time of the server in nanoseconds since the epoch; None for what is none."""
    try:
        return int(datetime.fromisoformat(text).timestamp()) * SECOND if text else None
    except ValueError:
        return None


def stamp(seconds: float) -> str:
    """A time as the server writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
