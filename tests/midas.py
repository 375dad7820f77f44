"""A second Midas client for tests: calls by name, uploads in the plainest way, and what the session's pages do."""

from __future__ import annotations

from typing import Any

import httpx

from tests.sandboxes import RpcError, RunningSandbox


class MidasClient:
    """One user of a Midas sandbox; without an address, nobody in particular. Its calls are in the server's log."""

    def __init__(self, server: RunningSandbox, email: str | None = None, key: str | None = None) -> None:
        self.server = server
        self.token = None
        self.http = httpx.Client(base_url=server.root_url, timeout=60, trust_env=False)
        if email is not None:
            self.token = self.call("login", email=email, apikey=key, appname="Default")["token"]

    @classmethod
    def admin(cls, server: RunningSandbox) -> MidasClient:
        """The administrator."""
        return cls(server, server.info["email"], server.credential)

    @classmethod
    def reader(cls, server: RunningSandbox) -> MidasClient:
        """The user who is none."""
        return cls(server, server.info["reader_email"], server.info["reader_credential"])

    def call(self, method: str, **params: Any) -> Any:
        """Call a method. Raises RpcError with its message."""
        form = {"method": f"midas.{method}", **{name: str(value) for name, value in params.items()}}
        if self.token is not None and method != "login":
            form.setdefault("token", self.token)
        answer = self.http.post("/api/json", data=form)
        if answer.status_code != 200:
            raise RpcError(f"HTTP {answer.status_code}")
        envelope = answer.json()
        if envelope["stat"] != "ok":
            raise RpcError(envelope["message"])
        return envelope["data"]

    def folder(self, name: str, parent: int | str | None = None) -> int:
        """Make a folder, in the administrator's Private unless there is a parent. Returns its id."""
        place = self.server.info["private_folder"] if parent is None else parent
        return int(self.call("folder.create", name=name, parentid=place)["folder_id"])

    def item(self, folder: int, name: str, content: bytes | None = None) -> int:
        """Make an item, with one file if there is content. Returns its id."""
        item = int(self.call("item.create", name=name, parentid=folder)["item_id"])
        if content is not None:
            self.put(item, name, content)
        return item

    def put(self, item: int, name: str, content: bytes, **params: Any) -> Any:
        """Upload one file; a new revision, unless `revision` says otherwise. Returns the answer's envelope."""
        token = self.call("upload.generatetoken", itemid=item, filename=name)["token"]
        return self.send(token, name, content, len(content), **params)

    def send(self, token: str, name: str, content: bytes, length: int, **params: Any) -> Any:
        """Send bytes for an upload token. Returns the answer's envelope."""
        query = {"method": "midas.upload.perform", "uploadtoken": token, "filename": name, "length": length, **params}
        return self.http.put("/api/json", params=query, content=content).json()

    def files(self, item: int) -> list[tuple[str, int]]:
        """Names and sizes of the files of an item's newest revision."""
        revisions = self.call("item.get", id=item, head=1)["revisions"]
        return [(row["name"], int(row["sizebytes"])) for row in revisions[0]["bitstreams"]] if revisions else []

    def names(self, folder: int) -> list[str]:
        """Names of a folder's folders and items."""
        children = self.call("folder.children", id=folder)
        return [row["name"] for row in children["folders"] + children["items"]]
