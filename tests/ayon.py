"""Somebody else at an AYON server: a plain HTTP client that shares no code with the backend."""

from __future__ import annotations

import hashlib
import itertools
import secrets
from pathlib import Path
from typing import Any

import httpx

from tests.sandboxes import RunningSandbox

_numbers = itertools.count(1)


class Refused(Exception):
    """The server said no: status and text."""


class Studio:
    """One project of a running sandbox. `root` is where its root `work` is on this machine."""

    def __init__(self, running: RunningSandbox, project: str | None = None) -> None:
        self.running = running
        self.project = project or running.info["project"]
        self.root = Path(running.info["local_root"])

    def call(self, method: str, path: str, *, whole: bool = False, **given: Any) -> httpx.Response:
        """A request below the project, or anywhere (`whole`)."""
        headers = {"X-Api-Key": self.running.credential, **given.pop("headers", {})}
        url = self.running.url.rstrip("/") + ("/" if whole else f"/api/projects/{self.project}/") + path
        answer = self.running.http.request(method, url.rstrip("/"), headers=headers, **given)
        if not answer.is_success:
            raise Refused(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer

    def query(self, text: str, **variables: Any) -> Any:
        """The project's part of a GraphQL answer."""
        body = {"query": "query($p:String!" + text, "variables": {"p": self.project, **variables}}
        found = self.call("POST", "graphql", whole=True, json=body).json()
        assert not found.get("errors"), found
        return found["data"]["project"]

    # ---- making ---------------------------------------------------------------------------------------------------

    def make(self, what: str, **fields: Any) -> str:
        """An entity; its id."""
        return str(self.call("POST", f"{what}s", json=fields).json()["id"])

    def folder(self, name: str, parent: str | None = None, **more: Any) -> str:
        return self.make("folder", name=name, folderType="Folder", parentId=parent, **more)

    def task(self, name: str, folder: str, **more: Any) -> str:
        return self.make("task", name=name, folderId=folder, **{"taskType": "Generic", **more})

    def product(self, name: str, folder: str, **more: Any) -> str:
        return self.make("product", name=name, folderId=folder, **{"productType": "model", **more})

    def version(self, number: int, product: str, **more: Any) -> str:
        return self.make("version", version=number, productId=product, **more)

    def representation(self, name: str, version: str, *paths: str, **more: Any) -> str:
        """One with files at a root."""
        files = [{"id": secrets.token_hex(16), "name": path.rpartition("/")[2], "path": path} for path in paths]
        for file in files:
            here = self.here(file["path"])
            if here is not None and here.is_file():
                content = here.read_bytes()
                file.update(size=len(content), hash=hashlib.md5(content).hexdigest(), hashType="md5")
        return self.make("representation", name=name, versionId=version, files=files, **more)

    def stored(self, name: str, version: str, **contents: bytes) -> str:
        """A representation whose files are on the server; `__` in a name is a dot."""
        files = [self.stored_file(key.replace("__", "."), version, content) for key, content in contents.items()]
        data = {"assetfs": {"store": "project-files", "v": 1}}
        return self.make("representation", name=name, versionId=version, files=files, data=data)

    def stored_file(self, name: str, version: str, content: bytes) -> dict[str, Any]:
        """A file of a representation, with its bytes on the server."""
        return {
            "id": self.file(name, content, version),
            "name": name,
            "path": f"{{root[work]}}/{self.project}/stored/{name}",
            "size": len(content),
            "hash": hashlib.sha256(content).hexdigest(),
            "hashType": "sha256",
        }

    def file(self, name: str, content: bytes, version: str, mime: str = "application/octet-stream") -> str:
        """A project file that a comment at a version holds."""
        body = {"activityType": "comment", "body": "files"}
        anchor = self.call("POST", f"version/{version}/activities", json=body).json()["id"]
        headers = {"Content-Type": mime, "X-File-Name": name.encode().decode("latin-1"), "X-Activity-ID": anchor}
        return str(self.call("POST", "files", content=content, headers=headers).json()["id"])

    def workfile(self, relative: str, task: str, content: bytes) -> str:
        """A workfile with its bytes at the root."""
        self.at_root(relative, content)
        return self.make("workfile", path=f"{{root[work]}}/{relative}", taskId=task)

    def at_root(self, relative: str, content: bytes) -> str:
        """A file at the root; its path as the server keeps it."""
        place = self.root / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.parent / f".{secrets.token_hex(4)}"
        temporary.write_bytes(content)
        temporary.rename(place)
        return f"{{root[work]}}/{relative}"

    def here(self, path: str) -> Path | None:
        head = "{root[work]}/"
        return self.root / path.removeprefix(head) if path.startswith(head) and ".." not in path else None

    # ---- looking and changing -------------------------------------------------------------------------------------

    def get(self, what: str, id_: str) -> dict[str, Any]:
        return dict(self.call("GET", f"{what}s/{id_}").json())

    def change(self, what: str, id_: str, **fields: Any) -> None:
        self.call("PATCH", f"{what}s/{id_}", json=fields)

    def delete(self, what: str, id_: str) -> None:
        self.call("DELETE", f"{what}s/{id_}" + ("?force=true" if what == "folder" else ""))

    def content(self, file_id: str) -> bytes:
        return self.call("GET", f"files/{file_id}/payload").content

    def has(self, file_id: str) -> bool:
        """Whether the server holds a project file."""
        try:
            self.call("GET", f"files/{file_id}/info")
        except Refused:
            return False
        return True

    def rows(self, what: str, by: str, id_: str, fields: str) -> list[dict[str, Any]]:
        """Rows of a list, filtered by one id."""
        found = self.query(
            f",$i:[String!]!){{project(name:$p){{{what}({by}:$i,first:5000){{edges{{node{{{fields}}}}}}}}}}}", i=[id_]
        )
        return [edge["node"] for edge in found[what]["edges"]]


def unique(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}{next(_numbers)}_{secrets.token_hex(3)}"
