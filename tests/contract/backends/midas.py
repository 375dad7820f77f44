"""Midas for the suite: seeding, and acting as somebody else, by the wire protocol."""

from __future__ import annotations

import io
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from assetfs.backends import Address
from assetfs.backends.midas.repository import MidasRepository
from assetfs.repository import NodeId, Repository
from assetfs.transport import TransportOptions
from tests.contract.world import Budget, Entry, Samples, World
from tests.midas import MidasClient
from tests.sandboxes import RpcError, RunningSandbox

DESCRIPTION = "user.midas.description"

SAMPLES = Samples(
    name="letter.txt",
    refused_name=None,
    hostile_names=("a/b.txt", "../../etc/x.txt", "line\nbreak.txt", "%2F.txt", "é e\u0301.txt", " blank .txt"),
    attribute=DESCRIPTION,
    read_only="user.midas.uuid",
    unknown="user.midas.nonsense",
    bad_values={
        DESCRIPTION: b"\xff\xfe",
        "user.midas.privacy": b"Secret",
        "user.midas.meta.count@int": b"many",
        "user.midas.meta.long": b"x" * 1025,
        "user.midas.mimetype": b"x" * 31,
    },
    changed_names=("", "nul\0"),
)

# Section 9: nothing about items comes in bulk, so a cold listing asks for each one's file, and attributes for each
# one's values. An upload looks whether the name is free, makes the item, gets a token, sends,
# verifies, and gives it its name.
BUDGET = Budget(connect=2, listing=2, metadata_of_many=50, small_read=2, upload=5, replace=5)


class MidasWorld(World):
    """A Midas sandbox; somebody else is its administrator, as we are."""

    samples = SAMPLES
    budget = BUDGET
    faults = True

    def __init__(self, running: RunningSandbox) -> None:
        self.running = running
        self.client = MidasClient.admin(running)

    # ---- we -------------------------------------------------------------------------------------------------------

    def open(self, *, credential: str | None = None, port: int | None = None, **options: Any) -> Repository:
        url = urlsplit(self.running.url)
        if port is not None:
            url = url._replace(netloc=f"{url.hostname}:{port}")
        secret = self.running.credential if credential is None else credential
        user = self.running.info["email"]
        return MidasRepository(
            Address(backend="midas", url=url, user=user, secret=secret, options=options), TransportOptions()
        )

    def open_as_reader(self, **options: Any) -> Repository:
        """A repository of the user who is no administrator, not connected."""
        info = self.running.info
        address = Address(
            backend="midas",
            url=urlsplit(self.running.url),
            user=info["reader_email"],
            secret=info["reader_credential"],
            options=options,
        )
        return MidasRepository(address, TransportOptions())

    def open_as_nobody(self) -> Repository:
        """A repository of somebody who has not logged in, not connected."""
        return MidasRepository(Address(backend="midas", url=urlsplit(self.running.url)), TransportOptions())

    def end_tokens(self) -> None:
        """Their time is over."""
        with closing(sqlite3.connect(Path(self.running.info["data"]) / "midas.sqlite", timeout=30)) as db:
            db.execute("UPDATE userapi SET expires = 0")
            db.commit()

    def picture(self) -> bytes:
        """A picture that the server makes a thumbnail of, other each time."""
        out = io.BytesIO()
        color = tuple(secrets.token_bytes(3))
        Image.new("RGB", (300, 200), color).save(out, "PNG")
        return out.getvalue()

    @property
    def user(self) -> str:
        return str(self.running.info["email"])

    # ---- somebody else --------------------------------------------------------------------------------------------

    def top(self) -> NodeId:
        return f"f{self.running.info['private_folder']}"

    def make_folder(self, folder: NodeId, name: str) -> NodeId:
        return f"f{self.client.folder(name, folder[1:])}"

    def put(self, folder: NodeId, name: str, content: bytes) -> NodeId:
        return f"i{self.client.item(int(folder[1:]), name, content)}"

    def overwrite(self, node: NodeId, content: bytes) -> NodeId:
        self.client.put(int(node[1:]), "fresh.txt", content)
        return node

    def _record(self, node: NodeId) -> Any:
        return self.client.call("item.get" if node[0] == "i" else "folder.get", id=node[1:])

    def _edit(self, node: NodeId, **fields: str) -> None:
        record = self._record(node)
        method = "item.create" if node[0] == "i" else "folder.create"
        self.client.call(method, **{"uuid": record["uuid"], "name": _plain(record["name"]), **fields})

    def rename(self, node: NodeId, name: str) -> None:
        self._edit(node, name=name)

    def destroy(self, node: NodeId) -> None:
        try:
            self.client.call("item.delete" if node[0] == "i" else "folder.delete", id=node[1:])
        except RpcError as error:
            raise LookupError(str(error)) from error

    def entries(self, folder: NodeId) -> list[Entry]:
        children = self.client.call("folder.children", id=folder[1:])
        return [Entry(f"f{one['folder_id']}", _plain(one["name"]), None) for one in children["folders"]] + [
            Entry(f"i{one['item_id']}", _plain(one["name"]), self._content(one["item_id"]), one)
            for one in children["items"]
        ]

    def _content(self, item: str) -> bytes:
        form = {"items": item, "authToken": self.client.token}
        return self.client.http.post("/download/", data=form).content

    def attributes(self, node: NodeId) -> Mapping[str, set[str]]:
        lines = _plain(self._record(node)["description"]).split("\n")
        return {DESCRIPTION: {line.strip() for line in lines} - {""}}

    def describe(self, node: NodeId, values: Sequence[str], tags: Sequence[str] = ()) -> None:
        self._edit(node, description="\n".join(values))

    # ---- the server's side ----------------------------------------------------------------------------------------

    def reset(self) -> None:
        self.running.reset()

    def requests(self) -> list[Mapping[str, Any]]:
        return self.running.listing()

    def arm(self, fault: str, **options: Any) -> None:
        self.running.arm(fault, **options)


def _plain(text: str) -> str:
    """Text that the server encodes twice."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text
