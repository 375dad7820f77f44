"""Somebody who has files brought from tape, or hands a folder over to it, in a process that dies at one point of it.

The repository is used as a mount uses it, with its background task; only the kernel is left out, so that a story is
over in a second. Who comes after a death has the same stage, and the same ledger.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio

from assetfs.backends import Address
from assetfs.backends.jdma.repository import JdmaRepository
from assetfs.repository import Availability, NotFound
from assetfs.transport import TransportOptions
from tests.crash.killer import Killer, Point, arm_calls

POINTS = {
    "assetfs.backends.jdma.journal": {"Journal": "save save_manifest"},
    "assetfs.backends.jdma.client": {"Client": "get put"},
    "assetfs.backends.jdma.stage": {"Stage": "new_target"},
    "assetfs.backends.jdma.drafts": {"": "clone"},
    "tests.crash.archivist": {"FileLedger": "record"},
}
OPTIONS = {
    "poll_min": 0.1,
    "poll_max": 0.3,
    "recall_window": 0.1,
    "credentials_file": Path("/nonexistent"),
}
LONGEST = 60.0


@dataclass(frozen=True)
class Desk:
    """Where somebody works."""

    url: str
    name: str
    workspace: str
    stage: Path

    def repository(self) -> JdmaRepository:
        options = {**OPTIONS, "stage": self.stage, "workspaces": self.workspace}
        address = Address(backend="jdma", url=urlsplit(self.url), user=self.name, options=options)
        return JdmaRepository(address, TransportOptions())


class FileLedger:
    """A transfer's ledger, as durable as the mount's."""

    def __init__(self, place: Path) -> None:
        self._place = place

    @property
    def state(self) -> Mapping[str, Any]:
        return dict(json.loads(self._place.read_text())) if self._place.exists() else {}

    async def record(self, **state: Any) -> None:
        beside = self._place.with_suffix(".new")
        beside.write_text(json.dumps({**self.state, **state}))
        os.rename(beside, self._place)

    def progress(self, sent: int) -> None:
        """Nobody watches."""


@dataclass(frozen=True)
class Folder:
    """A draft."""

    key: str
    name: str
    path: Path

    @property
    def attributes(self) -> Mapping[str, bytes]:
        return {}

    def attributes_of(self, relative: str) -> Mapping[str, bytes]:
        return {}


def run(point: Point | None, tally: Path | None, desk: Desk, log: Path, story: str, *facts: Any) -> None:
    """A process that tells a story. It ends with status 0 when the story is over."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    arm_calls(Killer(point, tally), POINTS)
    trio.run(_whole, desk, STORIES[story], *facts)


async def _whole(desk: Desk, story: Callable[..., Coroutine[Any, Any, None]], *facts: Any) -> None:
    with trio.fail_after(LONGEST):
        repository = desk.repository()
        await repository.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_listen, repository)
            await story(repository, *facts)
            nursery.cancel_scope.cancel()
        await repository.close()


async def _listen(repository: JdmaRepository) -> None:
    async for _ in repository.changes():
        pass


async def _bring(repository: JdmaRepository, wish: bool, *files: str) -> None:
    """Wait until files are here; with `wish`, ask for them first."""
    if wish:
        await repository.recall([await repository.stat(file) for file in files], explicit=True)
    for file in files:
        while (await repository.stat(file)).availability is not Availability.ONLINE:
            await trio.sleep(0.05)


async def _bring_another(repository: JdmaRepository, first: str, *files: str) -> None:
    """Files of a batch of which everything that was here has gone again."""
    await _bring(repository, True, first)
    await repository.perform(await repository.stat(first), "user.jdma.evict", b"1")
    await _bring(repository, True, *files)


async def _hand_over(repository: JdmaRepository, workspace: str, key: str, folder: Path, ledger: Path) -> None:
    """Make a folder a batch, and see it to its end."""
    draft, book = Folder(key, folder.name, folder), FileLedger(ledger)
    above = await repository.stat(f"w:{workspace}")
    if await repository.commit_draft(draft, above, folder.name, b"put", book) is None:
        node = await repository.finish_draft(draft, above, folder.name, book)
        try:
            await repository.stat(node.id)
        except NotFound as error:
            raise AssertionError("what was handed over is not there") from error


STORIES: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "bring": _bring,
    "bring another": _bring_another,
    "hand over": _hand_over,
}
