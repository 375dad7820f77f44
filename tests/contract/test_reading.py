"""Connecting, listing, fetching: what every backend must do."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable

import msgspec
import pytest

from assetfs.repository import (
    Kind,
    Node,
    NotAuthenticated,
    NotFound,
    Offline,
    Repository,
    Rights,
    VersionChanged,
)
from tests.contract.doubles import fetched
from tests.contract.world import World

Fresh = Callable[..., bytes]


async def listed(repository: Repository, folder: Node) -> dict[str, Node]:
    nodes = [node async for page in repository.children(folder) for node in page.nodes]
    assert len({node.id for node in nodes}) == len(nodes), "a node comes once"
    return {node.name: node for node in nodes}


async def test_what_a_world_lacks_is_not_declared(world: World, repository: Repository) -> None:
    declared = {name for name in world.lacks if getattr(repository.capabilities, name, False)}
    assert not declared, "it is to be tested"


async def test_connecting_says_who_we_are(world: World) -> None:
    repository = world.open()
    identity = await repository.connect()
    assert identity.user == world.user
    assert identity.server
    await repository.close()
    await repository.close()


async def test_a_wrong_credential_is_said_at_once(world: World) -> None:
    repository = world.open(credential="0" * 32)
    with pytest.raises(NotAuthenticated):
        await repository.connect()
    await repository.close()


async def test_a_missing_credential_is_said_at_once(world: World) -> None:
    repository = world.open(credential="")
    with pytest.raises(NotAuthenticated):
        await repository.connect()
    await repository.close()


async def test_nobody_there_is_offline_and_connecting_again_works(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        repository = world.open(port=taken.getsockname()[1])
        with pytest.raises(Offline):
            await repository.connect()
        with pytest.raises(Offline):
            await repository.connect()
        await repository.close()


async def test_the_way_from_the_root_to_a_file(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    file = world.put(area.id, world.samples.name, fresh())
    here = await repository.root()
    assert here.kind is Kind.FOLDER
    (way,) = await repository.locate(file)
    for step in way:
        here = (await listed(repository, here))[step.name]
        assert here.id == step.id
    assert here.id == file
    assert here.kind is Kind.FILE


async def test_a_folder_lists_what_is_in_it(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    assert await listed(repository, area) == {}
    file = world.put(area.id, world.samples.name, fresh())
    folder = world.make_folder(area.id, "below")
    nodes = await listed(repository, area)
    assert {name: (node.id, node.kind) for name, node in nodes.items()} == {
        world.samples.name: (file, Kind.FILE),
        "below": (folder, Kind.FOLDER),
    }
    assert all(Rights.READ in node.rights for node in nodes.values())


async def test_stat_and_listing_agree(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    world.put(area.id, world.samples.name, fresh())
    world.make_folder(area.id, "below")
    for node in (await listed(repository, area)).values():
        assert await repository.stat(node.id) == node


async def test_ids_are_the_same_after_a_new_connection(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    world.put(area.id, world.samples.name, fresh())
    before = await listed(repository, area)
    again = world.open()
    await again.connect()
    assert await listed(again, await again.stat(area.id)) == before
    await again.close()


async def test_hostile_names_come_as_the_server_has_them(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    for name in world.samples.hostile_names:
        world.rename(world.put(area.id, world.samples.name, fresh()), name)
    assert set(await listed(repository, area)) == set(world.samples.hostile_names)


async def test_what_is_gone_is_not_found(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    file = await repository.stat(world.put(area.id, world.samples.name, fresh()))
    folder = await repository.stat(world.make_folder(area.id, "below"))
    world.destroy(folder.id)
    with pytest.raises(NotFound):
        await repository.stat(folder.id)
    with pytest.raises(NotFound):
        await listed(repository, folder)
    world.destroy(file.id)
    with pytest.raises(NotFound):
        await repository.stat(file.id)
    assert await repository.metadata([file]) == {}
    for unknown in ("", "r0", "../x", "nonsense"):
        with pytest.raises(NotFound):
            await repository.stat(unknown)


async def test_ranges_of_a_file(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    content = fresh(10_000)
    node = await repository.stat(world.put(area.id, world.samples.name, content))
    for start, stop in ((0, 10_000), (0, 1), (9_999, 10_000), (5, 10), (1_000, 9_000)):
        sink = await fetched(repository, node, start, stop)
        assert sink.content == content[start:stop]
        assert sink.size == 10_000


async def test_reading_behind_the_end(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    content = fresh(25)
    node = await repository.stat(world.put(area.id, world.samples.name, content))
    for known in (node, msgspec.structs.replace(node, size=25)):
        for start, stop in ((20, 100), (24, 26), (25, 30), (26, 30), (0, 100)):
            sink = await fetched(repository, known, start, stop)
            assert sink.content == content[start:stop], (start, stop, known.size)
            assert sink.size == 25


async def test_an_empty_file(world: World, repository: Repository, area: Node) -> None:
    name = world.samples.name
    try:
        node = await repository.stat(world.put(area.id, name, b""))
    except LookupError:
        pytest.skip("the server has no empty files")
    sink = await fetched(repository, node)
    assert (sink.content, sink.size) == (b"", 0)
    if repository.capabilities.measure:
        assert await repository.measure([node]) == {node.id: 0}
    world.destroy(node.id)


@pytest.mark.needs("change")
async def test_another_version_is_never_taken_for_the_old(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh(100)
    old = await repository.stat(world.put(area.id, world.samples.name, content))
    sizes = await repository.measure([old])
    opened = msgspec.structs.replace(old, size=sizes[old.id])
    newer = fresh(150)
    now = await repository.stat(world.overwrite(old.id, newer))
    assert now.version != old.version
    for start in (0, 50):
        try:
            sink = await fetched(repository, opened, start, 100)
        except (VersionChanged, NotFound):
            continue
        assert sink.content == content[start:], "a server that keeps versions may deliver the old one"
    assert (await fetched(repository, now)).content == newer


@pytest.mark.needs("change")
async def test_a_version_of_the_same_size_is_betrayed_by_its_digest(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh(100)
    old = await repository.stat(world.put(area.id, world.samples.name, content))
    world.overwrite(old.id, fresh(100))
    try:
        sink = await fetched(repository, old)
    except (VersionChanged, NotFound):
        return
    assert old.digest is not None
    algorithm, _, digest = old.digest.partition(":")
    assert (hashlib.new(algorithm, sink.content).hexdigest() == digest) is (sink.content == content)


async def test_the_digest_is_of_the_content(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    content = fresh()
    node = await repository.stat(world.put(area.id, world.samples.name, content))
    if node.digest is None:
        pytest.skip("the server knows no digests")
    algorithm, _, digest = node.digest.partition(":")
    assert hashlib.new(algorithm, content).hexdigest() == digest


async def test_fetching_what_is_gone(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    node = await repository.stat(world.put(area.id, world.samples.name, fresh()))
    ghost = world.ghost(node)
    with pytest.raises(NotFound):
        await fetched(repository, ghost)
    if not repository.capabilities.measure:
        return
    sizes = await repository.measure([ghost, node])
    assert set(sizes) == {node.id}


async def test_measuring_many(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    if not repository.capabilities.measure:
        pytest.skip("sizes are in the listings")
    expected = {world.put(area.id, f"{n}-{world.samples.name}", fresh(30 + n)): 30 + n for n in range(20)}
    nodes = await listed(repository, area)
    assert await repository.measure(list(nodes.values())) == expected


async def test_several_folders_at_once(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    if not repository.capabilities.listings:
        pytest.skip("folders are listed one by one")
    made = {name: world.make_folder(area.id, name) for name in ("first", "second", "third", "gone")}
    world.make_folder(made["first"], "deeper")
    file = world.put(made["second"], world.samples.name, fresh())
    folders = {name: await repository.stat(id_) for name, id_ in made.items()}
    await repository.remove_folder(folders["gone"], area)
    found = {
        listing.folder.name: {node.name for node in listing.nodes}
        async for listing in repository.listings([folders[name] for name in ("second", "gone", "first", "third")])
    }
    assert found.pop("second") == {world.samples.name}
    assert found.items() <= {"first": {"deeper"}, "third": set()}.items()
    assert (await repository.stat(file)).name == world.samples.name
