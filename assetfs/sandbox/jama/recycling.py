"""Deleting and restoring. Deletion is soft: rows get a `deleted_at`, keep their titles reserved, and still download."""

from __future__ import annotations

import sqlite3
from typing import Any

from assetfs.sandbox.jama.collections import live, subtree
from assetfs.sandbox.jama.context import Call, as_id, id_list, iso, now
from assetfs.sandbox.jama.errors import ITSELF, NO_COLLECTION, NO_RESOURCE, OTHER_PROJECT, TITLE_TAKEN, Refused
from assetfs.sandbox.jama.registry import method
from assetfs.sandbox.jama.resources import add_resource_to_collection, move_items, remove_resource_from_collection
from assetfs.sandbox.jama.serialise import Json

BIN_DAYS = 15  # what the bin shows; older rows stay in the database
DAY = 86_400_000_000  # microseconds


def bury(call: Call, kind: str, object_id: int) -> None:
    """Mark a row as deleted."""
    moment = now()
    call.db.execute(f"UPDATE {kind} SET deleted_at = ?, updated_at = ? WHERE id = ?", (moment, moment, object_id))


def unbury(call: Call, kind: str, object_id: int) -> None:
    """Take the mark away."""
    call.db.execute(f"UPDATE {kind} SET deleted_at = NULL, updated_at = ? WHERE id = ?", (now(), object_id))


def live_places(call: Call, resource_id: int) -> int:
    """How many live collections have a resource."""
    return int(
        call.scalar(
            "SELECT count(*) FROM membership m JOIN collection c ON c.id = m.collection_id"
            " WHERE m.resource_id = ? AND c.deleted_at IS NULL",
            resource_id,
        )
    )


def members(call: Call, collection_id: int) -> list[sqlite3.Row]:
    """The live resources of a collection."""
    return call.rows(
        "SELECT r.* FROM membership m JOIN resource r ON r.id = m.resource_id"
        " WHERE m.collection_id = ? AND r.deleted_at IS NULL ORDER BY m.rank, r.title",
        collection_id,
    )


@method
def delete_collection(call: Call, collection_id: object, recursive: object = False) -> Json:
    """Delete a collection. What is refused for being in use is no error but `success: false`.

    Recursively, resources with another live collection are spared, counted before the subtree dies: one that is in two
    doomed collections survives as an orphan. Memberships stay, so that a restored collection has its resources back.
    """
    row = call.row("SELECT * FROM collection WHERE id = ? AND deleted_at IS NULL", as_id(collection_id))
    if row is None:
        return {"success": True, "status": "does not exist"}
    if row["parent_id"] is None:
        raise Refused("cant delete root collection")
    access = call.access(row["project_id"])
    access.check_row("delete", "collection", row)
    if recursive:
        below = subtree(call, row["id"])
        for place in [row, *below]:
            for item in members(call, place["id"]):
                if live_places(call, item["id"]) < 2 and access.allows("delete", "resource", item["id"]):
                    bury(call, "resource", item["id"])
        for place in below:
            if access.allows("delete", "collection", place["id"]):
                bury(call, "collection", place["id"])
    if call.row("SELECT 1 FROM collection WHERE parent_id = ? AND deleted_at IS NULL", row["id"]):
        return {"success": False, "status": "collection has descendants"}
    if not recursive and members(call, row["id"]):
        return {"success": False, "status": "collection has resources"}
    bury(call, "collection", row["id"])
    return {"success": True, "status": "all good"}


@method
def delete_resource(call: Call, resource_id: object) -> bool:
    """Delete a resource; true also when there is none.

    It is taken out of its collections first, and a deleted one among them makes the call fail.
    """
    row = call.row("SELECT * FROM resource WHERE id = ? AND deleted_at IS NULL", as_id(resource_id))
    if row is None:
        return True
    call.access(row["project_id"]).check_row("delete", "resource", row)
    leave_all(call, row["id"])
    bury(call, "resource", row["id"])
    return True


def leave_all(call: Call, resource_id: int) -> None:
    """Take a resource out of all its collections, as its user would; refused when one of them is deleted."""
    for place in call.rows("SELECT collection_id FROM membership WHERE resource_id = ?", resource_id):
        remove_resource_from_collection(call, resource_id, place["collection_id"])


@method
def restore_resource(call: Call, resource_id: object, destination_collection_id: object) -> bool:
    """Bring a resource back, into one collection only."""
    row = call.row("SELECT * FROM resource WHERE id = ?", as_id(resource_id))
    if row is None:
        raise Refused(NO_RESOURCE)
    place = call.row("SELECT * FROM collection WHERE id = ?", as_id(destination_collection_id))
    if place is None:
        raise Refused(NO_COLLECTION)
    if row["project_id"] != place["project_id"]:
        raise Refused(OTHER_PROJECT)
    call.access(place["project_id"]).check_row("update", "collection", place)
    unbury(call, "resource", row["id"])
    leave_all(call, row["id"])
    return bool(add_resource_to_collection(call, row["id"], place["id"]))


@method
def restore_collection(call: Call, collection_id: object, destination_collection_id: object) -> bool:
    """Bring a collection back below another (or the same) parent, with its subtree and the deleted resources in it."""
    if collection_id == destination_collection_id:
        raise Refused(ITSELF)
    ids = (as_id(collection_id), as_id(destination_collection_id))
    row = call.row("SELECT * FROM collection WHERE id = ?", ids[0])
    if row is None or isinstance(collection_id, str) or isinstance(destination_collection_id, str):
        raise Refused(NO_COLLECTION)  # a text finds a row here, which is then looked for by the text
    place = live(call, ids[1])
    if place["project_id"] != row["project_id"]:
        raise Refused(OTHER_PROJECT)
    moving = row["parent_id"] != place["id"]
    if moving and row["parent_id"] is None:
        raise Refused("cant move root collection")
    access = call.access(row["project_id"])
    access.check_row("update", "collection", place)
    access.check_row("update", "collection", row)
    if moving:
        access.check_row("read", "collection", place)
        if call.row("SELECT 1 FROM collection WHERE parent_id = ? AND title = ?", place["id"], row["title"]):
            raise Refused(TITLE_TAKEN)
    below = subtree(call, row["id"], deleted=True)
    if place["id"] in {item["id"] for item in below}:
        raise Refused(ITSELF)
    dead = [item for item in [row, *below] if item["deleted_at"] is not None]
    for item in dead:
        access.check_row("update", "collection", item)
    lost = call.rows(
        "SELECT * FROM resource WHERE deleted_at IS NOT NULL AND id IN (SELECT resource_id FROM membership"
        " WHERE collection_id IN (SELECT value FROM json_each(?)))",
        id_list(item["id"] for item in [row, *below]),
    )
    if moving:
        call.db.execute(
            "UPDATE collection SET parent_id = ?, updated_at = ? WHERE id = ?", (place["id"], now(), row["id"])
        )
    for item in dead:
        unbury(call, "collection", item["id"])
    for item in lost:
        access.check_row("update", "resource", item)
        unbury(call, "resource", item["id"])
    return True


@method
def recycle_bin(call: Call, project_id: object) -> list[Json]:
    """What was deleted in the last 15 days, newest first."""
    project = call.project(project_id)
    access = call.access(project["id"])
    access.check_member(project["label"])
    found = []
    for kind in ("collection", "resource"):
        rows = call.rows(
            f"SELECT * FROM {kind} WHERE project_id = ? AND deleted_at > ?", project["id"], now() - BIN_DAYS * DAY
        )
        found += [(row["deleted_at"], kind, row) for row in access.readable(kind, rows)]
    found.sort(key=lambda item: item[0], reverse=True)
    return [
        {"object_type": kind, "id": row["id"], "label": row["title"], "deleted_at": iso(moment)}
        for moment, kind, row in found
    ]


def selected(call: Call, collection_id: object, selection: Any) -> tuple[list[int], list[int]]:
    """The resources and collections that a selection means: all of a collection unless it includes something."""
    row = call.row("SELECT * FROM collection WHERE id = ?", as_id(collection_id or None))
    if row is None:
        raise Refused(NO_COLLECTION)
    include, exclude = (selection or {}).get("include"), (selection or {}).get("exclude") or {}
    if include:
        collections = _there(call, "collection", include.get("collections_ids"))
        resources = _there(call, "resource", include.get("resources_ids"))
    else:
        query = "SELECT id FROM collection WHERE parent_id = ? AND deleted_at IS NULL ORDER BY title"
        collections = [item["id"] for item in call.rows(query, row["id"])]
        query = "SELECT resource_id AS id FROM membership WHERE collection_id = ?"
        resources = [item["id"] for item in call.rows(query, row["id"])]
    no_collections, no_resources = exclude.get("collections_ids") or [], exclude.get("resources_ids") or []
    return [i for i in resources if i not in no_resources], [i for i in collections if i not in no_collections]


def _there(call: Call, kind: str, ids: Any) -> list[int]:
    """Those of the ids that anything has."""
    wanted = id_list(as_id(item) for item in ids or [])
    found = call.rows(f"SELECT id FROM {kind} WHERE id IN (SELECT value FROM json_each(?))", wanted)
    return [row["id"] for row in found]


@method
def remove_selection(call: Call, parent_collection_id: object, selection: Any) -> bool:
    """Delete what is selected, collections recursively; an empty selection is everything."""
    resources, collections = selected(call, parent_collection_id, selection)
    for item in collections:
        delete_collection(call, item, True)
    for item in resources:
        if live_places(call, item) < 2:
            delete_resource(call, item)
        else:
            remove_resource_from_collection(call, item, parent_collection_id)
    return True


@method
def move_selection(call: Call, from_collection_id: object, selection: Any, to_collection_id: object) -> Json:
    """Move what is selected."""
    resources, collections = selected(call, from_collection_id, selection)
    if call.row("SELECT 1 FROM collection WHERE id = ?", as_id(to_collection_id)) is None:
        raise Refused(NO_COLLECTION)
    result: Json = move_items(call, from_collection_id, to_collection_id, collections, resources)
    return result
