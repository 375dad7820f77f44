"""One server for these tests, somebody else at it, and a folder and a product of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
import trio

from assetfs.repository import (
    Change,
    Node,
    Repository,
)
from tests.ayon import Studio, unique
from tests.contract.backends.ayon import AyonWorld, Workfiles
from tests.sandboxes import start_sandbox


@pytest.fixture(scope="module")
def server() -> Iterator[AyonWorld]:
    with start_sandbox("ayon", seed="empty") as running:
        yield Workfiles(running)


@pytest.fixture
def world(server: AyonWorld) -> AyonWorld:
    server.reset()
    return server


@pytest.fixture
def studio(world: AyonWorld) -> Studio:
    return world.studio


@pytest.fixture
def folder(studio: Studio) -> str:
    """A folder of our own: its id."""
    return studio.folder(unique("shot"))


@pytest.fixture
async def product(studio: Studio, folder: str, repository: Repository) -> Node:
    return await repository.stat(f"product.{studio.project}.{studio.product('modelMain', folder)}")


@pytest.fixture
async def place(studio: Studio, folder: str, repository: Repository) -> Node:
    return await repository.stat(f"folder.{studio.project}.{folder}")


@pytest.fixture
async def followed(world: AyonWorld, repository: Repository) -> AsyncIterator[trio.MemoryReceiveChannel[Change]]:
    """The changes of the repository, once it listens."""
    world.running.switch(heartbeat=0.2)
    send, receive = trio.open_memory_channel[Change](1000)

    async def follow() -> None:
        async with aclosing(repository.changes()) as changes:  # type: ignore[type-var]
            async for change in changes:
                send.send_nowait(change)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        with trio.fail_after(30):
            assert await receive.receive() == Change()
        yield receive
        nursery.cancel_scope.cancel()
