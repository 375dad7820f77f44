"""The depot for the suite: somebody else changes its folder with ordinary calls of the operating system."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from assetfs.backends import Address
from assetfs.repository import NodeId, Repository
from assetfs.transport import TransportOptions
from tests.contract.world import Budget, Entry, Samples, World
from tests.example.disk import ID, NOTE, TAGS, Disk, attribute
from tests.example.repository import Depot

KEY = "the key"


class DepotWorld(World):
    """One depot in a folder."""

    samples = Samples(
        name="letter.txt",
        refused_name=None,
        hostile_names=("line\nbreak.txt", "%2F.txt", "é e\u0301.txt", " blank .txt", "日本.txt"),
        attribute=NOTE,
        read_only=ID,
        unknown="user.depot.nonsense",
        bad_values={NOTE: b"\xff\xfe"},
        changed_names=("", "nul\0"),
        tag_attribute=TAGS,
    )
    budget = Budget(connect=0, listing=1, metadata_of_many=1, small_read=1, upload=1, replace=1)
    faults = False

    def __init__(self, folder: Path) -> None:
        self.disk = Disk(folder)
        self.disk.prepare()
        (self.disk.folder / "key").write_text(KEY)

    def open(self, *, credential: str | None = None, port: int | None = None, **options: Any) -> Repository:
        folder = self.disk.folder if port is None else self.disk.folder / "nowhere"
        secret = KEY if credential is None else credential
        options = {"folder": folder, **options}
        address = Address(backend="depot", url=urlsplit("https://localhost/"), secret=secret, options=options)
        return Depot(address, TransportOptions())

    @property
    def user(self) -> str:
        return "anybody"

    def top(self) -> NodeId:
        return self.disk.id_of(self.disk.tree)

    def make_folder(self, folder: NodeId, name: str) -> NodeId:
        path = self.disk.path_of(folder) / name
        path.mkdir()
        return self.disk.id_of(path)

    def put(self, folder: NodeId, name: str, content: bytes) -> NodeId:
        path = self.disk.path_of(folder) / name
        if os.path.lexists(path):
            raise LookupError("a disk has a name once")
        path.write_bytes(content)
        return self.disk.id_of(path)

    def overwrite(self, node: NodeId, content: bytes) -> NodeId:
        path = self.disk.path_of(node)
        fresh = self.disk.folder / f"other-{secrets.token_hex(4)}"
        fresh.write_bytes(content)
        for name in (ID, NOTE, TAGS):
            if (value := attribute(path, name)) is not None:
                os.setxattr(fresh, name, value)
        fresh.replace(path)
        return node

    def rename(self, node: NodeId, name: str) -> None:
        path = self.disk.path_of(node)
        path.rename(path.with_name(name))

    def destroy(self, node: NodeId) -> None:
        path = self.disk.path_of(node)
        if path.is_dir():
            for below in path.iterdir():
                self.destroy(self.disk.id_of(below))
            path.rmdir()
        else:
            path.unlink()

    def entries(self, folder: NodeId) -> list[Entry]:
        return [
            Entry(self.disk.id_of(path), path.name, None if path.is_dir() else path.read_bytes())
            for path in self.disk.path_of(folder).iterdir()
        ]

    def attributes(self, node: NodeId) -> Mapping[str, set[str]]:
        path = self.disk.path_of(node)
        values = {name: attribute(path, name) for name in (NOTE, TAGS)}
        return {name: set(value.decode().split("\n")) if value else set() for name, value in values.items()}

    def describe(self, node: NodeId, values: Sequence[str], tags: Sequence[str] = ()) -> None:
        path = self.disk.path_of(node)
        os.setxattr(path, NOTE, "\n".join(values).encode())
        if tags:
            os.setxattr(path, TAGS, "\n".join(tags).encode())

    def reset(self) -> None:
        return
