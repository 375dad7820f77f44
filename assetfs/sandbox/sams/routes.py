"""What answers where: the tables of both applications."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from assetfs.sandbox.sams import assets, content, locks, renditions, search, sets, wire
from assetfs.sandbox.sams.context import HTML, NO_CACHE, Call, Reply
from assetfs.sandbox.sams.errors import FRAMEWORK

Handler = Callable[[Call], Reply]
ID = "([0-9a-f]{24})"
ANY = "([^/]+)"

ROOT = {
    "admin/sets": "Set",
    "admin/destinations": "admin/destinations",
    "consume/sets": "Set",
    "consume/assets": "Asset",
    "produce/assets": "Asset",
}


@dataclass(frozen=True)
class Route:
    """A path, this protocol's word for it, and a handler per method. `changing` ones write, whatever the method."""

    pattern: re.Pattern[str]
    kind: str
    methods: dict[str, Handler]
    changing: bool = False


def _route(path: str, kind: str, *, changing: bool = False, **methods: Handler) -> Route:
    return Route(re.compile(path), kind, methods, changing or bool(methods.keys() - {"GET"}))


def _root(call: Call) -> Reply:
    child = [{"href": href, "title": title} for href, title in ROOT.items()]
    return Reply(200, wire.dumped({"_links": {"child": child}}), headers=[NO_CACHE])


def _files_root(call: Call) -> Reply:
    return Reply(200, wire.dumped({"_links": {"child": []}}), headers=[NO_CACHE])


API = (
    _route("/", "root", GET=_root),
    _route("/admin/destinations", "destinations", GET=sets.destinations),
    _route("/admin/destinations/([A-Za-z0-9]+)", "destinations", GET=sets.destination),
    _route("/consume/sets", "sets", GET=sets.search),
    _route(f"/consume/sets/{ID}", "sets", GET=sets.get),
    _route("/admin/sets", "sets", POST=sets.create),
    _route(f"/admin/sets/{ID}", "sets", PATCH=sets.update, DELETE=sets.delete),
    _route("/consume/assets", "search", GET=search.search),
    _route(f"/consume/assets/{ID}", "asset", GET=assets.get),
    _route(f"/consume/assets/binary/{ANY}", "binary", GET=content.binary),
    _route(f"/consume/assets/images/{ANY}", "image", changing=True, GET=renditions.download),
    _route(f"/consume/assets/compressed_binary/{ANY}", "zip", GET=content.zipped),
    _route("/produce/assets", "asset", POST=assets.create),
    _route(f"/produce/assets/{ID}", "asset", PATCH=assets.update, DELETE=assets.delete),
    _route("/produce/assets/unlock_user_session", "lock", PATCH=locks.unlock_session),
    _route(f"/produce/assets/lock/{ANY}", "lock", PATCH=locks.lock),
    _route(f"/produce/assets/unlock/{ANY}", "lock", PATCH=locks.unlock),
    _route(f"/produce/assets/images/{ANY}", "image", POST=renditions.generate),
)
FILES = (
    _route("/", "root", GET=_files_root),
    _route(f"/assets/{ANY}/{ANY}", "public", GET=content.public),
)


def find(routes: tuple[Route, ...], path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The route of a path and what it captured."""
    for route in routes:
        if match := route.pattern.fullmatch(path):
            return route, match.groups()
    return None


def in_words(status: int) -> Reply:
    """A refusal of the framework as the file server words it."""
    name = {404: "Not Found", 405: "Method Not Allowed"}[status]
    return Reply(status, f"Error[03{status}] - {name}: {FRAMEWORK[status]}".encode(), HTML)
