"""Finding entities by other means than lists: URIs, and representations by their context."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from assetfs.sandbox.ayon import access
from assetfs.sandbox.ayon.context import Call, Reply, answered
from assetfs.sandbox.ayon.errors import Refused, refused
from assetfs.sandbox.ayon.graph.connections import VALUES
from assetfs.sandbox.ayon.models import KINDS
from assetfs.sandbox.ayon.records import Project, find
from assetfs.sandbox.ayon.system import site_of

MOST_ROWS = 1000  # of one URI
MOST_IDS = 100  # of a context filter
SCHEMES = ("ayon", "ayon+entity")


def uris(call: Call) -> Reply:
    """POST projects/{p}/uris: a negative version is printed as a number here, and not as the hero."""
    project, given = call.project(call.params[0]), call.json()
    kind = given.get("entityType")
    if kind not in KINDS:
        raise refused(400, f"Invalid entity type: {kind}")
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
    given = call.json()
    return answered([_resolved(call, uri, bool(given.get("resolveRoots"))) for uri in given.get("uris") or []])


def _resolved(call: Call, uri: str, resolve_roots: bool) -> dict[str, Any]:
    try:
        entities = _entities(call, uri, resolve_roots)
    except Refused as refusal:
        return {"uri": uri, "entities": [], "error": refusal.detail}
    if call.flag("pathOnly"):
        entities = [{"filePath": e["filePath"]} for e in entities if e.get("filePath")]
    return {"uri": uri, "entities": entities}


def _entities(call: Call, uri: str, resolve_roots: bool) -> list[dict[str, Any]]:
    address = urlsplit(uri)
    if address.scheme not in SCHEMES or not address.netloc:
        raise refused(400, f"Invalid uri: {uri}")
    project = call.project(address.netloc)
    access.check(call, project, "read")
    wanted = {name: values[-1] for name, values in parse_qs(address.query).items()}
    path = address.path.strip("/")
    rows: list[dict[str, Any]] = [{"projectName": project.name, "target": "project"}]
    if path:
        found = project.db.execute("SELECT id FROM folder WHERE path = ?", (path,)).fetchall()
        rows = [{**rows[0], "folderId": row["id"], "target": "folder"} for row in found]
    if "task" in wanted:
        rows = _deeper(project, rows, "task", "folderId", "folder_id", "name = ?", wanted["task"])
    if "product" in wanted:
        rows = _deeper(project, rows, "product", "folderId", "folder_id", "name GLOB ?", wanted["product"])
    if "version" in wanted:
        rows = _deeper(project, rows, "version", "productId", "product_id", *_numbered(project, wanted["version"]))
    if "representation" in wanted:
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
    digits = re.fullmatch(r"v?(-?\d+)", version)
    if digits is None:
        raise refused(400, f"Invalid version: {version}")
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
    project, given = call.project(call.params[0]), call.json()
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
