"""AYON for the suite, twice: as workfiles, whose bytes are at a root, and as versions that may be overwritten, whose
bytes are on the server. Folders of files have no folders in them there; those of the hierarchy are tested beside it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from assetfs.backends import Address
from assetfs.backends.ayon.repository import AyonRepository
from assetfs.repository import NodeId, Repository
from assetfs.transport import TransportOptions
from tests.ayon import Studio
from tests.contract.world import Budget, Entry, Samples, World
from tests.sandboxes import RunningSandbox

TAGS = "user.ayon.tags"
HOSTILE = ("line\nbreak.txt", "%2F.txt", "é e\u0301.txt", " blank .txt", "日本.txt", "x" * 240 + ".txt")
BAD = {
    TAGS: b"\xff\xfe",
    "user.ayon.status": b"No such status",
    "user.ayon.active": b"perhaps",
    "user.ayon.data.a b": b"x",
    "user.ayon.attrib.nosuch": b"1",
}


class AyonWorld(World):
    """One project of a running sandbox."""

    samples = Samples(
        name="hero.bin",
        refused_name=None,
        hostile_names=HOSTILE,
        attribute=TAGS,
        read_only="user.ayon.id",
        unknown="user.ayon.nonsense",
        bad_values=BAD,
        nested=False,
    )
    faults = True
    what = ""

    def __init__(self, running: RunningSandbox) -> None:
        self.running = running
        self.studio = Studio(running)
        self.options: dict[str, Any] = {"root_map": f"work={self.studio.root}"}
        self._folder = self.studio.folder(f"suite_{secrets.token_hex(4)}")

    # ---- we -------------------------------------------------------------------------------------------------------

    def open(
        self, *, credential: str | None = None, port: int | None = None, user: str | None = None, **options: Any
    ) -> Repository:
        url = urlsplit(self.running.url)
        if port is not None:
            url = url._replace(netloc=f"{url.hostname}:{port}")
        secret = self.running.credential if credential is None else credential
        address = Address(backend="ayon", url=url, user=user, secret=secret, options={**self.options, **options})
        return AyonRepository(address, TransportOptions())

    @property
    def user(self) -> str:
        return str(self.running.info["user"])

    # ---- somebody else --------------------------------------------------------------------------------------------

    def node(self, id_: str) -> NodeId:
        return f"{self.what}.{self.studio.project}.{id_}"

    def id(self, node: NodeId) -> str:
        return node.split(".")[2]

    def type_of(self, node: NodeId) -> str:
        return node.split(".")[0]

    def make_folder(self, folder: NodeId, name: str) -> NodeId:
        if folder != self.top():
            pytest.skip("there are no folders beside such files")
        return self.make(f"{name.replace(' ', '_')}_{secrets.token_hex(3)}")

    def beside(self, folder: NodeId, name: str) -> NodeId:
        return self.make(f"{name.replace(' ', '_')}_{secrets.token_hex(4)}")

    def make(self, name: str) -> NodeId:
        raise NotImplementedError

    def attributes(self, node: NodeId) -> Mapping[str, set[str]]:
        return {TAGS: set(self.studio.get(self.type_of(node), self.id(node))["tags"])}

    def describe(self, node: NodeId, values: Sequence[str], tags: Sequence[str] = ()) -> None:
        had = self.studio.get(self.type_of(node), self.id(node))["tags"]
        self.studio.change(self.type_of(node), self.id(node), tags=list(dict.fromkeys([*had, *values, *tags])))

    # ---- the server's side ----------------------------------------------------------------------------------------

    def reset(self) -> None:
        self.running.reset()

    def requests(self) -> list[Mapping[str, Any]]:
        return list(self.running.listing())

    def arm(self, fault: str, **options: Any) -> None:
        self.running.arm(fault, **options)


class Workfiles(AyonWorld):
    """A folder is a task. Bytes are below the root; removing takes them along. The first listing of a project costs two
    requests more: what it is, and where its roots are."""

    what = "workfile"
    budget = Budget(connect=2, listing=3, metadata_of_many=1, small_read=0, upload=8, replace=3, measure_of_many=0)

    def __init__(self, running: RunningSandbox) -> None:
        super().__init__(running)
        self.options["delete_root_files"] = True

    def top(self) -> NodeId:
        return f"tasks.{self.studio.project}.{self._folder}"

    def make(self, name: str) -> NodeId:
        return f"task.{self.studio.project}.{self.studio.task(name, self._folder)}"

    def _row(self, node: NodeId) -> dict[str, Any]:
        return self.studio.get("workfile", self.id(node))

    def _place(self, node: NodeId) -> Path:
        found = self.studio.here(self._row(node)["path"])
        assert found is not None
        return found

    def put(self, folder: NodeId, name: str, content: bytes) -> NodeId:
        task = self.id(folder)
        return self.node(self.studio.workfile(f"suite/{task}/{name}", task, content))

    def overwrite(self, node: NodeId, content: bytes) -> NodeId:
        self.studio.at_root(str(self._place(node).relative_to(self.studio.root)), content)
        return node

    def rename(self, node: NodeId, name: str) -> None:
        old = self._place(node)
        new = old.with_name(name)
        old.rename(new)
        path = f"{{root[work]}}/{new.relative_to(self.studio.root)}"
        self.studio.change("workfile", self.id(node), path=path)

    def destroy(self, node: NodeId) -> None:
        if self.type_of(node) == "workfile":
            self._place(node).unlink()
        self.studio.delete(self.type_of(node), self.id(node))

    def entries(self, folder: NodeId) -> list[Entry]:
        rows = self.studio.rows("workfiles", "taskIds", self.id(folder), "id path")
        found = []
        for row in rows:
            place = self.studio.here(row["path"])
            assert place is not None
            found.append(Entry(self.node(row["id"]), place.name, place.read_bytes(), row))
            left = [one.name for one in place.parent.iterdir() if one.name.startswith(".assetfs-")]
            assert not left, left
        return found

    def clean(self) -> None:
        shutil.rmtree(self.studio.root, ignore_errors=True)


class Versions(AyonWorld):
    """A folder is a version, into which we may write. Bytes are on the server."""

    what = "representation"
    budget = Budget(connect=2, listing=3, metadata_of_many=1, small_read=2, upload=12, replace=11, measure_of_many=0)

    def __init__(self, running: RunningSandbox) -> None:
        super().__init__(running)
        self.options["allow_overwrite"] = True
        self._product = self.studio.product("suite", self._folder)
        self._last = 0

    def top(self) -> NodeId:
        return f"product.{self.studio.project}.{self._product}"

    def make(self, name: str) -> NodeId:
        self._last += 1
        return f"version.{self.studio.project}.{self.studio.version(self._last, self._product)}"

    def put(self, folder: NodeId, name: str, content: bytes) -> NodeId:
        if not content:
            raise LookupError("the server has no empty files")
        version = self.id(folder)
        data = {"assetfs": {"store": "project-files", "v": 1}}
        file = self.studio.stored_file(name, version, content)
        unique = f"r{secrets.token_hex(6)}"
        return self.node(self.studio.make("representation", name=unique, versionId=version, files=[file], data=data))

    def overwrite(self, node: NodeId, content: bytes) -> NodeId:
        row = self.studio.get("representation", self.id(node))
        file = self.studio.stored_file(row["files"][0]["name"], row["versionId"], content)
        self.studio.change("representation", self.id(node), files=[{**file, "path": row["files"][0]["path"]}])
        return node

    def rename(self, node: NodeId, name: str) -> None:
        file = self.studio.get("representation", self.id(node))["files"][0]
        path = f"{{root[work]}}/suite/{name}"
        self.studio.change("representation", self.id(node), files=[{**file, "path": path}])

    def destroy(self, node: NodeId) -> None:
        self.studio.delete(self.type_of(node), self.id(node))

    def entries(self, folder: NodeId) -> list[Entry]:
        rows = self.studio.rows("representations", "versionIds", self.id(folder), "id files{id path}")
        return [
            Entry(
                self.node(row["id"]),
                row["files"][0]["path"].rpartition("/")[2],
                self.studio.content(row["files"][0]["id"]),
                row,
            )
            for row in rows
        ]
