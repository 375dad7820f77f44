"""The `filter` argument: conditions as JSON, nested, over columns, attributes, data and tags, as SQL.

    {"operator": "and", "conditions": [{"key": "updatedAt", "operator": "gte", "value": "…"}, {…}]}

A boolean value fails as it does in the real server's database.
"""

from __future__ import annotations

import json
import re
from typing import Any

from assetfs.sandbox.ayon.errors import refused

COMPARISONS = {"eq": "=", "ne": "!=", "lt": "<", "gt": ">", "lte": "<=", "gte": ">="}
LISTS = ("tags", "assignees")
PART = re.compile(r"[A-Za-z0-9_]+")
COLUMNS = {
    "name label status version author path id": "",
    "folderType taskType productType productBaseType folderId parentId productId versionId taskId": "",
    "createdAt updatedAt createdBy updatedBy": "",
}
KNOWN = {name for names in COLUMNS for name in names.split()}
MOMENT = re.compile(r"\d{4}-\d\d-\d\d")


def condition(text: str, table: str) -> tuple[str, list[Any]]:
    """A filter over a table's columns as SQL, with its values. Refuses what is no filter."""
    try:
        given = json.loads(text)
    except ValueError as error:
        raise refused(400, "Invalid filter") from error
    return _node(given, table)


def _node(given: Any, table: str) -> tuple[str, list[Any]]:
    if not isinstance(given, dict):
        raise refused(400, "Invalid filter")
    if "conditions" not in given:
        return _leaf(given, table)
    joiner = " OR " if str(given.get("operator", "and")).lower() == "or" else " AND "
    parts, values = [], []
    for one in given["conditions"]:
        part, more = _node(one, table)
        parts.append(part)
        values += more
    return (f"({joiner.join(parts)})" if parts else "1"), values


def _leaf(given: dict[str, Any], table: str) -> tuple[str, list[Any]]:
    key, operator, value = str(given.get("key", "")), given.get("operator", "eq"), given.get("value")
    if isinstance(value, bool):
        raise refused(400, "COALESCE types boolean and jsonb cannot be matched")
    name, _, inner = key.partition(".")
    if not inner:
        name, _, inner = key.partition("/")
    if name in ("attrib", "data") and inner:
        if not all(PART.fullmatch(part) for part in inner.split(".")):
            raise refused(400, f"Invalid path: {key}")
        source = "effective" if name == "attrib" and table in ("f",) else name
        column = f"json_extract({table}.{source}, '$.{inner}')"
    elif _camel(key) in KNOWN or key in LISTS:
        column = f"{table}.{_snake(key)}"
    else:
        raise refused(400, f"Invalid path: {key}")
    if key in LISTS or str(operator).startswith(("includes", "excludes")):
        return _list(column, str(operator), value)
    return _value(column, str(operator), value)


def _value(column: str, operator: str, value: Any) -> tuple[str, list[Any]]:
    if column.endswith("_at") and isinstance(value, str) and MOMENT.match(value):
        column, mark = f"julianday({column})", "julianday(?)"
    else:
        mark = "?"
    if operator in COMPARISONS:
        return f"{column} {COMPARISONS[operator]} {mark}", [value]
    if operator in ("in", "notin"):
        found = f"{column} IN (SELECT value FROM json_each(?))"
        return (found if operator == "in" else f"NOT ({found})"), [json.dumps(value or [])]
    if operator == "like":
        return f"lower({column}) LIKE lower(?)", [value]
    if operator in ("isnull", "notnull"):
        return f"{column} {'ISNULL' if operator == 'isnull' else 'NOTNULL'}", []
    raise refused(400, f"Invalid operator: {operator}")


def _list(column: str, operator: str, value: Any) -> tuple[str, list[Any]]:
    wanted = json.dumps(value if isinstance(value, list) else [value])
    every = f"NOT EXISTS (SELECT 1 FROM json_each(?) w WHERE w.value NOT IN (SELECT value FROM json_each({column})))"
    some = f"EXISTS (SELECT 1 FROM json_each(?) w WHERE w.value IN (SELECT value FROM json_each({column})))"
    table = {
        "includes": some,
        "excludes": f"NOT {some}",
        "includesall": every,
        "excludesall": f"NOT {every}",
        "includesany": some,
        "excludesany": f"NOT {some}",
        "in": some,
        "notin": f"NOT {some}",
    }
    if operator == "eq":
        return f"{column} = ?", [json.dumps(value)]
    if operator not in table:
        raise refused(400, f"Invalid operator: {operator}")
    return table[operator], [wanted]


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), name)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
