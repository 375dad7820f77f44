"""What fields the six kinds of entities have, and reading them from a request as the server's schema library does.

A field may be written in camel case or as its column is called. Unknown fields are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assetfs.sandbox.ayon import attributes
from assetfs.sandbox.ayon.attributes import Wrong, boolean, integer, listed, mapping, text
from assetfs.sandbox.ayon.context import NAME
from assetfs.sandbox.ayon.errors import Complaint, NotValid

Read = Callable[[Any], Any]

LABEL = r"^[^';]*$"
ID = r"^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"
HASH_TYPES = ("md5", "sha1", "sha256", "op3")


def matching(pattern: str) -> Read:
    """A string that a regular expression describes."""
    compiled = re.compile(pattern)

    def read(value: Any) -> str:
        found = text(value)
        if not compiled.match(found):
            raise Wrong(f'string does not match regex "{pattern}"', "value_error.str.regex", pattern=pattern)
        return found

    return read


def identity(value: Any) -> str:
    """An entity's id, with or without dashes."""
    return str(matching(ID)(value)).replace("-", "")


class Nested(Exception):
    """Complaints about parts of a value."""

    def __init__(self, complaints: list[Complaint]) -> None:
        super().__init__()
        self.complaints = complaints


def files(value: Any) -> list[dict[str, Any]]:
    """The files of a representation. Unknown keys go; a name that is missing and one that is null are kept apart."""
    complaints: list[Complaint] = []
    found = []
    for number, item in enumerate(listed(mapping)(value)):
        entry: dict[str, Any] = {}
        for key, read in _FILE.items():
            if key not in item:
                if key in ("id", "path"):
                    complaints.append(Complaint(("files", number, key), "field required", "value_error.missing"))
                continue
            try:
                entry[key] = None if item[key] is None and key in ("name", "hash") else read(item[key])
            except Wrong as wrong:
                complaints.append(Complaint(("files", number, key), wrong.msg, wrong.kind, wrong.ctx))
        found.append(
            {k: entry[k] for k in ("id", "name", "path") if k in entry}
            | {"size": entry.get("size", 0), "hash": entry.get("hash"), "hashType": entry.get("hashType", "md5")}
        )
    if complaints:
        raise Nested(complaints)
    return found


def _hash_type(value: Any) -> str:
    if value not in HASH_TYPES:
        permitted = ", ".join(f"'{name}'" for name in HASH_TYPES)
        message = f"unexpected value; permitted: {permitted}"
        raise Wrong(message, "value_error.const", given=value, permitted=list(HASH_TYPES))
    return str(value)


_FILE: dict[str, Read] = {
    "id": text,
    "name": text,
    "path": text,
    "size": integer,
    "hash": text,
    "hashType": _hash_type,
}


@dataclass(frozen=True)
class Field:
    """One field: its column, how a value is read, and whether a new entity needs it. Null unsets a `nullable` one."""

    column: str
    read: Read
    required: bool = False
    nullable: bool = False


COMMON = {
    "status": Field("status", text),
    "tags": Field("tags", listed(text)),
    "data": Field("data", mapping),
    "active": Field("active", boolean),
    "createdBy": Field("created_by", text),
    "updatedBy": Field("updated_by", text),
}
_THUMBNAIL = {"thumbnailId": Field("thumbnail_id", identity, nullable=True)}
_LABEL = {"label": Field("label", matching(LABEL), nullable=True)}


@dataclass(frozen=True)
class Model:
    """One kind of entity. `parent` is the column of what it belongs to; `unique` are the columns of its uniqueness."""

    kind: str
    fields: dict[str, Field]
    parent: str
    above: str
    unique: tuple[str, ...]
    references: dict[str, str]

    @property
    def plural(self) -> str:
        """The word in paths, and the real server's table."""
        return f"{self.kind}s"

    @property
    def title(self) -> str:
        """The word at the start of a sentence."""
        return self.kind.capitalize()

    def read(self, document: Any, *, new: bool) -> dict[str, Any]:
        """Values by column, `attrib` as a mapping with nulls. Raises NotValid."""
        name = f"{self.title}{'Post' if new else 'Patch'}Model"
        if not isinstance(document, dict):
            raise NotValid([Complaint((), "value is not a valid dict", "type_error.dict")], name)
        values: dict[str, Any] = {}
        complaints: list[Complaint] = []
        for camel, field in self.fields.items():
            key = camel if camel in document else field.column
            if key not in document:
                if new and field.required:
                    complaints.append(Complaint((camel,), "field required", "value_error.missing"))
                continue
            value = document[key]
            if value is None:
                if field.nullable:
                    values[field.column] = None
                elif new and field.required:
                    message = "none is not an allowed value"
                    complaints.append(Complaint((camel,), message, "type_error.none.not_allowed"))
                continue
            try:
                values[field.column] = field.read(value)
            except Wrong as wrong:
                complaints.append(Complaint((camel,), wrong.msg, wrong.kind, wrong.ctx))
            except Nested as nested:
                complaints += nested.complaints
        if document.get("attrib") is not None:
            values["attrib"], wrong_values = attributes.read(self.kind, document["attrib"])
            complaints += wrong_values
        if complaints:
            raise NotValid(complaints, name)
        return values


def _model(
    kind: str, own: dict[str, Field], parent: str, above: str, unique: tuple[str, ...], **references: str
) -> Model:
    return Model(kind, {"id": Field("id", identity), **own, **COMMON}, parent, above, unique, references)


_NAME = {"name": Field("name", matching(NAME), required=True)}
_BY_NAME = "lower(name::text)"

MODELS = {
    model.kind: model
    for model in (
        _model(
            "folder",
            {
                **_NAME,
                **_LABEL,
                "folderType": Field("folder_type", text),
                "parentId": Field("parent_id", identity, nullable=True),
                **_THUMBNAIL,
            },
            "parent_id",
            "folder",
            ("parent_id", _BY_NAME),
            parent_id="folder",
            thumbnail_id="thumbnail",
        ),
        _model(
            "task",
            {
                **_NAME,
                **_LABEL,
                "taskType": Field("task_type", text, required=True),
                **_THUMBNAIL,
                "assignees": Field("assignees", listed(text)),
                "folderId": Field("folder_id", identity, required=True),
            },
            "folder_id",
            "folder",
            ("folder_id", _BY_NAME),
            folder_id="folder",
            thumbnail_id="thumbnail",
        ),
        _model(
            "product",
            {
                **_NAME,
                "folderId": Field("folder_id", identity, required=True),
                "productType": Field("product_type", matching(NAME), required=True),
                "productBaseType": Field("product_base_type", matching(NAME), nullable=True),
            },
            "folder_id",
            "folder",
            ("folder_id", _BY_NAME),
            folder_id="folder",
        ),
        _model(
            "version",
            {
                "version": Field("version", integer, required=True),
                "productId": Field("product_id", identity, required=True),
                "taskId": Field("task_id", identity, nullable=True),
                **_THUMBNAIL,
                "author": Field("author", text),
            },
            "product_id",
            "product",
            ("product_id", "version"),
            product_id="product",
            task_id="task",
            thumbnail_id="thumbnail",
        ),
        _model(
            "representation",
            {
                **_NAME,
                "versionId": Field("version_id", identity, required=True),
                "files": Field("files", files),
                "traits": Field("traits", mapping, nullable=True),
            },
            "version_id",
            "version",
            ("version_id", _BY_NAME),
            version_id="version",
        ),
        _model(
            "workfile",
            {
                "path": Field("path", text, required=True),
                "taskId": Field("task_id", identity, required=True),
                **_THUMBNAIL,
            },
            "task_id",
            "task",
            ("path",),
            task_id="task",
            thumbnail_id="thumbnail",
        ),
    )
}
KINDS = tuple(MODELS)
JSON_COLUMNS = frozenset({"tags", "data", "attrib", "files", "traits", "assignees"})
