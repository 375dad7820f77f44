"""A JDMA service for tests: somebody who speaks the wire protocol, and repositories whose background work is done."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import trio

from assetfs.backends import Address
from assetfs.backends.jdma.repository import JdmaRepository
from assetfs.repository import Change, Kind, Node
from assetfs.transport import TransportOptions
from tests.mounts import eventually
from tests.sandboxes import RunningSandbox

QUICK = {"poll_min": 0.1, "poll_max": 0.5, "recall_window": 0.2, "auto_recall_files": 100_000}
"""Options that make nobody wait."""
ENDED = (9, 106, 204, 1000, 1001)


class Service:
    """One sandbox, and a user of it who is not us but has our name."""

    def __init__(self, running: RunningSandbox) -> None:
        self.running = running
        self.name: str = running.info["name"]
        self.workspace: str = running.info["workspace"]
        self.disk = Path(running.info["stage"])

    # ---- the wire -------------------------------------------------------------------------------------------------

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.running.http.get(f"{self.running.url}/api/v1/{path}", params={"name": self.name, **parameters})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, kind: str, **body: Any) -> httpx.Response:
        whole = {"name": self.name, "request_type": kind, "credentials": {"username": self.name}, **body}
        return self.running.http.post(f"{self.running.url}/api/v1/request", content=json.dumps(whole))

    def batch(
        self, files: Mapping[str, bytes], label: str | None = "run", *, name: str | None = None, **body: Any
    ) -> int:
        """Have files uploaded as a batch, and wait until it is on storage. Returns its number."""
        source = self.disk / "uploads" / secrets.token_hex(4)
        for path, content in files.items():
            place = source / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        given = {"workspace": self.workspace, "storage": "elastictape", "label": label, **body}
        posted = self.post("PUT", filelist=[str(source)], **given, **({"name": name} if name else {})).json()
        assert "batch_id" in posted, posted
        self.ended(posted["request_id"])
        return int(posted["batch_id"])

    def ended(self, request: int) -> dict[str, Any]:
        """A request, once it has come to an end."""
        assert eventually(lambda: self.get("request", request_id=request)["stage"] in ENDED, 30)
        return dict(self.get("request", request_id=request))

    def relabel(self, number: int, label: str | None) -> None:
        url = f"{self.running.url}/api/v1/migration/"
        answer = self.running.http.put(
            url, params={"name": self.name, "migration_id": number}, content=json.dumps({"label": label})
        )
        assert answer.status_code == 200, answer.text

    # ---- what was asked -------------------------------------------------------------------------------------------

    def posts(self, kind: str) -> int:
        """How many requests of a kind were made since the last `forget`."""
        return int(self.running.requests()["calls"].get(kind, 0))

    def total(self) -> int:
        return int(self.running.requests()["total"])

    def named(self) -> list[tuple[str, str]]:
        """Every path that any POST has named, with the request type. Read-only: a last writer would end the log."""
        place = Path(self.running.info["data"]) / "jdma.sqlite"
        with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True, timeout=30)) as db:
            return list(db.execute("SELECT call, path FROM named ORDER BY id"))

    def made(self, kind: int) -> list[dict[str, Any]]:
        """Our requests of a type that the server has, ever."""
        return [one for one in self.get("request")["requests"] if one["request_type"] == kind]

    def stage(self) -> Path:
        """A new folder on the shared disk, fit for a stage."""
        place = self.disk / f"stage-{secrets.token_hex(4)}"
        place.mkdir(mode=0o700)
        return place

    # ---- we -------------------------------------------------------------------------------------------------------

    def repository(self, stage: Path | None, *, name: str | None = None, **options: Any) -> JdmaRepository:
        settings = {**QUICK, "credentials_file": Path("/nonexistent"), "stage": stage, **options}
        url = urlsplit(self.running.url)
        address = Address(backend="jdma", url=url, user=name or self.name, options=settings)
        return JdmaRepository(address, TransportOptions())

    @asynccontextmanager
    async def opened(self, stage: Path | None, **options: Any) -> AsyncIterator[JdmaRepository]:
        """A connected repository whose background task runs, as a mount has it; `heard` are its changes."""
        repository = self.repository(stage, **options)
        await repository.connect()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_listen, repository)
                yield repository
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await repository.close()


async def _listen(repository: JdmaRepository) -> None:
    heard: list[Change] = []
    repository.heard = heard  # type: ignore[attr-defined]
    async for change in repository.changes():
        heard.append(change)


async def files(repository: JdmaRepository, number: int) -> dict[str, Node]:
    """The files of a batch by their shown path."""
    found: dict[str, Node] = {}

    async def look(folder: Node, above: str) -> None:
        async for page in repository.children(folder):
            for node in page.nodes:
                if node.kind is Kind.FOLDER:
                    await look(node, f"{above}{node.name}/")
                else:
                    found[above + node.name] = node

    await look(await repository.stat(f"b{number}"), "")
    return found


def content(node: Node) -> bytes:
    """What the copy of an online file holds, as a mount would read it."""
    assert node.local is not None
    return (node.local.root / node.local.relative).read_bytes()


def adler32(data: bytes) -> str:
    """The server's digest."""
    return hex(zlib.adler32(data, 0))


def tree(place: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    found = {}
    for above, _, names in os.walk(place):
        for name in names:
            path = Path(above) / name
            found[str(path.relative_to(place))] = path.read_bytes()
    return found
