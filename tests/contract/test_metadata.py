"""What is known about files: reading it in bulk, changing it, finding by it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from assetfs.repository import Forbidden, Node, NotFound, Repository, Unsupported, ValueRejected
from tests.contract.test_reading import listed
from tests.contract.world import World

Fresh = Callable[..., bytes]


def text(repository: Repository, *values: str) -> bytes:
    """Several values as the backend joins them."""
    separator = "\n--\n" if repository.name == "jama" else "\n"
    return separator.join(values).encode()


@pytest.fixture
async def file(world: World, repository: Repository, area: Node, fresh: Fresh) -> Node:
    return await repository.stat(world.put(area.id, world.samples.name, fresh()))


@pytest.mark.needs("annotations")
async def test_metadata_of_many(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    files = [world.put(area.id, f"{n}-{world.samples.name}", fresh()) for n in range(5)]
    folder = world.make_folder(area.id, "below")
    world.describe(files[0], ["Ann"])
    world.describe(folder, ["Bob"])
    nodes = list((await listed(repository, area)).values())
    known = await repository.metadata([*nodes, area])
    assert set(known) == {*files, folder, area.id}
    assert known[files[0]][world.samples.attribute].value == b"Ann"
    assert known[files[0]][world.samples.attribute].writable
    assert known[folder][world.samples.attribute].value == b"Bob"
    assert world.samples.attribute not in known[files[1]]
    assert not known[files[1]][world.samples.read_only].writable
    prefix = f"user.{repository.name}."
    for name, attribute in ((name, value) for one in known.values() for name, value in one.items()):
        assert name.startswith(prefix)
        assert len(name.encode()) <= 255
        assert isinstance(attribute.value, bytes)
        assert name not in repository.capabilities.lazy_attributes


async def test_the_root_has_metadata_too(repository: Repository) -> None:
    root = await repository.root()
    assert set(await repository.metadata([root])) == {root.id}


async def test_lazy_attributes(world: World, repository: Repository, area: Node, file: Node) -> None:
    for name in repository.capabilities.lazy_attributes:
        value = await repository.attribute(file, name)
        assert value is None or isinstance(value, bytes)


@pytest.mark.needs("annotations")
async def test_setting_changing_and_removing(world: World, repository: Repository, area: Node, file: Node) -> None:
    name = world.samples.attribute
    folder = await repository.stat(world.make_folder(area.id, "below"))
    for node in (file, folder):
        for wanted in (("Ann",), ("Bob",), ("Bob", "Cid"), ("Cid", "Dan", "Eve"), ("Ann",)):
            now = await repository.set_metadata(node, {name: text(repository, *wanted)})
            assert set(now[name].value.split(text(repository, "", ""))) == {value.encode() for value in wanted}
            assert world.attributes(node.id)[name] == set(wanted)
            assert (await repository.metadata([node]))[node.id] == now
        now = await repository.set_metadata(node, {name: None})
        assert name not in now
        assert not world.attributes(node.id).get(name)
        with pytest.raises(NotFound):
            await repository.set_metadata(node, {name: None})


@pytest.mark.needs("annotations")
async def test_setting_what_is_there_already(world: World, repository: Repository, file: Node) -> None:
    name = world.samples.attribute
    world.describe(file.id, ["Ann", "Bob"])
    await repository.set_metadata(file, {name: text(repository, "Bob", " Ann ", "Bob")})
    assert world.attributes(file.id)[name] == {"Ann", "Bob"}


@pytest.mark.needs("annotations")
async def test_what_others_add_stays(world: World, repository: Repository, file: Node) -> None:
    if world.samples.tag_attribute is None:
        pytest.skip("no tags")
    await repository.set_metadata(file, {world.samples.attribute: b"Ann"})
    tag = f"T{secrets.token_hex(4)}"
    world.describe(file.id, [], [tag])
    await repository.set_metadata(file, {world.samples.attribute: b"Bob"})
    assert world.attributes(file.id)[world.samples.tag_attribute] == {tag}


async def test_tags(world: World, repository: Repository, area: Node, file: Node) -> None:
    name = world.samples.tag_attribute
    if name is None or not repository.capabilities.tags:
        pytest.skip("no tags")
    one, two, three = (f"T{secrets.token_hex(4)}" for _ in range(3))
    folder = await repository.stat(world.make_folder(area.id, "below"))
    for node in (file, folder):
        await repository.set_metadata(node, {name: f"{two}\n{one}".encode()})
        assert world.attributes(node.id)[name] == {one, two}
        now = await repository.set_metadata(node, {name: f"{one}\n{three}\n".encode()})
        assert world.attributes(node.id)[name] == {one, three}
        assert now[name].value == "\n".join(sorted((one, three))).encode()
    assert {one, two, three} <= set(await repository.tags())
    found = {node.id async for page in repository.tagged(three) for node in page.nodes}
    assert found == {file.id, folder.id}
    await repository.set_metadata(file, {name: None})
    assert world.attributes(file.id)[name] == set()
    with pytest.raises(NotFound):
        await repository.set_metadata(file, {name: None})
    assert world.attributes(folder.id)[name] == {one, three}


async def test_values_are_checked_before_anything_is_sent(world: World, repository: Repository, file: Node) -> None:
    before = world.attributes(file.id)
    world.reset()
    for name, value in world.samples.bad_values.items():
        with pytest.raises(ValueRejected) as refusal:
            await repository.set_metadata(file, {name: value, world.samples.attribute: b"Ann"} | {name: value})
        assert str(refusal.value)
    if world.faults:
        assert not world.requests()
    assert world.attributes(file.id) == before


async def test_attributes_that_cannot_be_set(world: World, repository: Repository, file: Node) -> None:
    with pytest.raises(Forbidden):
        await repository.set_metadata(
            file, {world.samples.read_only: b"x", world.samples.attribute: world.samples.value}
        )
    with pytest.raises(Unsupported):
        await repository.set_metadata(file, {world.samples.unknown: b"x", world.samples.attribute: world.samples.value})
    assert not world.attributes(file.id).get(world.samples.attribute)


async def test_metadata_of_what_is_gone(world: World, repository: Repository, file: Node) -> None:
    world.destroy(file.id)
    with pytest.raises(NotFound):
        await repository.set_metadata(file, {world.samples.attribute: world.samples.value})


async def test_searching(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    if not repository.capabilities.search:
        pytest.skip("no search")
    word = f"w{secrets.token_hex(6)}"
    file = world.put(area.id, f"{word}-{world.samples.name}", fresh())
    folder = world.make_folder(area.id, f"{word} folder")
    found = [node async for page in repository.search(word) for node in page.nodes]
    assert {node.id for node in found} == {file, folder}
    assert len(found) == 2
    nothing = [node async for page in repository.search(secrets.token_hex(8)) for node in page.nodes]
    assert nothing == []


async def test_every_way_to_a_node(world: World, repository: Repository, area: Node, file: Node) -> None:
    below = world.make_folder(area.id, "below")
    for node, last in ((file.id, world.samples.name), (below, "below")):
        (way,) = await repository.locate(node)
        assert [step.name for step in way][-2:] == [area.name, last]
    assert list(await repository.locate((await repository.root()).id)) in ([], [[]])
    with pytest.raises(NotFound):
        await repository.locate("r999999999")
