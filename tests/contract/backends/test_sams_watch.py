"""What others do at a SAMS server is noticed, what we do ourselves is not told, and what got lost is made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
import trio

from assetfs.repository import Change, Conflict, Node, Repository, Unavailable
from tests.contract.backends.sams import TAGS, SamsWorld
from tests.contract.doubles import Book, Held
from tests.contract.test_reading import listed
from tests.sandboxes import start_sandbox

Fresh = Callable[..., bytes]
PATIENCE = 30.0


@pytest.fixture(scope="module")
def server() -> Iterator[SamsWorld]:
    with start_sandbox("sams", seed="empty") as running:
        yield SamsWorld(running)


@pytest.fixture
def world(server: SamsWorld) -> SamsWorld:
    server.reset()
    return server


class Told:
    """What a watched repository has told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    async def until(self, **wanted: object) -> Change:
        """The first change with these fields, which is taken away."""
        with trio.fail_after(PATIENCE):
            while True:
                for change in self.changes:
                    if all(getattr(change, name) == value for name, value in wanted.items()):
                        self.changes.remove(change)
                        return change
                await trio.sleep(0.01)


@asynccontextmanager
async def watched(world: SamsWorld, poll: float = 0.05) -> AsyncIterator[tuple[Repository, Told]]:
    repository, told = world.open(poll=poll), Told()
    await repository.connect()

    async def listen() -> None:
        async for change in repository.changes():
            told.changes.append(change)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await told.until(node=None, folder=None)
        yield repository, told
        nursery.cancel_scope.cancel()
    await repository.close()


def asked(world: SamsWorld) -> Counter[str]:
    """What was asked for since the last time, without the looks of the watch."""
    found = Counter(f"{one['method']} {one['kind']}" for one in world.requests())
    world.reset()
    return found


async def test_what_others_do_is_told(world: SamsWorld, area: Node, fresh: Fresh) -> None:
    other = world.beside("root", "other")
    kept = world.put(area.id, "kept.txt", fresh())
    async with watched(world) as (repository, told):
        set_, other_set = await repository.stat(area.id), await repository.stat(other)
        await listed(repository, set_), await listed(repository, other_set)
        file = world.put(area.id, "a.txt", fresh())
        await told.until(node=file, folder=area.id, kind="created")
        world.describe(file, ["Ann"])
        await told.until(node=file, folder=None, kind="metadata")
        world.overwrite(file, fresh(60))
        await told.until(node=file, folder=area.id, kind="modified")
        world.rename(file, "b.txt")
        await told.until(node=file, folder=area.id, kind="moved")
        world.change(file, json={"set_id": other[1:]})
        await told.until(folder=area.id, node=None, kind="moved")
        await told.until(node=file, folder=other, kind="moved")
        world.destroy(kept)
        await told.until(folder=area.id, node=None, kind="removed")
        third = world.beside("root", "third")
        await told.until(folder="root")
        world.change_set(other, description="d")
        await told.until(node=other, kind="metadata")
        world.change_set(other, state="disabled")
        await told.until(node=None, folder=other)
        told.changes.clear()
        world.destroy(third)
        await told.until(folder="root")


async def test_our_own_doing_is_not_told(world: SamsWorld, area: Node, fresh: Fresh) -> None:
    async with watched(world) as (repository, told):
        set_ = await repository.stat(area.id)
        await listed(repository, set_)
        node = await repository.upload(set_, "a.txt", Held(fresh()), Book())
        await repository.set_metadata(node, {TAGS: b"Ann"})
        node = await repository.replace(node, set_, Held(fresh(70)), Book())
        node = await repository.rename(node, set_, "b.txt")
        other = await repository.create_folder(await repository.root(), f"{area.name} two")
        await listed(repository, other)
        await repository.move(node, set_, other, "b.txt")
        await repository.remove(node, other)
        world.put(area.id, "theirs.txt", fresh())
        await told.until(folder=area.id, kind="created")
        ours = {change for change in told.changes if change.node == node.id}
        assert not ours


async def test_a_change_costs_one_request_while_it_is_watched(world: SamsWorld, area: Node, fresh: Fresh) -> None:
    files = [world.put(area.id, f"{number}.txt", fresh()) for number in range(3)]
    async with watched(world, poll=55) as (repository, _):
        set_ = await repository.stat(area.id)
        nodes = await listed(repository, set_)
        assert len(nodes) == len(files)
        world.reset()
        await repository.set_metadata(nodes["0.txt"], {"user.sams.description": b"d"})
        assert asked(world) == {"PATCH asset": 1}
        await repository.set_metadata(nodes["0.txt"], {"user.sams.description": b"e"})
        await repository.rename(nodes["1.txt"], set_, "new.txt")
        await repository.upload(set_, "4.txt", Held(fresh()), Book())
        assert asked(world) - Counter({"GET asset": 2}) == {"PATCH asset": 2, "POST asset": 1}
        with pytest.raises(Conflict):
            await repository.upload(set_, "new.txt", Held(fresh()), Book())
        await repository.remove(nodes["2.txt"], set_)
        assert asked(world)["DELETE asset"] == 1


async def test_a_change_that_got_lost_is_made_again(world: SamsWorld, area: Node, fresh: Fresh) -> None:
    file = world.put(area.id, "a.txt", fresh())
    async with watched(world) as (repository, _):
        node = await repository.stat(file)
        world.switch(lost_patches=True)
        await repository.set_metadata(node, {"user.sams.description": b"mine"})
        assert "description" not in world.asset(file)
        world.switch(lost_patches=False)
        with trio.fail_after(PATIENCE):
            while world.asset(file).get("description") != "mine":
                await trio.sleep(0.05)


async def test_a_server_that_goes_away_ends_the_watch(world: SamsWorld) -> None:
    repository = world.open(poll=0.01)
    await repository.connect()
    changes = repository.changes()
    assert await anext(changes) == Change()
    world.arm("drop", match={"kind": "sets"}, count=None)
    with pytest.raises(Unavailable), trio.fail_after(PATIENCE):
        async for _ in changes:
            pass
    world.reset()
    again = repository.changes()
    assert await anext(again) == Change()
    await again.aclose()  # type: ignore[attr-defined]
    await repository.close()
