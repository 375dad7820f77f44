"""Searching, which is also how a folder is listed: collections and resources in one answer, with unfiltered totals.

The window is cut before rights are looked at, so a page can be short or empty although more follows. A term of a shape
that is not known is ignored and so matches everything. A collection id of null or 0 means the whole project.
"""

from __future__ import annotations

import json
from typing import Any

from assetfs.sandbox.jama import serialise
from assetfs.sandbox.jama.collections import order_clause
from assetfs.sandbox.jama.context import Call, as_id, window
from assetfs.sandbox.jama.errors import NO_COLLECTION, NO_METADATA, WRONG_ARGUMENT, Refused
from assetfs.sandbox.jama.registry import method
from assetfs.sandbox.jama.serialise import Json

MAX_TERMS = 10
Condition = tuple[str, list[Any]]

# {kind} is resource or collection, x the row that is judged
VALUE = "x.id IN (SELECT owner_id FROM {kind}_value WHERE metadata_id = ? AND {test})"
TAGGED = (
    "x.id IN (SELECT o.owner_id FROM {kind}_tag o JOIN tag t ON t.id = o.tag_id"
    " WHERE t.uid IN (SELECT value FROM json_each(?)))"
)
IS = "{column} LIKE ? ESCAPE '\\'"
TESTS = {"is": ("", "{}"), "contains": ("", "%{}%"), "does_not_contain": ("NOT ", "%{}%")}


def _like(template: str, value: object) -> str:
    text = str(value)
    for special in "\\%_":
        text = text.replace(special, f"\\{special}")
    return template.format(text)


def condition(term: Json, kind: str) -> Condition | None:
    """A search term as SQL; None when it is not understood and so ignored."""
    if not isinstance(term, dict):
        return None
    if {"property", "term", "value"} <= term.keys():
        if term["property"] != "title" or term["term"] not in TESTS:
            return None
        negation, template = TESTS[term["term"]]
        return negation + IS.format(column="x.title"), [_like(template, term["value"])]
    if {"meta", "term", "value"} <= term.keys():
        if term["term"] not in TESTS:
            return None
        negation, template = TESTS[term["term"]]
        test = VALUE.format(kind=kind, test=IS.format(column="value"))
        return negation + test, [as_id(term["meta"]), _like(template, term["value"])]
    if "exclude_meta" in term:
        return "NOT " + VALUE.format(kind=kind, test="1"), [as_id(term["exclude_meta"])]
    for key, negation in (("tags", ""), ("exclude_tags", "NOT ")):
        if key in term:
            return negation + TAGGED.format(kind=kind), [json.dumps(list(term[key]))]
    return None


def _check_fields(call: Call, terms: list[Json], project_id: int) -> None:
    try:
        ids = {int(term[key]) for term in terms for key in ("meta", "exclude_meta") if key in term}
    except (TypeError, ValueError):
        raise Refused(WRONG_ARGUMENT) from None
    for field_id in ids:
        if not call.row("SELECT 1 FROM metadata WHERE id = ? AND project_id = ?", field_id, project_id):
            raise Refused(NO_METADATA)


def _place(call: Call, collection_id: Any, project_id: int) -> int | None:
    if not collection_id:
        return None
    try:
        place = int(collection_id)
    except (TypeError, ValueError):
        raise Refused(WRONG_ARGUMENT) from None
    query = "SELECT 1 FROM collection WHERE id = ? AND project_id = ? AND deleted_at IS NULL"
    if not call.row(query, place, project_id):
        raise Refused(NO_COLLECTION)
    return place


MEMBER = "x.id IN (SELECT m.resource_id FROM membership m WHERE m.collection_id = ?)"
IN_PUBLIC = (
    "x.id IN (SELECT m.resource_id FROM membership m JOIN collection c ON c.id = m.collection_id"
    " WHERE c.public_access = ?)"
)


def _find(
    call: Call, kind: str, conditions: list[Condition], order: str, start: int, stop: int
) -> tuple[list[Any], int]:
    where = " AND ".join(text for text, _ in conditions)
    values = [value for _, some in conditions for value in some]
    total = call.scalar(f"SELECT count(*) FROM {kind} x WHERE {where}", *values)
    query = f"SELECT * FROM {kind} x WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
    return call.rows(query, *values, stop - start, start), int(total)


@method
def advanced_search(
    call: Call,
    search_terms: Any,
    project_id: object,
    include_metas: object = False,
    collection_id: object = None,
    limit_from: object = 0,
    limit_to: object = 2000,
    order_by: object = "title",
    fetch_resources: object = True,
    fetch_collections: object = True,
    public_access: object = None,
) -> Json:
    """A window of what fits all terms, in one collection or the whole project."""
    order = order_clause(order_by)
    start, stop = window(limit_from, limit_to)
    if len(search_terms) > MAX_TERMS:
        raise Refused("Too many search terms.")
    project = call.project(project_id)
    access = call.access(project["id"])
    access.check_member(project["label"])
    place = _place(call, collection_id, project["id"])
    _check_fields(call, search_terms, project["id"])
    result: Json = {"collections": [], "resources": [], "collections_count": 0, "resources_count": 0}
    alive: Condition = ("x.project_id = ? AND x.deleted_at IS NULL", [project["id"]])
    if fetch_resources:
        conditions = [alive, *filter(None, (condition(term, "resource") for term in search_terms))]
        conditions += [(MEMBER, [place])] if place is not None else []
        conditions += [(IN_PUBLIC, [bool(public_access)])] if public_access is not None else []
        rows, result["resources_count"] = _find(call, "resource", conditions, order, start, stop)
        result["resources"] = serialise.resources(call, access.readable("resource", rows), include_metas)
    if fetch_collections:
        conditions = [alive, *filter(None, (condition(term, "collection") for term in search_terms))]
        conditions += [("x.parent_id = ?", [place])] if place is not None else []
        conditions += [("x.public_access = ?", [bool(public_access)])] if public_access is not None else []
        rows, result["collections_count"] = _find(call, "collection", conditions, order, start, stop)
        result["collections"] = serialise.collections(call, access.readable("collection", rows), listing=True)
    return result


@method
def project_items(
    call: Call,
    search_terms: Any,
    project_id: object,
    include_metas: object = False,
    collection_id: object = None,
    limit_from: object = 0,
    limit_to: object = 2000,
    order_by: object = "title",
    public_access: object = None,
) -> Json:
    """The same without the two switches: what lists a folder in one call."""
    where = (include_metas, collection_id, limit_from, limit_to, order_by)
    result: Json = advanced_search(call, search_terms, project_id, *where, public_access=public_access)
    return result


@method
def simple_search(
    call: Call,
    query: object,
    project_id: object,
    limit_from: object = 0,
    limit_to: object = 2000,
    order_by: object = "title",
) -> Json:
    """What has a text in its title, in any case of letters; no totals."""
    order = order_clause(order_by)
    start, stop = window(limit_from, limit_to)
    project = call.project(project_id)
    access = call.access(project["id"])
    conditions: list[Condition] = [
        ("x.project_id = ? AND x.deleted_at IS NULL", [project["id"]]),
        (IS.format(column="x.title"), [_like("%{}%", query)]),
    ]
    places, _ = _find(call, "collection", conditions, order, start, stop)
    items, _ = _find(call, "resource", conditions, order, start, stop)
    return {
        "collections": serialise.collections(call, access.readable("collection", places), listing=True),
        "resources": serialise.resources(call, access.readable("resource", items)),
    }


@method
def advanced_search_terms(call: Call) -> list[str]:
    """The comparisons that a term may ask for."""
    return list(TESTS)
