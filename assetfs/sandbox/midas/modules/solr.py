"""Module solr: a search by Lucene queries over names, descriptions and metadata.

The index has folders, too, under numbers that items have as well; a query that does not ask for items alone finds
items that have a found folder's number. Of the language there are fields, phrases, wildcards, AND, OR, NOT and
parentheses.
"""

from __future__ import annotations

import fnmatch
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from assetfs.sandbox.midas.context import Call, Json
from assetfs.sandbox.midas.errors import Refused
from assetfs.sandbox.midas.items import first_folder
from assetfs.sandbox.midas.policies import READ, allowed
from assetfs.sandbox.midas.registry import method
from assetfs.sandbox.midas.revisions import head

MODULE_ERROR = -1
LIMIT = 25
TYPES = ("text", "int", "double", "float", "bool", "long", "string")
TOKEN = re.compile(r'\s*(\(|\)|AND\b|OR\b|NOT\b|-(?=\S)|(?:[\w.-]+:)?(?:"[^"]*"|[^\s()":]+))')

Document = dict[str, str]
Test = Callable[[Document], bool]


@dataclass
class Parser:
    """A query as a test of documents. Refused where Lucene would not understand it."""

    tokens: list[str]

    @classmethod
    def parse(cls, query: str) -> Test:
        tokens, at = [], 0
        while query[at:].strip():
            found = TOKEN.match(query, at)
            if found is None:
                raise Refused(MODULE_ERROR, "Syntax error in query ")
            tokens.append(found[1])
            at = found.end()
        parser = cls(tokens)
        test = parser.either()
        if parser.tokens:
            raise Refused(MODULE_ERROR, "Syntax error in query ")
        return test

    def either(self) -> Test:
        test = self.both()
        while self.tokens and self.tokens[0] not in (")",):
            if self.tokens[0] == "OR":
                self.tokens.pop(0)
            left, right = test, self.both()
            test = _or(left, right)
        return test

    def both(self) -> Test:
        test = self.one()
        while self.tokens and self.tokens[0] == "AND":
            self.tokens.pop(0)
            left, right = test, self.one()
            test = _and(left, right)
        return test

    def one(self) -> Test:
        if not self.tokens:
            raise Refused(MODULE_ERROR, "Syntax error in query ")
        token = self.tokens.pop(0)
        if token in ("NOT", "-"):
            inner = self.one()
            return lambda document: not inner(document)
        if token == "(":
            test = self.either()
            if not self.tokens or self.tokens.pop(0) != ")":
                raise Refused(MODULE_ERROR, "Syntax error in query ")
            return test
        if token in (")", "AND", "OR"):
            raise Refused(MODULE_ERROR, "Syntax error in query ")
        return _term(token)


def _or(left: Test, right: Test) -> Test:
    return lambda document: left(document) or right(document)


def _and(left: Test, right: Test) -> Test:
    return lambda document: left(document) and right(document)


def _term(token: str) -> Test:
    found = re.match(r"([\w.-]+):(.*)", token, re.DOTALL)
    fields, text = ([found[1]], found[2]) if found else (["name", "description", "metadata"], token)
    pattern = text.strip('"').lower()

    def test(document: Document) -> bool:
        for field in fields:
            value = document.get(field, "").lower()
            words = re.findall(r"\w+", value)
            if any(fnmatch.fnmatchcase(word, pattern) for word in [value, *words]) or (
                " ".join(re.findall(r"\w+", pattern)) in " ".join(words) and text.startswith('"')
            ):
                return True
        return False

    return test


def _document(call: Call, kind: str, row: sqlite3.Row) -> Document:
    number = row[f"{kind}_id"]
    document = {"name": row["name"], "description": row["description"], "id": f"{kind}_{number}", "key": str(number)}
    newest = head(call, number) if kind == "item" else None
    if newest is not None:
        query = "SELECT * FROM metadatavalue JOIN metadata USING (metadata_id) WHERE itemrevision_id = ?"
        values = call.rows(query, newest["itemrevision_id"])
        document["metadata"] = " ".join(value["value"] for value in values)
        for value in values:
            name = f"{TYPES[value['metadatatype']]}-{value['element']}"
            name += f".{value['qualifier']}" if value["qualifier"] else ""
            document[name.replace(" ", "__")] = value["value"]
        sums = call.rows("SELECT checksum FROM bitstream WHERE itemrevision_id = ?", newest["itemrevision_id"])
        document["md5"] = " ".join(row["checksum"] for row in sums)
    return document


@method("solr.search.advanced")
def search_advanced(call: Call) -> Json:
    """Items that fit a query and may be read: a plain list, with other names for their fields."""
    user, (query,) = call.user(), call.need("query")
    limit = call.id("limit") if "limit" in call.params else LIMIT
    test = Parser.parse(query)
    hits: list[int] = []
    for kind in ("item", "folder"):
        for row in call.rows(f"SELECT * FROM {kind} ORDER BY {kind}_id"):
            if test(_document(call, kind, row)) and row[f"{kind}_id"] not in hits:
                hits.append(row[f"{kind}_id"])
    rows = [call.get("item", number) for number in hits]
    return [_found(call, row) for row in rows if row is not None and allowed(call, "item", row, user, READ)][:limit]


def _found(call: Call, row: sqlite3.Row) -> Json:
    newest = head(call, row["item_id"])
    revisions = call.rows("SELECT * FROM itemrevision WHERE item_id = ? ORDER BY revision", row["item_id"])
    query = "SELECT bitstream_id FROM bitstream WHERE itemrevision_id = ? ORDER BY bitstream_id"
    files = call.rows(query, newest["itemrevision_id"]) if newest is not None else []
    return {
        "id": str(row["item_id"]),
        "name": row["name"],
        "description": row["description"],
        "size": str(row["sizebytes"]),
        "date_created": row["date_creation"],
        "date_updated": row["date_update"],
        "uuid": row["uuid"],
        "views": str(row["view"]),
        "downloads": str(row["download"]),
        "public": row["privacy_status"] == 0,
        "folder_id": str(first_folder(call, row["item_id"])),
        "revisions": [str(revision["itemrevision_id"]) for revision in revisions],
        "bitstreams": [str(file["bitstream_id"]) for file in files],
    }
