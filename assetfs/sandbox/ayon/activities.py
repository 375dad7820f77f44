"""Comments and other activities: what is said about an entity, with files; every change of one starts a clean-up."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from assetfs.sandbox.ayon import access
from assetfs.sandbox.ayon.attributes import packed
from assetfs.sandbox.ayon.context import Call, Reply, answered, done, moment, new_id
from assetfs.sandbox.ayon.errors import Complaint, refused, unexpected_violation
from assetfs.sandbox.ayon.models import KINDS, identity
from assetfs.sandbox.ayon.records import Project, Row, load

OF_USERS = ("comment",)
OF_SERVICES = (
    *OF_USERS,
    *("watch", "reviewable", "status.change", "assignee.add", "assignee.remove", "version.publish", "version.review"),
    "attrib.change",
)
LONGEST = 2000
OF_EVENTS = ("status.change", "assignee.add", "assignee.remove", "version.publish")  # told, and not kept


def create(call: Call) -> Reply:
    """POST projects/{p}/{type}/{id}/activities; the type in singular or plural."""
    project = call.project(call.params[0])
    kind = call.params[1].rstrip("s")
    if kind not in KINDS:
        raise refused(400, f"Invalid entity type: {kind}")
    entity_id = call.identity(2, "entity_id")
    given = _read(call, "activityType")
    activity_type = given["activityType"]
    if activity_type not in OF_SERVICES:
        context = {"given": activity_type, "permitted": list(OF_SERVICES)}
        message = f"unexpected value; permitted: {', '.join(repr(one) for one in OF_SERVICES)}"
        raise call.invalid(Complaint(("activityType",), message, "value_error.const", context))
    if activity_type not in OF_USERS and not call.user.service:
        raise refused(400, "Humans can only create comments")
    entity = load(project, kind, entity_id)
    access.check(call, project, "read")
    if len(given.get("body") or "") > LONGEST:
        raise refused(400, f"{activity_type.capitalize()} body is too long")
    activity_id = add(
        call,
        project,
        activity_type,
        kind,
        entity["id"],
        body=given.get("body") or "",
        tags=given.get("tags") or [],
        data=given.get("data") or {},
        files=given.get("files") or [],
        activity_id=given.get("id"),
    )
    project.db.execute(f"UPDATE {kind} SET updated_at = ? WHERE id = ?", (moment(), entity["id"]))
    if not call.user.service:
        _watch(call, project, kind, entity["id"])
    return answered({"id": activity_id}, 201)


def _watch(call: Call, project: Project, kind: str, entity_id: str) -> None:
    """Who says something about an entity is told of it from then on."""
    query = "SELECT 1 FROM activity WHERE type = 'watch' AND entity_id = ? AND author = ?"
    if project.db.execute(query, (entity_id, call.user.name)).fetchone() is None:
        add(call, project, "watch", kind, entity_id, data={"watcher": call.user.name})


def _read(call: Call, *required: str) -> dict[str, Any]:
    given = call.fields(*required)
    if not isinstance(given.get("appendFiles") or False, bool):
        message = "value could not be parsed to a boolean"
        raise call.invalid(Complaint(("appendFiles",), message, "type_error.bool"))
    return given


def add(
    call: Call,
    project: Project,
    activity_type: str,
    kind: str,
    entity_id: str,
    *,
    body: str = "",
    tags: list[str] | None = None,
    data: dict[str, Any] | None = None,
    files: list[str] | None = None,
    activity_id: str | None = None,
) -> str:
    """Make an activity of an entity, attach files to it, collect what belongs to none. Returns its id."""
    activity_id = identity(activity_id) if activity_id else new_id()
    now = moment()
    known = listed(project, files or [])
    content = {**(data or {}), "files": known, "author": call.user.name}
    made = project.db.execute(
        "INSERT OR IGNORE INTO activity (id, type, body, tags, data, author, entity_type, entity_id, created_at,"
        " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            activity_id,
            activity_type,
            body,
            packed(tags or []),
            packed(content),
            call.user.name,
            kind,
            entity_id,
            now,
            now,
        ),
    )
    if made.rowcount == 0:
        detail = f"Activity with id '{activity_id}' already exists."
        raise unexpected_violation("unique-violation", detail, 409, call.path)
    _attach(project, activity_id, known)
    collect(call, project)
    _say(call, project, "created", activity_id, activity_type, kind, entity_id)
    return activity_id


def published(call: Call, project: Project, version: Row) -> None:
    """What the server itself notes about a new version: its author watches it, and that it was published."""
    add(call, project, "watch", "version", version["id"], data={"watcher": call.user.name})
    add(call, project, "version.publish", "version", version["id"], body="Published version")


def noted(call: Call, project: Project, kind: str, old: Row, values: dict[str, Any]) -> None:
    """What the server itself notes about a change: another status, other people."""
    if values.get("status") not in (None, old["status"]):
        data = {"oldValue": old["status"], "newValue": values["status"]}
        add(call, project, "status.change", kind, old["id"], body=f"Changed status to {values['status']}", data=data)
    if "assignees" not in values:
        return
    for user in [user for user in values["assignees"] if user not in old["assignees"]]:
        add(call, project, "assignee.add", kind, old["id"], body=f"Added {user}", data={"assignee": user})
    for user in [user for user in old["assignees"] if user not in values["assignees"]]:
        add(call, project, "assignee.remove", kind, old["id"], body=f"Removed {user}", data={"assignee": user})


def _say(
    call: Call, project: Project, what: str, activity_id: str, activity_type: str, kind: str, entity_id: str
) -> None:
    reference = {"entity_id": entity_id, "entity_type": kind, "reference_type": "origin"}
    summary = {"activity_id": activity_id, "activity_type": activity_type, "references": [reference]}
    text, kept = f"{what.capitalize()} {activity_type} activity", activity_type not in OF_EVENTS
    call.emit(f"activity.{what}", text, summary, project.name, store=kept)


def listed(project: Project, files: list[str]) -> list[dict[str, Any]]:
    """Files as an activity lists them; unknown ids are passed over."""
    found = []
    for file_id in files:
        row = project.db.execute("SELECT * FROM file WHERE id = ?", (str(file_id).replace("-", ""),)).fetchone()
        if row is not None:
            found.append({"id": row["id"], "filename": row["name"], "size": row["size"], "mime": row["mime"]})
    return found


def _attach(project: Project, activity_id: str, known: list[dict[str, Any]]) -> None:
    for file in known:
        project.db.execute("UPDATE file SET activity_id = ? WHERE id = ?", (activity_id, file["id"]))


def _wanted(call: Call, project: Project) -> Row:
    activity_id = call.identity(1, "activity_id")
    row = project.db.execute("SELECT * FROM activity WHERE id = ?", (activity_id,)).fetchone()
    if row is None:
        raise refused(404, "Activity not found")
    return dict(row)


def _is_foreign(call: Call, row: Row) -> bool:
    return row["author"] != call.user.name and not call.user.admin


def _unticked(body: str) -> str:
    """A text without the state of its boxes."""
    return re.sub(r"\s*\[[ xX]\]\s*", "[]", body)


def update(call: Call) -> Reply:
    """PATCH projects/{p}/activities/{id}."""
    project = call.project(call.params[0])
    given = _read(call)
    row = _wanted(call, project)
    if _is_foreign(call, row):  # others may tick the boxes in it; what else they send is passed over
        if given.get("body") and _unticked(given["body"]) != _unticked(row["body"]):
            raise refused(403, "You are not the owner, you cannot modify the comment")
        given = {name: value for name, value in given.items() if name in ("body", "tags")}
    if len(given.get("body") or "") > LONGEST:
        raise refused(400, f"{row['type'].capitalize()} body is too long")
    data = json.loads(row["data"])
    if given.get("data"):
        data |= {key: value for key, value in given["data"].items() if key not in ("files", "author")}
    if given.get("files") is not None:
        known = listed(project, given["files"])
        if given.get("appendFiles"):
            added = {file["id"] for file in known}
            known = [file for file in data["files"] if file["id"] not in added] + known
        else:
            kept = [file["id"] for file in known]
            for file in data["files"]:
                if file["id"] not in kept:
                    project.db.execute("UPDATE file SET activity_id = NULL WHERE id = ?", (file["id"],))
        data["files"] = known
        _attach(project, row["id"], known)
    body = row["body"] if given.get("body") is None else given["body"]
    tags = row["tags"] if given.get("tags") is None else packed(given["tags"])
    project.db.execute(
        "UPDATE activity SET body = ?, tags = ?, data = ?, updated_at = ? WHERE id = ?",
        (body, tags, packed(data), moment(), row["id"]),
    )
    collect(call, project)
    _say(call, project, "updated", row["id"], row["type"], row["entity_type"], row["entity_id"])
    return done()


def delete(call: Call) -> Reply:
    """DELETE projects/{p}/activities/{id}: its files belong to nothing then."""
    project = call.project(call.params[0])
    row = _wanted(call, project)
    if _is_foreign(call, row):
        raise refused(403, "You are not the author of this activity")
    project.db.execute("DELETE FROM activity WHERE id = ?", (row["id"],))
    collect(call, project)
    _say(call, project, "deleted", row["id"], row["type"], row["entity_type"], row["entity_id"])
    return done()


def collect(call: Call, project: Project) -> None:
    """Delete the files that belong to no activity and whose upload began long enough ago."""
    before = time.time() - call.server.switches.collect_after
    project.db.execute("DELETE FROM file WHERE activity_id IS NULL AND started < ?", (before,))


def unlist(call: Call, project: Project, file: Row) -> None:
    """Take a deleted file from its activity's list; the server stumbles over a list that becomes empty."""
    row = project.db.execute("SELECT id, data FROM activity WHERE id = ?", (file["activity_id"],)).fetchone()
    if row is None:
        return
    data = json.loads(row["data"])
    left = [entry for entry in data["files"] if entry["id"] != file["id"]]
    if data["files"] and not left:
        detail = 'null value in column "data" of relation "activities" violates not-null constraint'
        raise unexpected_violation("not-null-violation", detail, 400, call.path)
    project.db.execute("UPDATE activity SET data = ? WHERE id = ?", (packed({**data, "files": left}), row["id"]))
