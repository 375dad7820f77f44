"""Entity lists: playlists and review sessions, each of entities of one kind, in an order.

A list is read whole, changed, and written back whole, as the real server does it: positions are counted anew each time,
and every change is told as one of the list.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from assetfs.sandbox.ayon.attributes import merged, packed
from assetfs.sandbox.ayon.context import Call, Reply, answered, camel, done, moment, new_id
from assetfs.sandbox.ayon.errors import Complaint, refused, violated
from assetfs.sandbox.ayon.models import KINDS
from assetfs.sandbox.ayon.records import PATHS, Project

Row = dict[str, Any]
LEVELS = {"read": 10, "manage": 30}
FIELDS = {
    "id": "id",
    "entityListType": "list_type",
    "entityListFolderId": "folder_id",
    "entityType": "entity_type",
    "label": "label",
    "access": "access",
    "attrib": "attrib",
    "data": "data",
    "template": "template",
    "tags": "tags",
    "owner": "owner",
    "createdBy": "created_by",
    "updatedBy": "updated_by",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
    "active": "active",
}
ITEM = {
    "id": "id",
    "entityId": "entity_id",
    "position": "position",
    "label": "label",
    "attrib": "attrib",
    "data": "data",
    "tags": "tags",
    "folderPath": "folder_path",
    "createdBy": "created_by",
    "updatedBy": "updated_by",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
}
JSON_COLUMNS = ("access", "attrib", "data", "template", "tags")
PATCHED = ("label", "owner", "active", "tags", "entityListFolderId", "access", "attrib", "data")
MODES = ("replace", "merge", "delete")
NULL = Reply(200, b"null")
FOLDER = "SELECT f.path FROM {tables} WHERE e.id = ?"  # of an entity: the path of the folder that it is in
WITH_FOLDER = {
    "folder": "folder e JOIN folder f ON f.id = e.id",
    "workfile": "workfile e JOIN task t ON t.id = e.task_id JOIN folder f ON f.id = t.folder_id",
}


# Reading and writing


def _unpacked(row: sqlite3.Row) -> Row:
    found = {name: json.loads(row[name]) if name in JSON_COLUMNS else row[name] for name in row.keys()}  # noqa: SIM118
    return found | ({"active": bool(row["active"])} if "active" in found else {})


def _wanted(call: Call, project: Project, *, items: bool = True) -> tuple[Row, list[Row]]:
    """A list and its items. Refuses one that there is not."""
    list_id = call.params[1]
    row = project.db.execute("SELECT * FROM list WHERE id = ?", (list_id.replace("-", ""),)).fetchone()
    if row is None:
        raise refused(404, f"Entity list {list_id} not found")
    query = "SELECT * FROM list_item WHERE list_id = ? ORDER BY position, seq"
    return _unpacked(row), [_unpacked(item) for item in project.db.execute(query, (row["id"],))] if items else []


def _saved(call: Call, project: Project, row: Row, items: list[Row], what: str) -> Row:
    """Write a list with its items down, and tell of it. Returns what is told."""
    row["data"]["count"] = len(items)
    row |= {"updated_at": moment(), "updated_by": call.user.name}
    try:
        _replace(project, "list", row)
    except sqlite3.IntegrityError as error:
        raise violated("unique-violation", f"Entity list with label '{row['label']}' already exists.") from error
    project.db.execute("DELETE FROM list_item WHERE list_id = ?", (row["id"],))
    for position, item in enumerate(items):
        _replace(project, "list_item", item | {"position": position, "list_id": row["id"]})
    return _told(call, project, row, items, what)


def _replace(project: Project, table: str, row: Row) -> None:
    stored = {k: packed(v) if k in JSON_COLUMNS else v for k, v in row.items() if k != "seq"}
    marks = ", ".join(f"{name} = excluded.{name}" for name in stored if name != "id")
    project.db.execute(
        f"INSERT INTO {table} ({', '.join(stored)}) VALUES ({', '.join('?' * len(stored))})"
        f" ON CONFLICT (id) DO UPDATE SET {marks}",
        tuple(stored.values()),
    )


def _told(call: Call, project: Project, row: Row, items: list[Row], what: str) -> Row:
    summary = {
        "id": row["id"],
        "entity_list_type": row["list_type"],
        "entity_type": row["entity_type"],
        "label": row["label"],
        "count": len(items),
    }
    text = f"Deleted entity list {row['label']}" if what == "deleted" else f"Entity list {row['label']} {what}"
    call.emit(f"entity_list.{what}", text, summary, project.name)
    return {camel(name): value for name, value in summary.items()}


def folder_of(project: Project, kind: str, entity_id: str) -> str | None:
    """The path of the folder that an entity is in."""
    tables = WITH_FOLDER.get(kind, PATHS[kind][0])
    row = project.db.execute(FOLDER.format(tables=tables), (entity_id,)).fetchone()
    return None if row is None else str(row["path"])


def _item(call: Call, project: Project, kind: str, given: Row) -> Row:
    """A new item. Refuses an entity that there is not."""
    entity_id = str(given["entityId"]).replace("-", "")
    path = folder_of(project, kind, entity_id)
    if path is None:
        raise refused(404, f"{kind.capitalize()} {given['entityId']} not found")
    now = moment()
    return {
        "id": str(given.get("id") or new_id()).replace("-", ""),
        "entity_id": entity_id,
        "label": given.get("label"),
        "attrib": given.get("attrib") or {},
        "data": given.get("data") or {},
        "tags": given.get("tags") or [],
        "folder_path": path,
        "created_at": now,
        "updated_at": now,
        "created_by": call.user.name,
        "updated_by": call.user.name,
    }


def _put(items: list[Row], item: Row, position: Any) -> None:
    items.insert(len(items) if position is None else int(position), item)


def _changed(call: Call, project: Project, kind: str, item: Row, given: Row) -> None:
    """Change an item: `attrib` and `data` key by key."""
    if given.get("entityId") not in (None, item["entity_id"]):
        item |= {key: value for key, value in _item(call, project, kind, given).items() if key in _PLACE}
    for name in ("attrib", "data"):
        if given.get(name) is not None:
            item[name] = merged(item[name], given[name])
    for name in ("label", "tags"):
        if given.get(name) is not None:
            item[name] = given[name]
    item |= {"updated_at": moment(), "updated_by": call.user.name}


_PLACE = ("entity_id", "folder_path")


def _one(row: Row, items: list[Row], item_id: str) -> Row:
    found = next((item for item in items if item["id"] == item_id.replace("-", "")), None)
    if found is None:
        raise refused(404, f"Item ID {item_id} not found in {row['label']}")
    return found


# Endpoints


def create(call: Call) -> Reply:
    """POST projects/{p}/lists."""
    project, given = call.project(call.params[0]), call.fields("entityType", "label")
    if given["entityType"] not in KINDS:
        permitted = ", ".join(f"'{kind}'" for kind in KINDS)
        context = {"given": given["entityType"], "permitted": list(KINDS)}
        message = f"unexpected value; permitted: {permitted}"
        raise call.invalid(Complaint(("entityType",), message, "value_error.const", context))
    if not given["label"]:
        raise refused(400, "Label is required")
    row = {
        "id": str(given.get("id") or new_id()).replace("-", ""),
        "label": given["label"],
        "entity_type": given["entityType"],
        "list_type": given.get("entityListType") or "generic",
        "folder_id": given.get("entityListFolderId"),
        "owner": given.get("owner") or call.user.name,
        "active": int(given.get("active") is not False),
        "tags": given.get("tags") or [],
        **{name: given.get(name) or {} for name in ("access", "attrib", "data", "template")},
        "created_at": moment(),
        "created_by": call.user.name,
    }
    items: list[Row] = []
    for one in given.get("items") or []:
        fields = _fields(call, one)
        _put(items, _item(call, project, row["entity_type"], fields), fields.get("position"))
    return answered(_saved(call, project, row, items, "created"), 201)


def _fields(call: Call, given: Any) -> Row:
    """An item of a request. Refuses one without an entity."""
    found = {camel(key): value for key, value in given.items()} if isinstance(given, dict) else {}
    if not found.get("entityId"):
        raise call.invalid(Complaint(("items", "entityId"), "field required", "value_error.missing"))
    return found


def get(call: Call) -> Reply:
    """GET projects/{p}/lists/{id}."""
    project = call.project(call.params[0])
    row, items = _wanted(call, project, items=not call.flag("metadata_only"))
    shown = {name: row[column] for name, column in FIELDS.items()}
    shown["items"] = [{name: item[column] for name, column in ITEM.items()} for item in items]
    return answered(shown | {"accessLevel": LEVELS["manage"]})


def patch(call: Call) -> Reply:
    """PATCH projects/{p}/lists/{id}: objects key by key."""
    project, given = call.project(call.params[0]), call.fields()
    row, items = _wanted(call, project)
    for name in PATCHED:
        column = FIELDS[name]
        if name in given:
            both = isinstance(given[name], dict) and name != "access"
            row[column] = merged(row[column], given[name]) if both else given[name]
    _saved(call, project, row, items, "changed")
    return done()


def delete(call: Call) -> Reply:
    """DELETE projects/{p}/lists/{id}."""
    project = call.project(call.params[0])
    row, items = _wanted(call, project)
    project.db.execute("DELETE FROM list WHERE id = ?", (row["id"],))
    _told(call, project, row, items, "deleted")
    return done()


def entities(call: Call) -> Reply:
    """GET projects/{p}/lists/{id}/entities: each once; an empty list is none."""
    project, list_id = call.project(call.params[0]), call.params[1]
    query = (
        "SELECT DISTINCT i.entity_id, l.entity_type FROM list l JOIN list_item i ON l.id = i.list_id WHERE l.id = ?"
        " ORDER BY i.position"
    )
    rows = project.db.execute(query, (list_id.replace("-", ""),)).fetchall()
    if not rows:
        raise refused(404, f"Entity list ID '{list_id}' not found")
    return answered({"entityType": rows[0]["entity_type"], "entityIds": [row["entity_id"] for row in rows]})


def add_item(call: Call) -> Reply:
    """POST projects/{p}/lists/{id}/items."""
    project, given = call.project(call.params[0]), call.fields("entityId")
    row, items = _wanted(call, project)
    _put(items, _item(call, project, row["entity_type"], given), given.get("position"))
    _saved(call, project, row, items, "changed")
    return Reply(201, NULL.body)


def delete_item(call: Call) -> Reply:
    """DELETE projects/{p}/lists/{id}/items/{item}."""
    project = call.project(call.params[0])
    row, items = _wanted(call, project)
    items.remove(_one(row, items, call.params[2]))
    _saved(call, project, row, items, "changed")
    return NULL


def change_item(call: Call) -> Reply:
    """PATCH projects/{p}/lists/{id}/items/{item}."""
    project, given = call.project(call.params[0]), call.fields()
    row, items = _wanted(call, project)
    item = _one(row, items, call.params[2])
    _changed(call, project, row["entity_type"], item, given)
    if given.get("position") is not None:
        items.remove(item)
        _put(items, item, given["position"])
    _saved(call, project, row, items, "changed")
    return NULL


def change_items(call: Call) -> Reply:
    """PATCH projects/{p}/lists/{id}/items: replace all, merge by item id, or delete some."""
    project, given = call.project(call.params[0]), call.fields("items")
    row, items = _wanted(call, project)
    kind, mode = row["entity_type"], given.get("mode", "replace")
    if mode not in MODES:
        message = f"unexpected value; permitted: {', '.join(repr(one) for one in MODES)}"
        complaint = Complaint(("mode",), message, "value_error.const", {"given": mode, "permitted": list(MODES)})
        raise call.invalid(complaint)
    asked = [{camel(key): value for key, value in one.items()} for one in given["items"]]
    if mode == "delete":
        for one in asked:
            items.remove(_one(row, items, str(one.get("id"))))
    elif mode == "replace":
        if not all(one.get("entityId") for one in asked):
            raise refused(400, "Entity ID is required in replace mode")
        items = [_item(call, project, kind, one) for one in asked]
    else:
        items = _merged(call, project, kind, items, asked)
    _saved(call, project, row, items, "changed")
    return NULL


def _merged(call: Call, project: Project, kind: str, items: list[Row], asked: list[Row]) -> list[Row]:
    known = {item["id"]: item for item in items}
    for number, one in enumerate(asked):
        item, position = known.get(str(one.get("id") or "")), one.get("position")
        if item is not None:
            _changed(call, project, kind, item, one)
            item["position"] = number if position is None else position
        elif not one.get("entityId"):
            raise refused(400, "Entity ID is required in for new items")
        else:
            items.append(_item(call, project, kind, one) | {"position": len(items) if position is None else position})
    return sorted(items, key=lambda item: int(item["position"]))
