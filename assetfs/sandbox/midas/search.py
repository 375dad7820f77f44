"""Methods that find things: by name, by text, by uuid, and the way from or to the root."""

from __future__ import annotations

import sqlite3

from assetfs.sandbox.midas import communities
from assetfs.sandbox.midas.context import Call, Fields, Json, shown
from assetfs.sandbox.midas.errors import INVALID, Fatal, Refused
from assetfs.sandbox.midas.folders import ancestors
from assetfs.sandbox.midas.items import first_folder
from assetfs.sandbox.midas.policies import READ, allowed
from assetfs.sandbox.midas.registry import method

KINDS = (("community", "6"), ("folder", "4"), ("item", "1"), ("itemrevision", "3"), ("user", "2"))
MOST = {"item": 200, "folder": 15, "community": 15, "user": 15}
ORDERS = {"name": "name", "date": "date", "view": "view"}
DATES = {"item": "date_update", "folder": "date_update", "community": "creation", "user": "creation"}


def _items(call: Call, condition: str, *values: object) -> Json:
    user = call.user()
    query = (
        f"SELECT DISTINCT item.* FROM item JOIN membership USING (item_id) JOIN folder USING (folder_id) {condition}"
    )
    rows = [row for row in call.rows(f"{query} ORDER BY item_id", *values) if allowed(call, "item", row, user, READ)]
    return {"items": [shown(row, folder_id=str(first_folder(call, row["item_id"]))) for row in rows]}


@method("item.searchbyname")
def by_name(call: Call) -> Json:
    """Items of a name, on the whole server."""
    return _items(call, f"WHERE {call.name_is('item.name')}", *call.need("name"))


@method("item.searchbynameandfolder")
def by_name_and_folder(call: Call) -> Json:
    """Items of a name in one folder."""
    (name,) = call.need("name")
    return _items(call, f"WHERE {call.name_is('item.name')} AND folder_id = ?", name, call.id("folderId"))


@method("item.searchbynameandfoldername")
def by_name_and_folder_name(call: Call) -> Json:
    """Items of a name in folders of a name."""
    names = call.need("name", "folderName")
    return _items(call, f"WHERE {call.name_is('item.name')} AND {call.name_is('folder.name')}", *names)


@method("item.search")
def item_search(call: Call) -> Json:
    """Broken in this version."""
    raise Fatal("item.search")


def _readable(call: Call, kind: str, row: sqlite3.Row, user: sqlite3.Row | None) -> bool:
    if kind == "community":
        return communities.level(call, row, user) >= READ
    return kind == "user" or allowed(call, kind, row, user, READ)


@method("resource.search")
def resource_search(call: Call) -> Json:
    """Everything with a name that contains the text."""
    user, (text,) = call.user(), call.need("search")
    pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    results: list[Fields] = []
    counts: dict[str, int] = {}
    for kind, most in MOST.items():
        column = "firstname || ' ' || lastname" if kind == "user" else "name"
        rows = call.rows(f"SELECT * FROM {kind} WHERE {column} LIKE ? ESCAPE '\\'", pattern)
        found = [row for row in rows if _readable(call, kind, row, user)][:most]
        counts[kind] = len(found)
        results += [shown(row, resultType=kind, formattedDate=row[DATES[kind]]) for row in found]
    order = ORDERS.get(call.params.get("order", "view"), "view")
    if order == "date":
        results.sort(key=lambda one: str(one["formattedDate"]), reverse=True)
    elif order == "view":
        results.sort(key=lambda one: int(one["view"]), reverse=True)
    else:
        results.sort(key=lambda one: str(one.get("name", one.get("lastname"))))
    words = {"nitems": "item", "nfolders": "folder", "ncommunities": "community", "nusers": "user"}
    return {word: str(counts[kind]) for word, kind in words.items()} | {"results": results}


@method("resource.get")
def resource_get(call: Call) -> Json:
    """What a uuid belongs to."""
    (uuid,) = call.need("uuid")
    for kind, number in KINDS:
        found = call.scalar(f"SELECT {kind}_id FROM {kind} WHERE uuid = ?", uuid)
        if found is not None:
            return {"type": number, "id": str(found)}
    raise Refused(INVALID, "No resource for the given UUID.")


def _path(call: Call) -> list[Fields]:
    (uuid,) = call.need("uuid")
    item = call.row("SELECT * FROM item WHERE uuid = ?", uuid)
    folder = call.row("SELECT * FROM folder WHERE uuid = ?", uuid)
    start: list[Fields] = []
    if folder is None and item is not None:
        start = [shown(item)]
        folder = call.get("folder", first_folder(call, item["item_id"]) or 0)
    if folder is None:
        raise Refused(INVALID, "No resource for the given UUID.")
    return start + [shown(row) for row in ancestors(call, folder)]


@method("path.to.root")
def path_to_root(call: Call) -> Json:
    """A folder or item and all folders above it."""
    return _path(call)


@method("path.from.root")
def path_from_root(call: Call) -> Json:
    """The same from the other end."""
    return _path(call)[::-1]
