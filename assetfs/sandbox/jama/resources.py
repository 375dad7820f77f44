"""Resources and their places: one resource, its collections, renaming, linking, moving, replacing its content."""

from __future__ import annotations

import sqlite3
from typing import Any

from assetfs.sandbox.jama import serialise
from assetfs.sandbox.jama.collections import ORDERS, ancestry, live, move_collection, order_clause
from assetfs.sandbox.jama.context import Call, as_id, id_list, now, window
from assetfs.sandbox.jama.errors import NO_COLLECTION, NO_RESOURCE, OTHER_PROJECT, Refused
from assetfs.sandbox.jama.registry import method
from assetfs.sandbox.jama.serialise import Json

RANK = "collections__collectionmembership__rank"


def live_resource(call: Call, resource_id: object, project_id: int | None = None) -> sqlite3.Row:
    """A resource that is not deleted, of one project if that is given. Refused when there is none."""
    row = call.row("SELECT * FROM resource WHERE id = ? AND deleted_at IS NULL", as_id(resource_id))
    if row is None or project_id not in (None, row["project_id"]):
        raise Refused(NO_RESOURCE)
    return row


def touch(call: Call, resource_id: int) -> None:
    """Move `updated_at` on."""
    call.db.execute("UPDATE resource SET updated_at = ? WHERE id = ?", (now(), resource_id))


@method
def resource(call: Call, resource_id: object, include_metas: object = True) -> Json:
    """One resource."""
    row = live_resource(call, resource_id)
    call.access(row["project_id"]).check_row("read", "resource", row)
    return serialise.resources(call, [row], include_metas)[0]


@method
def resources(
    call: Call,
    collection_id: object,
    include_metas: object = False,
    limit_from: object = 0,
    limit_to: object = 2000,
    order_by: object = "title",
    only_deleted_items: object = False,
    only_tags: Any = None,
) -> list[Json]:
    """A window of a collection's resources. The collection need not be alive or readable."""
    order = order_clause(order_by, (*ORDERS, RANK, f"-{RANK}"), "r.")
    row = call.row("SELECT * FROM collection WHERE id = ?", as_id(collection_id))
    if row is None:
        raise Refused(NO_COLLECTION)
    start, stop = window(limit_from, limit_to)
    tagged, values = "", []
    if only_tags:
        tagged = (
            " AND r.id IN (SELECT x.owner_id FROM resource_tag x JOIN tag t ON t.id = x.tag_id"
            " WHERE t.uid IN (SELECT value FROM json_each(?)))"
        )
        values = [id_list(only_tags)]
    rows = call.rows(
        "SELECT r.* FROM membership m JOIN resource r ON r.id = m.resource_id WHERE m.collection_id = ?"
        f" AND r.deleted_at IS {'NOT NULL' if only_deleted_items else 'NULL'}{tagged}"
        f" ORDER BY {order} LIMIT ? OFFSET ?",
        row["id"],
        *values,
        stop - start,
        start,
    )
    rows = call.access(row["project_id"]).readable("resource", rows)
    return serialise.resources(call, rows, include_metas)


@method
def ancestors_from_resource(call: Call, resource_id: object) -> list[list[Json]]:
    """One chain, root first, per live and readable collection that has the resource, by the title of the last one."""
    places = call.rows(
        "SELECT c.* FROM membership m JOIN collection c ON c.id = m.collection_id"
        " JOIN resource r ON r.id = m.resource_id WHERE m.resource_id = ? AND c.deleted_at IS NULL"
        " AND r.deleted_at IS NULL ORDER BY c.title, c.id",
        as_id(resource_id),
    )
    if not places:
        return []
    readable = call.access(places[0]["project_id"]).readable("collection", places)
    return [serialise.collections(call, [*ancestry(call, place), place]) for place in readable]


@method
def rename_resource(call: Call, resource_id: object, title: Any) -> bool:
    """Set the title as it comes, in all its collections."""
    row = live_resource(call, resource_id)
    call.access(row["project_id"]).check_row("update", "resource", row)
    call.db.execute("UPDATE resource SET title = ?, updated_at = ? WHERE id = ?", (title, now(), row["id"]))
    return True


def link(call: Call, resource_id: int, collection_id: int) -> None:
    """Add a membership unless it is there. (An INSERT that is ignored would use up an id.)"""
    call.db.execute(
        "INSERT INTO membership (collection_id, resource_id) SELECT ?1, ?2"
        " WHERE NOT EXISTS (SELECT 1 FROM membership WHERE collection_id = ?1 AND resource_id = ?2)",
        (collection_id, resource_id),
    )


@method
def add_resource_to_collection(call: Call, resource_id: object, collection_id: object) -> bool:
    """Put a resource into a collection of its project. Idempotent."""
    place = live(call, collection_id)
    row = live_resource(call, resource_id, place["project_id"])
    access = call.access(place["project_id"])
    access.check_row("update", "collection", place)
    access.check_row("read", "resource", row)
    link(call, row["id"], place["id"])
    return True


@method
def remove_resource_from_collection(call: Call, resource_id: object, collection_id: object) -> bool:
    """Take a resource out of a collection; true also when it was not in it."""
    place = live(call, collection_id)
    row = live_resource(call, resource_id, place["project_id"])
    access = call.access(place["project_id"])
    access.check_row("update", "collection", place)
    access.check_row("read", "resource", row)
    call.db.execute("DELETE FROM membership WHERE collection_id = ? AND resource_id = ?", (place["id"], row["id"]))
    return True


@method
def move_items(
    call: Call, from_collection_id: object, to_collection_id: object, collections_ids: Any, resources_ids: Any
) -> Json:
    """Move collections and resources: add to one, remove from the other, even when the two are the same."""
    result: Json = {"collections": {}, "resources": {}}
    for item in collections_ids:
        result["collections"][item] = move_collection(call, item, to_collection_id)
    for item in resources_ids:
        result["resources"][item] = add_resource_to_collection(call, item, to_collection_id)
        remove_resource_from_collection(call, item, from_collection_id)
    return result


@method
def set_representative_resource(call: Call, collection_id: object, resource_id: object = None) -> bool:
    """Choose the resource that stands for a collection; none when no id is given."""
    place = live(call, collection_id)
    access = call.access(place["project_id"])
    access.check_row("update", "collection", place)
    chosen = None
    if resource_id:
        row = live_resource(call, resource_id)
        access.check_row("read", "resource", row)
        if row["project_id"] != place["project_id"]:
            raise Refused(OTHER_PROJECT)
        chosen = row["id"]
    call.db.execute(
        "UPDATE collection SET representative_id = ?, updated_at = ? WHERE id = ?", (chosen, now(), place["id"])
    )
    return True


@method
def replace_file(call: Call, from_resource_id: object, to_resource_id: object) -> bool:
    """Give a resource the content of another, which is then gone for good.

    The target keeps its title, places, tags and values except ExifTool's. Called with one resource twice, it deletes
    that resource with all that hangs on it and then writes it back bare, as new.
    """
    source, target = live_resource(call, from_resource_id), live_resource(call, to_resource_id)
    if source["project_id"] != target["project_id"]:
        raise Refused(OTHER_PROJECT)
    access = call.access(target["project_id"])
    access.check_row("read", "resource", source)
    access.check_row("delete", "resource", source)
    access.check_row("update", "resource", target)
    call.db.execute(
        "INSERT INTO metadataset (project_id, title) SELECT ?1, 'ExifTool'"
        " WHERE NOT EXISTS (SELECT 1 FROM metadataset WHERE project_id = ?1 AND title = 'ExifTool')",
        (target["project_id"],),
    )
    exif = (
        "metadata_id IN (SELECT f.id FROM metadata f JOIN metadataset s ON s.id = f.set_id"
        " WHERE s.title = 'ExifTool' AND s.project_id = ?)"
    )
    call.db.execute(f"DELETE FROM resource_value WHERE owner_id = ? AND {exif}", (target["id"], target["project_id"]))
    call.db.execute(
        f"UPDATE resource_value SET owner_id = ? WHERE owner_id = ? AND {exif}",
        (target["id"], source["id"], target["project_id"]),
    )
    erase(call, source["id"])
    moment = now()
    content = tuple(source[name] for name in ("mime", "hash", "size", "width", "height"))
    if source["id"] == target["id"]:
        call.db.execute(
            "INSERT INTO resource (mime, hash, size, width, height, id, project_id, title, original_name, ark,"
            " created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*content, *(target[n] for n in ("id", "project_id", "title", "original_name", "ark")), moment, moment),
        )
    else:
        call.db.execute(
            "UPDATE resource SET mime = ?, hash = ?, size = ?, width = ?, height = ?, updated_at = ? WHERE id = ?",
            (*content, moment, target["id"]),
        )
    return True


def erase(call: Call, resource_id: int) -> None:
    """Delete a resource's row and all that refers to it."""
    for statement in (
        "DELETE FROM membership WHERE resource_id = ?",
        "DELETE FROM resource_value WHERE owner_id = ?",
        "DELETE FROM resource_tag WHERE owner_id = ?",
        "DELETE FROM annotation WHERE resource_id = ?",
        "UPDATE collection SET representative_id = NULL WHERE representative_id = ?",
        "DELETE FROM resource WHERE id = ?",
    ):
        call.db.execute(statement, (resource_id,))


@method
def collections_resources_pair(
    call: Call, project_id: object, collection_id: object = None, add_path: object = False
) -> list[Json]:
    """All memberships at once, not paged; it needs the root to be readable and looks at no other right."""
    project = call.project(project_id)
    call.access(project["id"]).check_row("read", "collection", live(call, project["root_id"]))
    rows = call.rows(
        "SELECT m.id, m.rank, r.id AS rid, r.title AS rtitle, c.id AS cid, c.title AS ctitle, c.parent_id"
        " FROM membership m JOIN collection c ON c.id = m.collection_id JOIN resource r ON r.id = m.resource_id"
        " WHERE c.project_id = ? AND c.deleted_at IS NULL AND r.deleted_at IS NULL"
        f" {'AND m.collection_id = ?' if collection_id else ''} ORDER BY m.collection_id, m.rank, m.id",
        *([project["id"], as_id(collection_id)] if collection_id else [project["id"]]),
    )
    paths: dict[int, list[Json]] = {}
    if add_path:
        for cid in {row["cid"] for row in rows}:
            place = call.rows("SELECT * FROM collection WHERE id = ?", cid)[0]
            paths[cid] = [{"id": item["id"], "title": item["title"]} for item in [*ancestry(call, place), place]]
    return [
        {
            "id": row["id"],
            "resource": {"id": row["rid"], "title": row["rtitle"]},
            "collection": {
                "id": row["cid"],
                "title": row["ctitle"],
                "parent_id": row["parent_id"],
                "path": paths.get(row["cid"]),
            },
            "rank": row["rank"],
        }
        for row in rows
    ]
