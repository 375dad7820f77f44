"""What answers where: one table for the whole server."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assetfs.sandbox.ayon import (
    activities,
    events,
    files,
    links,
    lists,
    lookup,
    operations,
    projects,
    rest,
    reviewables,
    system,
    thumbnails,
    users,
)
from assetfs.sandbox.ayon.context import Call, Reply, answered
from assetfs.sandbox.ayon.graph import endpoint

Handler = Callable[[Call], Reply]
ANY = "([^/]+)"
PROJECT = f"/api/projects/{ANY}"
PICTURED = "(folder|task|version|workfile)s"
KINDS = "(folder|task|product|version|representation|workfile)s"


@dataclass(frozen=True)
class Route:
    """One method of a path. `open` needs no credential; `upload` takes a body that goes to disk."""

    method: str
    pattern: re.Pattern[str]
    kind: str
    handler: Handler
    open: bool = False
    upload: bool = False


def _route(method: str, path: str, kind: str, handler: Handler, *, open: bool = False, upload: bool = False) -> Route:  # noqa: A002
    return Route(method, re.compile(path), kind, handler, open, upload)


def _openapi(call: Call) -> Reply:
    """GET openapi.json: managers only; the paths, and little about them."""
    call.only(managers=True)
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        numbers = itertools.count(1)
        path = re.sub(r"\([^)]*\)", lambda _, numbers=numbers: f"{{p{next(numbers)}}}", route.pattern.pattern)  # type: ignore[misc]
        paths.setdefault(path.rstrip("?"), {})[route.method.lower()] = {"summary": route.kind, "responses": {}}
    about = {"title": "AYON", "version": call.server.switches.version}
    return answered({"openapi": "3.1.0", "info": about, "paths": paths, "components": {"schemas": {}}})


ROUTES = (
    _route("GET", "/openapi.json", "page", _openapi),
    _route("GET", "/?", "page", system.page, open=True),
    _route("GET", "/api/info", "info", system.info, open=True),
    _route("GET", "/api/system/sites", "info", system.sites),
    _route("GET", "/api/attributes", "info", system.all_attributes),
    _route("POST", "/api/auth/login", "user", users.login, open=True),
    _route("POST", "/api/auth/logout", "user", users.logout, open=True),
    _route("GET", "/api/users/me", "user", users.me),
    _route("GET", f"/api/users/{ANY}", "user", users.get),
    _route("PUT", f"/api/users/{ANY}", "user", users.put),
    _route("PATCH", f"/api/users/{ANY}", "user", users.patch),
    _route("DELETE", f"/api/users/{ANY}", "user", users.delete),
    _route("GET", f"/api/users/{ANY}/apikeys", "user", users.api_keys),
    _route("POST", f"/api/users/{ANY}/apikeys", "user", users.api_keys),
    _route("POST", "/graphql/?", "graphql", endpoint.post),
    _route("POST", "/api/events", "event", events.post),
    _route("GET", f"/api/events/{ANY}", "event", events.get),
    _route("PATCH", f"/api/events/{ANY}", "event", events.patch),
    _route("DELETE", f"/api/events/{ANY}", "event", events.delete),
    _route("GET", "/api/anatomy/presets", "project", projects.presets),
    _route("GET", f"/api/anatomy/presets/{ANY}", "project", projects.preset),
    _route("GET", "/api/projects", "project", projects.listing),
    _route("POST", "/api/projects", "project", projects.deploy),
    _route("GET", PROJECT, "project", projects.get),
    _route("PUT", PROJECT, "project", projects.put),
    _route("PATCH", PROJECT, "project", projects.patch),
    _route("DELETE", PROJECT, "project", projects.delete),
    _route("GET", f"{PROJECT}/anatomy", "project", projects.anatomy_of),
    _route("GET", f"{PROJECT}/stats", "project", projects.stats),
    _route("GET", f"{PROJECT}/tags", "project", projects.tags),
    _route("GET", f"{PROJECT}/siteRoots", "roots", projects.site_roots),
    _route("GET", f"{PROJECT}/roots", "roots", projects.roots),
    _route("PUT", f"{PROJECT}/roots/{ANY}", "roots", projects.set_roots),
    _route("GET", f"{PROJECT}/folders", "tree", projects.folder_list),
    _route("POST", f"{PROJECT}/folders/search", "tree", projects.search_folders),
    _route("GET", f"{PROJECT}/hierarchy", "tree", projects.hierarchy),
    _route("POST", f"{PROJECT}/operations", "operations", operations.post),
    _route("POST", f"{PROJECT}/operations/background", "operations", operations.begin),
    _route("GET", f"{PROJECT}/operations/background/{ANY}", "operations", operations.job),
    _route("POST", f"{PROJECT}/tasks/{ANY}/assign", "entity", rest.assign),
    _route("POST", f"{PROJECT}/files", "upload", files.upload, upload=True),
    _route("HEAD", f"{PROJECT}/files/{ANY}", "file", files.head),
    _route("GET", f"{PROJECT}/files/{ANY}", "file", files.redirect),
    _route("DELETE", f"{PROJECT}/files/{ANY}", "file", files.delete),
    _route("GET", f"{PROJECT}/files/{ANY}/info", "file", files.info),
    _route("GET", f"{PROJECT}/files/{ANY}/thumbnail", "thumbnail", files.preview),
    _route("GET", f"{PROJECT}/files/{ANY}/still", "thumbnail", files.still),
    _route("GET", f"{PROJECT}/files/{ANY}/payload", "payload", files.payload),
    _route("GET", f"{PROJECT}/{PICTURED}/{ANY}/thumbnail", "thumbnail", thumbnails.get),
    _route("POST", f"{PROJECT}/{PICTURED}/{ANY}/thumbnail", "thumbnail", thumbnails.put),
    _route("GET", f"{PROJECT}/thumbnail", "thumbnail", thumbnails.of_project),
    _route("POST", f"{PROJECT}/thumbnail", "thumbnail", thumbnails.put_project),
    _route("POST", f"{PROJECT}/thumbnails", "thumbnail", thumbnails.post),
    _route("GET", f"{PROJECT}/thumbnails/{ANY}", "thumbnail", thumbnails.by_id),
    _route("PUT", f"{PROJECT}/thumbnails/{ANY}", "thumbnail", thumbnails.replace),
    _route("POST", f"{PROJECT}/versions/{ANY}/reviewables", "upload", reviewables.upload, upload=True),
    _route("GET", f"{PROJECT}/versions/{ANY}/reviewables", "reviewables", reviewables.of_version),
    _route("PATCH", f"{PROJECT}/versions/{ANY}/reviewables", "reviewables", reviewables.sort),
    _route("PATCH", f"{PROJECT}/versions/{ANY}/reviewables/{ANY}", "reviewables", reviewables.relabel),
    _route("GET", f"{PROJECT}/(product|task|folder)s/{ANY}/reviewables", "reviewables", reviewables.of_many),
    _route("POST", f"{PROJECT}/uris", "lookup", lookup.uris),
    _route("POST", "/api/resolve", "lookup", lookup.resolve),
    _route("POST", f"{PROJECT}/repreContextFilter", "lookup", lookup.by_context),
    _route("POST", f"{PROJECT}/lists", "list", lists.create),
    _route("GET", f"{PROJECT}/lists/{ANY}", "list", lists.get),
    _route("PATCH", f"{PROJECT}/lists/{ANY}", "list", lists.patch),
    _route("DELETE", f"{PROJECT}/lists/{ANY}", "list", lists.delete),
    _route("GET", f"{PROJECT}/lists/{ANY}/entities", "list", lists.entities),
    _route("POST", f"{PROJECT}/lists/{ANY}/items", "list", lists.add_item),
    _route("PATCH", f"{PROJECT}/lists/{ANY}/items", "list", lists.change_items),
    _route("PATCH", f"{PROJECT}/lists/{ANY}/items/{ANY}", "list", lists.change_item),
    _route("DELETE", f"{PROJECT}/lists/{ANY}/items/{ANY}", "list", lists.delete_item),
    _route("GET", f"{PROJECT}/links/types", "link", links.types),
    _route("PUT", f"{PROJECT}/links/types/{ANY}", "link", links.add_type),
    _route("DELETE", f"{PROJECT}/links/types/{ANY}", "link", links.delete_type),
    _route("POST", f"{PROJECT}/links", "link", links.create),
    _route("POST", f"{PROJECT}/links/bulk", "link", links.create_many),
    _route("DELETE", f"{PROJECT}/links/{ANY}", "link", links.delete),
    _route("POST", f"{PROJECT}/{ANY}/{ANY}/activities", "activity", activities.create),
    _route("PATCH", f"{PROJECT}/activities/{ANY}", "activity", activities.update),
    _route("DELETE", f"{PROJECT}/activities/{ANY}", "activity", activities.delete),
    _route("POST", f"{PROJECT}/{KINDS}", "entity", rest.create),
    _route("GET", f"{PROJECT}/{KINDS}/{ANY}", "entity", rest.get),
    _route("PATCH", f"{PROJECT}/{KINDS}/{ANY}", "entity", rest.update),
    _route("DELETE", f"{PROJECT}/{KINDS}/{ANY}", "entity", rest.delete),
)


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The route of a path and what it captured. Whatever there is not is 404: the server has no other answer."""
    for route in ROUTES:
        if route.method == method and (match := route.pattern.fullmatch(path)):
            return route, match.groups()
    return None


def kind_of(method: str, path: str) -> str:
    """The word for a path, whatever the method; `socket` for the WebSocket."""
    if path == "/ws":
        return "socket"
    found = find(method, path)
    return found[0].kind if found else "other"
