"""Entity lists and what is in them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from assetfs.sandbox.ayon import attributes
from assetfs.sandbox.ayon.graph.connections import VALUES
from assetfs.sandbox.ayon.graph.others import Info, Source, pages
from assetfs.sandbox.ayon.lists import LEVELS
from assetfs.sandbox.ayon.records import Project, effective, find


def _list(project: Project, row: sqlite3.Row) -> Source:
    data = json.loads(row["data"])
    return {
        "projectName": project.name,
        "id": row["id"],
        "label": row["label"],
        "entityType": row["entity_type"],
        "entityListType": row["list_type"],
        "entityListFolderId": row["folder_id"],
        "access": row["access"],
        "accessLevel": LEVELS["manage"],
        "count": data.get("count", 0),
        "active": bool(row["active"]),
        "owner": row["owner"],
        "tags": json.loads(row["tags"]),
        "data": row["data"],
        "attributes": json.dumps(data.get("attributes") or []),
        "allAttrib": row["attrib"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "createdBy": row["created_by"],
        "updatedBy": row["updated_by"],
        "_project": project,
    }


def _lists(source: Source, info: Info, **arguments: Any) -> Any:
    project: Project = source["_project"]
    ids = arguments.get("ids")
    part, values = ("1", []) if ids is None else (f"id IN {VALUES}", [json.dumps(ids)])
    query = f"SELECT * FROM list WHERE {part}"
    return pages(project.db, query, values, arguments, lambda row: {"node": _list(project, row)})


def _one_list(source: Source, info: Info, id: str) -> Any:  # noqa: A002
    project: Project = source["_project"]
    row = project.db.execute("SELECT * FROM list WHERE id = ?", (id.replace("-", ""),)).fetchone()
    return None if row is None else _list(project, row)


def _items(source: Source, info: Info, **arguments: Any) -> Any:
    project: Project = source["_project"]
    kind = source["entityType"]

    def edge(row: sqlite3.Row) -> Source:
        entity = find(project, kind, row["entity_id"])
        values = effective(project, kind, entity) if entity else {}
        own = json.loads(row["attrib"])
        return {
            "id": row["id"],
            "entityId": row["entity_id"],
            "entityType": kind,
            "position": row["position"],
            "folderPath": row["folder_path"],
            "projectName": project.name,
            "tags": json.loads(row["tags"]),
            "data": row["data"],
            "attrib": "{}",
            "ownAttrib": [],
            "allAttrib": attributes.packed(values | own),
            "createdAt": row["created_at"],
            "updatedAt": row["updated_at"],
            "createdBy": row["created_by"],
            "updatedBy": row["updated_by"],
            "_project": project,
        }

    query = "SELECT * FROM (SELECT i.*, position AS place FROM list_item i) WHERE list_id = ?"
    return pages(project.db, query, [source["id"]], arguments, edge, "position")


RESOLVERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("ProjectNode", "entityLists"): _lists,
    ("ProjectNode", "entityList"): _one_list,
    ("EntityListNode", "items"): _items,
}
