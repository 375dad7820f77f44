"""A whole project of 5,000 folders and products and 15,000 versions, in the requests of section 9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from urllib.parse import urlsplit

import pytest
import trio

from assetfs.backends import Address
from assetfs.backends.ayon import catalogue
from assetfs.backends.ayon.repository import AyonRepository
from assetfs.repository import Change, Kind, Node, Repository
from assetfs.transport import TransportOptions
from tests.sandboxes import RunningSandbox, start_sandbox

FOUND = {"project": 1, "folder": 5_000, "products": 5_000, "product": 5_000, "version": 15_000, "pointer": 5_000}
FOUND |= {"representation": 15_000}
FIRST = {"projects": 1, "project": 1, "site roots": 1}
"""What there is, what this project is, where its roots are."""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("ayon", seed="bench") as running:
        running.switch(heartbeat=0.2)
        yield running


async def connected(server: RunningSandbox) -> Repository:
    address = Address(backend="ayon", url=urlsplit(server.url), secret=server.credential)
    repository = AyonRepository(address, TransportOptions())
    await repository.connect()
    return repository


async def walk(repository: Repository) -> Counter[str]:
    """Everything, as `find` goes: the folders of a folder when it has been listed. Entries by what they are."""
    seen: Counter[str] = Counter()
    ahead = [await repository.root()]
    while ahead:
        below: list[Node] = []
        async for page in repository.children(ahead.pop()):
            below += page.nodes
        seen.update(node.id.partition(".")[0] for node in below)
        ahead += [node for node in below if node.kind is Kind.FOLDER]
    return seen


async def test_while_events_are_followed_it_takes_eight_requests(
    server: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for all folders; one for the products and versions of the first folder, one for those of all others; and as
    many for representations."""
    monkeypatch.setattr(catalogue, "KEPT", 3600.0)
    repository = await connected(server)
    async with aclosing(repository.changes()) as changes:  # type: ignore[type-var]
        with trio.fail_after(30):
            assert await anext(changes) == Change()
        before = Counter(repository.requests)
        assert await walk(repository) == FOUND
        assert Counter(repository.requests) - before == {**FIRST, "listing": 5}
        before = Counter(repository.requests)
        assert await walk(repository) == FOUND
        assert Counter(repository.requests) - before == {"projects": 1}, "a second time, nothing of the project"
    await repository.close()


async def test_without_events_it_takes_hardly_more(server: RunningSandbox) -> None:
    """What nobody watches over is given out once, and only to whoever goes on walking."""
    repository = await connected(server)
    before = Counter(repository.requests)
    assert await walk(repository) == FOUND
    spent = Counter(repository.requests) - before
    assert spent.pop("listing") < 60, "some again for every ten seconds that it takes"
    assert spent == FIRST
    await repository.close()
