"""What a second client does to an AYON server, in a few words: the wire protocol and nothing of ours."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from tests.sandboxes import RunningSandbox


def unique() -> str:
    """A name that nothing else has."""
    return f"x{uuid.uuid4().hex[:10]}"


class Studio:
    """One user of one server and its first project. `api` and what stands on it return JSON, None for no body."""

    def __init__(self, server: RunningSandbox, key: str | None = None, project: str | None = None) -> None:
        self.server = server
        self.headers = {"X-Api-Key": key or server.credential}
        self.project = project or str(server.info["project"])

    def send(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """A request below the server's root, whatever comes of it."""
        headers = {**self.headers, **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        return self.server.http.request(method, f"{self.server.root_url}/{path}", headers=headers, **more)

    def api(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """A request below the project that succeeds."""
        answer = self.send(method, f"api/projects/{self.project}/{path}", body, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str]:
        """A request below the project that does not succeed: its status and what it says."""
        answer = self.send(method, f"api/projects/{self.project}/{path}", body, **more)
        assert not answer.is_success, answer.text
        return answer.status_code, answer.json()["detail"]

    def query(self, text: str, **variables: Any) -> Any:
        """What a GraphQL query says of the project; `$p` is its name, and `text` its selection."""
        types = {str: "String", bool: "Boolean", int: "Int", list: "[String!]"}
        declared = "".join(f",${name}:{types[type(value)]}" for name, value in variables.items())
        document = f"query Test($p:String!{declared}){{project(name:$p){{{text}}}}}"
        answer = self.send("POST", "graphql", {"query": document, "variables": {"p": self.project, **variables}})
        assert "errors" not in answer.json(), answer.text
        return answer.json()["data"]["project"]

    def nodes(self, kind: str, fields: str, arguments: str = "", **variables: Any) -> list[dict[str, Any]]:
        """The nodes of a list: `nodes("folders", "name", "(first:2)")`."""
        found = self.query(f"{kind}{arguments}{{edges{{node{{{fields}}}}}}}", **variables)
        return [edge["node"] for edge in found[kind]["edges"]]

    def make(self, kind: str, name: str | None = None, **fields: Any) -> str:
        """Make an entity. Returns its id."""
        fields = {"name": name, **fields} if name is not None else fields
        return str(self.api("POST", f"{kind}s", fields)["id"])

    def folder(self, name: str, parent: str | None = None, **fields: Any) -> str:
        """Make a folder."""
        return self.make("folder", name, parentId=parent, **fields)

    def product(self, folder: str, name: str = "modelMain", product_type: str = "model") -> str:
        """Make a product."""
        return self.make("product", name, folderId=folder, productType=product_type)

    def version(self, product: str, number: int = 1, **fields: Any) -> str:
        """Make a version."""
        return self.make("version", version=number, productId=product, **fields)

    def representation(self, version: str, name: str, *files: dict[str, Any], **fields: Any) -> str:
        """Make a representation."""
        return self.make("representation", name, versionId=version, files=list(files), **fields)

    def change(self, kind: str, entity_id: str, **fields: Any) -> None:
        """Change an entity."""
        self.api("PATCH", f"{kind}s/{entity_id}", fields)

    def get(self, kind: str, entity_id: str) -> dict[str, Any]:
        """An entity as REST shows it."""
        return dict(self.api("GET", f"{kind}s/{entity_id}"))

    def upload(
        self, content: bytes, name: str = "a.bin", mime: str = "application/octet-stream", **headers: str
    ) -> str:
        """Put a file on the server. Returns its id."""
        given = {
            "Content-Type": mime,
            "X-File-Name": name.encode(),
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        return str(self.api("POST", "files", content=content, headers=given)["id"])

    def payload(self, file_id: str, **headers: str) -> httpx.Response:
        """The bytes of a file."""
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.send("GET", f"api/projects/{self.project}/files/{file_id}/payload", headers=given)

    def comment(self, kind: str, entity_id: str, *files: str, **fields: Any) -> str:
        """Comment on an entity. Returns the activity's id."""
        body = {"activityType": "comment", "body": "a comment", "files": list(files), **fields}
        return str(self.api("POST", f"{kind}/{entity_id}/activities", body)["id"])

    def operations(self, *operations: dict[str, Any], **flags: Any) -> httpx.Response:
        """Send a batch."""
        body = {"operations": list(operations), **flags}
        return self.send("POST", f"api/projects/{self.project}/operations", body)
