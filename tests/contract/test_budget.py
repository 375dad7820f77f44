"""How many requests things cost, counted by the server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assetfs.repository import Node, Repository
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed
from tests.contract.world import World

Fresh = Callable[..., bytes]


def spent(world: World) -> int:
    requests = world.requests()
    world.reset()
    return len(requests)


async def test_connecting(world: World) -> None:
    if not world.faults:
        pytest.skip("this server keeps no log of requests")
    repository = world.open()
    await repository.connect()
    await repository.root()
    assert spent(world) <= world.budget.connect
    await repository.close()


async def test_reading(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    for number in range(50):
        world.put(area.id, f"{number}-{world.samples.name}", fresh())
    world.reset()
    nodes = list((await listed(repository, area)).values())
    assert spent(world) <= world.budget.listing
    await repository.metadata(nodes)
    assert spent(world) <= world.budget.metadata_of_many
    await fetched(repository, nodes[0], 0, 1 << 20)
    assert spent(world) <= world.budget.small_read
    if repository.capabilities.measure:
        await repository.measure(nodes)
        assert spent(world) <= world.budget.measure_of_many


@pytest.mark.needs("upload", "replace")
async def test_writing(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    world.reset()
    node = await repository.upload(area, world.samples.name, Held(fresh()), Book())
    assert spent(world) <= world.budget.upload
    await repository.replace(node, area, Held(fresh()), Book())
    assert spent(world) <= world.budget.replace
