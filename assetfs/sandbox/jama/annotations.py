"""Annotations: JSON that people hang on a resource. Whoever may update the resource may change them."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from assetfs.sandbox.jama import serialise
from assetfs.sandbox.jama.context import Call, as_id, id_list, iso, now
from assetfs.sandbox.jama.errors import NO_COLLECTION, Refused
from assetfs.sandbox.jama.registry import method
from assetfs.sandbox.jama.resources import live_resource
from assetfs.sandbox.jama.serialise import Json

_QUERY = "SELECT a.*, u.username FROM annotation a JOIN user u ON u.id = a.owner_id"


def _annotation(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "owner": row["username"],
        "data": json.loads(row["data"]),
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
        "resource_id": row["resource_id"],
        "public": bool(row["public"]),
    }


def _of(call: Call, resource_ids: list[int]) -> list[sqlite3.Row]:
    chosen = "a.resource_id IN (SELECT value FROM json_each(?))"
    return call.rows(f"{_QUERY} WHERE {chosen} ORDER BY a.created_at", id_list(resource_ids))


def _changeable(call: Call, annotation_id: object) -> int:
    row = call.row("SELECT * FROM annotation WHERE id = ?", as_id(annotation_id))
    if row is None:
        raise Refused("No such annotation")
    (resource,) = call.rows("SELECT * FROM resource WHERE id = ?", row["resource_id"])
    call.access(resource["project_id"]).check_row("update", "resource", resource)
    return int(row["id"])


def _flag(value: Any) -> bool:
    """A truth value as the database's form field takes it; anything else is a server error."""
    if value in (True, False):
        return bool(value)
    known = {"t": True, "True": True, "1": True, "f": False, "False": False, "0": False}
    if not isinstance(value, str) or value not in known:
        raise LookupError(f"{value!r} is neither true nor false")
    return known[value]


@method
def list_annotations(call: Call, resource_id: object) -> list[Json]:
    """The annotations of a resource, oldest first."""
    row = live_resource(call, resource_id)
    call.access(row["project_id"]).check_row("read", "resource", row)
    return [_annotation(item) for item in _of(call, [row["id"]])]


@method
def list_collection_annotations(call: Call, collection_id: object) -> list[Json]:
    """The readable resources of a collection, each with its annotations."""
    place = call.row("SELECT * FROM collection WHERE id = ?", as_id(collection_id))
    if place is None:
        raise Refused(NO_COLLECTION)
    access = call.access(place["project_id"])
    access.check_row("read", "collection", place)
    rows = call.rows(
        "SELECT r.* FROM resource r JOIN membership m ON m.resource_id = r.id"
        " WHERE m.collection_id = ? AND r.deleted_at IS NULL",
        place["id"],
    )
    readable = access.readable("resource", rows)
    notes = _of(call, [row["id"] for row in readable])
    return [
        {**one, "annotations": [_annotation(note) for note in notes if note["resource_id"] == one["id"]]}
        for one in serialise.resources(call, readable)
    ]


@method
def create_annotation(call: Call, resource_id: object, data: Any, public: Any = False) -> Json:
    """Hang any JSON on a resource."""
    row, moment = live_resource(call, resource_id), now()
    call.access(row["project_id"]).check_row("update", "resource", row)
    made = call.insert(
        "INSERT INTO annotation (resource_id, owner_id, data, created_at, updated_at, public)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        *(row["id"], call.user.id, _stored(data), moment, moment, _flag(public)),
    )
    return {**_one(call, made), "public": public}


def _stored(data: Any) -> str:
    if data is None:
        raise LookupError("an annotation needs data")
    return json.dumps(data)


def _one(call: Call, annotation_id: int) -> Json:
    return _annotation(call.rows(f"{_QUERY} WHERE a.id = ?", annotation_id)[0])


@method
def update_annotation(call: Call, annotation_id: object, data: Any, public: Any = False) -> Json:
    """Other data, and whether it is public."""
    number = _changeable(call, annotation_id)
    call.db.execute(
        "UPDATE annotation SET data = ?, public = ?, updated_at = ? WHERE id = ?",
        (_stored(data), _flag(public), now(), number),
    )
    return {**_one(call, number), "public": public}


@method
def delete_annotation(call: Call, annotation_id: object) -> bool:
    """Take an annotation away."""
    call.db.execute("DELETE FROM annotation WHERE id = ?", (_changeable(call, annotation_id),))
    return True


def _publish(call: Call, annotation_id: object, public: bool) -> bool:
    number = _changeable(call, annotation_id)
    call.db.execute("UPDATE annotation SET public = ?, updated_at = ? WHERE id = ?", (public, now(), number))
    return True


@method
def publish_annotation(call: Call, annotation_id: object) -> bool:
    """Make an annotation public."""
    return _publish(call, annotation_id, True)


@method
def unpublish_annotation(call: Call, annotation_id: object) -> bool:
    """Make it private again."""
    return _publish(call, annotation_id, False)
