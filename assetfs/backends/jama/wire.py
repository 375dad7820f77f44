"""What the server says, as typed records: the parts of its JSON that we read, and nothing else.

Keys that an old server does not send have defaults; keys that a new one adds are ignored. A value of another type than
the protocol page names (section 3) fails while it is decoded and becomes a ProtocolViolation there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Field(msgspec.Struct, frozen=True, gc=False):
    """A metadata field; `type_id` only in the classic dialect (1 text, 2 numeric)."""

    id: int
    title: str
    set_id: int = 0
    set_title: str = ""
    rank: int = 0
    type_id: int | None = msgspec.field(default=None, name="metadata_type_id")


class FieldSet(msgspec.Struct, frozen=True, gc=False):
    id: int
    title: str


class Value(msgspec.Struct, frozen=True, gc=False):
    """One value of one field on one resource or collection."""

    id: int
    meta: Field
    value: str


class Tag(msgspec.Struct, frozen=True, gc=False):
    uid: str
    label: str | None = None


class Collection(msgspec.Struct, frozen=True):
    """Section 3.2. `metas` is always there; times are missing in the classic dialect."""

    id: int
    title: str
    parent: int | None = None
    children_count: int = 0
    resources_count: int = 0
    project_id: int | None = None
    metas: list[Value] | None = None
    tags: list[Tag] | None = None
    public_access: bool = False
    published_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    ark: str | None = None


class Resource(msgspec.Struct, frozen=True):
    """Section 3.3. One without `hash` has no file (old data)."""

    id: int
    title: str
    original_name: str | None = None
    type: str | None = None
    hash: str | None = None
    metas: list[Value] | None = None
    urls: dict[str, str] | list[Any] | None = None
    tags: list[Tag] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    ark: str | None = None
    project_id: int | None = None
    width: int | None = None
    height: int | None = None


class Items(msgspec.Struct, frozen=True):
    """An answer with both kinds: `project_items`, `advanced_search`, `simple_search`. The counts are not filtered by
    rights, and are missing in `simple_search` and in the classic dialect."""

    collections: list[Collection] = []
    resources: list[Resource] = []
    collections_count: int | None = None
    resources_count: int | None = None


class Membership(msgspec.Struct, frozen=True, gc=False):
    """One row of `collections_resources_pair`."""

    class Ref(msgspec.Struct, frozen=True, gc=False):
        id: int

    resource: Ref
    collection: Ref


class UploadInfos(msgspec.Struct, frozen=True):
    """Section 5.5: `status` is `not available`, `available` (with `id`) or `incomplete` (with part names)."""

    status: str
    id: int | None = None
    available_chunks: list[str] = []


class ClientConfiguration(msgspec.Struct, frozen=True):
    max_body: int = msgspec.field(default=1 << 20, name="JAMA_RPC_MAX_BODY_SIZE")
    max_batch: int = msgspec.field(default=100, name="JAMA_RPC_MAX_BATCH_SIZE")
    max_chunk: int = msgspec.field(default=128 << 20, name="JAMA_UPLOAD_MAX_CHUNK_SIZE")
    max_chunks: int = msgspec.field(default=10_000, name="JAMA_UPLOAD_MAX_TOTAL_CHUNKS")


class Permission(msgspec.Struct, frozen=True, gc=False):
    """What a role may do with a class of things (`object_pk` None) or with one of them."""

    label: str = ""
    object_class: str | None = None
    object_pk: int | str | None = None
    object_create: bool = False
    object_read: bool = False
    object_update: bool = False
    object_delete: bool = False


class Role(msgspec.Struct, frozen=True):
    label: str = ""
    permissions: list[Permission] = []


class Project(msgspec.Struct, frozen=True):
    id: int
    label: str


class ProjectAccess(msgspec.Struct, frozen=True):
    """One entry of `projects_user_permissions`; one per project *and* role."""

    project: Project
    role: Role | None = None


class ProjectStats(msgspec.Struct, frozen=True):
    project_root_collection_id: int
    user_entry_points: list[Collection] = []


class FileType(msgspec.Struct, frozen=True):
    mime: str = ""
    extensions: list[str] = []


class Deletion(msgspec.Struct, frozen=True):
    """What `delete_collection` answers."""

    success: bool
    status: str = ""


def nanoseconds(stamp: str | None) -> int | None:
    """`2026-11-21T05:09:06.800084+00:00` as nanoseconds since the epoch; None for None and for what is no time."""
    if stamp is None:
        return None
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
