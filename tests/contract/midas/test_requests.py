"""Requests that the budget has no row for, and what counting must not take for settled."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from assetfs.repository import Kind, Node, NotFound, Repository, VersionChanged
from tests.contract.backends.midas import MidasWorld
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed

Fresh = Callable[..., bytes]


class Till:
    """Counts what happens in a block."""

    def __init__(self, world: MidasWorld) -> None:
        self.world = world

    def __enter__(self) -> Till:
        self.world.running.forget()
        return self

    def __exit__(self, *_: object) -> None:
        self.calls = self.world.running.requests()["calls"]
        self.total = self.world.running.requests()["total"]


async def test_listing_a_folder_by_counting(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    world.running.switch(clock=-10.0)
    for number in range(12):
        world.put(area.id, f"{number}.bin", fresh())
    world.running.switch(clock=0.0)
    with Till(world) as till:
        first = await listed(repository, area)
    assert till.calls == {"folder.children": 1, "bitstream.count": 1}
    assert {(node.kind, node.size) for node in first.values()} == {(Kind.FILE, 40)}
    with Till(world) as till:
        await listed(repository, area)
    assert till.calls == {"folder.children": 1}
    with Till(world) as till:
        await fetched(repository, first["3.bin"])
    assert till.total == 2
    with Till(world) as till:
        again = await listed(repository, area)
    assert till.calls == {"folder.children": 1}
    assert again["3.bin"].version is not None, "what was learned stays known"


async def test_what_counting_does_not_settle_is_asked_for(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    world.client.item(int(area.id[1:]), "never uploaded")
    world.put(area.id, "empty.txt", b"")
    for number in range(8):
        world.put(area.id, f"{number}.bin", fresh())
    with Till(world) as till:
        found = await listed(repository, area)
    assert till.calls == {"folder.children": 1, "bitstream.count": 1, "item.get": 2}, "those of no bytes"
    assert {name: node.size for name, node in found.items() if node.size != 40} == {
        "never uploaded": 0,
        "empty.txt": 0,
    }
    series = world.client.item(int(area.id[1:]), "series")
    for name in ("1.dcm", "2.dcm"):
        world.client.put(series, name, fresh(), revision="head")
    other = world.open()
    await other.connect()
    with Till(world) as till:
        found = await listed(other, area)
    assert till.calls["item.get"] == 11
    assert found["series"].kind is Kind.FOLDER
    await other.close()


@pytest.mark.parametrize(("items", "kind"), [("dir", Kind.FOLDER), ("file", Kind.FILE)])
async def test_items_of_one_kind_cost_one_request(
    world: MidasWorld, area: Node, fresh: Fresh, items: str, kind: Kind
) -> None:
    contents = {"1.dcm": fresh(), "2.dcm": fresh()}
    series = world.client.item(int(area.id[1:]), "series")
    for name, content in contents.items():
        world.client.put(series, name, content, revision="head")
    world.put(area.id, "single.bin", contents["1.dcm"])
    repository = world.open(items=items)
    await repository.connect()
    with Till(world) as till:
        found = await listed(repository, area)
    assert till.total == 1
    assert {node.kind for node in found.values()} == {kind}
    if items == "dir":
        files = await listed(repository, found["single.bin"])
        assert (await fetched(repository, files["single.bin"])).content == contents["1.dcm"]
        assert len(await listed(repository, found["series"])) == 2
    else:
        assert (await fetched(repository, found["single.bin"])).content == contents["1.dcm"]
        packed = (await fetched(repository, found["series"])).content
        assert packed.startswith(b"PK")
        assert all(content in packed for content in contents.values())
        assert (await fetched(repository, found["series"], 10, 20)).content == packed[10:20]
    await repository.close()


async def test_attributes_of_many(world: MidasWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    for number in range(10):
        world.put(area.id, f"{number}.bin", fresh())
    nodes = list((await listed(repository, area)).values())
    with Till(world) as till:
        known = await repository.metadata(nodes)
    assert till.calls == {"item.getmetadata": 10}
    assert not [name for values in known.values() for name in values if name.endswith(("md5", "revision"))]
    with Till(world) as till:
        assert await repository.attribute(nodes[0], "user.midas.md5")
    assert till.calls == {"item.get": 1}


async def test_bytes_that_the_server_had_are_read_from_it(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh()
    world.put(area.id, "a.bin", content)
    with Till(world) as till:
        node = await repository.upload(area, "b.bin", Held(content), Book())
    assert "upload.perform" not in till.calls
    assert node == msgspec.structs.replace(await repository.stat(node.id), mime=None, private=node.private)
    assert (await fetched(repository, node)).content == content
    world.overwrite(node.id, fresh(70))
    with pytest.raises(VersionChanged):
        await fetched(repository, node)


async def test_a_file_that_was_listed_only_is_asked_for_before_it_is_renamed(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    for name in ("a.bin", "b.bin", "c.bin"):
        world.put(area.id, name, fresh())
    node = (await listed(repository, area))["a.bin"]
    assert node.version is None
    with Till(world) as till:
        node = await repository.rename(node, area, "d.bin")
    assert till.calls == {"item.exists": 1, "item.get": 1, "item.create": 1}
    assert world.client.files(int(node.id[1:])) == [("d.bin", 40)]
    with Till(world) as till:
        node = await repository.rename(node, area, "e.bin")
    assert till.calls == {"item.exists": 1, "item.create": 1}
    assert world.client.files(int(node.id[1:])) == [("e.bin", 40)]


async def test_who_removes_twice_is_told(world: MidasWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    node = await repository.stat(world.put(area.id, "a.bin", fresh()))
    below = await repository.create_folder(area, "below")
    await repository.link(node, below, "a.bin")
    await repository.remove(node, below)
    with pytest.raises(NotFound):
        await repository.remove(node, below)
    await repository.remove(node, area)
    with pytest.raises(NotFound):
        await repository.remove(node, area)


async def test_writing_into_an_item_of_several(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    item = world.client.item(int(area.id[1:]), "series")
    for name in ("1.dcm", "2.dcm"):
        world.client.put(item, name, fresh(), revision="head")
    series = await repository.stat(f"i{item}")
    with Till(world) as till:
        await repository.upload(series, "3.dcm", Held(fresh()), Book())
    assert till.total == 4


async def test_saving_in_place_has_no_history_and_loses_nothing(world: MidasWorld, area: Node, fresh: Fresh) -> None:
    repository = world.open(overwrite="replace")
    await repository.connect()
    node = await repository.upload(area, "a.bin", Held(fresh()), Book())
    await repository.set_metadata(node, {"user.midas.meta.title": b"kept"})
    content = fresh(90)
    with Till(world) as till:
        new = await repository.replace(await repository.stat(node.id), area, Held(content), Book())
    assert till.total == 7, "and one for the stat"
    assert (await fetched(repository, new)).content == content
    assert (await repository.metadata([new]))[new.id]["user.midas.meta.title"].value == b"kept"
    item = world.client.call("item.get", id=node.id[1:])
    assert [len(one["bitstreams"]) for one in item["revisions"]] == [1]
    await repository.close()
