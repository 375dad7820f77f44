"""What a second client does to a Jama server, in a few words: the wire protocol and nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from tests.sandboxes import RunningSandbox


def root(server: RunningSandbox) -> int:
    """The root collection of the first project."""
    return int(server.info["root"])


def folder(server: RunningSandbox, title: str, parent: int | None = None) -> int:
    """Make a collection."""
    return int(server.rpc("add_collection", title, parent or root(server))["id"])


def put(server: RunningSandbox, place: int | None, title: str, content: bytes, name: str | None = None) -> int:
    """Upload a file into a collection. `name` is what it is uploaded as, its title by default."""
    headers = {
        "X-Api-Key": server.credential,
        "X-Project": str(server.info["project"]),
        "X-file-hash": hashlib.sha256(content).hexdigest(),
        "X-file-name": base64.b64encode(quote_plus(name or title).encode()).decode(),
        "X-file-chunk": "1/1",
        **({} if place is None else {"X-collection-id": str(place)}),
    }
    answer = server.http.post(f"{server.url}upload/partial/", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    resource = int(answer.text)
    if name is not None and name != title:
        server.rpc("rename_resource", resource, title)
    return resource


def replace(server: RunningSandbox, resource: int, content: bytes, name: str = "new.txt") -> None:
    """Give a resource other content."""
    server.rpc("replace_file", put(server, None, name, content), resource)


def content(server: RunningSandbox, resource: int) -> bytes:
    """The whole content of a resource."""
    return server.get(f"download/{resource}").content


def projects(server: RunningSandbox) -> dict[int, str]:
    """Projects of the administrator, by id."""
    found = server.rpc("projects_user_permissions", False)
    return {entry["project_id"]: entry["project"]["label"] for entry in found}


def resources(server: RunningSandbox, project: int, collection: int | None = None) -> Iterator[dict[str, Any]]:
    """All resources that are somewhere in the tree of a project, once for each place; `path` is where, in titles."""
    if collection is None:
        collection = server.rpc("project_stats", project)["project_root_collection_id"]
    found = server.rpc("project_items", [], project, False, collection, 0, 100_000, "title", None)
    for resource in found["resources"]:
        yield {**resource, "collection": collection}
    for child in found["collections"]:
        yield from resources(server, project, child["id"])


def deactivate(server: RunningSandbox, key: str, *, active: bool = False) -> None:
    """What an administrator does to a key, in the server's own database."""
    with sqlite3.connect(Path(server.info["data"]) / "jama.sqlite", timeout=30) as db:
        db.execute("UPDATE api_key SET active = ? WHERE key = ?", (active, key))
    db.close()


def digest(content: bytes) -> str:
    """What the server knows content by."""
    return hashlib.sha256(content).hexdigest()
