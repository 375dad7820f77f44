"""As much of Elasticsearch's query language as the protocol needs, translated to SQL over the index (`asset.view`).

A query becomes a condition with its values. Keywords are compared as they are; `filename`, `name` and `description`
are texts, split into words, and have exact twins `….keyword` that do not see values of more than 256 characters.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Callable
from typing import Any

Sql = tuple[str, list[Any]]

COLUMNS = {"_id": "asset.id", "set_id": "asset.set_id", "_media_id": "asset.media_id", "_updated": "asset.updated"}
SORTED = set(COLUMNS)  # fields that every asset has
TEXTS = ("filename", "name", "description")
LISTS = ("tags", "renditions")
DATES = ("_created", "_updated", "firstcreated", "versioncreated", "lock_time")
LONGEST_KEYWORD = 256  # characters; a longer value is not in the exact twin
WORDS = re.compile(r"[^\s\-_.!?,]+")
BOUNDS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class Malformed(Exception):
    """The server does not know such a query (an error while it is parsed)."""


class Failed(Exception):
    """The query is known and cannot be run (an error while it is searched)."""


def words(text: str) -> list[str]:
    """A text as the index splits it: lower-case, without accents."""
    plain = unicodedata.normalize("NFKD", text)
    return WORDS.findall("".join(letter for letter in plain if not unicodedata.combining(letter)).lower())


def _has_words(text: str | None, wanted: str, every: int) -> bool:
    found, asked = set(words(text or "")), json.loads(wanted)
    return bool(asked) and (all if every else any)(word in found for word in asked)


def prepare(db: sqlite3.Connection) -> None:
    """Teach a connection what the translated queries call."""
    db.create_function("has_words", 3, _has_words, deterministic=True)


def value_of(field: str) -> Sql:
    """The SQL for a field's value, for sorting and counting."""
    if field in COLUMNS:
        return COLUMNS[field], []
    if field == "filename.keyword":
        return f"CASE WHEN length(asset.filename) <= {LONGEST_KEYWORD} THEN asset.filename END", []
    if field.endswith(".keyword"):
        path = _path(field.removesuffix(".keyword"))
        short = f"length(json_extract(asset.view, ?)) <= {LONGEST_KEYWORD}"
        return f"CASE WHEN {short} THEN json_extract(asset.view, ?) END", [path, path]
    return "json_extract(asset.view, ?)", [_path(field)]


def _path(field: str) -> str:
    return "$" + "".join(f'."{part}"' for part in field.replace('"', "").split("."))


def _compare(field: str, operation: str, values: list[Any]) -> Sql:
    if field == "filename.keyword" and operation == "= ?":
        # The index on the name does not help a CASE, and most searches are for a name.
        return f"(asset.filename = ? AND length(asset.filename) <= {LONGEST_KEYWORD})", values
    above, _, below = field.partition(".")
    if above in LISTS:
        each = "SELECT 1 FROM json_each(asset.view, ?) item WHERE json_extract(item.value, ?)"
        return f"EXISTS ({each} {operation})", [_path(above), _path(below), *values]
    sql, given = value_of(field)
    return f"{sql} {operation}", [*given, *values]


def _one(body: Any) -> tuple[str, Any]:
    if not isinstance(body, dict) or len(body) != 1:
        raise Malformed("[term] query doesn't support multiple fields")
    return next(iter(body.items()))


def _plain(value: Any, name: str = "value") -> Any:
    return value.get(name) if isinstance(value, dict) else value


def _time(field: str, value: Any) -> Any:
    if field in DATES and isinstance(value, str):
        return re.sub(r"(\.\d+)?(Z|\+00:?00)?$", "+0000", value)
    return value


def _term(body: Any) -> Sql:
    field, value = _one(body)
    value = _plain(value)
    if field in TEXTS:
        return _texts([field], [str(value)], every=True)
    return _compare(field, "= ?", [_time(field, value)])


def _terms(body: Any) -> Sql:
    field, values = _one({key: value for key, value in body.items() if key != "boost"})
    if not isinstance(values, list):
        raise Malformed("[terms] query requires an array of terms")
    return _compare(field, "IN (SELECT value FROM json_each(?))", [json.dumps(values)])


def _range(body: Any) -> Sql:
    field, bounds = _one(body)
    parts = [
        _compare(field, f"{sign} ?", [_time(field, bounds[name])]) for name, sign in BOUNDS.items() if name in bounds
    ]
    return _joined(parts, " AND ", "1")


def _exists(body: Any) -> Sql:
    field = body.get("field") if isinstance(body, dict) else None
    if not field:
        raise Malformed("[exists] must be provided with a [field]")
    if field in LISTS:
        return "json_array_length(asset.view, ?) > 0", [_path(field)]
    return _compare(field, "IS NOT NULL", [])


def _prefix(body: Any) -> Sql:
    field, value = _one(body)
    text = str(_plain(value))
    if field in TEXTS:
        raise Failed("prefix on a text")
    sql, given = value_of(field)
    return f"substr({sql}, 1, ?) = ?", [*given, len(text), text]


def _texts(fields: list[str], asked: list[str], *, every: bool) -> Sql:
    parts: list[Sql] = [
        (f"has_words({sql}, ?, ?)", [*given, json.dumps(asked), int(every)])
        for sql, given in (value_of(field) for field in fields)
    ]
    return _joined(parts, " OR ", "0")


def _match(body: Any) -> Sql:
    field, value = _one(body)
    every = isinstance(value, dict) and str(value.get("operator", "or")).lower() == "and"
    text = str(_plain(value, "query"))
    if field not in TEXTS:
        return _compare(field, "= ?", [text])
    return _texts([field], words(text), every=every)


def _query_string(body: Any) -> Sql:
    text = str(body["query"])
    fields = body.get("fields") or ([body["default_field"]] if body.get("default_field") else list(TEXTS))
    every = str(body.get("default_operator", "or")).lower() == "and"
    parts: list[Sql] = []
    for word in text.split():
        field, colon, value = word.partition(":")
        if word in ("AND", "OR"):
            every = word == "AND"
        elif word in ("*", "*:*"):
            parts.append(("1", []))
        elif colon and field.split(".")[0] not in TEXTS:
            parts.append(_compare(field, "= ?", [value.strip('"')]))
        else:
            asked = words(value if colon else word)
            parts.append(_texts([field] if colon else fields, asked, every=True))
    return _joined(parts, " AND " if every else " OR ", "0")


def _bool(body: Any) -> Sql:
    if not isinstance(body, dict) or set(body) - {"must", "filter", "should", "must_not", "minimum_should_match"}:
        raise Malformed("[bool] query does not support this")
    clauses = {name: _clauses(body.get(name)) for name in ("must", "filter", "should", "must_not")}
    parts = [*clauses["must"], *clauses["filter"]]
    if clauses["should"] and not parts:
        parts = [_joined(clauses["should"], " OR ", "0")]
    parts += [(f"NOT coalesce({sql}, 0)", values) for sql, values in clauses["must_not"]]
    return _joined(parts, " AND ", "1")


def _clauses(given: Any) -> list[Sql]:
    queries = given if isinstance(given, list) else [given] if given else []
    return [translated(query) for query in queries]


def _joined(parts: list[Sql], word: str, empty: str) -> Sql:
    if not parts:
        return empty, []
    return f"({word.join(sql for sql, _ in parts)})", [value for _, values in parts for value in values]


QUERIES: dict[str, Callable[[Any], Sql]] = {
    "bool": _bool,
    "term": _term,
    "terms": _terms,
    "range": _range,
    "exists": _exists,
    "prefix": _prefix,
    "match_all": lambda body: ("1", []),
    "match": _match,
    "query_string": _query_string,
}


def translated(query: Any) -> Sql:
    """A query as an SQL condition and its values. Raises Malformed for what there is not, Failed for what cannot be."""
    name, body = _one(query)
    if name not in QUERIES:
        raise Malformed(f"unknown query [{name}]")
    try:
        return QUERIES[name](body)
    except (AttributeError, KeyError, TypeError) as error:
        raise Malformed(f"[{name}] malformed query") from error
