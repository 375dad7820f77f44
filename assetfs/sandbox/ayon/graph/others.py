"""Fields that are no entities: projects, users, links, activities, events."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from graphql import GraphQLResolveInfo

from assetfs.sandbox.ayon import attributes
from assetfs.sandbox.ayon.context import Call
from assetfs.sandbox.ayon.graph.connections import VALUES, Page, connection, encoded, names_of, page
from assetfs.sandbox.ayon.models import KINDS
from assetfs.sandbox.ayon.records import PATHS, Project

Source = dict[str, Any]
Info = GraphQLResolveInfo[Any]


def pages(
    db: sqlite3.Connection,
    query: str,
    values: Sequence[Any],
    arguments: dict[str, Any],
    edge: Callable[[sqlite3.Row], Source],
    key: str = "seq",
) -> dict[str, Any]:
    """A connection over rows, in the order of a key; `query` ends within its WHERE."""
    part: Page = page(arguments)
    more, way = ("<", "DESC") if part.descending else (">", "ASC")
    after = [] if part.after is None else [part.after[-1]]
    bound = f" AND {key} {more} ?" if after else ""
    rows = db.execute(f"{query}{bound} ORDER BY {key} {way} LIMIT ?", (*values, *after, part.size)).fetchall()
    return connection([{**edge(row), "cursor": encoded(row[key])} for row in rows], part)


def _in(column: str, given: list[Any] | None, parts: list[str], values: list[Any]) -> None:
    if given is not None:
        parts.append(f"{column} IN {VALUES}")
        values.append(json.dumps(given))


# Projects


BASE_TYPES = "SELECT DISTINCT product_base_type FROM product WHERE product_base_type NOTNULL ORDER BY 1"
USED_TAGS = "SELECT DISTINCT value FROM {kind}, json_each(tags)"


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
        "productBaseTypes": [{"name": name} for (name,) in project.db.execute(BASE_TYPES)],
        "usedTags": sorted({tag for kind in KINDS for (tag,) in project.db.execute(USED_TAGS.format(kind=kind))}),
        "bundle": project.data.get("bundle") or {},
        "thumbnail": {"id": project.data["thumbnailId"]} if project.data.get("thumbnailId") else None,
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


ACTIVE = {
    "folderTypes": "SELECT folder_type FROM folder",
    "taskTypes": "SELECT task_type FROM task",
    "linkTypes": "SELECT link_type FROM link",
}


def _types(part: str, used: str, source: Source, info: Info, activeOnly: bool = False) -> Any:  # noqa: N803
    """A part of the anatomy; what is not in use left out, if that is asked."""
    names = {row[0] for row in source["_project"].db.execute(used)} if activeOnly else set()
    return [entry for entry in source[part] if not activeOnly or entry["name"] in names]


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
        ("json_extract(data, '$.category')", "categories"),
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
    if arguments.get("tags"):
        missing = "SELECT 1 FROM json_each(?) w WHERE w.value NOT IN (SELECT value FROM json_each(tags))"
        parts.append(f"NOT EXISTS ({missing})")
        values.append(names_of(arguments["tags"]))
    if arguments.get("entityNames") is not None:
        parts.append(f"entity_id IN ({' UNION '.join(NAMED)})")
        values += [names_of(arguments["entityNames"])] * len(NAMED)
    for name, sign in (("changedAfter", ">"), ("changedBefore", "<")):
        if arguments.get(name):
            parts.append(f"julianday(updated_at) {sign} julianday(?)")
            values.append(arguments[name])
    query = f"SELECT * FROM activity WHERE {' AND '.join(parts)}"
    return pages(project.db, query, values, arguments, lambda row: {"node": _activity(info.context, project, row)})


NAMED = [f"SELECT id FROM {kind} WHERE name IN {VALUES}" for kind in ("folder", "task", "product", "representation")]
NAMED += [f"SELECT id FROM version WHERE version_name(version) IN {VALUES}"]
NAMED += [f"SELECT id FROM workfile WHERE base_name(path) IN {VALUES}"]
SUBTYPES = {"folder": "folder_type", "task": "task_type", "product": "product_type"}
LABELLED = ("folder", "task")


def _activity(call: Call, project: Project, row: sqlite3.Row) -> Source:
    tables, path = PATHS[row["entity_type"]]
    kind = row["entity_type"]
    query = f"SELECT {path} AS full_path, e.* FROM {tables} WHERE e.id = ?"
    entity = project.db.execute(query, (row["entity_id"],)).fetchone()
    where = str(entity["full_path"]) if entity else ""
    name = where.rpartition("/")[2]
    data = json.loads(row["data"])
    origin = {"type": kind, "id": row["entity_id"], "name": name}
    if entity and kind in SUBTYPES:
        origin["subtype"] = entity[SUBTYPES[kind]]
    if entity and kind in LABELLED:
        origin["label"] = entity["label"]
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
        "referenceData": "{}",
        "active": True,
        "creationOrder": row["seq"],
        "parents": [],
        "reactions": [],
        "assignee": _user(call, data.get("assignee")),
        "author": _user(call, row["author"]),
        "origin": origin | {"link": f"[{name}]({kind}:{row['entity_id']})"},
        "read": False,
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "files": [
            {"id": f["id"], "name": f["filename"], "size": str(f["size"]), "mime": f["mime"], "author": row["author"]}
            for f in data.get("files") or []
        ],
    }


# Events

SHORTEST = 3  # letters of a word that is looked for


def _events(source: Any, info: Info, **arguments: Any) -> Any:
    call: Call = info.context
    parts: list[str] = ["1"]
    values: list[Any] = []
    if arguments.get("ids") is None and not call.user.manager:
        arguments["users"] = [call.user.name]
    if arguments.get("topics") is None and not arguments.get("includeLogs"):
        parts.append("topic NOT GLOB 'log.*'")
    if arguments.get("hasChildren") is not None:
        above = "json_extract(c.document, '$.dependsOn') = event.id"
        parts.append(f"{'' if arguments['hasChildren'] else 'NOT '}EXISTS (SELECT 1 FROM event c WHERE {above})")
    for word in (arguments.get("filter") or "").lower().split():
        if len(word) >= SHORTEST:
            text = "topic || ' ' || coalesce(project, '') || ' ' || coalesce(user, '')"
            parts.append(f"instr(lower({text} || ' ' || json_extract(document, '$.description')), ?)")
            values.append(word)
    for column, name in (("id", "ids"), ("project", "projects"), ("user", "users")):
        _in(column, arguments.get(name), parts, values)
    _in("json_extract(document, '$.status')", arguments.get("states") or arguments.get("statuses"), parts, values)
    if arguments.get("topics") is not None:
        parts.append(f"({' OR '.join(['topic GLOB ?'] * len(arguments['topics'])) or '0'})")
        values += arguments["topics"]
    for name, sign in (("newerThan", ">"), ("olderThan", "<")):
        if arguments.get(name):
            parts.append(f"julianday(created_at) {sign} julianday(?)")
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


RESOLVERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("Query", "projects"): _projects,
    ("Query", "productTypes"): _product_types,
    ("Query", "users"): _users,
    ("Query", "user"): lambda source, info, name: _user(info.context, name),
    ("Query", "inbox"): lambda source, info, **arguments: connection([], page(arguments)),  # nobody writes to anybody
    ("Query", "me"): lambda source, info: _user(info.context, info.context.user.name),
    ("Query", "events"): _events,
    ("ProjectNode", "activities"): activities,
    **{("ProjectNode", part): partial(_types, part, column) for part, column in ACTIVE.items()},
}
