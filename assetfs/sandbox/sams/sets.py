"""Sets and storage destinations: what is listed, and what may change in which state."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

from assetfs.sandbox.sams import wire
from assetfs.sandbox.sams.context import DESTINATIONS, Call, Reply, changing, creating
from assetfs.sandbox.sams.documents import Document, is_id, sha1, stamp
from assetfs.sandbox.sams.errors import framework, invalid, not_inserted, refused
from assetfs.sandbox.sams.schema import SET, complaints

CONSUME, ADMIN = "consume/sets", "admin/sets"
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$in": lambda value, wanted: value in wanted,
    "$nin": lambda value, wanted: value not in wanted,
    "$ne": lambda value, wanted: value != wanted,
    "$regex": lambda value, wanted: isinstance(value, str) and re.search(wanted, value) is not None,
    "$exists": lambda value, wanted: (value is not None) is bool(wanted),
}


def search(call: Call) -> Reply:
    """GET consume/sets."""
    where = _where(call.query.get("where"))
    found = [document for document in call.documents.sets() if _matches(document, where)]
    for name, direction in reversed(wire.sorting(call.query.get("sort"))):
        found.sort(key=partial(_rank, name), reverse=direction < 0)
    page, results = wire.window(call)
    shown = found[(page - 1) * results : page * results]
    projection = call.query.get("projection")
    if projection:
        wanted = {name for name, chosen in json.loads(projection).items() if chosen}
        shown = [{key: document[key] for key in document if key in wanted or key[0] == "_"} for document in shown]
    return wire.listing(call, CONSUME, [wire.linked(document, CONSUME) for document in shown], len(found))


def _rank(name: str, document: Document) -> tuple[bool, Any]:
    """MongoDB sorts what is missing before everything that is there."""
    return document.get(name) is not None, document.get(name) or ""


def _where(text: str | None) -> dict[str, Any]:
    try:
        where = json.loads(text or "{}")
    except ValueError as error:
        raise framework(400) from error
    if not isinstance(where, dict):
        raise framework(400)
    return where


def _matches(document: Document, where: dict[str, Any]) -> bool:
    for name, wanted in where.items():
        value = document.get(name)
        if isinstance(wanted, dict) and wanted and all(key in OPERATORS for key in wanted):
            if not all(OPERATORS[key](value, argument) for key, argument in wanted.items()):
                return False
        elif value != wanted:
            return False
    return True


def get(call: Call) -> Reply:
    """GET consume/sets/{id}."""
    document = call.documents.set(call.params[0])
    if document is None:
        raise framework(404)
    return wire.item(call, document, CONSUME)


def create(call: Call) -> Reply:
    """POST admin/sets: one document or a list of them."""
    given = call.json()
    documents = given if isinstance(given, list) else [given]
    if not documents or not all(isinstance(document, dict) for document in documents):
        raise framework(400)
    # All are checked before the first is written, so a list may bring the same name twice.
    for document in documents:
        _check_new(call, document)
    for document in documents:
        add(call, document)
    return wire.created(call, documents, ADMIN, CONSUME)


def _check_new(call: Call, document: Document) -> None:
    if "_id" in document and not is_id(document["_id"]):
        raise not_inserted({"_id": "must be of objectid type"})
    wrong = complaints(SET, document, call.exists)
    if "name" not in wrong and _taken(call, document["name"], None):
        wrong["name"] = ["unique"]
    # A known id is a conflict in the database, which comes after everything else.
    if wrong:
        raise invalid(wrong)
    _check_destination(document)


def _taken(call: Call, name: str, but: str | None) -> bool:
    row = call.documents.db.execute("SELECT 1 FROM sets WHERE name = ? AND id IS NOT ?", (name, but)).fetchone()
    return row is not None


def _check_destination(document: Document) -> None:
    if document["destination_name"] not in DESTINATIONS:
        raise refused("07004", document["destination_name"])


def add(call: Call, document: Document) -> Document:
    """Write a new set that has been checked."""
    if call.documents.set(document.get("_id")) is not None:
        raise framework(409)
    try:
        call.documents.save_set(creating(call, document))
    except sqlite3.IntegrityError as error:
        raise framework(409) from error
    return document


def update(call: Call) -> Reply:
    """PATCH admin/sets/{id}."""
    document = call.documents.set(call.params[0])
    if document is None:
        raise framework(404)
    call.check_etag(document)
    changes = call.json()
    if not isinstance(changes, dict):
        raise framework(400)
    if "_id" in changes:
        raise framework(500)
    wrong = complaints(SET, changes, call.exists, partial=True)
    if "name" in changes and "name" not in wrong and _taken(call, changes["name"], document["_id"]):
        wrong["name"] = ["unique"]
    if wrong:
        raise invalid(wrong)
    if changes.get("state") == "draft" and document["state"] != "draft":
        raise refused("07001", document["state"])
    if document["state"] != "draft":
        for name, code in (("destination_name", "07002"), ("destination_config", "07003")):
            if name in changes and changes[name] != document.get(name):
                raise refused(code)
    document |= changes
    _check_destination(document)
    call.documents.save_set(changing(call, document))
    return wire.changed(document, ADMIN)


def delete(call: Call) -> Reply:
    """DELETE admin/sets/{id}: a draft set goes with its assets in it, which then belong nowhere."""
    document = call.documents.set(call.params[0])
    if document is None:
        return Reply(204)
    call.check_etag(document)
    holds = document["state"] == "disabled" and call.documents.asset_count(document["_id"])
    if document["state"] == "usable" or holds:
        raise refused("07005")
    call.documents.db.execute("DELETE FROM sets WHERE id = ?", (document["_id"],))
    return Reply(204)


# Destinations


def _destination(name: str, flavour: str) -> Document:
    epoch = stamp(0)
    etag = sha1(f"{flavour} {name}")
    return {"_id": name, "provider": DESTINATIONS[name], "_created": epoch, "_updated": epoch, "_etag": etag}


def destinations(call: Call) -> Reply:
    """GET admin/destinations."""
    route = "admin/destinations"
    shown = [wire.linked(_destination(name, "list"), route) for name in sorted(DESTINATIONS)]
    return wire.listing(call, route, shown, len(shown))


def destination(call: Call) -> Reply:
    """GET admin/destinations/{name}. The entry's etag is another than in the list."""
    (name,) = call.params
    if name not in DESTINATIONS:
        raise refused("05001", name)
    reply = wire.item(call, _destination(name, "item"), "admin/destinations")
    reply.body = reply.body.replace(b'"_type": "admin_destinations"', b'"_type": "destinations"')
    return reply
