"""One Midas sandbox, which can be made to fail, and what we and somebody else are in it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from assetfs.repository import Node, Repository
from tests.contract.backends.midas import MidasWorld
from tests.sandboxes import RunningSandbox, start_sandbox


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with start_sandbox("midas") as sandbox:
        yield sandbox


@pytest.fixture
def world(running: RunningSandbox) -> Iterator[MidasWorld]:
    running.reset()
    yield MidasWorld(running)
    running.reset()


@pytest.fixture
async def repository(world: MidasWorld) -> AsyncIterator[Repository]:
    opened = world.open()
    await opened.connect()
    yield opened
    await opened.close()


@pytest.fixture
async def area(world: MidasWorld, repository: Repository) -> Node:
    node = await repository.stat(world.make_folder(world.top(), f"area {secrets.token_hex(6)}"))
    world.reset()
    return node
