"""Methods about metadata: one value per type, element and qualifier, and per revision."""

from __future__ import annotations

import sqlite3

from assetfs.sandbox.midas import policies
from assetfs.sandbox.midas.context import Call, Json, shown
from assetfs.sandbox.midas.errors import DENIED, INVALID, NO_ITEM_WRITE, Fatal, Refused
from assetfs.sandbox.midas.items import full, readable
from assetfs.sandbox.midas.policies import WRITE
from assetfs.sandbox.midas.registry import method
from assetfs.sandbox.midas.revisions import head, numbered, set_value

TYPES = ("text", "int", "double", "float", "boolean", "long", "string")
TYPE_BUG = "param type_{} must be an integer between 0 and 6."
PREDEFINED = (
    *(("contributor", "author"), ("date", "uploaded"), ("date", "issued"), ("date", "created")),
    *(("identifier", "citation"), ("identifier", "uri"), ("identifier", "pubmed"), ("identifier", "doi")),
    *(("description", "general"), ("description", "provenance"), ("description", "sponsorship")),
    *(("description", "publisher"), ("subject", "keyword"), ("subject", "ocis")),
)


def _revision(call: Call, item: sqlite3.Row) -> sqlite3.Row:
    number = call.params.get("revision")
    found = head(call, item["item_id"])
    if found is None:
        raise Refused(DENIED, "The item must have at least one revision to have metadata")
    if number is not None:
        found = numbered(call, item["item_id"], number)
        if found is None:
            raise Refused(INVALID, "Unable to find revision")
    return found


def _writable(call: Call, name: str) -> sqlite3.Row:
    return policies.require(call, "item", call.id(name), call.user(), WRITE, Refused(DENIED, NO_ITEM_WRITE))


def _kind(call: Call) -> int:
    text = call.params.get("type", "0")
    return int(text) if text.lstrip("-").isdigit() else 0


@method("item.getmetadata")
def getmetadata(call: Call) -> Json:
    """The values of a revision."""
    item = readable(call, call.id("id"))
    query = (
        "SELECT metadata_id, metadatatype, element, qualifier, value FROM metadatavalue JOIN metadata"
        " USING (metadata_id) WHERE itemrevision_id = ? ORDER BY metadata_id"
    )
    return [shown(row) for row in call.rows(query, _revision(call, item)["itemrevision_id"])]


@method("item.setmetadata")
def setmetadata(call: Call) -> Json:
    """Set one value; the type is not checked against it."""
    item = _writable(call, "itemId")
    element, value = call.need("element", "value")
    revision_id = _revision(call, item)["itemrevision_id"]
    set_value(call, revision_id, _kind(call), element, call.params.get("qualifier", ""), value)
    _touch(call, item)
    return True


def _touch(call: Call, item: sqlite3.Row) -> None:
    call.update("item", item["item_id"], date_update=call.stamp())


@method("item.setmultiplemetadata")
def setmultiplemetadata(call: Call) -> Json:
    """Set several texts. Any type fails: it is looked for in the wrong place."""
    item = _writable(call, "itemid")
    revision_id = _revision(call, item)["itemrevision_id"]
    for number in range(1, call.id("count") + 1):
        element, value = call.need(f"element_{number}", f"value_{number}")
        if f"type_{number}" in call.params:
            raise Refused(INVALID, TYPE_BUG.format(number))
        set_value(call, revision_id, 0, element, call.params.get(f"qualifier_{number}", ""), value)
    _touch(call, item)
    return True


@method("item.addmetadata")
def addmetadata(call: Call) -> Json:
    """Set several typed values, from a JSON body: the RPC face never sees one."""
    item = _writable(call, "itemid")
    values = call.lists.get("metadata")
    if not isinstance(values, list):
        raise Refused(INVALID, "Parameter metadata is not defined")
    revision_id = _revision(call, item)["itemrevision_id"]
    for value in values:
        if "element" not in value or "value" not in value:
            raise Refused(INVALID, "Parameter element or value is not defined")
        kind, qualifier = int(value.get("type", 0)), str(value.get("qualifier", ""))
        set_value(call, revision_id, kind, str(value["element"]), qualifier, str(value["value"]))
    _touch(call, item)
    return full(call, item["item_id"])


@method("item.deletemetadata")
def deletemetadata(call: Call) -> Json:
    """Remove a value. True also when there is none, as long as any item knows the key."""
    item = _writable(call, "itemid")
    (element,) = call.need("element")
    revision_id = _revision(call, item)["itemrevision_id"]
    query = "SELECT metadata_id FROM metadata WHERE metadatatype = ? AND element = ? AND qualifier = ?"
    metadata_id = call.scalar(query, _kind(call), element, call.params.get("qualifier", ""))
    if metadata_id is None:
        return False
    call.db.execute(
        "DELETE FROM metadatavalue WHERE itemrevision_id = ? AND metadata_id = ?", (revision_id, metadata_id)
    )
    _touch(call, item)
    return True


@method("item.deletemetadata.all")
def deletemetadata_all(call: Call) -> Json:
    """Remove all values of one revision, or of all."""
    item = _writable(call, "itemid")
    if call.params.get("revision") == "all":
        ids = [
            row[0] for row in call.rows("SELECT itemrevision_id FROM itemrevision WHERE item_id = ?", item["item_id"])
        ]
    else:
        ids = [_revision(call, item)["itemrevision_id"]]
    call.db.executemany("DELETE FROM metadatavalue WHERE itemrevision_id = ?", [(row_id,) for row_id in ids])
    return True


@method("metadata.types.list")
def types_list(call: Call) -> Json:
    """The names of the types that are in use; one that has no name breaks it."""
    kinds = [row[0] for row in call.rows("SELECT DISTINCT metadatatype FROM metadata ORDER BY metadatatype")]
    if any(not 0 <= kind < len(TYPES) for kind in kinds):
        raise Fatal("Undefined metadata type")
    return [TYPES[kind] for kind in kinds]


@method("metadata.elements.list")
def elements_list(call: Call) -> Json:
    """The elements of one type that are in use."""
    return [row[0] for row in call.rows("SELECT DISTINCT element FROM metadata WHERE metadatatype = ?", _type(call))]


@method("metadata.qualifiers.list")
def qualifiers_list(call: Call) -> Json:
    """The qualifiers of one element that are in use."""
    (element,) = call.need("element")
    query = "SELECT qualifier FROM metadata WHERE metadatatype = ? AND element = ?"
    return [row[0] for row in call.rows(query, _type(call), element)]


def _type(call: Call) -> int:
    name = call.params.get("typename")
    return TYPES.index(name) if name in TYPES else _kind(call)
