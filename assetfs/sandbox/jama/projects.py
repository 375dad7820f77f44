"""Projects, users and roles, and the odds and ends that belong to a whole project or server."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from assetfs.sandbox.jama import filetypes, serialise
from assetfs.sandbox.jama.access import VERBS, Access
from assetfs.sandbox.jama.collections import ancestry, live
from assetfs.sandbox.jama.context import Call, as_id
from assetfs.sandbox.jama.errors import NO_COLLECTION, NO_PROPERTY, NO_RESOURCE, OTHER_PROJECT, Refused
from assetfs.sandbox.jama.registry import method, superuser
from assetfs.sandbox.jama.serialise import Json

LIMITS = {
    "JAMA_RPC_MAX_BODY_SIZE": 1 << 20,
    "JAMA_RPC_MAX_BATCH_SIZE": 100,
    "JAMA_UPLOAD_MAX_CHUNK_SIZE": 128 << 20,
    "JAMA_UPLOAD_MAX_TOTAL_CHUNKS": 10_000,
}


@method
def ping(call: Call) -> str:
    """Say who calls."""
    return f"pong {call.user.username}"


@method
def current_user(call: Call) -> Json:
    """Who calls."""
    return serialise.user(vars(call.user))


@method
def client_configuration(call: Call) -> dict[str, int]:
    """The limits that a client must keep."""
    return LIMITS


@method
def supported_file_types(call: Call) -> list[Json]:
    """All file types, extensions without dots."""
    rows = filetypes.table().values()
    return [{"mime": row.mime, "extensions": list(row.extensions), "iiif_support": row.iiif} for row in rows]


@method
def user_tasks_status(call: Call, project_id: object = None) -> list[Json]:
    """Background work; the sandbox has none."""
    return []


def _permission(row: sqlite3.Row) -> Json:
    kind, pk = row["object_class"], row["object_pk"]
    flags = {f"object_{verb}": bool(row[f"object_{verb}"]) for verb in VERBS}
    label = f"{kind}({pk})"
    return {
        "object_type": "permission",
        "id": row["id"],
        "label": label,
        "object_class": kind,
        "object_pk": pk,
        **flags,
    }


def _role(call: Call, row: sqlite3.Row, advanced: object) -> Json:
    rows = call.rows("SELECT * FROM permission WHERE role_id = ? ORDER BY id", row["id"])
    if advanced:
        permissions = [_permission(item) for item in rows]
    else:
        permissions = [
            {"object_type": "permission", "id": item["id"], "label": f"{item['object_class']}.{verb}"}
            for item in rows
            for verb in VERBS
            if item["object_pk"] is None and item[f"object_{verb}"]
        ]
    return {"object_type": "role", "id": row["id"], "label": row["label"], "permissions": permissions}


def _access(call: Call, row: sqlite3.Row, project: Json | None, advanced: object) -> Json:
    return {
        "object_type": "project_access",
        "project_id": row["project_id"],
        "project": project,
        "role": _role(call, call.rows("SELECT * FROM role WHERE id = ?", row["role_id"])[0], advanced),
        "user": serialise.user(call.rows("SELECT * FROM user WHERE id = ?", row["user_id"])[0]),
    }


def _project(call: Call, project_id: int) -> Json:
    row = call.project(project_id)
    roles = call.rows("SELECT * FROM role WHERE project_id = ? ORDER BY id", row["id"])
    accesses = call.rows("SELECT * FROM access WHERE project_id = ? ORDER BY id", row["id"])
    return {
        "object_type": "project",
        "id": row["id"],
        "label": row["label"],
        "description": row["description"],
        "roles": [_role(call, item, True) for item in roles],
        "accesses": [_access(call, item, None, True) for item in accesses],
    }


@method
def projects_user_permissions(call: Call, advanced_permissions: object = False) -> list[Json]:
    """The caller's roles, one entry per project and role."""
    rows = call.rows("SELECT * FROM access WHERE user_id = ? ORDER BY id", call.user.id)
    return [_access(call, row, _project(call, row["project_id"]), advanced_permissions) for row in rows]


@method
def project_entry_points(call: Call, project_id: object) -> list[Json]:
    """Where the caller's view of a project begins: what single collections are granted, else the root."""
    project = call.project(project_id)
    access = call.access(project["id"])
    points: dict[int, sqlite3.Row] = {}
    for rule in access.rows:
        if rule["object_class"] == "collection" and rule["object_pk"] and rule["object_read"]:
            place = call.row("SELECT * FROM collection WHERE id = ? AND deleted_at IS NULL", rule["object_pk"])
            if place is not None:
                readable = access.readable("collection", ancestry(call, place))
                top = readable[0] if readable else place
                points.setdefault(top["id"], top)
    root = live(call, project["root_id"])
    if not points and access.allows("read", "collection", root["id"]):
        points[root["id"]] = root
    return serialise.collections(call, list(points.values()))


@method
def project_stats(call: Call, project_id: object) -> Json:
    """The root's id, and how much there is: `resources_count` counts orphans."""
    project = call.project(project_id)
    call.access(project["id"]).check_member(project["label"])
    where = "project_id = ? AND deleted_at IS NULL"
    orphans = f"{where} AND NOT EXISTS (SELECT 1 FROM membership m WHERE m.resource_id = resource.id)"
    counts = {
        "descendants_count": f"SELECT count(*) FROM collection WHERE {where}",
        "descendants_resources_count": f"SELECT count(*) FROM resource WHERE {where}",
        "children_count": f"SELECT count(*) FROM collection WHERE {where} AND parent_id = {project['root_id']}",
        "resources_count": f"SELECT count(*) FROM resource WHERE {orphans}",
    }
    return {
        "project_root_collection_id": project["root_id"],
        **{name: call.scalar(query, project["id"]) for name, query in counts.items()},
        "user_entry_points": project_entry_points(call, project["id"]),
    }


def _access_for_role(call: Call, kind: str, object_id: object, role_id: object, missing: str) -> Json:
    row = call.row(f"SELECT * FROM {kind} WHERE id = ?", as_id(object_id))
    if row is None:
        raise Refused(missing)
    project = call.project(row["project_id"])
    call.access(project["id"]).check_member(project["label"])
    role = call.row("SELECT * FROM role WHERE id = ?", as_id(role_id))
    if role is None:
        raise Refused("no such role")
    if role["project_id"] != project["id"]:
        raise Refused(OTHER_PROJECT)
    rights = Access.of_role(call.db, role["id"])
    flags = {f"object_{verb}": rights.allows(verb, kind, row["id"]) for verb in VERBS}
    return {"object_type": "permission", "object_class": kind, "object_pk": row["id"], **flags}


@method
def collection_access_for_role(call: Call, collection_id: object, role_id: object) -> Json:
    """What a role may do with a collection, all things considered."""
    return _access_for_role(call, "collection", collection_id, role_id, NO_COLLECTION)


@method
def resource_access_for_role(call: Call, resource_id: object, role_id: object) -> Json:
    """What a role may do with a resource, all things considered."""
    return _access_for_role(call, "resource", resource_id, role_id, NO_RESOURCE)


def _key(value: object) -> str:
    key = str(value).strip().lower()
    if not key or len(key) > 64:
        raise Refused("invalid property key")
    return key


def _property(row: sqlite3.Row) -> Json:
    return {"project_id": row["project_id"], "key": row["key"], "value": json.loads(row["value"])}


def _properties(call: Call, project_id: object, *verbs: str) -> int:
    project = call.project(project_id)
    for verb in verbs:
        call.access(project["id"]).check(verb, "project_property", None, "project_property")
    return int(project["id"])


@method
def project_properties(call: Call, project_id: object) -> list[Json]:
    """All properties of a project."""
    pid = _properties(call, project_id, "read")
    return [_property(row) for row in call.rows("SELECT * FROM property WHERE project_id = ? ORDER BY id", pid)]


@method
def project_property(call: Call, project_id: object, property_key: object) -> Json:
    """One property; keys are stripped and lower-cased."""
    pid = _properties(call, project_id, "read")
    row = call.row("SELECT * FROM property WHERE project_id = ? AND key = ?", pid, _key(property_key))
    if row is None:
        raise Refused(NO_PROPERTY)
    return _property(row)


@method
def set_project_property(call: Call, project_id: object, property_key: object, property_value: Any) -> Json:
    """Set a property to any JSON value."""
    pid, key = _properties(call, project_id, "create", "update"), _key(property_key)
    call.db.execute(
        "INSERT INTO property (project_id, key, value) VALUES (?, ?, ?)"
        " ON CONFLICT (project_id, key) DO UPDATE SET value = excluded.value",
        (pid, key, json.dumps(property_value)),
    )
    return {"project_id": pid, "key": key, "value": property_value}


@method
def delete_project_property(call: Call, project_id: object, property_key: object) -> bool:
    """Remove a property."""
    pid = _properties(call, project_id, "delete")
    cursor = call.db.execute("DELETE FROM property WHERE project_id = ? AND key = ?", (pid, _key(property_key)))
    if not cursor.rowcount:
        raise Refused(NO_PROPERTY)
    return True


@superuser
def list_projects(call: Call) -> list[Json]:
    """All projects."""
    return [_project(call, row["id"]) for row in call.rows("SELECT id FROM project ORDER BY id")]


@superuser
def list_users(call: Call) -> list[Json]:
    """All users."""
    return [serialise.user(row) for row in call.rows("SELECT * FROM user ORDER BY id")]
