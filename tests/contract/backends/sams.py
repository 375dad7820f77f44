"""SAMS for the suite: seeding, and acting as somebody else, by the wire protocol."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from assetfs.backends import Address
from assetfs.backends.sams.repository import SamsRepository
from assetfs.repository import NodeId, Repository
from assetfs.transport import TransportOptions
from tests.contract.world import Budget, Entry, Samples, World
from tests.live.real_sams import RealSams
from tests.sandboxes import RunningSandbox

TAGS = "user.sams.tag_names"
DESTINATION, OTHER_DESTINATION = "internal", "archive"


class SamsWorld(World):
    """A SAMS server. Folders are sets, and are only at the top."""

    samples = Samples(
        name="letter.txt",
        refused_name=None,
        hostile_names=(
            *("a/b.txt", "../../etc/x.txt", "line\nbreak.txt", "%2F.txt", "é e\u0301.txt", " blank .txt"),
            *("", "nul\0.txt", "日本.txt", "x" * 300 + ".txt"),
        ),
        attribute=TAGS,
        read_only="user.sams.length",
        unknown="user.sams.nonsense",
        bad_values={
            TAGS: b"\xff\xfe",
            "user.sams.tags": b"[3]",
            "user.sams.state": b"open",
            "user.sams.name": b"",
            "user.sams.extra.a.b": b"x",
        },
        nested=False,
    )
    # A download is followed by a look at the record, while an asset is not older than a second.
    budget = Budget(connect=1, listing=1, metadata_of_many=1, small_read=2, upload=2, replace=2, measure_of_many=1)

    def __init__(self, running: RunningSandbox | RealSams, *, faults: bool = True) -> None:
        self._running = running
        self.faults = faults

    # ---- we -------------------------------------------------------------------------------------------------------

    def open(self, *, credential: str | None = None, port: int | None = None, **options: Any) -> Repository:
        url = urlsplit(self._running.url)
        if port is not None:
            url = url._replace(netloc=f"{url.hostname}:{port}")
        secret = self._running.credential if credential is None else credential
        options = {"destination": DESTINATION, **options}
        address = Address(backend="sams", url=url, user="mara", secret=secret, options=options)
        return SamsRepository(address, TransportOptions())

    @property
    def user(self) -> str:
        return "mara"

    # ---- the wire -------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, etag: str | None = None, **given: Any) -> httpx.Response:
        headers = {"Authorization": f"Basic {self._running.credential}", **({"If-Match": etag} if etag else {})}
        answer = self._running.http.request(method, self._running.url + path, headers=headers, **given)
        assert answer.is_success, (method, path, answer.text)
        return answer

    def asset(self, node: NodeId) -> dict[str, Any]:
        return dict(self.call("GET", f"consume/assets/{node[1:]}").json())

    def change(self, node: NodeId, **given: Any) -> dict[str, Any]:
        return dict(self.call("PATCH", f"produce/assets/{node[1:]}", self.asset(node)["_etag"], **given).json())

    def change_set(self, node: NodeId, **changes: Any) -> dict[str, Any]:
        etag = self.call("GET", f"consume/sets/{node[1:]}").json()["_etag"]
        return dict(self.call("PATCH", f"admin/sets/{node[1:]}", etag, json=changes).json())

    def search(self, set_id: str) -> list[dict[str, Any]]:
        source = {"query": {"term": {"set_id": set_id}}, "size": 5000, "sort": [{"_media_id": "asc"}]}
        return list(self.call("GET", f"consume/assets?source={quote(json.dumps(source))}").json()["_items"])

    # ---- somebody else --------------------------------------------------------------------------------------------

    def top(self) -> NodeId:
        return "root"

    def make_folder(self, folder: NodeId, name: str) -> NodeId:
        if folder != "root":
            pytest.skip("there are no folders in sets")
        return self.make_set(name)

    def make_set(self, name: str, destination: str = DESTINATION, **more: Any) -> NodeId:
        body = {"name": name, "state": "usable", "destination_name": destination, **more}
        return f"s{self.call('POST', 'admin/sets', json=body).json()['_id']}"

    def beside(self, folder: NodeId, name: str) -> NodeId:
        return self.make_set(f"{name} {secrets.token_hex(6)}")

    def put(self, folder: NodeId, name: str, content: bytes, **fields: str) -> NodeId:
        data = {"set_id": folder[1:], "filename": name, "name": name or "nameless", **fields}
        answer = self.call("POST", "produce/assets", data=data, files={"binary": ("binary", content)})
        return f"a{answer.json()['_id']}"

    def overwrite(self, node: NodeId, content: bytes) -> NodeId:
        self.change(node, files={"binary": ("binary", content)})
        return node

    def rename(self, node: NodeId, name: str) -> None:
        self.change(node, json={"filename": name})

    def destroy(self, node: NodeId) -> None:
        if node[0] == "a":
            self.call("DELETE", f"produce/assets/{node[1:]}", self.asset(node)["_etag"])
            return
        for one in self.search(node[1:]):
            self.destroy(f"a{one['_id']}")
        etag = self.change_set(node, state="disabled")["_etag"]
        self.call("DELETE", f"admin/sets/{node[1:]}", etag)

    def entries(self, folder: NodeId) -> list[Entry]:
        if folder == "root":
            sets = self.call("GET", "consume/sets?max_results=200").json()["_items"]
            return [Entry(f"s{one['_id']}", one["name"], None) for one in sets]
        return [
            Entry(f"a{one['_id']}", one["filename"], self.content(one["_id"]), one) for one in self.search(folder[1:])
        ]

    def content(self, asset_id: str) -> bytes:
        return self.call("GET", f"consume/assets/binary/{asset_id}").content

    def attributes(self, node: NodeId) -> Mapping[str, set[str]]:
        return {TAGS: {tag["name"] for tag in self.asset(node).get("tags") or ()}}

    def describe(self, node: NodeId, values: Sequence[str], tags: Sequence[str] = ()) -> None:
        had = self.asset(node).get("tags") or []
        new = [{"code": name.lower(), "name": name} for name in (*values, *tags)]
        self.change(node, json={"tags": had + new})

    # ---- the server's side ----------------------------------------------------------------------------------------

    def reset(self) -> None:
        self._running.reset()

    def switch(self, **values: Any) -> None:
        assert isinstance(self._running, RunningSandbox)
        self._running.switch(**values)

    def requests(self) -> list[Mapping[str, Any]]:
        return list(self._running.listing())

    def arm(self, fault: str, **options: Any) -> None:
        assert isinstance(self._running, RunningSandbox)
        self._running.arm(fault, **options)
