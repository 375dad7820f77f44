"""Fields that are no entities: projects, users, links, activities, events, lists."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from graphql import GraphQLResolveInfo

from assetfs.sandbox.ayon import attributes
from assetfs.sandbox.ayon.context import Call
from assetfs.sandbox.ayon.graph.connections import VALUES, Page, connection, encoded, page
from assetfs.sandbox.ayon.records import PATHS, Project

Source = dict[str, Any]
Info = GraphQLResolveInfo[Any]


def pages(
    db: sqlite3.Connection,
    query: str,
    values: Sequence[Any],
    arguments: dict[str, Any],
    edge: Callable[[sqlite3.Row], Source],
) -> dict[str, Any]:
    """A connection over rows with a `seq`; `query` ends within its WHERE."""
    part: Page = page(arguments)
    more, way = ("<", "DESC") if part.descending else (">", "ASC")
    after = [] if part.after is None else [part.after[-1]]
    bound = f" AND seq {more} ?" if after else ""
    rows = db.execute(f"{query}{bound} ORDER BY seq {way} LIMIT ?", (*values, *after, part.size)).fetchall()
    return connection([{**edge(row), "cursor": encoded(row["seq"])} for row in rows], part)


def _in(column: str, given: list[Any] | None, parts: list[str], values: list[Any]) -> None:
    if given is not None:
        parts.append(f"{column} IN {VALUES}")
        values.append(json.dumps(given))


# Projects


def project_node(project: Project) -> Source:
    """A project's own fields."""
    anatomy = project.anatomy
    definitions = anatomy["config"].get("productBaseTypes", {}).get("definitions", [])
    return {
        "name": project.name,
        "projectName": project.name,
        "code": project.code,
        "label": project.label,
        "active": project.active,
        "library": project.library,
        "data": json.dumps(project.data),
        "attrib": project.effective,
        "allAttrib": attributes.packed(project.effective),
        "ownAttrib": list(project.own),
        "config": json.dumps(anatomy["config"]),
        **{name: anatomy[name] for name in ("folderTypes", "taskTypes", "statuses", "tags")},
        "linkTypes": [{**e, **e["data"], "data": json.dumps(e["data"])} for e in anatomy["linkTypes"]],
        "productTypes": definitions,
        "createdAt": project.created_at,
        "updatedAt": project.updated_at,
        "_project": project,
    }


def _projects(source: Any, info: Info, **arguments: Any) -> Any:
    call: Call = info.context
    parts: list[str] = ["1"]
    values: list[Any] = []
    for name in ("name", "code"):
        if arguments.get(name) is not None:
            parts.append(f"{name} = ?")
            values.append(arguments[name])
    query = f"SELECT * FROM (SELECT rowid AS seq, * FROM project) WHERE {' AND '.join(parts)}"
    found = pages(call.db, query, values, arguments, lambda row: {"name": row["name"]})
    groups = call.user.data.get("accessGroups") or {}
    shown = [edge for edge in found["edges"] if call.user.manager or groups.get(edge["name"])]
    found["edges"] = [{"cursor": edge["cursor"], "node": project_node(call.project(edge["name"]))} for edge in shown]
    return found


def _product_types(source: Any, info: Info) -> Any:
    call, found = info.context, set()
    for row in call.db.execute("SELECT name FROM project").fetchall():
        if call.user.manager or (call.user.data.get("accessGroups") or {}).get(row["name"]):
            query = "SELECT DISTINCT product_type FROM product"
            found |= {kind for (kind,) in call.project(row["name"]).db.execute(query)}
    return [{"name": name} for name in sorted(found)]


# Users


def user_node(call: Call, row: sqlite3.Row) -> Source:
    """A user, without hashes."""
    data, attrib = json.loads(row["data"]), json.loads(row["attrib"])
    service, admin = bool(data.get("isService")), bool(data.get("isAdmin"))
    return {
        "name": row["name"],
        "attrib": attrib,
        "allAttrib": attributes.packed(attrib),
        "active": bool(row["active"]),
        "isAdmin": admin,
        "isManager": admin or service or bool(data.get("isManager")),
        "isService": service,
        "isGuest": bool(data.get("isGuest")),
        "isDeveloper": bool(data.get("isDeveloper")),
        "hasPassword": row["password"] is not None,
        "apiKeyPreview": "****" if service else None,
        "accessGroups": json.dumps(data.get("accessGroups") or {}),
        "defaultAccessGroups": data.get("defaultAccessGroups") or [],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }


def _user(call: Call, name: str | None) -> Source | None:
    row = call.db.execute("SELECT * FROM user WHERE name = ?", (name,)).fetchone()
    return None if row is None else user_node(call, row)


def _users(source: Any, info: Info, **arguments: Any) -> Any:
    call: Call = info.context
    parts: list[str] = ["1"]
    values: list[Any] = []
    _in("name", arguments.get("names"), parts, values)
    _in("json_extract(attrib, '$.email')", arguments.get("emails"), parts, values)
    if arguments.get("projectName"):
        manager = (
            "json_extract(data, '$.isAdmin') OR json_extract(data, '$.isManager') OR json_extract(data, '$.isService')"
        )
        parts.append(f"({manager} OR EXISTS (SELECT 1 FROM json_each(data, '$.accessGroups') g WHERE g.key = ?))")
        values.append(arguments["projectName"])
    query = f"SELECT * FROM (SELECT rowid AS seq, * FROM user) WHERE {' AND '.join(parts)}"
    return pages(call.db, query, values, arguments, lambda row: {"node": user_node(call, row)})


# Links


def links(source: Source, info: Info, **arguments: Any) -> Any:
    """The links of an entity, seen from it: `out` where it is the input."""
    project: Project = source["_project"]
    own = source["_row"]["id"]
    wanted = arguments.get("direction")
    sides = {"out": "input_id = :own", "in": "output_id = :own"}
    side = sides.get(wanted or "", f"({sides['out']} OR {sides['in']})")
    found = []
    for row in project.db.execute(f"SELECT * FROM link WHERE {side} ORDER BY seq", {"own": own}).fetchall():
        if _fits(row, arguments):
            directions = [d for d in ("out", "in") if row[f"{'input' if d == 'out' else 'output'}_id"] == own]
            direction = wanted if wanted in directions else directions[0]
            found.append(_link(project, row, direction))
    part = page(arguments)
    if part.descending:
        found.reverse()
    if part.after is not None:
        after = encoded(*part.after)
        position = next((n for n, edge in enumerate(found) if edge["cursor"] == after), len(found))
        found = found[position + 1 :]
    return connection(found[: part.size], part)


def _fits(row: sqlite3.Row, arguments: dict[str, Any]) -> bool:
    types, names, regex = (arguments.get(name) for name in ("linkTypes", "names", "nameEx"))
    return (
        (types is None or row["link_type"].split("|")[0] in types)
        and (names is None or row["name"] in names)
        and (regex is None or re.search(regex, row["name"] or "") is not None)
    )


def _link(project: Project, row: sqlite3.Row, direction: str) -> Source:
    other = "output" if direction == "out" else "input"
    name = row["link_type"].split("|")[0]
    return {
        "id": row["id"],
        "direction": direction,
        "linkType": name,
        "entityType": row[f"{other}_type"],
        "entityId": row[f"{other}_id"],
        "name": row["name"],
        "author": row["author"],
        "description": f"{name} link with input {row['input_type']} and output {row['output_type']}",
        "data": row["data"],
        "projectName": project.name,
        "cursor": encoded(row["seq"]),
        "_project": project,
    }


# Activities


def activities(source: Source, info: Info, **arguments: Any) -> Any:
    """The activities of a project, or of one entity."""
    project: Project = source["_project"]
    parts: list[str] = ["1"]
    values: list[Any] = []
    if "_row" in source:
        _in("entity_id", [source["_row"]["id"]], parts, values)
    for column, name in (
        ("entity_id", "entityIds"),
        ("type", "activityTypes"),
        ("id", "activityIds"),
        ("author", "authors"),
    ):
        _in(column, arguments.get(name), parts, values)
    if arguments.get("entityType"):
        parts.append("entity_type = ?")
        values.append(arguments["entityType"])
    if arguments.get("referenceTypes") is not None and "origin" not in arguments["referenceTypes"]:
        parts.append("0")
    if arguments.get("tags") is not None:
        parts.append(f"EXISTS (SELECT 1 FROM json_each(tags) h WHERE h.value IN {VALUES})")
        values.append(json.dumps(arguments["tags"]))
    for name, sign in (("changedAfter", ">"), ("changedBefore", "<")):
        if arguments.get(name):
            parts.append(f"julianday(updated_at) {sign} julianday(?)")
            values.append(arguments[name])
    query = f"SELECT * FROM activity WHERE {' AND '.join(parts)}"
    found = pages(project.db, query, values, arguments, lambda row: {"node": _activity(info.context, project, row)})
    names = arguments.get("entityNames")
    if names is not None:
        found["edges"] = [edge for edge in found["edges"] if edge["node"]["entityName"] in names]
    return found


def _activity(call: Call, project: Project, row: sqlite3.Row) -> Source:
    tables, path = PATHS[row["entity_type"]]
    entity = project.db.execute(f"SELECT {path} FROM {tables} WHERE e.id = ?", (row["entity_id"],)).fetchone()
    where = str(entity[0]) if entity else ""
    name = where.rpartition("/")[2]
    data = json.loads(row["data"])
    origin = {"id": row["entity_id"], "type": row["entity_type"], "name": name, "label": None}
    return {
        "projectName": project.name,
        "activityId": row["id"],
        "activityType": row["type"],
        "referenceId": row["id"],
        "referenceType": "origin",
        "entityType": row["entity_type"],
        "entityId": row["entity_id"],
        "entityName": name,
        "entityPath": where.strip("/"),
        "body": row["body"],
        "tags": json.loads(row["tags"]),
        "activityData": json.dumps({**data, "origin": origin}),
        "author": _user(call, row["author"]),
        "origin": origin,
        "read": False,
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "files": [
            {"id": f["id"], "name": f["filename"], "size": str(f["size"]), "mime": f["mime"], "author": row["author"]}
            for f in data.get("files") or []
        ],
    }


# Events


def _events(source: Any, info: Info, **arguments: Any) -> Any:
    call: Call = info.context
    parts: list[str] = ["1"]
    values: list[Any] = []
    if not call.user.manager:
        _in("user", [call.user.name], parts, values)
    for column, name in (("id", "ids"), ("project", "projects"), ("user", "users")):
        _in(column, arguments.get(name), parts, values)
    _in("json_extract(document, '$.status')", arguments.get("states") or arguments.get("statuses"), parts, values)
    if arguments.get("topics") is not None:
        parts.append(f"({' OR '.join(['topic GLOB ?'] * len(arguments['topics'])) or '0'})")
        values += arguments["topics"]
    for name, sign in (("newerThan", ">"), ("olderThan", "<")):
        if arguments.get(name):
            parts.append(f"julianday(updated_at) {sign} julianday(?)")
            values.append(arguments[name])
    query = f"SELECT * FROM event WHERE {' AND '.join(parts)}"
    return pages(call.db, query, values, arguments, lambda row: {"node": _event(row)})


def _event(row: sqlite3.Row) -> Source:
    event = json.loads(row["document"])
    return {
        **event,
        "hash": event.get("hash") or event["id"],
        "summary": json.dumps(event["summary"]),
        "payload": json.dumps(event["payload"]) if event.get("payload") else None,
        "retries": 0,
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }


# Lists


def _list(project: Project, row: sqlite3.Row) -> Source:
    count = project.db.execute("SELECT count(*) FROM list_item WHERE list_id = ?", (row["id"],)).fetchone()[0]
    return {
        "id": row["id"],
        "label": row["label"],
        "entityType": row["entity_type"],
        "entityListType": row["list_type"],
        "count": count,
        "active": bool(row["active"]),
        "owner": row["owner"],
        "tags": json.loads(row["tags"]),
        "data": row["data"],
        "attributes": "[]",
        "allAttrib": row["attrib"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "createdBy": row["created_by"],
        "updatedBy": row["updated_by"],
        "_project": project,
    }


def _lists(source: Source, info: Info, **arguments: Any) -> Any:
    project: Project = source["_project"]
    parts: list[str] = ["1"]
    values: list[Any] = []
    _in("id", arguments.get("ids"), parts, values)
    query = f"SELECT * FROM list WHERE {' AND '.join(parts)}"
    return pages(project.db, query, values, arguments, lambda row: {"node": _list(project, row)})


def _one_list(source: Source, info: Info, id: str) -> Any:  # noqa: A002
    project: Project = source["_project"]
    row = project.db.execute("SELECT * FROM list WHERE id = ?", (id.replace("-", ""),)).fetchone()
    return None if row is None else _list(project, row)


def _items(source: Source, info: Info, **arguments: Any) -> Any:
    project, kind = source["_project"], source["entityType"]
    tables, path = PATHS[kind]

    def edge(row: sqlite3.Row) -> Source:
        entity = project.db.execute(f"SELECT {path} FROM {tables} WHERE e.id = ?", (row["entity_id"],)).fetchone()
        folder = "/".join(str(entity[0]).strip("/").split("/")[: -PLACES[kind] or None]) if entity else None
        return {
            "id": row["id"],
            "entityId": row["entity_id"],
            "entityType": kind,
            "position": row["position"],
            "folderPath": folder,
            "projectName": project.name,
            "tags": json.loads(row["tags"]),
            "data": row["data"],
            "allAttrib": row["attrib"],
            "_project": project,
        }

    query = (
        "SELECT * FROM (SELECT position * 1000000 + seq AS seq, id, entity_id, position, list_id, attrib, data, tags"
    )
    query += " FROM list_item) WHERE list_id = ?"
    return pages(project.db, query, [source["id"]], arguments, edge)


PLACES = {"folder": 0, "task": 1, "product": 1, "version": 2, "representation": 3, "workfile": 0}  # below the folder
RESOLVERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("Query", "projects"): _projects,
    ("Query", "productTypes"): _product_types,
    ("Query", "users"): _users,
    ("Query", "user"): lambda source, info, name: _user(info.context, name),
    ("Query", "me"): lambda source, info: _user(info.context, info.context.user.name),
    ("Query", "events"): _events,
    ("ProjectNode", "activities"): activities,
    ("ProjectNode", "entityLists"): _lists,
    ("ProjectNode", "entityList"): _one_list,
    ("EntityListNode", "items"): _items,
}
