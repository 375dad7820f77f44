"""A JDMA service for tests, and repositories of ours at it whose background work is done."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio

from assetfs.backends import Address
from assetfs.backends.jdma.repository import JdmaRepository
from assetfs.repository import Change, Kind, Node
from assetfs.transport import TransportOptions
from tests.jdma import Jdma

QUICK = {"poll_min": 0.1, "poll_max": 0.5, "recall_window": 0.2, "auto_recall_files": 100_000}
"""Options that make nobody wait."""


class Service(Jdma):
    """One sandbox, and a user of it who is not us but has our name."""

    def posts(self, kind: str) -> int:
        """How many requests of a kind were made since the last `forget`."""
        return int(self.server.requests()["calls"].get(kind, 0))

    def total(self) -> int:
        """How many requests of any kind."""
        return int(self.server.requests()["total"])

    def repository(self, stage: Path | None, *, name: str | None = None, **options: Any) -> JdmaRepository:
        """One of ours that is not connected."""
        settings = {**QUICK, "credentials_file": Path("/nonexistent"), "stage": stage, **options}
        url = urlsplit(self.server.url)
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
