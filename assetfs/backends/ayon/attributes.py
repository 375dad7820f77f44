"""What the server knows, as extended attributes (section 6): tables of what each entity has, and what can be changed.

An attribute that is empty is not there. Lists of texts show one a line, so that the desktop's tags are the server's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from assetfs.backends.ayon import schema
from assetfs.backends.ayon.ids import Ref
from assetfs.backends.ayon.nodes import Of, stored_by_us
from assetfs.backends.ayon.projects import Project
from assetfs.backends.ayon.wire import AttributeSchema, ProjectFacts, Representation, Version
from assetfs.repository import Alias, Attribute

PREFIX = "user.ayon."
ATTRIB, DATA = PREFIX + "attrib.", PREFIX + "data."
LINKS = PREFIX + "links"
STATUS, TAGS, TASK, ASSIGNEES = PREFIX + "status", PREFIX + "tags", PREFIX + "task", PREFIX + "assignees"
LAZY = frozenset({LINKS})
ALIASES = {
    "user.xdg.tags": Alias(TAGS, ",", "\n"),
    "user.xdg.comment": Alias(ATTRIB + "description"),
}
WRITABLE = (f"{ATTRIB}*", f"{DATA}*", STATUS, TAGS)
KEPT_KEYS = frozenset({"thumbnailHash", "assetfs", "subtasks"})
"""Keys of `data` that are the server's, or ours."""
LONGEST_KEY = 200


class Field(NamedTuple):
    """An attribute that is a field of the row: how it is called on the wire, and who may change it."""

    wire: str
    writable: bool = False


ALL = {"id": Field("id"), "created_by": Field("createdBy"), "updated_by": Field("updatedBy"),
       "created_at": Field("createdAt"), "updated_at": Field("updatedAt"), "path": Field("path"),
       "status": Field("status", True), "active": Field("active", True)}  # fmt: skip
FIELDS: dict[str, dict[str, Field]] = {
    "folder": {**ALL, "label": Field("label", True), "folder_type": Field("folderType", True),
               "thumbnail_hash": Field("thumbnailHash")},
    "task": {**ALL, "label": Field("label", True), "task_type": Field("taskType", True),
             "thumbnail_hash": Field("thumbnailHash")},
    "product": {**ALL, "product_type": Field("productType", True),
                "product_base_type": Field("productBaseType", True)},
    "version": {**ALL, "author": Field("author"), "version": Field("version"), "task": Field("taskId", True),
                "thumbnail_hash": Field("thumbnailHash")},
    "representation": ALL,
    "workfile": {**ALL, "task": Field("taskId"), "thumbnail_hash": Field("thumbnailHash")},
}  # fmt: skip
"""Fields of the rows by entity type."""


def _camel(wire: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in wire)


def of_row(what: str, project: str, row: Any, known: Mapping[str, AttributeSchema]) -> dict[str, Attribute]:
    """The attributes of an entity."""
    found = {"entity_type": Attribute(what.encode()), "project": Attribute(project.encode())}
    for name, field in FIELDS[what].items():
        value = getattr(row, _camel(field.wire))
        if value is not None:
            found[name] = Attribute(schema.show(value), field.writable)
    uri = uri_of(what, project, row)
    if uri is not None:
        found["uri"] = Attribute(uri.encode())
    if row.tags:
        found["tags"] = Attribute(schema.lines(row.tags), True)
    if what == "task" and row.assignees:
        found["assignees"] = Attribute(schema.lines(row.assignees), True)
    if what in ("folder", "task"):
        found["own_attrib"] = Attribute(msgspec.json.encode(sorted(row.own_attrib or ())))
    if isinstance(row, Version) and row.version < 0:
        found["hero_of"] = Attribute(str(-row.version).encode())
    if isinstance(row, Representation) and row.traits not in (None, "null", "{}"):
        found["traits"] = Attribute((row.traits or "").encode(), True)
    named = {PREFIX + name: attribute for name, attribute in found.items()}
    return {**named, **_attrib(_object(row.all_attrib), known), **_data(_object(row.data))}


def _attrib(values: Mapping[str, Any], known: Mapping[str, AttributeSchema]) -> dict[str, Attribute]:
    return {
        ATTRIB + name: Attribute(_shown(known.get(name), value), name in known)
        for name, value in values.items()
        if value is not None
    }


def _shown(rule: AttributeSchema | None, value: Any) -> bytes:
    if isinstance(value, list) and rule is not None and rule.data.type == "list_of_strings":
        return schema.lines([str(one) for one in value])
    if isinstance(value, int) and not isinstance(value, bool) and rule is not None and rule.data.type == "float":
        value = float(value)
    return schema.show(value)


def _data(values: Mapping[str, Any]) -> dict[str, Attribute]:
    return {
        DATA + key: Attribute(schema.show(value), key not in KEPT_KEYS)
        for key, value in values.items()
        if value is not None and len(key.encode("utf-8", "surrogatepass")) <= LONGEST_KEY and "\0" not in key
    }


def of_file(of: Of, store: str) -> dict[str, Attribute]:
    """The attributes of one file of a representation. `store` says where its bytes are."""
    if of.file is None:
        return {}
    values = {
        "file.id": of.file.id,
        "file.hash": of.file.hash,
        "file.hash_type": of.file.hash_type if of.file.hash else None,
        "file.path": of.file.path,
        "file.size": str(of.file.size) if of.file.size is not None else None,
        "file.store": store,
    }
    return {PREFIX + name: Attribute(schema.show(value)) for name, value in values.items() if value is not None}


def store_of(project: Project, of: Of) -> str:
    """Where the bytes of a file are: touches the disk, for threads."""
    if of.stored or stored_by_us(of.row):
        return "project-files"
    return "root" if of.file is not None and project.find(of.file.path) is not None else "missing"


def of_project(project: Project, known: Mapping[str, AttributeSchema]) -> dict[str, Attribute]:
    """The attributes of a project."""
    facts: ProjectFacts = project.facts
    fixed: dict[str, Any] = {
        "id": facts.name,
        "entity_type": "project",
        "project": facts.name,
        "code": facts.code,
        "created_at": facts.created_at,
        "updated_at": facts.updated_at,
        "roots": {name: str(place) for name, place in sorted(project.roots.items())},
        "statuses": [{"name": one.name, "state": one.state, "scope": one.scope} for one in facts.statuses],
        "folder_types": [one.name for one in facts.folder_types],
        "task_types": [one.name for one in facts.task_types],
    }
    found = {PREFIX + name: Attribute(schema.show(value)) for name, value in fixed.items() if value is not None}
    if facts.label:
        found[PREFIX + "label"] = Attribute(schema.show(facts.label), True)
    return {**found, **_attrib(facts.attrib, known), **_data(facts.data)}


def of_nothing(ref: Ref) -> dict[str, Attribute]:
    """The attributes of what is synthetic."""
    found = {"entity_type": ref.what, "project": ref.project if ref.project != "*" else ""}
    return {PREFIX + name: Attribute(value.encode()) for name, value in found.items() if value}


def uri_of(what: str, project: str, row: Any) -> str | None:
    """The address by which pipelines name an entity (4.11)."""
    steps = (row.path or "").strip("/").split("/")
    parts = {"folder": 0, "task": 1, "product": 1, "version": 2, "representation": 3}.get(what)
    if not row.path or parts is None or len(steps) <= parts:
        return None
    folder, rest = steps[: len(steps) - parts], steps[len(steps) - parts :]
    words = ("task",) if what == "task" else ("product", "version", "representation")
    if isinstance(row, Version):
        rest[-1] = f"v{row.version:03d}"
    query = "&".join(f"{word}={step}" for word, step in zip(words, rest, strict=False))
    return f"ayon+entity://{project}/{'/'.join(folder)}" + (f"?{query}" if query else "")


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text) if text else {}
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
