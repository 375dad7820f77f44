"""Metadata: sets, fields, and values on resources and collections.

Values are stripped when they are saved but looked up as they came: a value that is there already, sent again with
blanks around it, hits the database's uniqueness and is an HTTP 500. ExifTool values cannot be changed or removed, but
added.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from assetfs.sandbox.jama import serialise
from assetfs.sandbox.jama.collections import live, subtree
from assetfs.sandbox.jama.context import Call, as_id, as_text, id_list
from assetfs.sandbox.jama.errors import NO_COLLECTION, NO_METADATA, NO_SET, WRONG_ARGUMENT, Refused
from assetfs.sandbox.jama.recycling import members, selected
from assetfs.sandbox.jama.registry import method
from assetfs.sandbox.jama.resources import live_resource, touch
from assetfs.sandbox.jama.serialise import Json

FIELD = "SELECT f.*, s.title AS set_title FROM metadata f JOIN metadataset s ON s.id = f.set_id"
LOOK_UP: dict[str, Callable[[Call, object], sqlite3.Row]] = {"resource": live_resource, "collection": live}


def _field(call: Call, metadata_id: object) -> sqlite3.Row:
    row = call.row(f"{FIELD} WHERE f.id = ?", as_id(metadata_id))
    if row is None:
        raise Refused(NO_METADATA)
    return row


def _set(call: Call, set_id: object) -> sqlite3.Row:
    row = call.row("SELECT * FROM metadataset WHERE id = ?", as_id(set_id))
    if row is None:
        raise Refused(NO_SET)
    return row


@method
def metadatasets(call: Call, project_id: object) -> list[Json]:
    """The sets of a project, in no order."""
    project = call.project(project_id)
    call.access(project["id"]).check("read", "metadataset", None, "metadataset")
    query = (
        "SELECT s.*, (SELECT count(*) FROM metadata f WHERE f.set_id = s.id AND f.expose) AS metas_count"
        " FROM metadataset s WHERE s.project_id = ? ORDER BY s.id"
    )
    return [serialise.metadataset(row) for row in call.rows(query, project["id"])]


@method
def metadatas(call: Call, metadata_set_id: object) -> list[Json]:
    """The fields of a set, by rank and then title."""
    row = _set(call, metadata_set_id)
    call.access(row["project_id"]).check("read", "metadataset", None, row["title"])
    rows = call.rows(f"{FIELD} WHERE f.set_id = ? AND f.expose ORDER BY f.rank, f.title", row["id"])
    return [serialise.metadata(item, item["id"]) for item in rows]


@method
def metadata(call: Call, metadata_id: object) -> Json:
    """One field."""
    row = _field(call, metadata_id)
    call.access(row["project_id"]).check("read", "metadata", None, f"{row['set_title']}: {row['title']}")
    return serialise.metadata(row, row["id"])


@method
def add_metadataset(call: Call, title: object, project_id: object) -> int:
    """Get or create a set by its title."""
    project = call.project(project_id)
    call.access(project["id"]).check("create", "metadataset", None, "metadataset")
    return set_of(call, project["id"], as_text(title))


def set_of(call: Call, project_id: int, title: str) -> int:
    """The id of a set, which is made if it is not there. (An INSERT that is ignored would use up an id.)"""
    found = call.scalar("SELECT id FROM metadataset WHERE project_id = ? AND title = ?", project_id, title)
    return int(found or call.insert("INSERT INTO metadataset (project_id, title) VALUES (?, ?)", project_id, title))


@method
def add_metadata(call: Call, title: object, metas_set_id: object) -> int:
    """Get or create a field by its title; a new one has rank 0."""
    row = _set(call, metas_set_id)
    call.access(row["project_id"]).check("update", "metadataset", None, row["title"])
    found = call.scalar("SELECT id FROM metadata WHERE set_id = ? AND title = ?", row["id"], as_text(title))
    values = (row["project_id"], row["id"], as_text(title))
    return int(found or call.insert("INSERT INTO metadata (project_id, set_id, title) VALUES (?, ?, ?)", *values))


@method
def rename_meta(call: Call, meta_id: object, title: Any) -> bool:
    """Set a field's title."""
    row = _field(call, meta_id)
    call.access(row["project_id"]).check("update", "metadata", None, f"{row['set_title']}: {row['title']}")
    call.db.execute("UPDATE metadata SET title = ? WHERE id = ?", (title, row["id"]))
    return True


def _drop_fields(call: Call, where: str, value: int) -> None:
    for kind in ("resource", "collection"):
        call.db.execute(
            f"DELETE FROM {kind}_value WHERE metadata_id IN (SELECT id FROM metadata WHERE {where})", (value,)
        )
    call.db.execute(f"DELETE FROM metadata WHERE {where}", (value,))


@method
def delete_metadata(call: Call, metadata_id: object) -> bool:
    """Delete a field and all its values."""
    row = _field(call, metadata_id)
    call.access(row["project_id"]).check("update", "metadataset", None, row["set_title"])
    _drop_fields(call, "id = ?", row["id"])
    return True


@method
def delete_metadataset(call: Call, metadataset_id: object, recursive: object = False) -> Json:
    """Delete a set; one that has fields only with `recursive`."""
    row = call.row("SELECT * FROM metadataset WHERE id = ?", as_id(metadataset_id))
    if row is None:
        return {"success": False, "status": "can't find metadata set"}
    call.access(row["project_id"]).check("delete", "metadataset", None, row["title"])
    if recursive:
        _drop_fields(call, "set_id = ?", row["id"])
    if call.row("SELECT 1 FROM metadata WHERE set_id = ?", row["id"]):
        return {"success": False, "status": "set has metas"}
    call.db.execute("DELETE FROM metadataset WHERE id = ?", (row["id"],))
    return {"success": True, "status": "all good"}


def _add(call: Call, kind: str, owner_id: object, meta_id: object, value: object) -> int:
    if value is None or value == "":
        raise Refused(WRONG_ARGUMENT)
    owner = LOOK_UP[kind](call, owner_id)
    access = call.access(owner["project_id"])
    access.check_row("update", kind, owner)
    field = _field(call, meta_id)
    access.check("read", "metadata", None, f"{field['set_title']}: {field['title']}")
    text = as_text(value)
    query = f"SELECT id FROM {kind}_value WHERE metadata_id = ? AND owner_id = ? AND value = ?"
    known = call.scalar(query, field["id"], owner["id"], text)
    if known is not None:
        return int(known)
    return insert_value(call, kind, owner["id"], field["id"], text)


def insert_value(call: Call, kind: str, owner_id: int, field_id: int, value: str) -> int:
    """Store a value, stripped. An equal one that is there already is an IntegrityError. Returns the value's id."""
    statement = f"INSERT INTO {kind}_value (owner_id, metadata_id, value) VALUES (?, ?, ?)"
    return call.insert(statement, owner_id, field_id, value.strip())


@method
def add_meta_to_resource(call: Call, resource_id: object, meta_id: object, meta_value: object) -> int:
    """Add a value to a resource. Returns its id, also when it is there already."""
    return _add(call, "resource", resource_id, meta_id, meta_value)


@method
def add_meta_to_collection(
    call: Call, collection_id: object, meta_id: object, meta_value: object, recursive: object = False
) -> int:
    """Add a value to a collection and, if so asked, to all that is below it."""
    added = _add(call, "collection", collection_id, meta_id, meta_value)
    if recursive:
        places = _downwards(subtree(call, as_id(collection_id)), as_id(collection_id))
        for place in places:
            _add(call, "collection", place["id"], meta_id, meta_value)
        for place_id in [as_id(collection_id), *(place["id"] for place in places)]:
            for item in members(call, place_id):
                _add(call, "resource", item["id"], meta_id, meta_value)
    return added


def _downwards(places: list[sqlite3.Row], top: int) -> list[sqlite3.Row]:
    """The collections below one, each before what is in it, siblings by title."""
    own = sorted((place for place in places if place["parent_id"] == top), key=lambda place: str(place["title"]))
    return [found for place in own for found in (place, *_downwards(places, place["id"]))]


def _guard(row: sqlite3.Row) -> None:
    if row["set_title"] == "ExifTool":
        raise Refused("can't modify exif")


def _value(call: Call, kind: str, value_id: object) -> sqlite3.Row | None:
    return call.row(
        f"SELECT v.*, s.title AS set_title FROM {kind}_value v JOIN metadata f ON f.id = v.metadata_id"
        " JOIN metadataset s ON s.id = f.set_id WHERE v.id = ?",
        as_id(value_id),
    )


def _change(call: Call, kind: str, value_id: object, value: object) -> bool:
    row = _value(call, kind, value_id)
    if row is None:
        return False
    owner = call.rows(f"SELECT * FROM {kind} WHERE id = ?", row["owner_id"])[0]
    call.access(owner["project_id"]).check_row("update", kind, owner)
    _guard(row)
    call.db.execute(f"UPDATE {kind}_value SET value = ? WHERE id = ?", (as_text(value).strip(), row["id"]))
    return True


@method
def change_resource_meta_value(call: Call, meta_value_id: object, meta_value: object) -> bool:
    """Change a value in place; false when it is gone."""
    return _change(call, "resource", meta_value_id, meta_value)


@method
def change_collection_meta_value(call: Call, meta_value_id: object, meta_value: object) -> bool:
    """Change a value in place; false when it is gone."""
    return _change(call, "collection", meta_value_id, meta_value)


@method
def remove_meta_value_from_resource(call: Call, resource_id: object, meta_value_id: object) -> bool:
    """Remove a value; false when the resource has none of that id."""
    owner = live_resource(call, resource_id)
    call.access(owner["project_id"]).check_row("update", "resource", owner)
    row = _value(call, "resource", meta_value_id)
    if row is None or row["owner_id"] != owner["id"]:
        return False
    _guard(row)
    call.db.execute("DELETE FROM resource_value WHERE id = ?", (row["id"],))
    return True


@method
def remove_meta_value_from_collection(
    call: Call, collection_id: object, meta_value_id: object, recursive: object = False
) -> bool:
    """Remove a value; true also when there is none. Recursively, equal values of the field below go too."""
    owner = live(call, collection_id)
    access = call.access(owner["project_id"])
    access.check_row("update", "collection", owner)
    row = _value(call, "collection", meta_value_id)
    if row is None or row["owner_id"] != owner["id"]:
        return True
    _guard(row)
    places = [owner, *subtree(call, owner["id"])] if recursive else [owner]
    items = [item for place in places for item in members(call, place["id"])] if recursive else []
    for kind, rows in (("collection", places), ("resource", items)):
        for item in rows:
            access.check_row("update", kind, item)
        call.db.execute(
            f"DELETE FROM {kind}_value WHERE metadata_id = ? AND value = ?"
            " AND owner_id IN (SELECT value FROM json_each(?))",
            (row["metadata_id"], row["value"], id_list(item["id"] for item in rows)),
        )
    return True


def _replace_set(call: Call, kind: str, owner_id: object, metas: Any) -> sqlite3.Row:
    if not metas:
        raise Refused("empty metas list")
    fields = [call.row(f"{FIELD} WHERE f.id = ?", as_id(item["id"])) for item in metas]
    sets = set()
    for field in fields:
        if field is None:
            raise LookupError("a field that does not exist")  # 500: the server does not expect it
        sets.add(field["set_id"])
    if len(sets) > 1:
        raise Refused("can't mix metadata sets when setting multiple meta values at once")
    owner = LOOK_UP[kind](call, owner_id)
    call.access(owner["project_id"]).check_row("update", kind, owner)
    (set_id,) = sets
    chosen = f"{kind}_value WHERE owner_id = ? AND metadata_id IN (SELECT id FROM metadata WHERE set_id = ?)"
    if call.row(f"SELECT 1 FROM {chosen}", owner["id"], set_id):
        _guard(call.rows("SELECT title AS set_title FROM metadataset WHERE id = ?", set_id)[0])
        call.db.execute(f"DELETE FROM {chosen}", (owner["id"], set_id))
    for item in metas:
        _add(call, kind, owner["id"], item["id"], item["value"])
    return owner


@method
def set_metas_to_resource(call: Call, resource_id: object, metas: Any) -> bool:
    """Replace all values of one set, hidden ones too. Moves `updated_at` on."""
    touch(call, _replace_set(call, "resource", resource_id, metas)["id"])
    return True


@method
def set_metas_to_collection(
    call: Call, collection_id: object, metas: Any, recursive: object = False, async_mode: object = True
) -> bool:
    """Replace all values of one set, and if so asked those of the collection's own resources (no deeper)."""
    owner = _replace_set(call, "collection", collection_id, metas)
    for item in members(call, owner["id"]) if recursive else []:
        set_metas_to_resource(call, item["id"], metas)
    return True


@method
def add_meta_to_selection(
    call: Call, from_collection_id: object, selection: Any, meta_id: object, meta_value: object
) -> bool:
    """Add a value to what is selected, collections with all that is below them."""
    resources, collections = selected(call, from_collection_id, selection)
    for item in resources:
        add_meta_to_resource(call, item, meta_id, meta_value)
    for item in collections:
        add_meta_to_collection(call, item, meta_id, meta_value, True)
    return True


@method
def remove_meta_value_from_selection(
    call: Call, from_collection_id: object, selection: Any, meta_value_id: object
) -> bool:
    """Remove a value from what is selected."""
    resources, collections = selected(call, from_collection_id, selection)
    for item in resources:
        remove_meta_value_from_resource(call, item, meta_value_id)
    for item in collections:
        remove_meta_value_from_collection(call, item, meta_value_id, True)
    return True


@method
def meta_count(call: Call, metadata_id: object, collection_id: object) -> dict[str, int]:
    """How often each value of a field occurs on the resources in and below a collection."""
    place = call.row("SELECT * FROM collection WHERE id = ?", as_id(collection_id))
    if place is None:
        raise Refused(NO_COLLECTION)
    call.access(place["project_id"]).check_row("read", "collection", place)
    field = _field(call, metadata_id)
    if field["project_id"] != place["project_id"]:
        raise Refused(NO_METADATA)
    rows = call.rows(
        "SELECT v.value, count(*) FROM resource_value v JOIN membership m ON m.resource_id = v.owner_id"
        " WHERE v.metadata_id = ? AND m.collection_id IN (SELECT value FROM json_each(?)) GROUP BY v.value",
        field["id"],
        id_list([place["id"], *(item["id"] for item in subtree(call, place["id"]))]),
    )
    return {row[0]: row[1] for row in rows}
