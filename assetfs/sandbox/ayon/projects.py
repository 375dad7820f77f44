"""Endpoints about projects: what there is, anatomy, roots, and the two trees of folders."""

from __future__ import annotations

import json
from typing import Any

from assetfs.sandbox.ayon import access, anatomy, attributes, entities
from assetfs.sandbox.ayon.context import Call, Reply, answered, done
from assetfs.sandbox.ayon.errors import Complaint, compact, refused
from assetfs.sandbox.ayon.graph.conditions import condition
from assetfs.sandbox.ayon.records import Project
from assetfs.sandbox.ayon.system import PLATFORMS, site_of

COUNTED = ("folder", "product", "version", "representation", "task")


def listing(call: Call) -> Reply:
    """GET projects: `count` is taken before permissions."""
    user = call.user
    where: list[str] = ["1"]
    arguments: list[int] = []
    for column in ("active", "library"):
        if (wanted := call.flag(column, None)) is not None:
            where.append(f"{column} = ?")
            arguments.append(int(wanted))
    rows = call.db.execute(f"SELECT * FROM project WHERE {' AND '.join(where)} ORDER BY name", arguments).fetchall()
    if name := call.argument("name"):
        rows = [row for row in rows if name.lower() in row["folded"]]
    count, length, page = len(rows), call.number("length"), call.number("page") or 1
    if length is not None:
        rows = rows[(page - 1) * length : page * length]
    groups = user.data.get("accessGroups") or {}
    shown = [
        {
            "name": row["name"],
            "code": row["code"],
            "label": row["label"],
            "color": None,
            "active": bool(row["active"]),
            "library": bool(row["library"]),
            "skeleton": False,
            "pinned": False,
            "projectFolder": None,
            "createdAt": row["created_at"],
            "updatedAt": row["updated_at"],
        }
        for row in rows
        if user.manager or groups.get(row["name"])
    ]
    return answered({"detail": f"Showing {len(shown)} of {count} projects", "count": count, "projects": shown})


def get(call: Call) -> Reply:
    """GET projects/{p}."""
    return answered(call.project(call.params[0]).document())


def put(call: Call) -> Reply:
    """PUT projects/{p}: a project of the parts that are given."""
    call.only(managers=True)
    given = call.fields()
    made = anatomy.stock() | {k: given[k] for k in anatomy.stock() if given.get(k)}
    made["config"] = anatomy.stock()["config"] | (given.get("config") or {})
    call.server.add_project(call.params[0], given.get("code") or call.params[0][:4], made, **_more(given))
    call.emit("entity.project.created", f"Created project {call.params[0]}", {}, call.params[0])
    return done()


def deploy(call: Call) -> Reply:
    """POST projects: a project of an anatomy."""
    call.only(managers=True)
    given = call.fields("name", "code")
    call.server.add_project(given["name"], given["code"], anatomy.deployed(given.get("anatomy") or {}), **_more(given))
    call.emit("entity.project.created", f"Created project {given['name']}", {}, given["name"])
    return Reply(201, b"null")


def _more(given: dict[str, Any]) -> dict[str, Any]:
    return {key: given.get(key) for key in ("label", "library", "data")}


def patch(call: Call) -> Reply:
    """PATCH projects/{p}: a list that is given replaces the one that was, even with nothing."""
    project = call.project(call.params[0])
    call.only(managers=True, what="Only managers can update projects")
    given = call.fields()
    for key in ("code", "label", "active", "library"):
        if key in given:
            setattr(project, key, given[key])
    for key in ("folderTypes", "taskTypes", "linkTypes", "statuses", "tags"):
        if given.get(key) is not None:
            project.anatomy[key] = given[key]
    project.anatomy["config"] = attributes.merged(project.anatomy["config"], given.get("config") or {})
    project.data = attributes.merged(project.data, given.get("data") or {})
    if given.get("attrib"):
        values, _ = attributes.read("project", given["attrib"])
        project.own = attributes.merged(project.own, values)
    call.server.save_project(project)
    if given.get("attrib"):
        _refresh(project)
    call.emit("entity.project.changed", f"Updated project {project.name}", {}, project.name)
    return done()


def _refresh(project: Project) -> None:
    """What folders inherit from the project has changed."""
    for row in project.db.execute("SELECT id, attrib FROM folder WHERE parent_id IS NULL").fetchall():
        values = attributes.inherited(project.effective, json.loads(row["attrib"]))
        project.db.execute("UPDATE folder SET effective = ? WHERE id = ?", (attributes.packed(values), row["id"]))
        entities.follow(project, row["id"])
    project.folder_list.clear()


def delete(call: Call) -> Reply:
    """DELETE projects/{p}."""
    project = call.project(call.params[0])
    call.only(managers=True)
    project.db.execute("ROLLBACK")
    del call.projects[project.name]
    call.server.drop_project(project)
    call.emit("entity.project.deleted", f"Deleted project {project.name}", {}, project.name)
    return done()


def anatomy_of(call: Call) -> Reply:
    """GET projects/{p}/anatomy."""
    project = call.project(call.params[0])
    return answered(anatomy.listed(project.anatomy, project.effective))


def presets(call: Call) -> Reply:
    """GET anatomy/presets: none but the built-in one."""
    return answered({"presets": []} if call.user else {})


def preset(call: Call) -> Reply:
    """GET anatomy/presets/{name}: `_` is the built-in one."""
    if call.user and call.params[0] not in ("_", "__builtin__", "__primary__"):
        raise refused(404, f"Anatomy preset {call.params[0]} not found")
    return answered(anatomy.listed(anatomy.stock(), attributes.DEFAULTS))


def stats(call: Call) -> Reply:
    """GET projects/{p}/stats."""
    project = call.project(call.params[0])
    counts = {kind: project.db.execute(f"SELECT count(*) FROM {kind}").fetchone()[0] for kind in COUNTED}
    return answered({"counts": {f"{kind}s": count for kind, count in counts.items()}})


def tags(call: Call) -> Reply:
    """GET projects/{p}/tags: the tags in use, by kind of entity."""
    project = call.project(call.params[0])
    found = {}
    for kind in (*COUNTED, "workfile"):
        rows = project.db.execute(f"SELECT DISTINCT value FROM {kind}, json_each(tags) ORDER BY value")
        found[f"{kind}s"] = [row[0] for row in rows]
    return answered(found)


# Roots


def site_roots(call: Call) -> Reply:
    """GET projects/{p}/siteRoots: the paths of a platform, with this user's overrides for a site."""
    site_id = site_of(call)
    project = call.project(call.params[0])
    platform = call.argument("platform")
    if platform is None and site_id is None:
        raise refused(400, "Either site_id or platform must be provided")
    if platform is None:
        row = call.db.execute("SELECT data FROM site WHERE id = ?", (site_id,)).fetchone()
        if row is None:
            raise refused(400, "Site not found and platform not provided")
        platform = json.loads(row["data"])["platform"]
    if platform not in PLATFORMS:
        permitted = ", ".join(f"'{one}'" for one in PLATFORMS)
        context = {"given": platform, "permitted": list(PLATFORMS)}
        complaint = Complaint(("platform",), f"unexpected value; permitted: {permitted}", "value_error.const", context)
        raise call.invalid(complaint, where="query")
    found = project.roots(platform)
    if site_id is not None:
        found |= _overrides(call, project).get(site_id, {})
    return answered(found)


def _overrides(call: Call, project: Project) -> dict[str, dict[str, str]]:
    query = "SELECT site, paths FROM root WHERE project = ? AND user = ?"
    return {row["site"]: json.loads(row["paths"]) for row in call.db.execute(query, (project.name, call.user.name))}


def roots(call: Call) -> Reply:
    """GET projects/{p}/roots: this user's overrides, by site."""
    return answered(_overrides(call, call.project(call.params[0])))


def set_roots(call: Call) -> Reply:
    """PUT projects/{p}/roots/{site}."""
    project = call.project(call.params[0])
    paths = {name: path for name, path in call.json().items() if path}
    place = (project.name, call.user.name, call.params[1])
    if paths:
        call.db.execute("INSERT OR REPLACE INTO root VALUES (?, ?, ?, ?)", (*place, json.dumps(paths)))
    else:
        call.db.execute("DELETE FROM root WHERE project = ? AND user = ? AND site = ?", place)
    return done()


# Folders


def folder_list(call: Call) -> Reply:
    """GET projects/{p}/folders: the whole project from a cache, without `active` and slashes at the front."""
    project = call.project(call.params[0])
    access.check(call, project, "read")
    attrib = bool(call.flag("attrib"))
    cache_folders(project, attrib=attrib)
    return Reply(200, project.folder_list[attrib])


def cache_folders(project: Project, *, attrib: bool, before: bool = False) -> None:
    """Make the list of folders unless it is there; `before` as it was before the transaction that is under way."""
    if attrib in project.folder_list:
        return
    db = project.reader if before else project.db
    tasks: dict[str, list[str]] = {}
    for row in db.execute("SELECT folder_id, name FROM task ORDER BY seq"):
        tasks.setdefault(row["folder_id"], []).append(row["name"])
    parents = {row[0] for row in db.execute("SELECT DISTINCT parent_id FROM folder")}
    query = "SELECT DISTINCT f.path FROM version v JOIN product p ON p.id = v.product_id"
    published: set[str] = set()
    for row in db.execute(f"{query} JOIN folder f ON f.id = p.folder_id"):
        path = row[0]
        while path and path not in published:
            published.add(path)
            path = path.rpartition("/")[0]
    reviewed = {row[0] for row in db.execute(REVIEWED)}
    found = []
    for row in db.execute("SELECT * FROM folder ORDER BY path"):
        data = json.loads(row["data"])
        item = {
            "id": row["id"],
            "name": row["name"],
            "label": row["label"],
            "parentId": row["parent_id"],
            "parents": row["path"].split("/")[:-1],
            "path": row["path"],
            "folderType": row["folder_type"],
            "status": row["status"],
            "tags": json.loads(row["tags"]),
            "hasChildren": row["id"] in parents,
            "hasTasks": row["id"] in tasks,
            "taskNames": tasks.get(row["id"], []),
            "hasVersions": row["path"] in published,
            "hasReviewables": row["id"] in reviewed,
            "thumbnailHash": data.get("thumbnailHash") or row["id"][-6:],
            "createdAt": row["created_at"],
            "updatedAt": row["updated_at"],
        }
        if attrib:
            item["attrib"] = json.loads(row["effective"])
            item["ownAttrib"] = list(json.loads(row["attrib"]))
        found.append(item)
    project.folder_list[attrib] = compact({"folders": found})


REVIEWED = (
    "SELECT p.folder_id FROM activity a JOIN version v ON v.id = a.entity_id JOIN product p ON p.id = v.product_id"
    " WHERE a.type = 'reviewable'"
)


def hierarchy(call: Call) -> Reply:
    """GET projects/{p}/hierarchy: nested, and true."""
    project = call.project(call.params[0])
    access.check(call, project, "read")
    tasks: dict[str, list[str]] = {}
    for row in project.db.execute("SELECT folder_id, name FROM task ORDER BY seq"):
        tasks.setdefault(row["folder_id"], []).append(row["name"])
    nodes: dict[str, dict[str, Any]] = {}
    rows = project.db.execute("SELECT * FROM folder ORDER BY path").fetchall()
    for row in rows:
        nodes[row["id"]] = {
            "id": row["id"],
            "name": row["name"],
            "label": row["label"] or row["name"],
            "status": row["status"],
            "folderType": row["folder_type"],
            "hasTasks": row["id"] in tasks,
            "taskNames": tasks.get(row["id"], []),
            "parents": row["path"].split("/")[:-1],
            "parentId": row["parent_id"],
            "children": [],
        }
    top: list[dict[str, Any]] = []
    for node in nodes.values():
        above = nodes.get(node["parentId"] or "")
        (above["children"] if above else top).append(node)
    return answered({"detail": "Working", "projectName": project.name, "hierarchy": top})


SEARCHES = {  # what a search looks at, and in which rows
    "search": ("folder x WHERE x.id = f.id", "f.path || ' ' || coalesce(f.label, '')"),
    "folderSearch": ("folder x WHERE x.id = f.id", "f.path || ' ' || coalesce(f.label, '')"),
    "taskSearch": ("task x WHERE x.folder_id = f.id", "x.name || ' ' || coalesce(x.label, '') || ' ' || x.task_type"),
}
CONDITIONS = {"folderFilter": "folder x WHERE x.id = f.id", "taskFilter": "task x WHERE x.folder_id = f.id"}


def search_folders(call: Call) -> Reply:
    """POST projects/{p}/folders/search: every word somewhere in a path or label, and conditions over both kinds."""
    project, given = call.project(call.params[0]), call.fields()
    parts, values = ["1"], []
    for name, (rows, text) in SEARCHES.items():
        for word in str(given.get(name) or "").lower().split():
            parts.append(f"EXISTS (SELECT 1 FROM {rows} AND instr(lower({text}), ?))")
            values.append(word)
    for name, rows in CONDITIONS.items():
        if given.get(name):
            part, more = condition(json.dumps(given[name]), "x")
            parts.append(f"EXISTS (SELECT 1 FROM {rows} AND {part})")
            values += more
    found = project.db.execute(f"SELECT id FROM folder f WHERE {' AND '.join(parts)} ORDER BY seq", values)
    return answered({"folderIds": [row["id"] for row in found]})
