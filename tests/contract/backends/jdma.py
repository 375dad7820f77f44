"""JDMA for the suite. A folder is a batch; an administrator of the archive fills it, in the server's own database and
on its tape, until somebody has listed it. What is on storage never changes: tests that would change it are left out.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from assetfs.backends import Address
from assetfs.backends.jdma.repository import JdmaRepository
from assetfs.repository import Node, NodeId, Repository
from assetfs.transport import TransportOptions
from tests.contract.world import Budget, Entry, Samples, World
from tests.jdma import DONE, Jdma, books
from tests.sandboxes import RunningSandbox

PIN = "user.jdma.pin"
BATCH = """
INSERT INTO batch (owner, workspace, label, stage, storage, registered, external, common_path, uid, gid, mode)
VALUES (?, ?, ?, 2, 'elastictape', '2026-11-21T05:15:08.890347+00:00', '14999', ?, 0, 0, 493) RETURNING id"""
FILE = """
INSERT INTO file (archive_id, path, size, digest, kind, uid, gid, mode, content)
SELECT id, ?, ?, ?, 'FILE', 0, 0, 420, ? FROM archive WHERE batch_id = ? RETURNING id"""
ROWS = "SELECT file.* FROM file JOIN archive ON archive.id = archive_id WHERE batch_id = ?"


class JdmaWorld(World):
    """One workspace of a running sandbox."""

    lacks = frozenset({"upload", "replace", "create_folder", "move", "link", "remove", "annotations", "change"})
    samples = Samples(
        name="tas.nc",
        refused_name=None,
        hostile_names=("line\nbreak.nc", "%2F.nc", "é e\u0301.nc", " blank .nc", "日本.nc", "x" * 240 + ".nc"),
        attribute=PIN,
        value=b"1",
        read_only="user.jdma.path",
        unknown="user.jdma.nonsense",
        bad_values={PIN: b"2"},
        nested=False,
    )
    budget = Budget(connect=1, listing=2, metadata_of_many=1, small_read=60, upload=0, replace=0, measure_of_many=0)
    """A read is one GET, before a mount's first the list of requests, and then that list again and again."""
    faults = True

    def __init__(self, running: RunningSandbox) -> None:
        self.running = running
        self.archive = Jdma(running)

    # ---- we -------------------------------------------------------------------------------------------------------

    def open(self, *, credential: str | None = None, port: int | None = None, **options: Any) -> Repository:
        """Everybody is believed: instead of a wrong credential there is a name that nobody has."""
        if credential == "":
            pytest.skip("there is no credential that could be missing")
        url = urlsplit(self.running.url)
        if port is not None:
            url = url._replace(netloc=f"{url.hostname}:{port}")
        settings = {
            "stage": self.archive.new_stage(),
            "credentials_file": Path("/nonexistent"),
            "catalogue_ttl": 0.0,
            "poll_min": 0.1,
            "poll_max": 0.5,
            "recall_window": 0.1,
            **options,
        }
        address = Address(backend="jdma", url=url, user=credential or self.user, options=settings)
        return JdmaRepository(address, TransportOptions())

    @property
    def user(self) -> str:
        return self.archive.name

    # ---- somebody else --------------------------------------------------------------------------------------------

    def top(self) -> NodeId:
        return f"w:{self.archive.workspace}"

    def make_folder(self, folder: NodeId, name: str) -> NodeId:
        if folder != self.top():
            pytest.skip("a batch has no folders without files")
        common = f"{self.archive.stage}/{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        ((number,),) = books(self.running, BATCH, self.user, self.archive.workspace, name, common)
        books(self.running, "INSERT INTO archive (batch_id, size, packed) VALUES (?, 0, 1)", number)
        return f"b{number}"

    def put(self, folder: NodeId, name: str, content: bytes) -> NodeId:
        if "file" in {request["kind"] for request in self.running.listing()}:
            pytest.skip("a batch that was listed does not change any more")
        digest = hashlib.sha256(content).hexdigest()
        (Path(self.running.info["data"]) / "blobs" / digest[:2] / digest).write_bytes(content)
        row = (name, len(content), hex(zlib.adler32(content, 0)), digest)
        ((number,),) = books(self.running, FILE, *row, folder[1:])
        return f"{folder}f{number}"

    def overwrite(self, node: NodeId, content: bytes) -> NodeId:
        pytest.skip("a file on storage is never replaced")

    def rename(self, node: NodeId, name: str) -> None:
        books(self.running, "UPDATE file SET path = ? WHERE id = ?", name, node.partition("f")[2])

    def destroy(self, node: NodeId) -> None:
        """Whole batches only."""
        request = self.archive.delete(int(node[1:].partition("f")[0])).json()["request_id"]
        self.archive.wait(request, DONE["DELETE"])

    def entries(self, folder: NodeId) -> list[Entry]:
        found = books(self.running, ROWS, folder[1:])
        return [Entry(f"{folder}f{row['id']}", row["path"], None, dict(row)) for row in found]

    def attributes(self, node: NodeId) -> Mapping[str, set[str]]:
        """Nothing of a file that others could see can be set."""
        return {}

    def describe(self, node: NodeId, values: Sequence[str], tags: Sequence[str] = ()) -> None:
        pytest.skip("files have no attributes that could be set")

    def ghost(self, node: Node) -> Node:
        return msgspec.structs.replace(node, id="b999999999f999999999")

    # ---- the server's side ----------------------------------------------------------------------------------------

    def reset(self) -> None:
        self.running.reset()

    def requests(self) -> list[Mapping[str, Any]]:
        return list(self.running.listing())

    def arm(self, fault: str, **options: Any) -> None:
        self.running.arm(fault, **options)
