"""Finding entities by other means than lists: URIs, and representations by their context."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from assetfs.sandbox.ayon import access
from assetfs.sandbox.ayon.context import NAME, Call, Reply, answered
from assetfs.sandbox.ayon.errors import Complaint, Refused, refused
from assetfs.sandbox.ayon.graph.connections import VALUES
from assetfs.sandbox.ayon.models import KINDS
from assetfs.sandbox.ayon.records import Project, find
from assetfs.sandbox.ayon.system import site_of

MOST_ROWS = 1000  # of one URI
MOST_IDS = 100  # of a context filter
SCHEMES = ("ayon", "ayon+entity")
DEPTH = ("product", "version", "representation")  # what is asked for without a name stands for all
PARTS = (*DEPTH, "task", "workfile")


def uris(call: Call) -> Reply:
    """POST projects/{p}/uris: a negative version is printed as a number here, and not as the hero."""
    project, given = call.project(call.params[0]), call.fields("entityType", "ids")
    kind = given["entityType"]
    if kind not in KINDS:
        permitted = ", ".join(f"'{one}'" for one in KINDS)
        context = {"given": kind, "permitted": list(KINDS)}
        message = f"unexpected value; permitted: {permitted}"
        raise call.invalid(Complaint(("entityType",), message, "value_error.const", context))
    found = []
    for entity_id in given.get("ids") or []:
        row = find(project, kind, entity_id.replace("-", ""))
        if row is not None:
            found.append({"id": row["id"], "uri": _uri(project, kind, row)})
    return answered({"uris": found})


def _uri(project: Project, kind: str, row: dict[str, Any]) -> str:
    parts: list[str] = []
    if kind == "representation":
        parts.insert(0, f"representation={row['name']}")
        kind, row = "version", find(project, "version", row["version_id"]) or {}
    if kind == "version":
        parts.insert(0, f"version=v{row['version']:03d}")
        kind, row = "product", find(project, "product", row["product_id"]) or {}
    if kind == "workfile":
        parts.insert(0, f"workfile={row['path'].rpartition('/')[2]}")
        kind, row = "task", find(project, "task", row["task_id"]) or {}
    if kind in ("product", "task"):
        parts.insert(0, f"{kind}={row['name']}")
        row = find(project, "folder", row["folder_id"]) or {}
    return f"ayon+entity://{project.name}/{row['path']}" + (f"?{'&'.join(parts)}" if parts else "")


def resolve(call: Call) -> Reply:
    """POST resolve."""
    given = call.fields("uris")
    return answered([_resolved(call, uri, bool(given.get("resolveRoots"))) for uri in given["uris"]])


def _resolved(call: Call, uri: str, resolve_roots: bool) -> dict[str, Any]:
    try:
        entities = _entities(call, uri, resolve_roots)
    except Refused as refusal:
        return {"uri": uri, "entities": [], "error": refusal.detail}
    if call.flag("pathOnly"):
        entities = [{"filePath": entity.get("filePath")} for entity in entities]
    return {"uri": uri, "entities": [{k: v for k, v in e.items() if v is not None} for e in entities]}


def _entities(call: Call, uri: str, resolve_roots: bool) -> list[dict[str, Any]]:
    address = urlsplit(uri.partition(":SDF_FORMAT_ARGS")[0])
    if address.scheme not in SCHEMES:
        raise refused(400, f"Invalid scheme: {address.scheme}")
    path = address.path.strip("/")
    wanted = {name: values[0] for name, values in parse_qs(address.query).items() if name in PARTS}
    for what, name in (
        ("project name", address.netloc),
        *(("path element", part) for part in filter(None, path.split("/"))),
        *(("name", value) for value in wanted.values() if value != "*"),
    ):
        if not re.match(NAME, name):
            raise refused(400, f"Invalid {what}: {name}")
    if "task" in wanted or "workfile" in wanted:
        for name in ("product", "version", "representation"):
            if name in wanted:
                raise refused(400, f"Tasks and workfiles cannot be queried with {name}s")
    if not call.server.has_project(address.netloc):
        raise refused(404, f"Project {address.netloc} not found")
    project = call.project(address.netloc)
    access.check(call, project, "read")
    if not path and not wanted:
        return []
    part, values = ("path = ?", (path,)) if path else ("1", ())
    folders = project.db.execute(f"SELECT id FROM folder WHERE {part} ORDER BY seq", values).fetchall()
    rows: list[dict[str, Any]] = [
        {"projectName": project.name, "folderId": row["id"], "target": "folder"} for row in folders
    ]
    if "task" in wanted:
        rows = _deeper(project, rows, "task", "folderId", "folder_id", "name = ?", wanted["task"])
    if "workfile" in wanted:
        rows = _deeper(project, rows, "workfile", "taskId", "task_id", "path GLOB ?", f"*/{wanted['workfile']}")
    deepest = max((DEPTH.index(name) for name in DEPTH if name in wanted), default=-1)
    if deepest >= 0:
        name = wanted.get("product", "*")
        rows = _deeper(project, rows, "product", "folderId", "folder_id", "name GLOB ?", name)
    if deepest >= 1:
        numbers = _numbered(project, wanted.get("version", "*"))
        rows = _deeper(project, rows, "version", "productId", "product_id", *numbers)
    if deepest >= 2:
        name = wanted["representation"]
        rows = _deeper(project, rows, "representation", "versionId", "version_id", "name GLOB ?", name)
        rows = [{**row, "filePath": _path(call, project, row["representationId"], resolve_roots)} for row in rows]
    return rows[:MOST_ROWS]


def _deeper(
    project: Project, rows: list[dict[str, Any]], kind: str, key: str, column: str, condition: str, *values: Any
) -> list[dict[str, Any]]:
    query = f"SELECT id FROM {kind} WHERE {column} = ? AND {condition} ORDER BY seq"
    return [
        {**row, f"{kind}Id": found["id"], "target": kind}
        for row in rows
        for found in project.db.execute(query, (row[key], *values)).fetchall()
    ]


def _numbered(project: Project, version: str) -> tuple[Any, ...]:
    highest = (
        "version = (SELECT max(l.version) FROM version l WHERE l.product_id = version.product_id AND l.version >= 0"
    )
    match version.lower():
        case "*":
            return ("1",)
        case "hero":
            return ("version < 0",)
        case "latest":
            return (f"{highest})",)
        case "latestdone":
            return (f"{highest} AND l.status IN {VALUES})", json.dumps(project.done_statuses()))
    digits = re.fullmatch(r"v?(\d+)", version.lower())
    if digits is None:
        raise refused(400, f"Invalid version name: {version}")
    return ("version = ?", int(digits[1]))


def _path(call: Call, project: Project, entity_id: str, resolve_roots: bool) -> str | None:
    """The publish template filled with the context of the representation: not what its files say."""
    row = find(project, "representation", entity_id) or {}
    template, context = row["attrib"].get("template"), dict(row["data"].get("context") or {})
    if not template:
        return None
    platform = call.header("x-ayon-platform")
    site_id = site_of(call)
    if resolve_roots and site_id is not None:
        site = call.db.execute("SELECT data FROM site WHERE id = ?", (site_id,)).fetchone()
        platform = json.loads(site["data"])["platform"] if site else platform
    if resolve_roots and platform:
        context["root"] = project.roots(platform)
    else:
        context["root"] = {name: f"{{root[{name}]}}" for name in project.anatomy["config"]["roots"]}
    try:
        return str(template.format(**context))
    except (KeyError, IndexError, ValueError, AttributeError, TypeError):
        return None


def by_context(call: Call) -> Reply:
    """POST projects/{p}/repreContextFilter: regular expressions over what the context holds; 100 ids at most."""
    project, given = call.project(call.params[0]), call.fields()
    parts, values = ["1"], []
    for column, name in (("name", "names"), ("version_id", "versionIds")):
        if given.get(name):
            parts.append(f"{column} IN {VALUES}")
            values.append(json.dumps(given[name]))
    found = []
    query = f"SELECT id, data FROM representation WHERE {' AND '.join(parts)} ORDER BY seq"
    for row in project.db.execute(query, values):
        context = json.loads(row["data"]).get("context") or {}
        if all(_has(context, wanted) for wanted in given.get("context") or []):
            found.append(row["id"])
    return answered({"ids": found[:MOST_IDS]})


def _has(context: dict[str, Any], wanted: dict[str, Any]) -> bool:
    value: Any = context
    for part in str(wanted.get("key", "")).split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value is not None and any(re.search(pattern, str(value)) for pattern in wanted.get("values") or [])
