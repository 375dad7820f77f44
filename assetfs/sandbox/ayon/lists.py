"""Entity lists: playlists and review sessions, each of entities of one kind, in an order."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from assetfs.sandbox.ayon.attributes import packed
from assetfs.sandbox.ayon.context import Call, Reply, answered, done, moment, new_id
from assetfs.sandbox.ayon.errors import refused, violated
from assetfs.sandbox.ayon.models import KINDS, identity
from assetfs.sandbox.ayon.records import Project, find

Row = dict[str, Any]


def create(call: Call) -> Reply:
    """POST projects/{p}/lists."""
    project, given = call.project(call.params[0]), call.json()
    kind = given.get("entityType")
    if kind not in KINDS or not given.get("label"):
        raise refused(400, f"Invalid entity type: {kind}" if kind not in KINDS else "Label is required")
    now, list_id = moment(), identity(given["id"]) if given.get("id") else new_id()
    values = (
        list_id,
        given["label"],
        kind,
        given.get("entityListType") or "generic",
        given.get("owner") or call.user.name,
        int(given.get("active", True)),
        packed(given.get("tags") or []),
        packed(given.get("attrib") or {}),
        packed(given.get("data") or {}),
        now,
        now,
        call.user.name,
        call.user.name,
    )
    try:
        project.db.execute(
            "INSERT INTO list (id, label, entity_type, list_type, owner, active, tags, attrib, data, created_at,"
            " updated_at, created_by, updated_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
    except sqlite3.IntegrityError as error:
        message = f"EntityList with label '{given['label']}' already exists."
        raise violated("unique-violation", message) from error
    for number, item in enumerate(given.get("items") or []):
        _add(project, list_id, kind, {"position": number, **item})
    row = _wanted(project, list_id)
    _say(call, project, "created", row)
    return answered(_shown(project, row), 201)


def _wanted(project: Project, list_id: str) -> Row:
    row = project.db.execute("SELECT * FROM list WHERE id = ?", (list_id.replace("-", ""),)).fetchone()
    if row is None:
        raise refused(404, f"EntityList {list_id} not found")
    return dict(row)


def _items(project: Project, list_id: str) -> list[Row]:
    query = "SELECT * FROM list_item WHERE list_id = ? ORDER BY position, seq"
    return [dict(row) for row in project.db.execute(query, (list_id,))]


def _shown(project: Project, row: Row, *, items: bool = True) -> dict[str, Any]:
    found = _items(project, row["id"])
    shown = {
        "id": row["id"],
        "label": row["label"],
        "entityType": row["entity_type"],
        "entityListType": row["list_type"],
        "owner": row["owner"],
        "active": bool(row["active"]),
        "tags": json.loads(row["tags"]),
        "attrib": json.loads(row["attrib"]),
        "data": json.loads(row["data"]),
        "count": len(found),
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "createdBy": row["created_by"],
        "updatedBy": row["updated_by"],
    }
    if items:
        shown["items"] = [_shown_item(item) for item in found]
    return shown


def _shown_item(item: Row) -> dict[str, Any]:
    read = {key: json.loads(item[key]) for key in ("tags", "attrib", "data")}
    return {"id": item["id"], "entityId": item["entity_id"], "position": item["position"], **read}


def _add(project: Project, list_id: str, kind: str, given: dict[str, Any]) -> str:
    entity_id = identity(given.get("entityId") or given.get("entity_id"))
    if find(project, kind, entity_id) is None:
        raise refused(404, f"{kind.capitalize()} {entity_id} not found")
    item_id = identity(given["id"]) if given.get("id") else new_id()
    last = project.db.execute("SELECT coalesce(max(position) + 1, 0) FROM list_item WHERE list_id = ?", (list_id,))
    position = given.get("position")
    values = (
        item_id,
        entity_id,
        last.fetchone()[0] if position is None else position,
        list_id,
        *(packed(given.get(key) or empty) for key, empty in (("attrib", {}), ("data", {}), ("tags", []))),
    )
    project.db.execute(
        "INSERT INTO list_item (id, entity_id, position, list_id, attrib, data, tags) VALUES (?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    return item_id


def _say(call: Call, project: Project, what: str, row: Row, **more: Any) -> None:
    summary = {"id": row["id"], "entity_list_type": row["list_type"], "label": row["label"], **more}
    call.emit(f"entity_list.{what}", f"Entity list '{row['label']}' {what}", summary, project.name)


def get(call: Call) -> Reply:
    """GET projects/{p}/lists/{id}."""
    project = call.project(call.params[0])
    row = _wanted(project, call.params[1])
    return answered(_shown(project, row, items=not call.flag("metadata_only")))


def patch(call: Call) -> Reply:
    """PATCH projects/{p}/lists/{id}: fields; `items` replaces all of them."""
    project, given = call.project(call.params[0]), call.json()
    row = _wanted(project, call.params[1])
    for key in ("label", "owner", "active"):
        if given.get(key) is not None:
            row[key] = given[key]
    for key in ("tags", "attrib", "data"):
        if given.get(key) is not None:
            row[key] = packed({**json.loads(row[key]), **given[key]} if key != "tags" else given[key])
    names = ("label", "owner", "active", "tags", "attrib", "data")
    project.db.execute(
        f"UPDATE list SET {', '.join(f'{name} = ?' for name in names)}, updated_at = ?, updated_by = ? WHERE id = ?",
        (*(row[name] for name in names), moment(), call.user.name, row["id"]),
    )
    if given.get("items") is not None:
        _replace(project, row, given["items"])
    _say(call, project, "changed", row)
    return done()


def _replace(project: Project, row: Row, items: list[Any]) -> None:
    project.db.execute("DELETE FROM list_item WHERE list_id = ?", (row["id"],))
    for number, item in enumerate(items):
        _add(project, row["id"], row["entity_type"], {"position": number, **item})


def delete(call: Call) -> Reply:
    """DELETE projects/{p}/lists/{id}."""
    project = call.project(call.params[0])
    row = _wanted(project, call.params[1])
    project.db.execute("DELETE FROM list WHERE id = ?", (row["id"],))
    _say(call, project, "deleted", row)
    return done()


def entities(call: Call) -> Reply:
    """GET projects/{p}/lists/{id}/entities."""
    project = call.project(call.params[0])
    row = _wanted(project, call.params[1])
    ids = [item["entity_id"] for item in _items(project, row["id"])]
    return answered({"entityType": row["entity_type"], "entityIds": ids})


def add_item(call: Call) -> Reply:
    """POST projects/{p}/lists/{id}/items."""
    project = call.project(call.params[0])
    row = _wanted(project, call.params[1])
    item_id = _add(project, row["id"], row["entity_type"], call.json())
    _say(call, project, "items_changed", row)
    return answered({"id": item_id}, 201)


def delete_item(call: Call) -> Reply:
    """DELETE projects/{p}/lists/{id}/items/{item}."""
    project = call.project(call.params[0])
    row = _wanted(project, call.params[1])
    gone = project.db.execute(
        "DELETE FROM list_item WHERE list_id = ? AND id = ?", (row["id"], call.params[2].replace("-", ""))
    )
    if gone.rowcount == 0:
        raise refused(404, f"Item {call.params[2]} not found in list")
    _say(call, project, "items_changed", row)
    return done()


def change_items(call: Call) -> Reply:
    """PATCH projects/{p}/lists/{id}/items: replace all, merge by item id, or delete some."""
    project, given = call.project(call.params[0]), call.json()
    row, items = _wanted(project, call.params[1]), given.get("items") or []
    match given.get("mode", "replace"):
        case "replace":
            _replace(project, row, items)
        case "delete":
            for item in items:
                project.db.execute("DELETE FROM list_item WHERE list_id = ? AND id = ?", (row["id"], item.get("id")))
        case "merge":
            for item in items:
                project.db.execute("DELETE FROM list_item WHERE list_id = ? AND id = ?", (row["id"], item.get("id")))
                _add(project, row["id"], row["entity_type"], item)
        case mode:
            raise refused(400, f"Invalid mode: {mode}")
    _say(call, project, "items_changed", row)
    return done()


def change_item(call: Call) -> Reply:
    """PATCH projects/{p}/lists/{id}/items/{item}."""
    project, given = call.project(call.params[0]), call.json()
    row = _wanted(project, call.params[1])
    if given.get("position") is not None:
        project.db.execute("UPDATE list_item SET position = ? WHERE id = ?", (given["position"], call.params[2]))
    for key in ("attrib", "data", "tags"):
        if given.get(key) is not None:
            project.db.execute(f"UPDATE list_item SET {key} = ? WHERE id = ?", (packed(given[key]), call.params[2]))
    _say(call, project, "items_changed", row)
    return done()
