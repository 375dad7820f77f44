"""The worlds that the suite runs in, and one connected repository and one empty folder per test."""

from __future__ import annotations

import itertools
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from assetfs.repository import Node, RecallPolicy, Repository
from tests.contract.backends.ayon import Versions, Workfiles
from tests.contract.backends.depot import DepotWorld
from tests.contract.backends.jama import JamaWorld
from tests.contract.backends.jdma import JdmaWorld
from tests.contract.backends.midas import MidasWorld
from tests.contract.backends.sams import SamsWorld
from tests.contract.world import World
from tests.live.real_jama import NotAvailableError, start_real_jama
from tests.live.real_sams import start_real_sams
from tests.sandboxes import RunningSandbox, start_sandbox


@contextmanager
def _jama(profile: str) -> Iterator[World]:
    with start_sandbox("jama", profile=profile) as running:
        yield JamaWorld(running.url, running.credential, "admin", profile, running)


@contextmanager
def _midas() -> Iterator[World]:
    with start_sandbox("midas") as running:
        yield MidasWorld(running)


@contextmanager
def _real_jama() -> Iterator[World]:
    try:
        with start_real_jama() as real:
            yield JamaWorld(real.url, real.credential, real.user, "current", None)
    except NotAvailableError as reason:
        pytest.skip(str(reason))


@contextmanager
def _sams() -> Iterator[World]:
    with start_sandbox("sams", seed="empty") as running:
        yield SamsWorld(running)


@contextmanager
def _jdma() -> Iterator[World]:
    with start_sandbox("jdma", seed="empty") as running:
        yield JdmaWorld(running)


@contextmanager
def _depot() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        yield DepotWorld(Path(folder))


@contextmanager
def _ayon(make: Callable[[RunningSandbox], World]) -> Iterator[World]:
    with start_sandbox("ayon", seed="empty") as running:
        yield make(running)


@contextmanager
def _real_sams() -> Iterator[World]:
    try:
        with start_real_sams() as real:
            yield SamsWorld(real, faults=False)
    except NotAvailableError as reason:
        pytest.skip(str(reason))


WORLDS = {
    "ayon-workfiles": lambda: _ayon(Workfiles),
    "ayon-versions": lambda: _ayon(Versions),
    "depot": _depot,
    "jama-current": lambda: _jama("current"),
    "jama-legacy": lambda: _jama("legacy"),
    "jama-classic": lambda: _jama("classic"),
    "jama-real": _real_jama,
    "jdma": _jdma,
    "midas": _midas,
    "sams": _sams,
    "sams-real": _real_sams,
}
LACKS = {"jdma": JdmaWorld.lacks}
LIVE = {"jama-real", "sams-real"}


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=[pytest.mark.live] if name in LIVE else []) for name in WORLDS],
)
def server(request: pytest.FixtureRequest) -> Iterator[World]:
    with WORLDS[request.param]() as world:
        yield world


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a world has not: `World.lacks`."""

    def without(item: pytest.Item) -> bool:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        needed = {word for mark in item.iter_markers("needs") for word in mark.args}
        return bool(needed & LACKS.get(parameters.get("server", ""), frozenset()))

    out = [item for item in items if without(item)]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if not without(item)]


@pytest.fixture
def world(server: World) -> World:
    server.reset()
    return server


@pytest.fixture
async def repository(world: World, nursery: trio.Nursery) -> AsyncIterator[Repository]:
    """Connected; where content is recalled, with the task that a mount runs for it."""
    opened = world.open()
    await opened.connect()
    recalls = opened.capabilities.recall and opened.capabilities.recall_policy is not RecallPolicy.MANUAL
    if recalls and opened.capabilities.changes:
        nursery.start_soon(_listen, opened)
    yield opened
    await opened.close()


async def _listen(repository: Repository) -> None:
    async for _ in repository.changes():
        pass


@pytest.fixture
async def area(world: World, repository: Repository) -> Node:
    """A folder of our own."""
    node = await repository.stat(world.make_folder(world.top(), f"area {secrets.token_hex(6)}"))
    world.reset()
    return node


_numbers = itertools.count()


@pytest.fixture
def fresh() -> Callable[..., bytes]:
    """Content that no server has seen: some keep identical bytes once."""

    def make(size: int = 40) -> bytes:
        head = f"{next(_numbers)} {secrets.token_hex(8)} ".encode()
        return (head * (size // len(head) + 1))[:size]

    return make
