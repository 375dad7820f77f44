"""The event stream: what others change, within a moment; walking in a handful of requests."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest
import trio

from assetfs.backends.ayon import events
from assetfs.repository import (
    Change,
    Kind,
    Node,
    Repository,
    RepositoryError,
)
from tests.ayon import Studio, unique
from tests.contract.ayon.kit import at, draft, id_of, until
from tests.contract.backends.ayon import AyonWorld
from tests.contract.doubles import Book
from tests.contract.test_reading import listed


async def test_others_changes_are_told_and_listings_are_fresh(
    studio: Studio, repository: Repository, place: Node, folder: str, followed: trio.MemoryReceiveChannel[Change]
) -> None:
    project = studio.project
    assert await listed(repository, place) == {}
    below = studio.folder("below", folder)
    await until(followed, folder=place.id, node=f"folder.{project}.{below}")
    assert set(await listed(repository, place)) == {"below"}
    studio.change("folder", below, name="renamed")
    assert (await until(followed, folder=place.id)).subtree
    assert set(await listed(repository, place)) == {"renamed"}
    studio.change("folder", below, status="In progress")
    await until(followed, node=f"folder.{project}.{below}", folder=None)
    product = studio.product("model", folder)
    await until(followed, folder=f"products.{project}.{folder}")
    await until(followed, folder=place.id)
    assert set(await listed(repository, place)) == {"renamed", "@products"}
    node = await repository.stat(f"product.{project}.{product}")
    assert await listed(repository, node) == {}
    version = studio.version(1, product)
    await until(followed, folder=node.id)
    assert set(await listed(repository, node)) == {"v001", "latest"}
    place_ = await repository.stat(f"version.{project}.{version}")
    assert await listed(repository, place_) == {}
    studio.stored("bin", version, a__bin=b"x")
    await until(followed, folder=place_.id)
    assert set(await listed(repository, place_)) == {"a.bin"}
    top = await repository.stat(f"project.{project}")
    studio.change("folder", below, parentId=None)
    await until(followed, folder=place.id)
    await until(followed, folder=top.id)
    assert set(await listed(repository, place)) == {"@products"}
    assert "renamed" in await listed(repository, top)
    studio.delete("folder", below)
    await until(followed, folder=top.id, node=f"folder.{project}.{below}", subtree=True)
    assert "renamed" not in await listed(repository, top)


async def test_our_own_echoes_are_not_told(
    studio: Studio, repository: Repository, place: Node, folder: str, followed: trio.MemoryReceiveChannel[Change]
) -> None:
    await repository.set_metadata(place, {"user.ayon.label": b"Mine"})
    await repository.create_folder(place, "mine")
    theirs = studio.folder("theirs", folder)
    change = await until(followed, folder=place.id)
    assert change.node == f"folder.{studio.project}.{theirs}"
    assert followed.statistics().current_buffer_used == 0


async def test_a_publish_of_ours_is_told_when_it_is_over(
    studio: Studio,
    repository: Repository,
    product: Node,
    tmp_path: Path,
    followed: trio.MemoryReceiveChannel[Change],
) -> None:
    """Not before: the mount waits in that folder."""
    await repository.commit_draft(draft(tmp_path, a__abc=b"abc"), product, "next", b"", Book())
    assert not followed.statistics().current_buffer_used
    await until(followed, folder=product.id)
    assert set(await listed(repository, product)) == {"v001", "latest"}


async def test_walking_a_project_costs_a_handful_of_requests(
    world: AyonWorld, studio: Studio, repository: Repository, followed: trio.MemoryReceiveChannel[Change]
) -> None:
    top = studio.folder(unique("walk"))
    for number in range(4):
        below = studio.folder(f"shot{number}", top)
        for name in ("a", "b"):
            version = studio.version(1, studio.product(name, below))
            studio.representation("abc", version, f"{{root[work]}}/{number}{name}.abc")
    here = await repository.stat(f"folder.{studio.project}.{top}")
    while True:  # all that was said about what we made is heard
        with trio.move_on_after(1) as scope:
            await followed.receive()
        if scope.cancelled_caught:
            break
    world.reset()
    found: list[str] = []

    async def walk(node: Node) -> None:
        for one in (await listed(repository, node)).values():
            found.append(one.name)
            if one.kind is Kind.FOLDER:
                await walk(one)

    await walk(here)
    assert sorted(found).count("v001") == 8
    assert len(found) == 4 + 4 + 8 + 2 * 8 + 8
    assert len(world.requests()) <= 10, "two of them are the first touch of the project"
    world.reset()
    await walk(here)
    assert not world.requests()
    versions = [one for name in ("0", "1", "2", "3") for one in await products_of(repository, here, f"shot{name}")]
    world.reset()
    known = {id_: one for node in versions for id_, one in (await repository.metadata([node])).items()}
    assert len(known) == 8
    assert len(world.requests()) <= 2, "attributes come ahead of whoever goes through them, too"
    studio.change("product", id_of(versions[0]), status="Approved")
    await until(followed, node=versions[0].id)
    assert (await repository.metadata([versions[0]]))[versions[0].id]["user.ayon.status"].value == b"Approved"


async def products_of(repository: Repository, here: Node, name: str) -> list[Node]:
    """The products of a folder."""
    return list((await listed(repository, await at(repository, here, name, "@products"))).values())


async def test_a_stream_that_breaks_is_said_and_nothing_old_is_believed(
    world: AyonWorld, repository: Repository
) -> None:
    world.running.switch(heartbeat=0.2)
    async with aclosing(repository.changes()) as changes:  # type: ignore[type-var]
        with trio.fail_after(30):
            assert await anext(changes) == Change()
            world.running.switch(sockets=False)
            with pytest.raises(RepositoryError) as broken:
                [change async for change in changes]
    assert broken.value.transient
    world.reset()
    world.running.switch(heartbeat=0.2)
    async with aclosing(repository.changes()) as changes:  # type: ignore[type-var]
        with trio.fail_after(30):
            assert await anext(changes) == Change()


async def test_without_an_event_stream_it_is_looked_now_and_then(
    world: AyonWorld, studio: Studio, repository: Repository, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request for everything in a project; and when there is a stream, it is followed."""
    monkeypatch.setattr(events, "EVERY", 0.2)
    world.running.switch(sockets=False, heartbeat=0.2)
    place = await repository.stat(f"folder.{studio.project}.{folder}")
    await listed(repository, place)
    async with aclosing(repository.changes()) as changes:  # type: ignore[type-var]
        with trio.fail_after(60):
            assert await anext(changes) == Change()
            version = studio.version(1, studio.product("polled", folder))
            wanted = {f"version.{studio.project}.{version}", f"folder.{studio.project}.{folder}"}
            async for change in changes:
                wanted.discard(change.node or "")
                if not wanted:
                    break
            looks = repository.requests["poll"]
            queries = [one for one in world.requests() if one["kind"] == "graphql"]
            assert looks >= 1
            assert len(queries) <= looks + 8, "one for a look"
            studio.change("version", version, status="Approved")
            async for change in changes:
                if change.node == f"version.{studio.project}.{version}":
                    break
            world.running.switch(sockets=True)
            async for change in changes:
                if change == Change():
                    break
            below = studio.folder("followed", folder)
            async for change in changes:
                if change.node == f"folder.{studio.project}.{below}":
                    assert change.kind == "created"
                    break


async def test_a_stream_without_heartbeats_is_not_taken_for_dead(world: AyonWorld, repository: Repository) -> None:
    """A busy server starves them; a ping tells."""
    world.running.switch(heartbeat=0.2)
    async with aclosing(repository.changes()) as changes:  # type: ignore[type-var]
        with trio.fail_after(30):
            assert await anext(changes) == Change()
        world.running.switch(heartbeats=False)
        patience, events.PATIENCE = events.PATIENCE, 0.2
        try:
            with trio.move_on_after(2) as scope:
                await anext(changes)
        finally:
            events.PATIENCE = patience
        assert scope.cancelled_caught
