"""Making, changing and deleting the six kinds of entities, with the checks that the server makes and no others."""

from __future__ import annotations

import copy
import json
import re
import sqlite3
import time
from typing import Any

from assetfs.sandbox.ayon import access, activities, attributes, changes
from assetfs.sandbox.ayon.attributes import packed
from assetfs.sandbox.ayon.context import NAME, Call, dashed, moment, new_id
from assetfs.sandbox.ayon.errors import crashed, refused, violated
from assetfs.sandbox.ayon.models import JSON_COLUMNS, MODELS, Model
from assetfs.sandbox.ayon.records import Project, Row, has_versions, load, title

FROZEN = ("name", "folder_type", "parent_id")  # what a folder with versions below it keeps
TYPED = {"folder": ("folder_type", "folderTypes"), "task": ("task_type", "taskTypes")}
TABLES = {"folderTypes": "folder_types", "taskTypes": "task_types", "statuses": "statuses"}
LISTED = ("folder", "task", "product", "version")  # kinds that the flat list of folders says something about


def create(call: Call, project: Project, kind: str, document: Any, *, in_batch: bool = False) -> str:
    """Make an entity. Returns its id. Raises NotValid or Refused."""
    model = MODELS[kind]
    values = model.read(document, new=True)
    access.check_creating(call, project, kind)
    _check_subtasks(kind, values)
    now = moment()
    values.setdefault("id", new_id())
    values.setdefault("status", project.status_for(kind))
    values["attrib"] = attributes.merged({}, values.get("attrib", {}))
    values |= {"created_at": now, "updated_at": now}
    if kind != "task" or in_batch:
        values = {"created_by": call.user.name, "updated_by": call.user.name} | values
    if kind == "folder":
        values.setdefault("folder_type", project.names("folderTypes")[0])
        values |= _place(project, values["name"], values.get("parent_id"), values["attrib"])
    if kind == "product":
        values["product_base_type"] = values.get("product_base_type") or values["product_type"]
    if kind == "version":
        if not call.user.admin or "author" not in values:
            values["author"] = call.user.name
        _check_hero(project, values["product_id"], values["version"], values.get("active", True))
    _write(project, model, values, lambda: _insert(project, kind, values))
    row = {**values, "full_path": values.get("path", "")}
    changes.created(call, project, model, values["id"], values.get(model.parent), title(kind, row))
    if kind == "version":
        activities.published(call, project, values)
    touched(project, kind)
    return str(values["id"])


def update(call: Call, project: Project, kind: str, entity_id: str, document: Any, *, force: bool = False) -> None:
    """Change an entity: only what is given. Raises NotValid or Refused."""
    model = MODELS[kind]
    values = model.read(document, new=False)
    values.pop("id", None)
    old = load(project, kind, entity_id)
    access.check(call, project, "update")
    if kind == "folder":
        _check_move(project, old, values, force)
    if kind == "version" and values.get("version", 0) < 0 and old["version"] >= 0:
        _check_hero(project, old["product_id"], values["version"], active=True)
    _check_subtasks(kind, values)
    new = dict(values)
    if "attrib" in values:
        new["attrib"] = attributes.merged(old["attrib"], values["attrib"])
    if "data" in values:
        new["data"] = _with_data(old["data"], values["data"])
    if values.get("traits") is not None:
        new["traits"] = attributes.merged(old["traits"] or {}, values["traits"])
    new = {"updated_by": call.user.name} | new | {"updated_at": moment()}
    if kind == "folder":
        name, parent = new.get("name", old["name"]), new.get("parent_id", old["parent_id"])
        new |= _place(project, str(name), parent, new["attrib"] if "attrib" in new else old["attrib"])
    _write(project, model, old | new, lambda: _change(project, kind, old["id"], new))
    if kind == "folder" and (old["path"], json.loads(old["effective"])) != (new["path"], json.loads(new["effective"])):
        follow(project, old["id"])
    changes.changed(call, project, model, old, values)
    activities.noted(call, project, kind, old, values)
    touched(project, kind)


def delete(call: Call, project: Project, kind: str, entity_id: str, *, force: bool = False) -> None:
    """Delete an entity and what is below it; no bytes anywhere. Raises Refused."""
    old = load(project, kind, entity_id)
    access.check(call, project, "delete")
    if kind == "folder":
        if force and not call.user.manager:
            raise refused(403, "You are not allowed to force delete folders")
        if not force and _has_products(project, old["path"]):
            raise refused(409, "Unable to delete a folder with products or tasks.")
    project.db.execute(f"DELETE FROM {kind} WHERE id = ?", (old["id"],))
    changes.deleted(call, project, MODELS[kind], old)
    touched(project, kind)


def _check_subtasks(kind: str, values: dict[str, Any]) -> None:
    """Give the parts of a task their ids and names. The server stumbles over what has none, and over the same twice."""
    data = values.get("data") or {}
    if kind != "task" or not data.get("subtasks"):
        return
    found: list[dict[str, Any]] = []
    for given in data["subtasks"]:
        name = str(given.get("name") or re.sub(r"[^A-Za-z0-9]+", "_", str(given.get("label") or "")).strip("_").lower())
        if not re.match(NAME, name) or "label" not in given:
            raise crashed("Subtask name/label cannot be empty")
        part = {"id": given.get("id") or new_id(), "name": name}
        known = {snake: given[key] for key, snake in SUBTASK.items() if given.get(key) is not None}
        for key in ("id", "name"):
            if part[key] in [other[key] for other in found]:
                raise crashed(f"Duplicate subtask {'ID' if key == 'id' else key} {part[key]}")
        found.append(part | known)
    data["subtasks"] = found
    data.setdefault("subtaskSyncId", time.time())


SUBTASK = {"label": "label", "description": "description", "startDate": "start_date", "endDate": "end_date"}


def _with_data(old: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """`data` merged key by key; a key is a path of the database's in disguise, and some break it."""
    new = copy.deepcopy(old)
    for key, value in given.items():
        if set(key) & set('{}"'):
            raise crashed(f"InvalidTextRepresentationError: malformed array literal: {key}")
        *above, last = key.split(",")
        place: Any = new
        for part in above:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            continue
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return new


def touched(project: Project, kind: str) -> None:
    """Forget the cached list of folders if it says anything about this kind."""
    if kind in LISTED:
        project.folder_list.clear()


def follow(project: Project, folder_id: str) -> None:
    """Give paths and inherited values to everything below a folder that was moved, renamed or edited."""
    queue = [folder_id]
    while queue:
        above = queue.pop()
        for row in project.db.execute("SELECT id, name, attrib FROM folder WHERE parent_id = ?", (above,)).fetchall():
            placed = _place(project, row["name"], above, json.loads(row["attrib"]))
            project.db.execute(
                "UPDATE folder SET path = ?, effective = ? WHERE id = ?",
                (placed["path"], placed["effective"], row["id"]),
            )
            queue.append(row["id"])


def _place(project: Project, name: str, parent_id: str | None, own: dict[str, Any]) -> dict[str, Any]:
    above, path = project.effective, name
    if parent_id is not None:
        parent = project.db.execute("SELECT path, effective FROM folder WHERE id = ?", (parent_id,)).fetchone()
        if parent is None:
            message = f"parent_id '{dashed(parent_id)}' is not present in table \"folders\"."
            raise violated("foreign-key-violation", message)
        above, path = json.loads(parent["effective"]), f"{parent['path']}/{name}"
    return {"path": path, "effective": packed(attributes.inherited(above, own))}


def _check_move(project: Project, old: Row, values: dict[str, Any], force: bool) -> None:
    moved = [column for column in FROZEN if column in values and values[column] != old[column]]
    if moved and not force and has_versions(project, old["path"]):
        raise refused(403, f"Cannot change {moved[0]} of a folder with published versions")
    parent_id = values.get("parent_id")
    if parent_id == old["id"]:
        raise refused(400, "Folder cannot be its own parent")
    if parent_id is not None and (parent := _path_of(project, parent_id)) and parent.startswith(old["path"] + "/"):
        raise refused(400, "Folder cannot be moved to one of its descendants")


def _path_of(project: Project, folder_id: str) -> str | None:
    row = project.db.execute("SELECT path FROM folder WHERE id = ?", (folder_id,)).fetchone()
    return None if row is None else str(row["path"])


def _check_hero(project: Project, product_id: str, number: int, active: bool) -> None:
    if number >= 0 or not active:
        return
    if project.db.execute("SELECT 1 FROM version WHERE product_id = ? AND version < 0", (product_id,)).fetchone():
        raise refused(409, "Hero version already exists.")


def _has_products(project: Project, path: str) -> bool:
    found = project.db.execute(
        "SELECT 1 FROM product p JOIN folder f ON f.id = p.folder_id"
        " WHERE f.path = ?1 OR (f.path > ?1 || '/' AND f.path < ?1 || '0') LIMIT 1",
        (path,),
    )
    return found.fetchone() is not None


def _stored(column: str, value: Any) -> Any:
    return packed(value) if column in JSON_COLUMNS and value is not None else value


def _insert(project: Project, kind: str, values: dict[str, Any]) -> None:
    marks = ", ".join("?" * len(values))
    stored = [_stored(column, value) for column, value in values.items()]
    project.db.execute(f"INSERT INTO {kind} ({', '.join(values)}) VALUES ({marks})", stored)


def _change(project: Project, kind: str, entity_id: str, values: dict[str, Any]) -> None:
    stored = [_stored(column, value) for column, value in values.items()]
    marks = ", ".join(f"{column} = ?" for column in values)
    project.db.execute(f"UPDATE {kind} SET {marks} WHERE id = ?", (*stored, entity_id))


def _write(project: Project, model: Model, row: Row, statement: Any) -> None:
    """Run a statement; what the database refuses is worded as the server does."""
    try:
        statement()
    except sqlite3.IntegrityError as error:
        raise _violation(project, model, row, str(error)) from error
    parts = [("status", "statuses")]
    parts += [TYPED[model.kind]] if model.kind in TYPED else []
    for column, part in parts:
        if row[column] not in project.names(part):
            message = f"{column} '{row[column]}' is not present in table \"{TABLES[part]}\"."
            raise violated("foreign-key-violation", message)


def _violation(project: Project, model: Model, row: Row, text: str) -> Exception:
    if text.startswith("FOREIGN KEY"):
        for column, table in model.references.items():
            there = project.db.execute(f"SELECT 1 FROM {table} WHERE id = ?", (row.get(column),)).fetchone()
            if row.get(column) is not None and there is None:
                message = f"{column} '{dashed(row[column])}' is not present in table \"{table}s\"."
                return violated("foreign-key-violation", message)
    if text.startswith("UNIQUE") and text.endswith(f"{model.kind}.id"):
        return violated("unique-violation", f"{model.title} with id '{dashed(row['id'])}' already exists.")
    if model.kind == "workfile":
        return crashed("KeyError: 'root'", database=True)
    columns = [c for c in model.unique if c != "parent_id" or row.get("parent_id") is not None]
    values = [row["name"].lower() if c.startswith("lower") else row[c] for c in columns]
    shown = ", ".join(dashed(v) if c.endswith("_id") else str(v) for c, v in zip(columns, values, strict=True))
    return violated("unique-violation", f"{model.title} with {', '.join(columns)} '{shown}' already exists.")
