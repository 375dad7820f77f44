"""Lists that were on their way while something changed are not believed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
import trio
import trio.testing

from assetfs.backends.jdma.catalogue import Catalogue
from assetfs.backends.jdma.wire import Batch, BatchStage
from assetfs.repository import NotFound

OLD = Batch(id=1, user="fred", workspace="demo", stage=BatchStage.PUTTING, storage="elastictape", label="old")


class Server:
    """Answers a list with what it had when it was asked, and not before it is told to."""

    def __init__(self) -> None:
        self.has = {1: OLD}
        self.lists = 0
        self.go_on = trio.Event()

    async def batches(self, workspace: str | None = None) -> list[Batch]:
        self.lists += 1
        now = list(self.has.values())
        await self.go_on.wait()
        return now

    async def batch(self, number: int) -> Batch:
        return self.has[number]


Change = Callable[[Server, Catalogue], object]


async def arrives(server: Server, catalogue: Catalogue) -> None:
    server.has[1] = msgspec.structs.replace(OLD, stage=BatchStage.ON_STORAGE)
    await catalogue.ask(1)


async def is_made(server: Server, catalogue: Catalogue) -> None:
    server.has[2] = msgspec.structs.replace(OLD, id=2)
    catalogue.stale()


async def is_made_and_asked_for(server: Server, catalogue: Catalogue) -> None:
    server.has[2] = msgspec.structs.replace(OLD, id=2)
    await catalogue.ask(2)


async def is_renamed(server: Server, catalogue: Catalogue) -> None:
    server.has[1] = msgspec.structs.replace(OLD, label="new")
    catalogue.relabelled(1, "new")


async def is_deleted(server: Server, catalogue: Catalogue) -> None:
    server.has[1] = msgspec.structs.replace(OLD, stage=BatchStage.DELETED)
    with pytest.raises(NotFound):
        await catalogue.ask(1)


@pytest.mark.parametrize("change", [arrives, is_made, is_made_and_asked_for, is_renamed, is_deleted])
async def test_what_is_learned_while_a_list_is_on_its_way_stays_known(change: Change) -> None:
    server = Server()
    catalogue = Catalogue(
        server,  # type: ignore[arg-type]
        None,
        (),
        time_of(),
        everybody=False,
        ttl=3600.0,
    )
    server.go_on.set()
    await catalogue.batches()
    server.go_on = trio.Event()
    catalogue.stale()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(catalogue.batches)
        await trio.testing.wait_all_tasks_blocked()
        await change(server, catalogue)  # type: ignore[misc]
        server.go_on.set()
    shown = {number: one for number, one in server.has.items() if one.stage != BatchStage.DELETED}
    assert await catalogue.batches() == shown
    lists = server.lists
    assert await catalogue.batches() == shown
    assert server.lists == lists


def time_of() -> Callable[[], float]:
    """A clock that never says the same twice."""
    now = iter(range(1_000_000))
    return lambda: float(next(now))
