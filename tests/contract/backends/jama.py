"""Jama for the suite: seeding, and acting as somebody else, by the wire protocol."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus, urlsplit

import pytest

from assetfs.backends import Address
from assetfs.backends.jama.repository import JamaRepository
from assetfs.backends.jama.uploads import Patience
from assetfs.repository import NodeId, Repository
from assetfs.transport import TransportOptions
from tests.contract.world import Budget, Entry, Samples, World
from tests.sandboxes import RunningSandbox

FIELD = "user.jama.meta.Dublin_Core.creator"

SAMPLES = Samples(
    name="letter.txt",
    refused_name="letter.no-such-type",
    hostile_names=("a/b.txt", "../../etc/x.txt", "line\nbreak.txt", "%2F.txt", "é e\u0301.txt", " blank .txt"),
    attribute=FIELD,
    read_only="user.jama.sha256",
    unknown="user.jama.nonsense",
    bad_values={FIELD: b"\xff\xfe", "user.jama.meta.Dublin_Core.date": b"  ", "user.jama.tags": b"a\n\nb"},
    tag_attribute="user.jama.tags",
)

BUDGETS = {
    # Section 9 for a server with batches; without them each call is a request, and the refused batch is one more.
    "current": Budget(connect=2, listing=1, metadata_of_many=1, small_read=1, upload=2, replace=4),
    "legacy": Budget(connect=6, listing=1, metadata_of_many=50, small_read=1, upload=5, replace=8),
    "classic": Budget(connect=4, listing=2, metadata_of_many=50, small_read=1, upload=5, replace=24),
}


class JamaWorld(World):
    """A Jama server. `profile` is current, legacy or classic."""

    samples = SAMPLES

    def __init__(self, url: str, credential: str, user: str, profile: str, running: RunningSandbox | None) -> None:
        self.url = url
        self.credential = credential
        self._user = user
        self.profile = profile
        self.classic = profile == "classic"
        self.budget = BUDGETS[profile]
        self._running = running
        self.faults = running is not None
        self._fields: dict[str, int] = {}

    # ---- we -------------------------------------------------------------------------------------------------------

    def open(self, *, credential: str | None = None, port: int | None = None, **options: Any) -> Repository:
        url = urlsplit(self.url)
        if port is not None:
            url = url._replace(netloc=f"{url.hostname}:{port}")
        address = Address(
            backend="jama",
            url=url,
            secret=self.credential if credential is None else credential,
            options=options,
        )
        quick = Patience(lock=(0.05, 0.1), assembly=(0.1, 0.2))
        return JamaRepository(address, TransportOptions(), patience=quick)

    @property
    def user(self) -> str:
        return self._user

    # ---- the wire -------------------------------------------------------------------------------------------------

    def call(self, method: str, *params: Any) -> Any:
        body = json.dumps({"method": method, "params": params, "id": 1}).encode()
        headers = {"X-Api-Key": self.credential, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self.url, body, headers), timeout=60) as answer:
            said = json.load(answer)
        if said["error"] is not None:
            raise LookupError(f"{method}: {said['error']}")
        return said["result"]

    def _download(self, resource: int) -> bytes:
        request = urllib.request.Request(f"{self.url}download/{resource}", headers={"X-Api-Key": self.credential})
        with urllib.request.urlopen(request, timeout=60) as answer:
            content: bytes = answer.read()
        return content

    def send(self, name: str, content: bytes, project: int = 1, chunk: str | None = None) -> int:
        """Upload in one chunk, into no collection."""
        encoded = name.encode() if self.classic else quote_plus(name).encode()
        headers = {
            "X-Api-Key": self.credential,
            "X-file-hash": hashlib.sha256(content).hexdigest(),
            "X-file-name": base64.b64encode(encoded).decode(),
            "X-file-chunk": chunk or ("0/1" if self.classic else "1/1"),
            **({} if self.classic else {"X-Project": str(project)}),
        }
        request = urllib.request.Request(f"{self.url}upload/partial/", content, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.read())

    # ---- somebody else --------------------------------------------------------------------------------------------

    def top(self) -> NodeId:
        if self.classic:
            return "root"
        return f"p{self._project()}"

    def _project(self) -> int:
        return int(self.call("projects_user_permissions", False)[0]["project_id"])

    def _collection(self, folder: NodeId) -> int | None:
        if folder == "root":
            return None
        if folder[0] == "p":
            return int(self.call("project_stats", int(folder[1:]))["project_root_collection_id"])
        return int(folder[1:])

    def make_folder(self, folder: NodeId, name: str) -> NodeId:
        return f"c{self.call('add_collection', name, self._collection(folder))['id']}"

    def put(self, folder: NodeId, name: str, content: bytes) -> NodeId:
        resource = self.send(name, content)
        self.call("add_resource_to_collection", resource, self._collection(folder))
        return f"r{resource}"

    def overwrite(self, node: NodeId, content: bytes) -> NodeId:
        number = int(node[1:])
        fresh = self.send("fresh.txt", content)
        if not self.classic:
            self.call("replace_file", fresh, number)
            return node
        self.call("rename_resource", fresh, self.call("resource", number)["title"])
        for chain in self.call("ancestors_from_resource", number):
            self.call("add_resource_to_collection", fresh, chain[-1]["id"])
        self.call("delete_resource", number)
        return f"r{fresh}"

    def rename(self, node: NodeId, name: str) -> None:
        what = "resource" if node[0] == "r" else "collection"
        self.call(f"rename_{what}", int(node[1:]), name)

    def destroy(self, node: NodeId) -> None:
        if node[0] == "r":
            self.call("delete_resource", int(node[1:]))
        else:
            self.call("delete_collection", int(node[1:]), True)

    def entries(self, folder: NodeId) -> list[Entry]:
        collection = self._collection(folder)
        if self.classic:
            folders = self.call("collections", collection, False)
            files = [] if collection is None else self.call("resources", collection, False)
        else:
            folders = self.call("collections", collection, False, 0, 5000, False, False, "title", False)
            files = self.call("resources", collection, False, 0, 5000, "title", False, None)
        return [Entry(f"c{one['id']}", one["title"], None) for one in folders] + [
            Entry(f"r{one['id']}", one["title"], self._download(one["id"]), one) for one in files
        ]

    def _record(self, node: NodeId) -> Mapping[str, Any]:
        what, number = ("resource" if node[0] == "r" else "collection"), int(node[1:])
        flags = [] if self.classic or what == "collection" else [True]
        found: Mapping[str, Any] = self.call(what, number, *flags)
        return found

    def attributes(self, node: NodeId) -> Mapping[str, set[str]]:
        record = self._record(node)
        found: dict[str, set[str]] = {}
        for value in record["metas"] or ():
            meta = value["meta"]
            found.setdefault(f"user.jama.meta.{meta['set_title']}.{meta['title']}", set()).add(value["value"])
        found["user.jama.tags"] = {tag["uid"] for tag in record["tags"]}
        return found

    def _field(self, title: str) -> int:
        project = () if self.classic else (self._project(),)
        if not self._fields:
            sets = [one for one in self.call("metadatasets", *project) if one["title"] == "Dublin_Core"]
            self._fields = {one["title"]: one["id"] for one in self.call("metadatas", sets[0]["id"])}
        return self._fields[title]

    def describe(self, node: NodeId, values: Sequence[str], tags: Sequence[str] = ()) -> None:
        what, number = ("resource" if node[0] == "r" else "collection"), int(node[1:])
        for value in values:
            self.call(f"add_meta_to_{what}", number, self._field("creator"), value)
        for tag in tags:
            self.call("set_tag", tag, *(() if self.classic else (self._project(),)), None, None)
            self.call(f"add_tag_to_{what}", tag, number)

    # ---- the server's side ----------------------------------------------------------------------------------------

    def reset(self) -> None:
        if self._running is not None:
            self._running.reset()

    def requests(self) -> list[Mapping[str, Any]]:
        if self._running is None:
            pytest.skip("this server keeps no log of requests")
        return self._running.listing()

    def arm(self, fault: str, **options: Any) -> None:
        if self._running is None:
            pytest.skip("this server cannot be made to fail")
        self._running.arm(fault, **options)
