"""The schema with what resolves its fields: entities here, everything else in `others.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    InlineFragmentNode,
    SelectionSetNode,
    build_schema,
)

from assetfs.sandbox.ayon.context import Call
from assetfs.sandbox.ayon.errors import refused
from assetfs.sandbox.ayon.graph import nodes, others, playlists
from assetfs.sandbox.ayon.graph.sdl import SDL
from assetfs.sandbox.ayon.models import KINDS
from assetfs.sandbox.ayon.records import Project

Resolve = Callable[..., Any]
Info = GraphQLResolveInfo[Any]


def selected(info: Info, *below: str) -> list[str]:
    """The names of the fields that a query selects of a field, or of what is `below` it, in their order."""
    sets = [node.selection_set for node in info.field_nodes if node.selection_set is not None]
    for name in below:
        sets = [f.selection_set for s in sets for f in _fields(s, info) if f.name.value == name and f.selection_set]
    return [field.name.value for selection in sets for field in _fields(selection, info)]


def _fields(selection: SelectionSetNode, info: Info) -> Iterable[FieldNode]:
    for item in selection.selections:
        if isinstance(item, FieldNode):
            yield item
        elif isinstance(item, InlineFragmentNode):
            yield from _fields(item.selection_set, info)
        elif isinstance(item, FragmentSpreadNode):
            fragment = info.fragments[item.name.value]
            definition = fragment if isinstance(fragment, FragmentDefinitionNode) else fragment.definition
            yield from _fields(definition.selection_set, info)


def _project(source: Any, info: Info, name: str | None = None, code: str | None = None) -> Any:
    call: Call = info.context
    if name is None:
        row = call.db.execute("SELECT name FROM project WHERE code = ?", (code,)).fetchone()
        if row is None:
            raise refused(404, f"Project with code {code} not found")
        name = row["name"]
    return others.project_node(call.project(name))


def _listing(kind: str, source: dict[str, Any], info: Info, **arguments: Any) -> Any:
    wanted = selected(info, "edges", "node")
    return nodes.listing(info.context, source["_project"], kind, arguments, wanted)


def _below(kind: str, argument: str, source: dict[str, Any], info: Info, **arguments: Any) -> Any:
    """A list that hangs on an entity: the flat list, of this one parent."""
    arguments[argument] = [source["_row"]["id"]]
    return _listing(kind, source, info, **arguments)


def _by_id(kind: str, source: dict[str, Any], info: Info, id: str) -> Any:  # noqa: A002
    found = nodes.one(info.context, source["_project"], kind, id.replace("-", ""), selected(info))
    if found is None:
        raise refused(404, f"{kind.capitalize()} {id} not found")
    return found


def _above(kind: str, column: str, source: dict[str, Any], info: Info) -> Any:
    """The entity that another belongs to."""
    return nodes.one(info.context, source["_project"], kind, source["_row"][column], selected(info))


def _version_of(product: dict[str, Any], info: Info, query: str, *values: Any) -> Any:
    project: Project = product["_project"]
    row = project.db.execute(query, (product["_row"]["id"], *values)).fetchone()
    return nodes.one(info.context, project, "version", row["id"], selected(info)) if row else None


_OF = "SELECT id FROM version WHERE product_id = ?"
FEATURED = {
    "latestDone": f"{_OF} AND version >= 0 AND status IN (SELECT value FROM json_each(?))"
    " ORDER BY version DESC LIMIT 1",
    "hero": f"{_OF} AND version < 0",
    "latest": f"{_OF} AND version >= 0 ORDER BY version DESC LIMIT 1",
}


def _latest(source: dict[str, Any], info: Info) -> Any:
    return _version_of(source, info, FEATURED["latest"])


def _featured(source: dict[str, Any], info: Info, order: list[str] | None = None) -> Any:
    done = json.dumps(source["_project"].done_statuses())
    for name in order or FEATURED:
        if name not in FEATURED:
            raise refused(400, f"Invalid featured version type: {name}")
        found = _version_of(source, info, FEATURED[name], *[done] * (name == "latestDone"))
        if found is not None:
            return found
    return None


BELOW = {
    ("Folder", "tasks"): ("task", "folderIds"),
    ("Folder", "products"): ("product", "folderIds"),
    ("Task", "versions"): ("version", "taskIds"),
    ("Task", "workfiles"): ("workfile", "taskIds"),
    ("Product", "versions"): ("version", "productIds"),
    ("Version", "representations"): ("representation", "versionIds"),
}
ABOVE = {
    ("Folder", "parent"): ("folder", "parent_id"),
    ("Task", "folder"): ("folder", "folder_id"),
    ("Product", "folder"): ("folder", "folder_id"),
    ("Version", "product"): ("product", "product_id"),
    ("Version", "task"): ("task", "task_id"),
    ("Representation", "version"): ("version", "version_id"),
    ("Workfile", "task"): ("task", "task_id"),
}


def _linked(source: dict[str, Any], info: Info) -> Any:
    """What a link or a list's item leads to."""
    return nodes.one(info.context, source["_project"], source["entityType"], source["entityId"], selected(info))


def _schema() -> Any:
    schema = build_schema(SDL)
    resolvers: dict[tuple[str, str], Resolve] = {("Query", "project"): _project}
    for kind in KINDS:
        resolvers["ProjectNode", kind] = partial(_by_id, kind)
        resolvers["ProjectNode", f"{kind}s"] = partial(_listing, kind)
        resolvers[f"{kind.capitalize()}Node", "links"] = others.links
        resolvers[f"{kind.capitalize()}Node", "activities"] = others.activities
    resolvers |= {(f"{title}Node", name): partial(_below, *how) for (title, name), how in BELOW.items()}
    resolvers |= {(f"{title}Node", name): partial(_above, *how) for (title, name), how in ABOVE.items()}
    resolvers["ProductNode", "latestVersion"] = _latest
    resolvers["ProductNode", "featuredVersion"] = _featured
    resolvers["LinkEdge", "node"] = resolvers["EntityListItemEdge", "node"] = _linked
    for (type_name, field_name), resolve in (resolvers | others.RESOLVERS | playlists.RESOLVERS).items():
        owner = schema.type_map[type_name]
        assert isinstance(owner, GraphQLObjectType)
        owner.fields[field_name].resolve = resolve
    node = schema.type_map["BaseNode"]
    assert isinstance(node, GraphQLInterfaceType)
    node.resolve_type = lambda value, info, abstract: f"{value['entityType'].capitalize()}Node"
    return schema


SCHEMA = _schema()
