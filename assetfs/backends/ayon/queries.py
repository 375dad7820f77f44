"""GraphQL documents (section 4.5). Pure.

Flat lists filtered by ids are what the server answers fast; several of them go into one request. `ownAttrib` stands
before `allAttrib` in every selection: the server spoils it otherwise (10.2, Q6).
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

COMMON = "id name active status tags createdAt updatedAt"
LISTED = {
    "folders": f"{COMMON} label parentId folderType path thumbnailId thumbnailHash hasTasks hasProducts",
    "tasks": f"{COMMON} label folderId taskType path thumbnailId thumbnailHash",
    "products": f"{COMMON} folderId productType path",
    "versions": f"{COMMON} productId version isLatestDone hasReviewables thumbnailId thumbnailHash",
    "representations": f"{COMMON} versionId data files{{id path size hash hashType}}",
    "workfiles": f"{COMMON} path taskId",
}
"""What a listing asks for, by list. `name` of files is left out: a null in it spoils the whole answer (11.12)."""

FACTS = "createdBy updatedBy data"
DESCRIBED = {
    "folders": f"{LISTED['folders']} {FACTS} ownAttrib allAttrib",
    "tasks": f"{LISTED['tasks']} {FACTS} assignees ownAttrib allAttrib",
    "products": f"{LISTED['products']} {FACTS} productBaseType allAttrib",
    "versions": f"{LISTED['versions']} {FACTS} path taskId author heroVersionId allAttrib",
    "representations": f"{LISTED['representations']} createdBy updatedBy path traits allAttrib",
    "workfiles": f"{LISTED['workfiles']} {FACTS} thumbnailId thumbnailHash allAttrib",
}
"""What attributes ask for."""

LIST_OF = {
    "folder": "folders",
    "task": "tasks",
    "product": "products",
    "version": "versions",
    "representation": "representations",
    "workfile": "workfiles",
}
"""The list that has the entities of a type."""

LINKS = "id links(first:500){edges{id direction linkType entityType entityId name author}}"
LISTS = (
    "id label active entityType items(first:2000){edges{id entityId entityType position}"
    "pageInfo{hasNextPage endCursor}}"
)
ACTIVITIES = "activityId tags createdAt activityData"


class Ask(NamedTuple):
    """One list of a request: its name, its filters, its fields, and how many rows a page may have."""

    rows: str
    filters: dict[str, Any]
    fields: str
    first: int
    after: str | None = None


def document(project: str, asked: list[Ask]) -> dict[str, Any]:
    """The request's body. Filters travel as variables, with the types that the server has for them."""
    variables: dict[str, Any] = {"p": project}
    types = ["$p:String!"]
    lists = []
    for number, ask in enumerate(asked):
        arguments = []
        for name, value in ask.filters.items():
            variable = f"v{number}{name}"
            variables[variable] = value
            types.append(f"${variable}:{_type_of(value)}")
            arguments.append(f"{name}:${variable}")
        arguments.append(f"first:{ask.first}")
        if ask.after is not None:
            arguments.append(f"after:{json.dumps(ask.after)}")
        page = "pageInfo{hasNextPage endCursor}"
        lists.append(f"{ask.rows}({','.join(arguments)}){{edges{{node{{{ask.fields}}}}}{page}}}")
    return {"query": f"query({','.join(types)}){{project(name:$p){{{' '.join(lists)}}}}}", "variables": variables}


def _type_of(value: Any) -> str:
    match value:
        case str():
            return "String!"
        case list() if value and isinstance(value[0], int):
            return "[Int!]"
        case _:
            return "[String!]"
