"""Tags: they must exist before they are attached, and `set_tag` overwrites the label and ark of one that exists."""

from __future__ import annotations

import sqlite3

from assetfs.sandbox.jama import serialise
from assetfs.sandbox.jama.collections import live
from assetfs.sandbox.jama.context import Call, as_text
from assetfs.sandbox.jama.errors import NO_TAG, Refused
from assetfs.sandbox.jama.registry import legacy, method
from assetfs.sandbox.jama.resources import live_resource, touch
from assetfs.sandbox.jama.serialise import Json


def _find(call: Call, project_id: int, uid: object) -> sqlite3.Row:
    row = _known(call, project_id, uid)
    if row is None:
        raise Refused(NO_TAG)
    return row


def _known(call: Call, project_id: int, uid: object) -> sqlite3.Row | None:
    text = None if uid is None else as_text(uid)
    return call.row("SELECT * FROM tag WHERE project_id = ? AND uid = ?", project_id, text)


@method
def tags(call: Call, project_id: object) -> list[Json]:
    """The tags of a project, in no order."""
    project = call.project(project_id)
    call.access(project["id"]).check("read", "tag", None, "tag")
    return [
        serialise.tag(row) for row in call.rows("SELECT * FROM tag WHERE project_id = ? ORDER BY id", project["id"])
    ]


@method
def set_tag(call: Call, uid: object, project_id: object, label: object = None, ark: object = None) -> Json:
    """Get or create a tag and overwrite what is known of it: a label or ark that is not given is taken away."""
    project = call.project(project_id)
    call.access(project["id"]).check("create", "tag", None, "tag")
    values = [None if value is None else as_text(value) for value in (label, ark, uid)]
    if _known(call, project["id"], uid) is None:
        call.db.execute("INSERT INTO tag (label, ark, uid, project_id) VALUES (?, ?, ?, ?)", (*values, project["id"]))
    else:
        call.db.execute("UPDATE tag SET label = ?, ark = ? WHERE uid = ? AND project_id = ?", (*values, project["id"]))
    known = serialise.tag(_find(call, project["id"], uid))
    return {**known, "uid": uid, "label": label or uid, "ark": ark}  # as they were given, not as they are kept


@method
def delete_tag(call: Call, uid: object, project_id: object) -> bool:
    """Delete a tag everywhere."""
    row = _find(call, call.project(project_id)["id"], uid)
    call.access(row["project_id"]).check("delete", "tag", None, row["label"] or row["uid"])
    for statement in (
        "DELETE FROM resource_tag WHERE tag_id = ?",
        "DELETE FROM collection_tag WHERE tag_id = ?",
        "DELETE FROM tag WHERE id = ?",
    ):
        call.db.execute(statement, (row["id"],))
    return True


@legacy
def legacy_delete_tag(call: Call, uid: object) -> bool:
    """Delete a tag everywhere: the form without a project, which takes the first that the user has a role in."""
    row = call.row(
        "SELECT t.project_id FROM tag t JOIN access a ON a.project_id = t.project_id AND a.user_id = ?"
        " WHERE t.uid = ? ORDER BY t.id",
        call.user.id,
        uid,
    )
    if row is None:
        raise Refused(NO_TAG)
    return bool(delete_tag(call, uid, row["project_id"]))


def _attach(call: Call, kind: str, uid: object, owner: sqlite3.Row) -> None:
    call.access(owner["project_id"]).check_row("update", kind, owner)
    row = _find(call, owner["project_id"], uid)
    call.db.execute(f"INSERT OR IGNORE INTO {kind}_tag (owner_id, tag_id) VALUES (?, ?)", (owner["id"], row["id"]))


def _detach(call: Call, kind: str, uid: object, owner: sqlite3.Row) -> None:
    call.access(owner["project_id"]).check_row("update", kind, owner)
    row = _find(call, owner["project_id"], uid)
    call.db.execute(f"DELETE FROM {kind}_tag WHERE owner_id = ? AND tag_id = ?", (owner["id"], row["id"]))


@method
def add_tag_to_resource(call: Call, tag_uid: object, resource_id: object) -> bool:
    """Attach a tag; idempotent, but `updated_at` moves on."""
    row = live_resource(call, resource_id)
    _attach(call, "resource", tag_uid, row)
    touch(call, row["id"])
    return True


@method
def remove_tag_from_resource(call: Call, tag_uid: object, resource_id: object) -> bool:
    """Detach a tag, attached or not; `updated_at` moves on."""
    row = live_resource(call, resource_id)
    _detach(call, "resource", tag_uid, row)
    touch(call, row["id"])
    return True


@method
def add_tag_to_collection(call: Call, tag_uid: object, collection_id: object) -> bool:
    """Attach a tag; `updated_at` stays."""
    _attach(call, "collection", tag_uid, live(call, collection_id))
    return True


@method
def remove_tag_from_collection(call: Call, tag_uid: object, collection_id: object) -> bool:
    """Detach a tag; `updated_at` stays."""
    _detach(call, "collection", tag_uid, live(call, collection_id))
    return True
