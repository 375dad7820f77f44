"""The documents of the protocol, as far as they are looked at (section 3).

One struct per entity serves listings, which ask for little, and attributes, which ask for everything: what was not
asked for has its default. In GraphQL objects of free form are JSON text (`allAttrib`, `data`), and sizes are text.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
SECOND = 1_000_000_000


class Entity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What all entities have."""

    id: str
    name: str = ""
    active: bool = True
    status: str | None = None
    tags: list[str] = []
    path: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    created_by: str | None = None
    updated_by: str | None = None
    all_attrib: str | None = None
    own_attrib: list[str] | None = None
    data: str | None = None
    thumbnail_id: str | None = None
    thumbnail_hash: str | None = None


class Folder(Entity, frozen=True, kw_only=True, rename="camel"):
    """A folder of the hierarchy. `parent_id` None: at the top."""

    label: str | None = None
    parent_id: str | None = None
    folder_type: str | None = None
    has_tasks: bool = False
    has_products: bool = False


class Task(Entity, frozen=True, kw_only=True, rename="camel"):
    """Work to be done at a folder."""

    folder_id: str
    label: str | None = None
    task_type: str | None = None
    assignees: list[str] = []


class Product(Entity, frozen=True, kw_only=True, rename="camel"):
    """Something that is published again and again."""

    folder_id: str
    product_type: str | None = None
    product_base_type: str | None = None


class Version(Entity, frozen=True, kw_only=True, rename="camel"):
    """One publish. A negative number is the hero version's."""

    product_id: str
    version: int
    task_id: str | None = None
    author: str | None = None
    hero_version_id: str | None = None
    is_latest_done: bool = False
    has_reviewables: bool = False


class File(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One file of a representation, as its publisher wrote it down: the server checks nothing of it."""

    id: str
    path: str = ""
    name: str | None = None
    size: str | int | float | None = None
    hash: str | None = None
    hash_type: str | None = None

    @property
    def bytes(self) -> int | None:
        """The size in bytes; None for what cannot be one."""
        try:
            size = int(self.size if self.size is not None else -1)
        except (ValueError, OverflowError):
            return None
        return size if 0 <= size < 1 << 62 else None


class Representation(Entity, frozen=True, kw_only=True, rename="camel"):
    """A list of files of a version."""

    version_id: str
    files: list[File] = []
    traits: str | None = None


class Workfile(Entity, frozen=True, kw_only=True, rename="camel"):
    """A scene file at a root."""

    task_id: str


class Reviewable(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A picture or film of a version; its bytes are a project file."""

    file_id: str
    activity_id: str
    filename: str = ""
    label: str | None = None
    mimetype: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Reviewables(msgspec.Struct, frozen=True):
    """The reviewables of a version."""

    reviewables: list[Reviewable] = []


class FileInfo(msgspec.Struct, frozen=True, rename="camel"):
    """What the server says of a project file. `size` is that of the disk."""

    size: int
    filename: str = ""
    content_type: str = ""


class LinkEdge(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A link, seen from one of its ends; `entity_id` is the other one."""

    id: str
    direction: str
    link_type: str
    entity_type: str
    entity_id: str
    name: str | None = None
    author: str | None = None


class LinkEdges(msgspec.Struct, frozen=True):
    """The links of an entity."""

    edges: list[LinkEdge] = []


class Linked(msgspec.Struct, frozen=True):
    """An entity with its links only."""

    id: str
    links: LinkEdges = LinkEdges()


class Activity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A comment, as far as uploads need it. `activity_data` is JSON text."""

    activity_id: str
    tags: list[str] = []
    created_at: str | None = None
    activity_data: str | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A place in an entity list."""

    id: str
    entity_id: str
    entity_type: str = ""
    position: int = 0


class Edge(msgspec.Struct, Generic[T], frozen=True):
    """A row of a GraphQL list."""

    node: T


class PageInfo(msgspec.Struct, frozen=True, rename="camel"):
    """Whether a list goes on, and where."""

    has_next_page: bool = False
    end_cursor: str | None = None


class Rows(msgspec.Struct, Generic[T], frozen=True, rename="camel"):
    """A page of a GraphQL list."""

    edges: list[Edge[T]] = []
    page_info: PageInfo = PageInfo()


class Items(msgspec.Struct, frozen=True):
    """The places of an entity list: they are the edges themselves."""

    edges: list[Item] = []


class EntityList(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A playlist or a review session."""

    id: str
    label: str = ""
    active: bool = True
    entity_type: str = ""
    items: Items = Items()


class Refused(msgspec.Struct, frozen=True):
    """An error of a GraphQL query."""

    message: str = ""
    extensions: dict[str, Any] = {}


class Status(msgspec.Struct, frozen=True):
    """A status of a project, and the entity types that may have it."""

    name: str
    state: str = ""
    scope: list[str] | None = None


class Named(msgspec.Struct, frozen=True):
    """A folder type, a task type."""

    name: str


class LinkType(msgspec.Struct, frozen=True, rename="camel"):
    """What may be linked to what."""

    name: str
    link_type: str
    input_type: str
    output_type: str


class Config(msgspec.Struct, frozen=True):
    """Roots by platform, and path templates."""

    roots: dict[str, dict[str, Any]] = {}
    templates: dict[str, dict[str, Any]] = {}


class ProjectRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A project in the list of projects."""

    name: str
    code: str = ""
    label: str | None = None
    active: bool = True
    created_at: str | None = None
    updated_at: str | None = None


class Projects(msgspec.Struct, frozen=True):
    """All projects."""

    projects: list[ProjectRow]


class ProjectFacts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One project with its anatomy. Attributes are effective values."""

    name: str
    code: str = ""
    label: str | None = None
    library: bool = False
    active: bool = True
    attrib: dict[str, Any] = {}
    data: dict[str, Any] = {}
    config: Config = Config()
    folder_types: list[Named] = []
    task_types: list[Named] = []
    link_types: list[LinkType] = []
    statuses: list[Status] = []
    created_at: str | None = None
    updated_at: str | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the server's schema says of an attribute's values."""

    type: str = "string"
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    regex: str | None = None
    enum: list[Any] | None = None
    inherit: bool = True


class AttributeSchema(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute, and the entity types that have it."""

    name: str
    scope: list[str] = []
    data: Rule = Rule()


class Attributes(msgspec.Struct, frozen=True):
    """All attributes."""

    attributes: list[AttributeSchema] = []


class Info(msgspec.Struct, frozen=True):
    """The server, and its attributes where it knows us."""

    version: str
    attributes: list[AttributeSchema] | None = None

    @property
    def release(self) -> tuple[int, ...]:
        """The first three numbers of the version, which may end in words: `1.16.0+DEVELOP`."""
        found = re.match(r"(\d+)\.(\d+)\.(\d+)", self.version)
        return tuple(map(int, found.groups())) if found is not None else (0, 0, 0)


class Me(msgspec.Struct, frozen=True):
    """Who we are. Nothing else of this answer is ever looked at: it holds hashes of credentials."""

    name: str


class Login(msgspec.Struct, frozen=True):
    """The answer to a login."""

    token: str | None = None


class Made(msgspec.Struct, frozen=True):
    """The answer to something that was made."""

    id: str = ""


def time_ns(text: str | None) -> int | None:
    """A time of the server in nanoseconds since the epoch; None for what is none, and for one without an offset."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None:
        return None
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * SECOND + moment.microsecond * 1000
