"""Roles: what a superuser does with the rights of others.

A role belongs to one project and holds permissions; an access gives a user a role. Deleting a role takes its
permissions and accesses with it.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from assetfs.sandbox.jama import serialise, setup
from assetfs.sandbox.jama.access import VERBS
from assetfs.sandbox.jama.collections import ancestry
from assetfs.sandbox.jama.context import Call, as_id
from assetfs.sandbox.jama.errors import NO_ROLE, NO_USER, OTHER_PROJECT, Refused
from assetfs.sandbox.jama.registry import superuser
from assetfs.sandbox.jama.serialise import Json

_NAMED = {
    "resource": "SELECT title FROM resource WHERE id = ?",
    "metadataset": "SELECT title FROM metadataset WHERE id = ?",
    "metadata": "SELECT s.title || ': ' || m.title FROM metadata m JOIN metadataset s ON s.id = set_id WHERE m.id = ?",
    "tag": "SELECT coalesce(nullif(label, ''), uid) FROM tag WHERE id = ?",
}
"""What a permission on one object is called by."""


def _label(call: Call, kind: str, pk: int | None) -> str:
    if pk:
        place = call.row("SELECT * FROM collection WHERE id = ?", pk) if kind == "collection" else None
        if place is not None:
            above = " / ".join(row["title"] for row in ancestry(call, place))
            return f"{above} / {place['title']}"
        name = call.scalar(_NAMED[kind], pk) if kind in _NAMED else None
        if name is not None:
            return str(name)
    return f"{kind}({pk})"


def permission(call: Call, row: sqlite3.Row) -> Json:
    """A permission as the wire has it."""
    kind, pk = row["object_class"], row["object_pk"]
    flags = {f"object_{verb}": bool(row[f"object_{verb}"]) for verb in VERBS}
    label = _label(call, kind, pk)
    return {
        "object_type": "permission",
        "id": row["id"],
        "label": label,
        "object_class": kind,
        "object_pk": pk,
        **flags,
    }


def role(call: Call, row: sqlite3.Row, advanced: object) -> Json:
    """A role; without `advanced`, its permissions are one entry for each right on a class."""
    rows = call.rows("SELECT * FROM permission WHERE role_id = ? ORDER BY id", row["id"])
    if advanced:
        permissions = [permission(call, item) for item in rows]
    else:
        permissions = [
            {"object_type": "permission", "id": item["id"], "label": f"{item['object_class']}.{name}"}
            for item in rows
            for verb in VERBS
            if item["object_pk"] is None and item[f"object_{verb}"]
            for name in ((verb, "upload") if (item["object_class"], verb) == ("file", "create") else (verb,))
        ]
    return {"object_type": "role", "id": row["id"], "label": row["label"], "permissions": permissions}


def access(call: Call, row: sqlite3.Row, project: Json | None, advanced: object) -> Json:
    """A user's role in a project."""
    return {
        "object_type": "project_access",
        "project_id": row["project_id"],
        "project": project,
        "role": role(call, call.rows("SELECT * FROM role WHERE id = ?", row["role_id"])[0], advanced),
        "user": serialise.user(call.rows("SELECT * FROM user WHERE id = ?", row["user_id"])[0]),
    }


def project(call: Call, project_id: int) -> Json:
    """A project with its roles and who has them."""
    row = call.project(project_id)
    roles = call.rows("SELECT * FROM role WHERE project_id = ? ORDER BY id", row["id"])
    accesses = call.rows("SELECT * FROM access WHERE project_id = ? ORDER BY user_id, role_id", row["id"])
    return {
        "object_type": "project",
        "id": row["id"],
        "label": row["label"],
        "description": row["description"],
        "roles": [role(call, item, True) for item in roles],
        "accesses": [access(call, item, None, True) for item in accesses],
    }


@superuser
def create_project(call: Call, project_label: Any, project_description: Any = None) -> Json:
    """Make a project as the administrator's command does, but for its people."""
    label = project_label.strip()
    if not label:
        raise Refused("project label is empty")
    description = project_description.strip() if project_description else ""
    known = (row["label"] for row in call.rows("SELECT label FROM project"))
    if label.lower() in (text.lower() for text in known):
        raise Refused("project already exists")
    made = setup.add_project(call.db, label, use_exiftool=True)
    call.db.execute("UPDATE project SET description = ? WHERE id = ?", (description, made))
    return project(call, made)


def _role(call: Call, role_id: object) -> sqlite3.Row:
    row = call.row("SELECT * FROM role WHERE id = ?", as_id(role_id))
    if row is None:
        raise Refused(NO_ROLE)
    return row


def _grant(call: Call, role_id: int, wanted: Any) -> int:
    """Add a permission unless the role has that very one. Returns its id."""
    pk = wanted.get("object_pk")
    values = (
        *(role_id, str(wanted.get("object_class")), None if pk is None else as_id(pk)),
        *(bool(wanted.get(f"object_{verb}", False)) for verb in VERBS),
    )
    same = " AND ".join(f"object_{verb} = ?" for verb in VERBS)
    found = call.scalar(
        f"SELECT id FROM permission WHERE role_id = ? AND object_class = ? AND object_pk IS ? AND {same}", *values
    )
    if found is not None:
        return int(found)
    return call.insert(
        "INSERT INTO permission (role_id, object_class, object_pk, object_create, object_read, object_update,"
        " object_delete) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *values,
    )


@superuser
def set_role(call: Call, project_id: object, role_label: Any, permissions: Any) -> Json:
    """Get or create a role; permissions that are given replace those that it had."""
    pid, label = call.project(project_id)["id"], role_label.strip()
    role_id = call.scalar("SELECT id FROM role WHERE project_id = ? AND label = ?", pid, label)
    if role_id is None:
        role_id = call.insert("INSERT INTO role (project_id, label) VALUES (?, ?)", pid, label)
    if permissions:
        call.db.execute("DELETE FROM permission WHERE role_id = ?", (role_id,))
        for wanted in permissions:
            _grant(call, role_id, wanted)
    return role(call, _role(call, role_id), True)


@superuser
def add_permission_to_role(call: Call, role_id: object, permission: Any) -> Json:
    """Add one permission."""
    granted = _grant(call, _role(call, role_id)["id"], permission)
    return _permission(call, granted)


def _permission(call: Call, permission_id: int) -> Json:
    return permission(call, call.rows("SELECT * FROM permission WHERE id = ?", permission_id)[0])


@superuser
def delete_permission(call: Call, permission_id: object) -> bool:
    """Take a permission away, there or not."""
    call.db.execute("DELETE FROM permission WHERE id = ?", (as_id(permission_id),))
    return True


@superuser
def delete_role(call: Call, project_id: object, role_label: object) -> bool:
    """Delete a role, there or not."""
    pid = as_id(project_id)
    for statement in (
        "DELETE FROM permission WHERE role_id IN (SELECT id FROM role WHERE project_id = ? AND label = ?)",
        "DELETE FROM access WHERE role_id IN (SELECT id FROM role WHERE project_id = ? AND label = ?)",
        "DELETE FROM role WHERE project_id = ? AND label = ?",
    ):
        call.db.execute(statement, (pid, role_label))
    return True


@superuser
def rename_role(call: Call, role_id: object, role_label: Any) -> bool:
    """Give a role another label."""
    row, label = _role(call, role_id), role_label.strip()
    try:
        call.db.execute("UPDATE role SET label = ? WHERE id = ?", (label, row["id"]))
    except sqlite3.IntegrityError:
        raise Refused("could not rename role") from None
    return True


@superuser
def list_roles(call: Call, project_id: object) -> list[Json]:
    """The roles of a project; one that is not there is a server error."""
    pid = call.scalar("SELECT id FROM project WHERE id = ?", as_id(project_id))
    if pid is None:
        raise LookupError("no such project")
    return [role(call, row, True) for row in call.rows("SELECT * FROM role WHERE project_id = ? ORDER BY id", pid)]


def _user_and_project(call: Call, user_id: object, project_id: object) -> tuple[int, int]:
    user = call.scalar("SELECT id FROM user WHERE id = ?", as_id(user_id))
    if user is None:
        raise Refused(NO_USER)
    return user, call.project(project_id)["id"]


def _role_there(call: Call, role_id: object, project_id: int) -> int:
    row = _role(call, role_id)
    if row["project_id"] != project_id:
        raise Refused(OTHER_PROJECT)
    return int(row["id"])


@superuser
def add_project_access(call: Call, user_id: object, project_id: object, role_id: object) -> bool:
    """Give a user a role; a user who was inactive is active again."""
    user, pid = _user_and_project(call, user_id, project_id)
    wanted = (pid, user, _role_there(call, role_id, pid))
    if call.row("SELECT 1 FROM access WHERE project_id = ? AND user_id = ? AND role_id = ?", *wanted) is None:
        call.db.execute("INSERT INTO access (project_id, user_id, role_id) VALUES (?, ?, ?)", wanted)
    call.db.execute("UPDATE user SET is_active = 1 WHERE id = ?", (user,))
    return True


@superuser
def remove_project_access(call: Call, user_id: object, project_id: object, role_id: object = None) -> bool:
    """Take a role from a user, or all roles in a project."""
    user, pid = _user_and_project(call, user_id, project_id)
    only = _role_there(call, role_id, pid) if role_id else None
    call.db.execute(
        "DELETE FROM access WHERE project_id = ?1 AND user_id = ?2 AND (?3 IS NULL OR role_id = ?3)", (pid, user, only)
    )
    return True


@superuser
def list_projects(call: Call) -> list[Json]:
    """All projects."""
    return [project(call, row["id"]) for row in call.rows("SELECT id FROM project ORDER BY id")]
