"""Lists: arguments become conditions in SQL, and cursors become pages.

A cursor is the base64 of a JSON array of sort values, last the order of creation. `hasNextPage` only says that the page
was full.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from assetfs.sandbox.ayon.context import NAME
from assetfs.sandbox.ayon.errors import refused
from assetfs.sandbox.ayon.graph.conditions import condition
from assetfs.sandbox.ayon.models import ID
from assetfs.sandbox.ayon.records import PATHS, Project

DEFAULT_PAGE = 100
UNLIMITED = 1000  # what `first: 0` gets
VALUES = "(SELECT value FROM json_each(?))"

TABLES = {
    kind: tables
    if kind != "workfile"
    else "workfile e JOIN task t ON t.id = e.task_id JOIN folder f ON f.id = t.folder_id"
    for kind, (tables, _) in PATHS.items()
}
PATH = {kind: path for kind, (_, path) in PATHS.items()}
SORTS = {"name": "e.name", "status": "e.status", "createdAt": "e.created_at", "updatedAt": "e.updated_at"}
SORTS |= {"path": "full_path", "version": "e.version", "folderType": "e.folder_type", "taskType": "e.task_type"}
SORTS |= {"productType": "e.product_type", "author": "e.author", "label": "e.label"}


@dataclass
class Where:
    """Conditions that must all hold, and their values. `nothing` when the answer is known to be empty."""

    parts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    nothing: bool = False

    def add(self, part: str, *values: Any) -> None:
        """One more condition."""
        self.parts.append(part)
        self.values += values


Filter = Callable[[Where, Any, Project], None]


def ids(given: list[str]) -> str:
    """Ids as JSON. Refuses what is none."""
    for one in given:
        if not re.match(ID, one):
            raise refused(400, f"Invalid entity ID {one}")
    return json.dumps([one.replace("-", "") for one in given])


def _ids(column: str) -> Filter:
    return lambda where, given, project: where.add(f"{column} IN {VALUES}", ids(given))


def _tolerant_ids(column: str) -> Filter:
    """As for tasks, where what is no id is just not found."""
    return lambda where, given, project: where.add(f"{column} IN {VALUES}", json.dumps(given))


def _texts(column: str) -> Filter:
    return lambda where, given, project: where.add(f"{column} IN {VALUES}", json.dumps(given))


def names_of(given: list[str]) -> str:
    """Names as JSON. Refuses what is none."""
    for one in given:
        if not re.match(NAME, one):
            raise refused(400, f"Invalid name '{one}'")
    return json.dumps(given)


def _names(column: str) -> Filter:
    return lambda where, given, project: where.add(f"{column} IN {VALUES}", names_of(given))


def _every(column: str) -> Filter:
    def add(where: Where, given: list[str], project: Project) -> None:
        missing = f"SELECT 1 FROM json_each(?) w WHERE w.value NOT IN (SELECT value FROM json_each({column}))"
        where.add(f"NOT EXISTS ({missing})", names_of(given))

    return add


def _any(column: str) -> Filter:
    def add(where: Where, given: list[str], project: Project) -> None:
        where.add(f"EXISTS (SELECT 1 FROM json_each({column}) h WHERE h.value IN {VALUES})", names_of(given))

    return add


def _regex(column: str) -> Filter:
    return lambda where, given, project: where.add(f"{column} REGEXP ?", given)


def _exists(query: str) -> Filter:
    return lambda where, given, project: where.add(f"{'' if given else 'NOT '}EXISTS ({query})")


def _true(part: str) -> Filter:
    return lambda where, given, project: where.add(part) if given else None


def _attributes(where: Where, given: list[dict[str, Any]], project: Project) -> None:
    """Effective values, compared as texts; of several values any."""
    for one in given:
        value = "json_extract(e.effective, '$.' || ?)"
        where.add(f"CAST({value} AS TEXT) IN {VALUES}", one["name"], json.dumps(one["values"]))


def _parents(where: Where, given: list[str], project: Project) -> None:
    known = json.dumps(json.loads(ids([one for one in given if one != "root"])))
    top = " OR e.parent_id IS NULL" if "root" in given else ""
    where.add(f"(e.parent_id IN {VALUES}{top})", known)


def _paths(where: Where, given: list[str], project: Project) -> None:
    where.add(f"e.path IN {VALUES}", json.dumps([path.strip("/") for path in given]))


def _links(where: Where, given: str, project: Project) -> None:
    into = "EXISTS (SELECT 1 FROM link WHERE output_id = e.id)"
    out = "EXISTS (SELECT 1 FROM link WHERE input_id = e.id)"
    where.add(
        {
            "NONE": f"NOT ({into} OR {out})",
            "IN": into,
            "OUT": out,
            "ANY": f"({into} OR {out})",
            "BOTH": f"({into} AND {out})",
        }[given]
    )


LATEST = (
    "(e.version >= 0 AND e.version = (SELECT max(version) FROM version l"
    " WHERE l.product_id = e.product_id AND l.version >= 0))"
)


def _featured(where: Where, given: list[str], project: Project) -> None:
    """Of each product the first of what is asked for that it has."""
    done = json.dumps(project.done_statuses())
    choices = {
        "hero": ("l.version < 0", ()),
        "latest": ("l.version >= 0", ()),
        "latestDone": (f"l.version >= 0 AND l.status IN {VALUES}", (done,)),
    }
    picks: list[str] = []
    values: list[Any] = []
    for name in given:
        if name in choices:
            part, more = choices[name]
            picks.append(
                f"(SELECT l.id FROM version l WHERE l.product_id = p.id AND {part} ORDER BY l.version DESC LIMIT 1)"
            )
            values += more
    where.add(f"e.id = coalesce({', '.join([*picks, 'NULL', 'NULL'])})", *values)


def _search(*columns: str) -> Filter:
    def add(where: Where, given: str, project: Project) -> None:
        for word in given.lower().split():
            part = " OR ".join(f"instr(lower(coalesce({column}, '')), ?)" for column in columns)
            where.add(f"({part})", *[word] * len(columns))

    return add


def _conditions(table: str) -> Filter:
    def add(where: Where, given: str, project: Project) -> None:
        part, values = condition(given, table)
        where.add(part, *values)

    return add


def _elsewhere(query: str, table: str) -> Filter:
    """A `…Filter` over something that hangs on the entity."""

    def add(where: Where, given: str, project: Project) -> None:
        part, values = condition(given, table)
        where.add(f"EXISTS ({query} AND {part})", *values)

    return add


REVIEWED = "SELECT 1 FROM activity a WHERE a.type = 'reviewable' AND a.entity_id = e.id"
COMMON: dict[str, Filter] = {
    "ids": _ids("e.id"),
    "statuses": _texts("e.status"),
    "tags": _every("e.tags"),
    "filter": _conditions("e"),
    "hasLinks": _links,
}
FILTERS: dict[str, dict[str, Filter]] = {
    "folder": {
        "parentId": lambda where, given, project: _parents(where, [given], project),
        "parentIds": _parents,
        "paths": _paths,
        "pathEx": _regex("full_path"),
        "name": lambda where, given, project: where.add("lower(e.name) LIKE lower(?)", given),
        "names": _names("e.name"),
        "attributes": _attributes,
        "folderTypes": _texts("e.folder_type"),
        "assignees": lambda where, given, project: where.add(
            f"EXISTS (SELECT 1 FROM task t, json_each(t.assignees) a WHERE t.folder_id = e.id AND a.value IN {VALUES})",
            json.dumps(given),
        ),
        "hasChildren": _exists("SELECT 1 FROM folder c WHERE c.parent_id = e.id"),
        "hasTasks": _exists("SELECT 1 FROM task c WHERE c.folder_id = e.id"),
        "hasProducts": _exists("SELECT 1 FROM product c WHERE c.folder_id = e.id"),
        "search": _search("full_path", "e.label"),
        "taskFilter": _elsewhere("SELECT 1 FROM task x WHERE x.folder_id = e.id", "x"),
    },
    "task": {
        "folderIds": _tolerant_ids("e.folder_id"),
        "names": _names("e.name"),
        "taskTypes": _texts("e.task_type"),
        "assignees": _every("e.assignees"),
        "assigneesAny": _any("e.assignees"),
        "tagsAny": _any("e.tags"),
        "search": _search("full_path", "e.label"),
        "folderFilter": _conditions("f"),
    },
    "product": {
        "folderIds": _ids("e.folder_id"),
        "names": _names("e.name"),
        "namesCi": lambda where, given, project: where.add(
            f"lower(e.name) IN {VALUES}", json.dumps([name.lower() for name in given])
        ),
        "nameEx": _regex("e.name"),
        "pathEx": _regex("full_path"),
        "productTypes": _texts("e.product_type"),
        "productBaseTypes": _texts("e.product_base_type"),
        "search": _search("full_path", "e.product_type"),
        "versionFilter": _elsewhere("SELECT 1 FROM version x WHERE x.product_id = e.id", "x"),
        "taskFilter": _elsewhere(
            "SELECT 1 FROM version y JOIN task x ON x.id = y.task_id WHERE y.product_id = e.id", "x"
        ),
    },
    "version": {
        "productIds": _ids("e.product_id"),
        "folderIds": _ids("p.folder_id"),
        "taskIds": _ids("e.task_id"),
        "version": lambda where, given, project: where.add("e.version = ?", given),
        "versions": _texts("e.version"),
        "authors": _texts("e.author"),
        "heroOnly": _true("e.version < 0"),
        "latestOnly": _true(LATEST),
        "heroOrLatestOnly": _true(f"(e.version < 0 OR {LATEST})"),
        "featuredOnly": _featured,
        "hasReviewables": _exists(REVIEWED),
        "search": _search("full_path", "e.author"),
        "productFilter": _conditions("p"),
        "taskFilter": _elsewhere("SELECT 1 FROM task x WHERE x.id = e.task_id", "x"),
    },
    "representation": {
        "versionIds": _ids("e.version_id"),
        "names": _names("e.name"),
        "search": _search("full_path"),
    },
    "workfile": {
        "taskIds": _ids("e.task_id"),
        "paths": _texts("e.path"),
        "pathEx": _regex("e.path"),
        "search": _search("e.path"),
    },
}
FOLDER_OF = {"folder": "e.parent_id", "task": "e.folder_id", "product": "e.folder_id", "version": "p.folder_id"}


def chosen(project: Project, kind: str, arguments: dict[str, Any]) -> Where:
    """The conditions of a list's arguments; null is no condition, an empty list of values finds nothing."""
    where, filters = Where(), COMMON | FILTERS[kind]
    arguments = dict(arguments)
    if arguments.pop("includeFolderChildren", None):
        _below(where, kind, arguments)
    for name, given in arguments.items():
        if name not in filters or given is None:
            continue
        if given == []:
            where.nothing = True
            continue
        filters[name](where, given, project)
    return where


def _below(where: Where, kind: str, arguments: dict[str, Any]) -> None:
    name = "parentIds" if kind == "folder" else "folderIds"
    given = arguments.pop(name, None)
    if given is None or "root" in given:
        return
    tree = (
        "WITH RECURSIVE below (id) AS (SELECT value FROM json_each(?) UNION"
        " SELECT c.id FROM folder c JOIN below ON c.parent_id = below.id) SELECT id FROM below"
    )
    where.add(f"{FOLDER_OF[kind]} IN ({tree})", ids(given))


# Pages


@dataclass(frozen=True)
class Page:
    """What part of a list is wanted: how many, from where, in which direction."""

    size: int
    after: list[Any] | None
    descending: bool


def page(arguments: dict[str, Any]) -> Page:
    """The page that arguments ask for. Refuses negative sizes and cursors that are none."""
    first, last = arguments.get("first"), arguments.get("last")
    descending = first is None and last is not None
    size = last if descending else first
    if size is not None and size < 0:
        raise refused(400, "Invalid page size")
    size = DEFAULT_PAGE if size is None else size or UNLIMITED
    cursor = arguments.get("before" if descending else "after")
    return Page(size, None if cursor is None else decoded(cursor), descending)


def decoded(cursor: str) -> list[Any]:
    """The sort values in a cursor."""
    try:
        values = json.loads(base64.b64decode(cursor, validate=True))
    except ValueError as error:
        raise refused(400, "Invalid cursor") from error
    if not isinstance(values, list) or not values:
        raise refused(400, "Invalid cursor")
    return values


def encoded(*values: Any) -> str:
    """The cursor of a row."""
    return base64.b64encode(json.dumps(values, separators=(",", ":")).encode()).decode()


def connection(edges: list[dict[str, Any]], wanted: Page) -> dict[str, Any]:
    """A page with what it says of itself; every edge has its cursor."""
    full = len(edges) >= wanted.size
    info = {
        "hasNextPage": full and not wanted.descending,
        "hasPreviousPage": full and wanted.descending,
        "startCursor": edges[0]["cursor"] if edges else None,
        "endCursor": edges[-1]["cursor"] if edges else None,
    }
    return {"edges": edges, "pageInfo": info}
