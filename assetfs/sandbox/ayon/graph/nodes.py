"""Nodes of entities: a mapping with just the fields that a query selects, in the order in which it selects them.

What a row does not say itself is looked up for all rows of a page at once.
"""

from __future__ import annotations

import json
import os.path
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from assetfs.sandbox.ayon import attributes
from assetfs.sandbox.ayon.context import Call
from assetfs.sandbox.ayon.errors import refused
from assetfs.sandbox.ayon.graph.connections import PATH, SORTS, TABLES, VALUES, Page, chosen, connection, encoded, page
from assetfs.sandbox.ayon.records import Project, base_name, version_name

Node = dict[str, Any]
EXTRA = {
    "representation": ", v.version AS number",
    "task": ", f.effective AS above",
    "workfile": ", f.path AS folder_path, t.name AS task_name",
}


def listing(
    call: Call, project: Project, kind: str, arguments: dict[str, Any], wanted: Sequence[str]
) -> dict[str, Any]:
    """A connection of entities, each node with the `wanted` fields."""
    part, where = page(arguments), chosen(project, kind, arguments)
    if where.nothing:
        return connection([], part)
    keys = ["e.seq"]
    if (sort := arguments.get("sortBy")) is not None:
        if sort not in SORTS:
            raise refused(400, f"Invalid sort_by value: {sort}")
        keys.insert(0, SORTS[sort])
    _from_cursor(where.parts, where.values, keys, part)
    way = "DESC" if part.descending else "ASC"
    order = ", ".join(f"{key} {way}" for key in keys)
    condition = " AND ".join(where.parts) or "1"
    sorts = f", {keys[0]} AS sort_key" if len(keys) > 1 else ""
    query = (
        f"SELECT e.*, {PATH[kind]} AS full_path{EXTRA.get(kind, '')}{sorts} FROM {TABLES[kind]}"
        f" WHERE {condition} ORDER BY {order} LIMIT ?"
    )
    rows = project.db.execute(query, (*where.values, part.size)).fetchall()
    cursors = [encoded(row["sort_key"], row["seq"]) if sorts else encoded(row["seq"]) for row in rows]
    nodes = build(call, project, kind, rows, wanted)
    edges = [{"cursor": cursor, "node": node} for cursor, node in zip(cursors, nodes, strict=True)]
    return connection(edges, part)


def _from_cursor(parts: list[str], values: list[Any], keys: list[str], part: Page) -> None:
    if part.after is None:
        return
    if len(part.after) != len(keys):
        raise refused(400, "Invalid cursor")
    parts.append(f"({', '.join(keys)}) {'<' if part.descending else '>'} ({', '.join('?' * len(keys))})")
    values += part.after


def one(call: Call, project: Project, kind: str, entity_id: str | None, wanted: Sequence[str]) -> Node | None:
    """One entity, or None."""
    if entity_id is None:
        return None
    memo = (project.name, kind, entity_id, tuple(wanted))
    if memo not in call.memo:
        query = f"SELECT e.*, {PATH[kind]} AS full_path{EXTRA.get(kind, '')} FROM {TABLES[kind]} WHERE e.id = ?"
        rows = project.db.execute(query, (entity_id,)).fetchall()
        call.memo[memo] = build(call, project, kind, rows, wanted)[0] if rows else None
    found: Node | None = call.memo[memo]
    return found


def build(call: Call, project: Project, kind: str, rows: Sequence[sqlite3.Row], wanted: Sequence[str]) -> list[Node]:
    """Nodes of rows. Fields that have a resolver of their own find what they need under `_row`."""
    getters = COMMON | OWN[kind]
    plain = [(name, getters[name]) for name in dict.fromkeys(wanted) if name in getters]
    looked = [
        (name, DERIVED[kind][name](project, rows))
        for name in dict.fromkeys(wanted)
        if name in DERIVED[kind] and not (name == "childCount" and "hasChildren" not in wanted)
    ]
    spoilt = _spoils(list(dict.fromkeys(wanted)))
    nodes = []
    for row in rows:
        node: Node = {name: get(row) for name, get in plain}
        for name, values in looked:
            node[name] = values(row)
        node |= {"projectName": project.name, "entityType": kind, "_row": row, "_project": project}
        if "childCount" in wanted and "childCount" not in node:
            node["childCount"] = 0
        if "allAttrib" in wanted or "attrib" in wanted:
            node["attrib"] = effective(kind, row)
            node["allAttrib"] = attributes.packed(node["attrib"])
            if spoilt:
                node["ownAttrib"] = list(node["attrib"])
        nodes.append(node)
    return nodes


def _spoils(wanted: list[str]) -> bool:
    """Whether effective values are selected before `ownAttrib`, which they then write themselves into."""
    if "ownAttrib" not in wanted:
        return False
    before = wanted[: wanted.index("ownAttrib")]
    return "allAttrib" in before or "attrib" in before


def effective(kind: str, row: sqlite3.Row) -> dict[str, Any]:
    """The values of an entity's attributes."""
    if kind == "folder":
        return dict(json.loads(row["effective"]))
    own = json.loads(row["attrib"])
    return attributes.inherited(json.loads(row["above"]), own) if kind == "task" else attributes.ordered(own)


# Fields that a row has

Get = Callable[[sqlite3.Row], Any]


def _column(name: str) -> Get:
    return lambda row: row[name]


def _json(name: str) -> Get:
    return lambda row: json.loads(row[name])


def _thumbnail_hash(row: sqlite3.Row) -> str:
    found = json.loads(row["data"]).get("thumbnailHash")
    return str(found) if found else str(row["id"])[-6:]


def _file(file: dict[str, Any]) -> dict[str, Any]:
    path = str(file["path"])
    return {
        "id": file["id"],
        "name": file["name"] if "name" in file else os.path.splitext(base_name(path))[0],
        "path": path,
        "hash": file.get("hash"),
        "hashType": file.get("hashType") or "md5",
        "size": str(file.get("size", 0)),
    }


def _context(row: sqlite3.Row) -> str | None:
    context = json.loads(row["data"]).get("context")
    return attributes.packed(context) if context else None


COMMON: dict[str, Get] = {
    "id": _column("id"),
    "status": _column("status"),
    "active": lambda row: bool(row["active"]),
    "tags": _json("tags"),
    "data": lambda row: row["data"] if row["data"] != "{}" else None,
    "createdAt": _column("created_at"),
    "updatedAt": _column("updated_at"),
    "createdBy": _column("created_by"),
    "updatedBy": _column("updated_by"),
    "path": _column("full_path"),
    "parents": lambda row: str(row["full_path"]).strip("/").split("/")[:-1],
}
NAMED: dict[str, Get] = {"name": _column("name")}
LABELLED: dict[str, Get] = {
    **NAMED,
    "label": _column("label"),
    "ownAttrib": lambda row: list(json.loads(row["attrib"])),
}
PICTURED: dict[str, Get] = {
    "thumbnailId": _column("thumbnail_id"),
    "thumbnailHash": _thumbnail_hash,
    "thumbnail": lambda row: {"id": row["thumbnail_id"]} if row["thumbnail_id"] else None,
}
OWN: dict[str, dict[str, Get]] = {
    "folder": {**LABELLED, **PICTURED, "folderType": _column("folder_type"), "parentId": _column("parent_id")},
    "task": {
        **LABELLED,
        **PICTURED,
        "taskType": _column("task_type"),
        "folderId": _column("folder_id"),
        "assignees": _json("assignees"),
        "subtasks": lambda row: json.loads(row["data"]).get("subtasks") or [],
    },
    "product": {
        **NAMED,
        "productType": _column("product_type"),
        "productBaseType": _column("product_base_type"),
        "folderId": _column("folder_id"),
    },
    "version": {
        **PICTURED,
        "name": lambda row: version_name(row["version"]),
        "version": _column("version"),
        "productId": _column("product_id"),
        "taskId": _column("task_id"),
        "author": _column("author"),
    },
    "representation": {
        **NAMED,
        "versionId": _column("version_id"),
        "context": _context,
        "traits": _column("traits"),
        "fileCount": lambda row: len(json.loads(row["files"])),
        "files": lambda row: [_file(file) for file in json.loads(row["files"])],
        "path": lambda row: str(row["full_path"]).replace("/HERO/", f"/v{row['number']:03d}/"),
    },
    "workfile": {
        **PICTURED,
        "name": lambda row: base_name(row["path"]),
        "path": _column("path"),
        "taskId": _column("task_id"),
        "parents": lambda row: [*row["folder_path"].split("/")[:-1], row["task_name"]],
    },
}

# Fields that are looked up for a page at once

Lookup = Callable[[Project, Sequence[sqlite3.Row]], Get]


def _keys(rows: Iterable[sqlite3.Row], column: str = "id") -> str:
    return json.dumps([row[column] for row in rows])


def _counted(table: str, column: str, as_type: Callable[[int], Any]) -> Lookup:
    def look(project: Project, rows: Sequence[sqlite3.Row]) -> Get:
        query = f"SELECT {column}, count(*) FROM {table} WHERE {column} IN {VALUES} GROUP BY 1"
        counts = dict(map(tuple, project.db.execute(query, (_keys(rows),))))
        return lambda row: as_type(counts.get(row["id"], 0))

    return look


def _folders_with(query: str) -> Lookup:
    """Whether anything that a query finds paths of folders of is in a folder or below it."""

    def look(project: Project, rows: Sequence[sqlite3.Row]) -> Get:
        found: set[str] = set()
        for (path,) in project.db.execute(query):
            while path and path not in found:
                found.add(path)
                path = path.rpartition("/")[0]
        return lambda row: row["path"] in found

    return look


def _directly(query: str) -> Lookup:
    """Whether a query finds a row's id."""

    def look(project: Project, rows: Sequence[sqlite3.Row]) -> Get:
        found = {row[0] for row in project.db.execute(query)}
        return lambda row: row["id"] in found

    return look


def _version_list(project: Project, rows: Sequence[sqlite3.Row]) -> Get:
    query = f"SELECT id, version, product_id FROM version WHERE product_id IN {VALUES} ORDER BY version"
    found: dict[str, list[dict[str, Any]]] = {}
    for row in project.db.execute(query, (_keys(rows),)):
        entry = {"id": row["id"], "version": row["version"], "name": version_name(row["version"])}
        found.setdefault(row["product_id"], []).append(entry)
    return lambda row: found.get(row["id"], [])


def _per_product(query: str) -> Callable[[Project, Sequence[sqlite3.Row]], dict[str, Any]]:
    return lambda project, rows: dict(
        map(
            tuple,
            project.db.execute(query, {"ids": _keys(rows, "product_id"), "done": json.dumps(project.done_statuses())}),
        )
    )


_OF = "FROM version WHERE product_id IN (SELECT value FROM json_each(:ids))"
_latest = _per_product(f"SELECT product_id, max(version) {_OF} AND version >= 0 GROUP BY 1")
_latest_done = _per_product(
    f"SELECT product_id, max(version) {_OF} AND version >= 0"
    " AND status IN (SELECT value FROM json_each(:done)) GROUP BY 1"
)
_heroes = _per_product(f"SELECT product_id, id || ' ' || -version {_OF} AND version < 0")


def _is_in(numbers: Callable[[Project, Sequence[sqlite3.Row]], dict[str, Any]]) -> Lookup:
    def look(project: Project, rows: Sequence[sqlite3.Row]) -> Get:
        found = numbers(project, rows)
        return lambda row: row["version"] >= 0 and found.get(row["product_id"]) == row["version"]

    return look


def _hero(project: Project, rows: Sequence[sqlite3.Row]) -> Get:
    heroes = {product: found.split() for product, found in _heroes(project, rows).items()}

    def get(row: sqlite3.Row) -> str | None:
        hero_id, number = heroes.get(row["product_id"], ("", "-1"))
        return hero_id if row["version"] >= 0 and int(number) == row["version"] else None

    return get


def _featured(project: Project, rows: Sequence[sqlite3.Row]) -> Get:
    done, latest = _is_in(_latest_done)(project, rows), _is_in(_latest)(project, rows)
    return lambda row: (
        "hero" if row["version"] < 0 else "latestDone" if done(row) else "latest" if latest(row) else None
    )


def _reviewed(project: Project, rows: Sequence[sqlite3.Row]) -> Get:
    query = f"SELECT DISTINCT entity_id FROM activity WHERE type = 'reviewable' AND entity_id IN {VALUES}"
    found = {row[0] for row in project.db.execute(query, (_keys(rows),))}
    return lambda row: row["id"] in found


_FOLDERS = "FROM version v JOIN product p ON p.id = v.product_id JOIN folder f ON f.id = p.folder_id"
DERIVED: dict[str, dict[str, Lookup]] = {
    "folder": {
        "hasChildren": _counted("folder", "parent_id", bool),
        "hasTasks": _counted("task", "folder_id", bool),
        "hasProducts": _counted("product", "folder_id", bool),
        "childCount": _counted("folder", "parent_id", int),
        "taskCount": _counted("task", "folder_id", int),
        "productCount": _counted("product", "folder_id", int),
        "hasVersions": _folders_with(f"SELECT DISTINCT f.path {_FOLDERS}"),
        "hasReviewables": _directly(
            f"SELECT DISTINCT f.id {_FOLDERS} JOIN activity a ON a.entity_id = v.id WHERE a.type = 'reviewable'"
        ),
    },
    "task": {
        "hasReviewables": _directly(
            "SELECT DISTINCT v.task_id FROM version v JOIN activity a ON a.entity_id = v.id WHERE a.type = 'reviewable'"
        )
    },
    "product": {"versionList": _version_list},
    "version": {
        "isLatest": _is_in(_latest),
        "isLatestDone": _is_in(_latest_done),
        "heroVersionId": _hero,
        "featuredVersionType": _featured,
        "hasReviewables": _reviewed,
    },
    "representation": {},
    "workfile": {},
}
