"""Collections: making, finding, listing, renaming, moving, publishing."""

from __future__ import annotations

import sqlite3
from typing import Any

from assetfs.sandbox.jama import serialise
from assetfs.sandbox.jama.context import Call, as_id, id_list, now, window
from assetfs.sandbox.jama.errors import ITSELF, NO_COLLECTION, OTHER_PROJECT, TITLE_TAKEN, WRONG_ARGUMENT, Refused
from assetfs.sandbox.jama.registry import method
from assetfs.sandbox.jama.serialise import Json

ORDERS = ("title", "-title", "updated_at", "-updated_at", "created_at", "-created_at")


def order_clause(order_by: object, allowed: tuple[str, ...] = ORDERS, table: str = "") -> str:
    """An ORDER BY that is one of those allowed, with the id as tie-break; `table` is "r." or so. Refused otherwise."""
    if order_by not in allowed:
        raise Refused(f"{WRONG_ARGUMENT}: order_by must be one of {', '.join(allowed)}")
    name = str(order_by)
    column = "m.rank" if name.endswith("rank") else f"{table}{name.removeprefix('-')}"
    direction = " DESC" if name.startswith("-") else ""
    return f"{column}{direction}, {table}id{direction}"


def live(call: Call, collection_id: object) -> sqlite3.Row:
    """A collection that is not deleted. Refused when there is none."""
    row = call.row("SELECT * FROM collection WHERE id = ? AND deleted_at IS NULL", as_id(collection_id))
    if row is None:
        raise Refused(NO_COLLECTION)
    return row


def subtree(call: Call, collection_id: int, *, deleted: bool = False) -> list[sqlite3.Row]:
    """The collections below one, itself left out; deleted ones, and what is below them, only if asked for."""
    alive = "" if deleted else "AND c.deleted_at IS NULL"
    return call.rows(
        f"WITH RECURSIVE down(id) AS (SELECT c.id FROM collection c WHERE c.parent_id = ? {alive} UNION"
        f" SELECT c.id FROM collection c JOIN down ON c.parent_id = down.id WHERE 1 {alive})"
        " SELECT * FROM collection WHERE id IN (SELECT id FROM down)",
        collection_id,
    )


def ancestry(call: Call, row: sqlite3.Row) -> list[sqlite3.Row]:
    """The ancestors of a collection, root first, itself left out."""
    chain: list[sqlite3.Row] = []
    while row["parent_id"] is not None:
        row = call.rows("SELECT * FROM collection WHERE id = ?", row["parent_id"])[0]
        chain.insert(0, row)
    return chain


@method
def collection(call: Call, collection_id: object) -> Json:
    """One collection."""
    row = live(call, collection_id)
    call.access(row["project_id"]).check_row("read", "collection", row)
    return serialise.collections(call, [row])[0]


@method
def collections(
    call: Call,
    parent_id: object,
    recursive: object = False,
    limit_from: object = 0,
    limit_to: object = 2000,
    flat_list: object = False,
    only_published: object = False,
    order_by: object = "title",
    only_deleted_items: object = False,
) -> list[Json]:
    """A window of the children, or with `flat_list` of all collections of the project, root included."""
    order = order_clause(order_by)
    state = "NOT NULL" if only_deleted_items else "NULL"
    parent = call.row(f"SELECT * FROM collection WHERE id = ? AND deleted_at IS {state}", as_id(parent_id))
    if parent is None:
        raise Refused(NO_COLLECTION)
    access = call.access(parent["project_id"])
    access.check_row("read", "collection", parent)
    start, stop = window(limit_from, limit_to)
    where, value = ("project_id = ?", parent["project_id"]) if flat_list else ("parent_id = ?", parent["id"])
    where += " AND public_access" if only_published else ""
    rows = call.rows(
        f"SELECT * FROM collection WHERE {where} AND deleted_at IS {state} ORDER BY {order} LIMIT ? OFFSET ?",
        value,
        stop - start,
        start,
    )
    rows = access.readable("collection", rows)
    return serialise.tree(call, rows, only_published) if recursive else serialise.collections(call, rows, listing=True)


@method
def find_collection_from_path(call: Call, path: Any, project_id: object) -> Json | None:
    """The collection at a path of titles; null when there is none. Blank segments are skipped, all are stripped."""
    if not path:
        raise Refused("path argument is missing")
    if not project_id:
        raise Refused("project_id is not set")
    project = call.project(project_id)
    found = live(call, project["root_id"])
    for title in [part.strip() for part in path.split("/")]:
        if title:
            query = "SELECT * FROM collection WHERE parent_id = ? AND title = ? AND deleted_at IS NULL"
            row = call.row(query, found["id"], title)
            if row is None:
                return None
            found = row
    call.access(project["id"]).check_row("read", "collection", found)
    return serialise.collections(call, [found])[0]


@method
def ancestors_from_collection(call: Call, collection_id: object, include_self: object = False) -> list[Json]:
    """The ancestors as full collections, root first; itself at the end if asked for."""
    row = live(call, collection_id)
    call.access(row["project_id"]).check_row("read", "collection", row)
    return serialise.collections(call, ancestry(call, row) + ([row] if include_self else []))


def get_or_create(call: Call, parent: sqlite3.Row, title: str) -> sqlite3.Row:
    """The child with this title, revived if it was deleted, made if there was none."""
    row = call.row("SELECT * FROM collection WHERE parent_id = ? AND title = ?", parent["id"], title)
    moment = now()
    if row is None:
        new = call.insert(
            "INSERT INTO collection (project_id, parent_id, title, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
            parent["project_id"],
            parent["id"],
            title,
            moment,
            moment,
        )
        return live(call, new)
    if row["deleted_at"] is not None:
        call.db.execute("UPDATE collection SET deleted_at = NULL, updated_at = ? WHERE id = ?", (moment, row["id"]))
    return live(call, row["id"])


@method
def add_collection(call: Call, title: Any, parent_id: object) -> Json:
    """Get or create a child by its stripped title."""
    title = title.strip()
    if not title:
        raise Refused("missing collection title")
    parent = live(call, parent_id)
    access = call.access(parent["project_id"])
    access.check_row("update", "collection", parent)
    row = get_or_create(call, parent, title)
    access.check_row("read", "collection", row)
    return serialise.collections(call, [row])[0]


@method
def add_collection_from_path(call: Call, path: Any, project_id: object) -> list[Json]:
    """Get or create each collection of a path. Each is serialised before the next is made."""
    if not path:
        raise Refused("path argument is missing")
    if not project_id:
        raise Refused("project_id is not set")
    parent = call.project(project_id)["root_id"]
    hierarchy = []
    for title in path.split("/"):
        if title.strip():
            hierarchy.append(add_collection(call, title, parent))
            parent = hierarchy[-1]["id"]
    return hierarchy


@method
def rename_collection(call: Call, collection_id: object, title: Any) -> bool:
    """Set the title as it comes. False when a sibling, deleted ones too, has it."""
    row = live(call, collection_id)
    if row["parent_id"] is None:
        raise Refused("cant rename root collection")
    call.access(row["project_id"]).check_row("update", "collection", row)
    try:
        call.db.execute("UPDATE collection SET title = ?, updated_at = ? WHERE id = ?", (title, now(), row["id"]))
    except sqlite3.IntegrityError as error:
        if "UNIQUE" in str(error):
            return False
        raise
    return True


@method
def move_collection(call: Call, child_collection_id: object, parent_collection_id: object) -> bool:
    """Hang a collection below another parent. A repeated move finds the moved one itself in the way."""
    if child_collection_id == parent_collection_id:
        raise Refused(ITSELF)
    child = live(call, child_collection_id)
    if child["parent_id"] is None:
        raise Refused("cant move root collection")
    parent = live(call, parent_collection_id)
    if parent["id"] in {row["id"] for row in subtree(call, child["id"])}:
        raise Refused(ITSELF)
    if parent["project_id"] != child["project_id"]:
        raise Refused(OTHER_PROJECT)
    access = call.access(parent["project_id"])
    access.check_row("read", "collection", parent)
    access.check_row("update", "collection", child)
    if call.row("SELECT 1 FROM collection WHERE parent_id = ? AND title = ?", parent["id"], child["title"]):
        raise Refused(TITLE_TAKEN)
    call.db.execute(
        "UPDATE collection SET parent_id = ?, updated_at = ? WHERE id = ?", (parent["id"], now(), child["id"])
    )
    return True


def _publish(call: Call, collection_id: object, public: bool) -> bool:
    row = live(call, collection_id)
    access = call.access(row["project_id"])
    rows = [row, *subtree(call, row["id"])]
    for item in rows:
        access.check_row("update", "collection", item)
    moment = now()
    published = ", published_at = ?2" if public else ""
    call.db.execute(
        f"UPDATE collection SET public_access = ?1, updated_at = ?2 {published}"
        " WHERE id IN (SELECT value FROM json_each(?3))",
        (public, moment, id_list(item["id"] for item in rows)),
    )
    return True


@method
def publish_collection(call: Call, collection_id: object) -> bool:
    """Make a whole subtree public."""
    return _publish(call, collection_id, True)


@method
def unpublish_collection(call: Call, collection_id: object) -> bool:
    """Make a whole subtree private; `published_at` stays."""
    return _publish(call, collection_id, False)


@method
def collection_stats(call: Call, collection_id: object) -> Json:
    """How much is in and below a collection."""
    row = live(call, collection_id)
    call.access(row["project_id"]).check_row("read", "collection", row)
    below = [item["id"] for item in subtree(call, row["id"])]
    return {
        "descendants_count": len(below),
        "descendants_resources_count": members_count(call, [row["id"], *below]),
        "children_count": call.scalar(
            "SELECT count(*) FROM collection WHERE parent_id = ? AND deleted_at IS NULL", row["id"]
        ),
        "resources_count": members_count(call, [row["id"]]),
    }


def members_count(call: Call, collection_ids: list[int]) -> int:
    """How many memberships of live resources some collections have."""
    return int(
        call.scalar(
            "SELECT count(*) FROM membership m JOIN resource r ON r.id = m.resource_id"
            " WHERE r.deleted_at IS NULL AND m.collection_id IN (SELECT value FROM json_each(?))",
            id_list(collection_ids),
        )
    )
