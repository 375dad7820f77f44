"""Sets and storage destinations: what is listed, and what may change in which state."""

from __future__ import annotations

import ast
import json
import re
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

from assetfs.sandbox.sams import wire
from assetfs.sandbox.sams.context import DESTINATIONS, Call, Reply, changing, creating
from assetfs.sandbox.sams.documents import Document, is_id, sha1, stamp
from assetfs.sandbox.sams.errors import crashed, framework, invalid, not_inserted, refused
from assetfs.sandbox.sams.schema import SET, complaints, unfolded, without_times

CONSUME, ADMIN = "consume/sets", "admin/sets"
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: bool(value == wanted),
    "$ne": lambda value, wanted: bool(value != wanted),
    "$in": lambda value, wanted: value in wanted,
    "$nin": lambda value, wanted: value not in wanted,
    "$gt": lambda value, wanted: _alike(value, wanted) and value > wanted,
    "$gte": lambda value, wanted: _alike(value, wanted) and value >= wanted,
    "$lt": lambda value, wanted: _alike(value, wanted) and value < wanted,
    "$lte": lambda value, wanted: _alike(value, wanted) and value <= wanted,
    "$exists": lambda value, wanted: (value is not None) is bool(wanted),
}
LOGIC: dict[str, Callable[[list[bool]], bool]] = {"$and": all, "$or": any, "$nor": lambda found: not any(found)}
COMPARISON = re.compile(r"\s*([\w.]+)\s*==\s*(\"[^\"]*\"|'[^']*'|[\d.]+)\s*")


def _alike(value: Any, wanted: Any) -> bool:
    numbers = isinstance(value, int | float) and isinstance(wanted, int | float)
    return numbers or (isinstance(value, str) and isinstance(wanted, str))


def search(call: Call) -> Reply:
    """GET consume/sets."""
    where = _where(call.query.get("where"))
    found = [document for document in call.documents.sets() if _matches(document, where)]
    for name, direction in reversed(_sorting(call)):
        found.sort(key=partial(_rank, name), reverse=direction < 0)
    page, results = wire.window(call)
    shown = _projected(call, found[(page - 1) * results : page * results])
    return wire.listing(call, CONSUME, [wire.linked(document, CONSUME) for document in shown], len(found))


def _sorting(call: Call) -> list[tuple[str, int]]:
    text = call.query.get("sort", "")
    if not re.match(r"\s*\[|[\w.,-]*$", text):
        raise framework(400)
    return wire.sorting(text)


def _rank(name: str, document: Document) -> tuple[bool, Any]:
    """MongoDB sorts what is missing before everything that is there."""
    return document.get(name) is not None, document.get(name) or ""


def _where(text: str | None) -> dict[str, Any]:
    """The filter: JSON, or comparisons as Python writes them."""
    try:
        where = json.loads(text or "{}")
    except ValueError as error:
        compared = [COMPARISON.fullmatch(part) for part in (text or "").split(" and ")]
        if not all(compared):
            raise framework(400) from error
        return {found[1]: ast.literal_eval(found[2]) for found in compared if found}
    if not isinstance(where, dict):
        raise crashed(f"'{type(where).__name__}' object has no attribute 'items'")
    return where


def _matches(document: Document, where: dict[str, Any]) -> bool:
    for name, wanted in where.items():
        if name in LOGIC:
            fits = LOGIC[name]([_matches(document, part) for part in wanted])
        else:
            value: Any = document
            for key in name.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            fits = _fits(value, wanted)
        if not fits:
            return False
    return True


def _fits(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict) or not any(key.startswith("$") for key in wanted):
        return bool(value == wanted)
    for name, argument in wanted.items():
        if name == "$regex":
            flags = re.IGNORECASE if "i" in wanted.get("$options", "") else 0
            fits = isinstance(value, str) and re.search(argument, value, flags) is not None
        elif name == "$not":
            fits = not _fits(value, argument)
        elif name in OPERATORS:
            fits = OPERATORS[name](value, argument)
        elif name == "$options":
            continue
        else:
            raise framework(400)
        if not fits:
            return False
    return True


def _projected(call: Call, documents: list[Document]) -> list[Document]:
    """Only the fields that are asked for, or all but some; those of the system are there always."""
    try:
        fields = json.loads(call.query.get("projection", "{}"))
        wanted = {name for name, chosen in fields.items() if chosen}
    except (ValueError, AttributeError) as error:
        raise framework(400) from error
    if not fields:
        return documents
    hidden = set().union(*documents) - wanted if wanted else set(fields)
    return [{key: document[key] for key in document if key[0] == "_" or key not in hidden} for document in documents]


def get(call: Call) -> Reply:
    """GET consume/sets/{id}."""
    document = call.documents.set(call.params[0])
    if document is None:
        raise framework(404)
    return wire.item(call, _projected(call, [document])[0], CONSUME)


def create(call: Call) -> Reply:
    """POST admin/sets: one document or a list of them."""
    documents = wire.posted(call)
    # All are checked before the first is written, so a list may bring the same name twice.
    for document in documents:
        _check_new(call, document)
    for document in documents:
        add(call, document)
    return wire.created(call, documents, ADMIN, CONSUME)


def _check_new(call: Call, document: Document) -> None:
    if "_id" in document and not is_id(document["_id"]):
        raise not_inserted({"_id": "must be of objectid type"})
    wrong = complaints(SET, without_times(document), call.exists)
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
    changes = unfolded(wire.patched(call, document))
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
