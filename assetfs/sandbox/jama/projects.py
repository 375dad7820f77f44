"""Projects, users and roles, and the odds and ends that belong to a whole project or server."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from assetfs.sandbox.jama import filetypes, roles, serialise
from assetfs.sandbox.jama.access import VERBS, Access
from assetfs.sandbox.jama.collections import ancestry, live
from assetfs.sandbox.jama.context import Call, as_id
from assetfs.sandbox.jama.errors import (
    NO_COLLECTION,
    NO_PROPERTY,
    NO_RESOURCE,
    NO_ROLE,
    NO_USER,
    OTHER_PROJECT,
    Refused,
)
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


@method
def projects_user_permissions(call: Call, advanced_permissions: object = False) -> list[Json]:
    """The caller's roles, one entry per project and role."""
    rows = call.rows("SELECT * FROM access WHERE user_id = ? ORDER BY id", call.user.id)
    return [roles.access(call, row, roles.project(call, row["project_id"]), advanced_permissions) for row in rows]


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
        raise Refused(NO_ROLE)
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
    if property_value is None:
        raise LookupError("a property needs a value")
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
def activate_rpc_access(call: Call, user_name: object, api_key: object) -> bool:
    """Give a user, who may be new, a key, or bring a deactivated one back."""
    user_id = call.scalar("SELECT id FROM user WHERE username = ?", user_name)
    if user_id is None:
        user_id = call.insert("INSERT INTO user (username) VALUES (?)", user_name)
    call.db.execute(
        "INSERT INTO api_key (key, user_id) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET active = 1",
        (api_key, user_id),
    )
    return True


@superuser
def deactivate_rpc_access(call: Call, user_name: object, api_key: object) -> bool:
    """Take a user's key out of use; requests with it are 403 from then on."""
    done = call.db.execute(
        "UPDATE api_key SET active = 0 WHERE key = ? AND user_id = (SELECT id FROM user WHERE username = ?)",
        (api_key, user_name),
    )
    if not done.rowcount:
        raise Refused(NO_USER)
    return True


@superuser
def list_users(call: Call) -> list[Json]:
    """All users."""
    return [serialise.user(row) for row in call.rows("SELECT * FROM user ORDER BY id")]
