"""How documents go out: their links, the envelope of lists, and the arguments of lists, in the framework's words."""

from __future__ import annotations

import ast
import json
from datetime import datetime
from typing import Any

from assetfs.sandbox.sams.context import NO_CACHE, Call, Reply
from assetfs.sandbox.sams.documents import Document, http_date
from assetfs.sandbox.sams.errors import crashed, framework, not_changed

NEVER = "1970-01-01T00:00:00+0000"
HTTP_TIME = "%a, %d %b %Y %H:%M:%S GMT"
HOME = {"title": "home", "href": "/"}
DEFAULT_RESULTS, MOST_RESULTS = 25, 200
COUNTED = 10_000  # totals of searches stop here
TITLES = {
    "consume/sets": "Set",
    "consume/assets": "Asset",
    "admin/sets": "Admin_set",
    "produce/assets": "Produce_asset",
    "admin/destinations": "Destination",
}
LIST_TITLES = {"consume/sets": "Set", "consume/assets": "Asset", "admin/destinations": "admin/destinations"}


def linked(document: Document, route: str, **links: Any) -> Document:
    """A document with its links. `route` is where it says that it can be found."""
    own = {"title": TITLES[route], "href": f"{route}/{document['_id']}"}
    return {**document, "_links": {"self": own, **links}}


def public_link(call: Call, document: Document) -> dict[str, Any]:
    """The link to the file server that a public asset in a usable set has."""
    if document["state"] != "public" or (call.documents.set(document["set_id"]) or {}).get("state") != "usable":
        return {}
    href = f"{call.file_server_url}/assets/{document['set_id']}/{document['_id']}"
    return {"public": {"title": "Public Asset", "href": href}}


def item(call: Call, document: Document, route: str, **links: Any) -> Reply:
    """One document with its etag, or 304 when the caller has it."""
    modified = http_date(document["_updated"])
    headers = [("etag", f'"{document["_etag"]}"'), ("last-modified", modified), NO_CACHE]
    if since := call.headers.get("if-modified-since"):
        try:
            datetime.strptime(since, HTTP_TIME)
        except ValueError as error:
            raise crashed(error) from error
    if call.headers.get("if-none-match") != "*" and call.unchanged(document["_etag"], modified):
        return Reply(304, headers=[header for header in headers if header[0] != "last-modified"])
    collection = {"title": LIST_TITLES[route], "href": route}
    shown = linked({**document, "_type": route.replace("/", "_")}, route, parent=HOME, collection=collection, **links)
    return Reply(200, dumped(shown), headers=headers)


def created(call: Call, documents: list[Document], route: str, reading: str) -> Reply:
    """The answer to a POST. Its Location doubles the first part of the path, as the server's does."""
    shown = [{**linked(document, reading), "_status": "OK"} for document in documents]
    first = route.split("/")[0]
    location = f"http://{call.headers.get('host', 'localhost')}/{first}/{route}/{documents[0]['_id']}"
    answer: Any = shown[0] if len(shown) == 1 else {"_status": "OK", "_items": shown}
    return Reply(201, dumped(answer), headers=[("location", location)])


def changed(document: Document, route: str) -> Reply:
    """The answer to a PATCH: the whole document."""
    shown = linked({**document, "_type": route.replace("/", "_"), "_status": "OK"}, route)
    return Reply(200, dumped(shown), headers=[("etag", f'"{document["_etag"]}"')])


def projection(call: Call) -> list[str]:
    """The fields of the `projection` argument; none where it names none."""
    try:
        fields = json.loads(call.query.get("projection") or "{}")
        return [name for name, chosen in fields.items() if chosen]
    except (ValueError, AttributeError) as error:
        raise framework(400) from error


def posted(call: Call) -> list[Document]:
    """The documents of a POST: one, or a list of them."""
    given = call.payload()
    if given is not None and not isinstance(given, dict | list | str):
        raise crashed(f"object of type '{type(given).__name__}' has no len()")
    documents = [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, dict)]
    if not documents or (isinstance(given, list) and len(documents) < len(given)):
        raise framework(400)
    return documents


def patched(call: Call, document: Document) -> Document:
    """The changes of a PATCH of a document."""
    changes = call.payload()
    if not isinstance(changes, dict):
        raise not_changed({"validator exception": f"'{changes}' is not a document, must be a dict"})
    if changes.get("_id", document["_id"]) != document["_id"]:
        raise framework(500)
    return {name: value for name, value in changes.items() if name != "_created"}


def dumped(value: Any) -> bytes:
    """JSON as it goes out."""
    return json.dumps(value).encode()


def window(call: Call) -> tuple[int, int]:
    """The page that is asked for, from 1, and how many items it may have. What makes no sense is the default."""
    results = _number(call.query.get("max_results"), DEFAULT_RESULTS)
    return _number(call.query.get("page"), 1), min(results, MOST_RESULTS)


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else default


def sorting(text: str | None) -> list[tuple[str, int]]:
    """The `sort` argument: `[("name", 1)]`, `[["name", 1]]` or `name,-_created`; 1 is ascending."""
    if not text:
        return []
    if not text.lstrip().startswith("["):
        return [(part.lstrip("-"), -1 if part.startswith("-") else 1) for part in text.split(",")]
    try:
        return [(str(name), -1 if direction < 0 else 1) for name, direction in ast.literal_eval(text)]
    except (ValueError, SyntaxError, TypeError) as error:
        raise crashed(f"malformed sort: {error}") from error


def listing(call: Call, route: str, items: list[Document], total: int, **more: Any) -> Reply:
    """The envelope of a list: items, links to other pages, and counts."""
    page, results = window(call)
    title = LIST_TITLES[route]

    def link(name: str, number: int) -> dict[str, str]:
        return {"title": name, "href": route + _arguments(call, number, results)}

    links: dict[str, Any] = {"parent": HOME, "self": link(title, page) if total else {"title": title, "href": route}}
    if total > page * results:
        links |= {"next": link("next page", page + 1), "last": link("last page", -(-total // results))}
    if total and page > 1:
        links["prev"] = link("previous page", page - 1)
    meta = {"page": page, "max_results": results, "total": total}
    headers = [("x-total-count", str(total)), NO_CACHE]
    newest = max((document["_updated"] for document in items), default=NEVER)
    if newest != NEVER and route != "admin/destinations":
        headers.append(("last-modified", http_date(newest)))
    return Reply(200, dumped({"_items": items, "_links": links, "_meta": meta, **more}), headers=headers)


def _arguments(call: Call, page: int, results: int) -> str:
    shown = {"max_results": str(results)} if results != DEFAULT_RESULTS else {}
    shown |= {name: call.query[name] for name in ("where", "sort") if call.query.get(name)}
    if page > 1:
        shown["page"] = str(page)
    known = ("max_results", "where", "sort", "page", "projection", "embedded")
    shown |= {name: value for name, value in call.query.items() if name not in known}
    return "?" + "&".join(f"{name}={value}" for name, value in shown.items()) if shown else ""
