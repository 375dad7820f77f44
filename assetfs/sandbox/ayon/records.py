"""Projects and their entities as they are read: rows, paths, and the documents of the REST endpoints."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any

from assetfs.sandbox.ayon import attributes
from assetfs.sandbox.ayon.errors import not_found
from assetfs.sandbox.ayon.models import JSON_COLUMNS, MODELS
from assetfs.sandbox.ayon.schema import PROJECT
from assetfs.sandbox.store import Store

Row = dict[str, Any]

# Where an entity's path comes from: the columns of `e` and of what is above it.
PATHS = {
    "folder": ("folder e", "'/' || e.path"),
    "task": ("task e JOIN folder f ON f.id = e.folder_id", "'/' || f.path || '/' || e.name"),
    "product": ("product e JOIN folder f ON f.id = e.folder_id", "'/' || f.path || '/' || e.name"),
    "version": (
        "version e JOIN product p ON p.id = e.product_id JOIN folder f ON f.id = p.folder_id",
        "'/' || f.path || '/' || p.name || '/' || version_name(e.version)",
    ),
    "representation": (
        "representation e JOIN version v ON v.id = e.version_id JOIN product p ON p.id = v.product_id"
        " JOIN folder f ON f.id = p.folder_id",
        "'/' || f.path || '/' || p.name || '/' || version_name(v.version) || '/' || e.name",
    ),
    "workfile": ("workfile e", "e.path"),
}


def version_name(number: int) -> str:
    """`v001`; every negative number is the hero."""
    return "HERO" if number < 0 else f"v{number:03d}"


def base_name(path: str) -> str:
    """The last element of a path."""
    return path.replace("\\", "/").rpartition("/")[2]


def _matches(pattern: str, value: str | None) -> bool:
    return value is not None and re.search(pattern, value) is not None


def prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    """A connection that knows the server's functions and honours references."""
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("PRAGMA case_sensitive_like=ON")
    db.create_function("version_name", 1, version_name, deterministic=True)
    db.create_function("base_name", 1, base_name, deterministic=True)
    db.create_function("regexp", 2, _matches, deterministic=True)
    return db


class Project:
    """One project: what it says of itself, and its database. `document` is as `GET /projects/{p}` has it."""

    def __init__(self, store: Store, row: sqlite3.Row) -> None:
        self.name: str = row["name"]
        place = f"project_{row['folded']}"
        self.db = prepared(store.open(place, PROJECT))
        self.reader = prepared(store.open(place, PROJECT, reader=True))
        self.folder_list: dict[bool, bytes] = {}  # the cached answers of the flat folder list, with and without attrib
        self.load(row)

    def load(self, row: sqlite3.Row) -> None:
        """Take over what the server's database says of the project."""
        self.code: str = row["code"]
        self.label: str | None = row["label"]
        self.active, self.library = bool(row["active"]), bool(row["library"])
        self.anatomy: dict[str, Any] = json.loads(row["anatomy"])
        self.own: dict[str, Any] = json.loads(row["attrib"])
        self.data: dict[str, Any] = json.loads(row["data"])
        self.created_at, self.updated_at = row["created_at"], row["updated_at"]
        self.effective = attributes.ordered(attributes.DEFAULTS | self.own)

    def close(self) -> None:
        """Close the databases."""
        self.db.close()
        self.reader.close()

    def document(self) -> dict[str, Any]:
        """The project as its own endpoint shows it."""
        shown = {
            "name": self.name,
            "code": self.code,
            "label": self.label,
            "library": self.library,
            **{k: self.anatomy[k] for k in ("folderTypes", "taskTypes", "linkTypes", "statuses", "tags", "config")},
            "attrib": self.effective,
            "data": self.data,
            "active": self.active,
            "ownAttrib": list(self.own),
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
        }
        return {key: value for key, value in shown.items() if value is not None}

    def roots(self, platform: str) -> dict[str, str]:
        """The anatomy's roots for a platform."""
        return {name: paths[platform] for name, paths in self.anatomy["config"]["roots"].items()}

    def status_for(self, kind: str) -> str:
        """The status of a new entity that says none: the first whose scope has its kind, else the first of all."""
        statuses = self.anatomy["statuses"]
        return str(next((s["name"] for s in statuses if kind in s["scope"]), statuses[0]["name"]))

    def done_statuses(self) -> list[str]:
        """The names of the statuses that mean that work is done."""
        return [s["name"] for s in self.anatomy["statuses"] if s["state"] == "done"]

    def names(self, part: str) -> list[str]:
        """The names in a part of the anatomy: statuses, folderTypes, taskTypes, …"""
        return [entry["name"] for entry in self.anatomy[part]]


def unpacked(row: sqlite3.Row) -> Row:
    """A row with its JSON columns read."""
    return {
        key: json.loads(value) if key in JSON_COLUMNS and value is not None else value
        for key, value in dict(row).items()
    }


def find(project: Project, kind: str, entity_id: str) -> Row | None:
    """An entity with its `path`, or None."""
    tables, path = PATHS[kind]
    row = project.db.execute(f"SELECT e.*, {path} AS full_path FROM {tables} WHERE e.id = ?", (entity_id,)).fetchone()
    return None if row is None else unpacked(row)


def load(project: Project, kind: str, entity_id: str) -> Row:
    """An entity with its `full_path`. Refuses one that there is not."""
    found = find(project, kind, entity_id.replace("-", ""))
    if found is None:
        raise not_found(entity_id)
    return found


def effective(project: Project, kind: str, row: Row) -> dict[str, Any]:
    """The values that an entity's attributes have: inherited ones too for folders and tasks."""
    own: dict[str, Any] = row["attrib"]
    if kind == "folder":
        return dict(json.loads(row["effective"]))
    if kind != "task":
        return own
    above = project.db.execute("SELECT effective FROM folder WHERE id = ?", (row["folder_id"],)).fetchone()
    return attributes.inherited(json.loads(above["effective"]), own)


def has_versions(project: Project, path: str) -> bool:
    """Whether any version exists in a folder or below it."""
    found = project.db.execute(
        "SELECT 1 FROM version v JOIN product p ON p.id = v.product_id JOIN folder f ON f.id = p.folder_id"
        " WHERE f.path = ?1 OR (f.path > ?1 || '/' AND f.path < ?1 || '0') LIMIT 1",
        (path,),
    )
    return found.fetchone() is not None


def shown(project: Project, kind: str, row: Row) -> dict[str, Any]:
    """An entity as its REST endpoint shows it: nulls are left out."""
    document = {
        camel: row[field.column]
        for camel, field in MODELS[kind].fields.items()
        if field.column in row and camel not in ("attrib", "active")
    }
    document |= {
        "path": row["full_path"],
        "attrib": attributes.ordered(effective(project, kind, row)),
        "active": bool(row["active"]),
        "ownAttrib": list(row["attrib"]),
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "createdBy": row["created_by"],
        "updatedBy": row["updated_by"],
    }
    if kind == "folder":
        document["hasVersions"] = has_versions(project, row["path"])
    if kind == "representation":
        document["files"] = [{k: v for k, v in file.items() if v is not None} for file in row["files"]]
    return {key: value for key, value in document.items() if value is not None}


def title(kind: str, row: Row) -> str:
    """What an entity is called in the text of an event about its creation."""
    if kind == "version":
        return version_name(row["version"])
    return base_name(row["path"]) if kind == "workfile" else str(row["name"])
