"""Folders, tasks and products; thumbnails and links."""

from __future__ import annotations

import secrets

import msgspec
import pytest

from assetfs.backends.ayon import writing
from assetfs.repository import (
    Conflict,
    CrossScope,
    Forbidden,
    Kind,
    NameRejected,
    Node,
    NotEmpty,
    NotFound,
    Repository,
    Unsupported,
    ValueRejected,
)
from tests.ayon import Studio, unique
from tests.contract.ayon.kit import PNG, at, id_of, opened
from tests.contract.backends.ayon import AyonWorld
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed

# ---- folders, tasks, products ---------------------------------------------------------------------------------------


async def test_folders_are_made_renamed_moved_and_removed(studio: Studio, repository: Repository, place: Node) -> None:
    one, two = [await repository.create_folder(place, name) for name in ("one", "two")]
    assert set(await listed(repository, place)) == {"one", "two"}
    for name in ("ONE", "one"):
        with pytest.raises(Conflict):
            await repository.create_folder(place, name)
    assert (await repository.rename(one, place, "first")).id == one.id
    moved = await repository.move(one, place, two, "inner")
    assert set(await listed(repository, two)) == {"inner"}
    with pytest.raises(ValueRejected):
        await repository.move(two, place, moved, "two")
    with pytest.raises(NotEmpty):
        await repository.remove_folder(two, place)
    await repository.remove_folder(moved, two)
    await repository.remove_folder(two, place)
    assert await listed(repository, place) == {}
    with pytest.raises(NotFound):
        await repository.remove_folder(two, place)
    gone = await repository.create_folder(place, "gone")
    await repository.remove_folder(gone, place)
    with pytest.raises(NotFound):
        await repository.create_folder(gone, "below")


async def test_names_that_the_server_refuses_cost_no_request(
    world: AyonWorld, repository: Repository, place: Node
) -> None:
    world.reset()
    for name in ("", "-x", "x.", "a b", "ä", "a/b", ".x", "nul\0"):
        with pytest.raises(NameRejected):
            repository.admit(place, name, Kind.FOLDER)
        with pytest.raises(NameRejected):
            await repository.create_folder(place, name)
    with pytest.raises(Unsupported):
        repository.admit(place, "file.txt", Kind.FILE)
    assert not world.requests()


async def test_tasks_and_products_are_made_and_take_the_place_of_empty_ones(
    studio: Studio, repository: Repository, place: Node
) -> None:
    tasks, products = [await repository.hidden(place, name) for name in ("@tasks", "@products")]
    task = await repository.create_folder(tasks, "animation")
    assert studio.get("task", id_of(task))["taskType"] == "Animation"
    product = await repository.create_folder(products, "renderMain")
    assert studio.get("product", id_of(product))["productType"] == "model"
    await repository.set_metadata(product, {"user.ayon.product_type": b"render"})
    other = await repository.create_folder(products, "other")
    studio.version(1, id_of(product))
    with pytest.raises(NotEmpty):
        await repository.rename(other, products, "renderMain", product)
    now = await repository.rename(product, products, "other", other)
    assert now.id == product.id
    assert {name: node.id for name, node in (await listed(repository, products)).items()} == {"other": product.id}
    with pytest.raises(Unsupported):
        await repository.move(task, tasks, products, "animation")
    with pytest.raises(NameRejected):
        repository.admit(product, "v007", Kind.FOLDER)


async def test_a_folder_with_anything_in_it_stays(studio: Studio, repository: Repository, place: Node) -> None:
    """The server itself would delete folders and tasks below without a word."""
    for make in (
        lambda below: studio.folder("x", below),
        lambda below: studio.task("x", below),
        lambda below: studio.product("x", below),
        lambda below: studio.change("folder", studio.folder("y", below), active=False),
    ):
        node = await repository.create_folder(place, unique("full"))
        make(id_of(node))
        with pytest.raises(NotEmpty):
            await repository.remove_folder(node, place)
        assert studio.get("folder", id_of(node))["active"]


async def test_what_is_removed_with_all_that_is_in_it_leaves_no_bytes(
    world: AyonWorld, studio: Studio, folder: str
) -> None:
    """Where `recursive_delete` says so; a folder of the hierarchy stays nevertheless."""
    product = studio.product("doomed", folder)
    versions = [studio.version(number, product) for number in (1, 2)]
    files = [studio.stored_file(f"{number}.bin", version, b"x") for number, version in enumerate(versions)]
    data = {"assetfs": {"store": "project-files", "v": 1}}
    for version, file in zip(versions, files, strict=True):
        studio.make("representation", name="bin", versionId=version, files=[file], data=data)
    task = studio.task("doomed", folder)
    studio.workfile(f"doomed/{task}/a.ma", task, b"scene")
    careful, ruthless = await opened(world), await opened(world, recursive_delete=True)
    names = {
        "folder": f"folder.{studio.project}.{folder}",
        "task": f"task.{studio.project}.{task}",
        "version": f"version.{studio.project}.{versions[0]}",
        "product": f"product.{studio.project}.{product}",
    }
    for name in names.values():
        node = await careful.stat(name)
        with pytest.raises(NotEmpty):
            await careful.remove_folder(node, node)
    for name in ("task", "version", "product"):
        node = await ruthless.stat(names[name])
        await ruthless.remove_folder(node, node)
        with pytest.raises(NotFound):
            await ruthless.stat(names[name])
    assert not [file["id"] for file in files if studio.has(file["id"])]
    assert (studio.root / f"doomed/{task}/a.ma").read_bytes() == b"scene", "bytes at a root are not ours"
    inner = await ruthless.stat(f"folder.{studio.project}.{studio.folder('inner', folder)}")
    outer = await ruthless.stat(names["folder"])
    with pytest.raises(NotEmpty):
        await ruthless.remove_folder(outer, outer)
    await ruthless.remove_folder(inner, outer)
    await careful.close()
    await ruthless.close()


async def test_where_the_server_refuses_us_the_right_nothing_is_tried_for_a_while(
    world: AyonWorld, repository: Repository, place: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = '{"code": 403, "detail": "Create access denied for ann in project demo"}'
    world.arm("status", match={"method": "POST", "path": "/folders$"}, status=403, body=body)
    with pytest.raises(Forbidden):
        await repository.create_folder(place, "mine")
    world.reset()
    with pytest.raises(Forbidden, match="just refused"):
        repository.admit(place, "mine", Kind.FOLDER)
    with pytest.raises(Forbidden, match="just refused"):
        await repository.create_folder(place, "mine")
    assert not world.requests()
    monkeypatch.setattr(writing, "DENIED", 0.0)
    assert (await repository.create_folder(place, "mine")).name == "mine"


async def test_a_folder_with_versions_keeps_its_name(
    studio: Studio, repository: Repository, place: Node, product: Node
) -> None:
    studio.version(1, id_of(product))
    with pytest.raises(Forbidden, match="published"):
        await repository.rename(place, await repository.root(), "renamed") if False else await repository.rename(
            place, await repository.stat(f"project.{studio.project}"), "renamed"
        )


async def test_nothing_moves_between_projects(
    world: AyonWorld, studio: Studio, repository: Repository, place: Node
) -> None:
    elsewhere = msgspec.structs.replace(place, id=f"folder.other.{secrets.token_hex(16)}")
    with pytest.raises(CrossScope):
        await repository.move(place, place, elsewhere, "x")


# ---- pictures and links ---------------------------------------------------------------------------------------------


async def test_thumbnails(studio: Studio, repository: Repository, place: Node) -> None:
    with pytest.raises(NotFound):
        await repository.hidden(place, ".thumbnail.png")
    repository.admit(place, ".thumbnail.png", Kind.FILE)
    with pytest.raises(NameRejected):
        await repository.upload(place, ".thumbnail.png", Held(b"no picture"), Book())
    node = await repository.upload(place, ".thumbnail.png", Held(PNG), Book())
    assert (await fetched(repository, node)).content == PNG
    again = await repository.hidden(place, ".thumbnail.png")
    assert (again.id, again.measurable) == (node.id, False)
    await repository.replace(again, place, Held(PNG + b" "), Book())
    now = await repository.stat(node.id)
    assert now.version != again.version
    await repository.remove(now, place)
    with pytest.raises(NotFound):
        await repository.hidden(place, ".thumbnail.png")


async def test_links(studio: Studio, repository: Repository, product: Node, folder: str) -> None:
    one, two = [studio.version(number, id_of(product)) for number in (1, 2)]
    node, other = [await repository.stat(f"version.{studio.project}.{id_}") for id_ in (one, two)]
    links = await repository.hidden(node, ".links")
    sets = await listed(repository, links)
    assert {"reference.out", "reference.in"} <= set(sets)
    made = await repository.symlink(sets["reference.out"], "lead", "../../v002", other)
    assert made.leads_to == other.id
    (there,) = (await listed(repository, sets["reference.out"])).values()
    assert (there.id, there.name, there.leads_to) == (made.id, "lead", other.id)
    back = await listed(repository, await at(repository, await repository.hidden(other, ".links"), "reference.in"))
    assert [one.leads_to for one in back.values()] == [node.id]
    assert msgspec.json.decode(await repository.attribute(node, "user.ayon.links") or b"[]")[0]["name"] == "lead"
    (way,) = await repository.locate(made.id)
    assert [step.name for step in way][-3:] == [".links", "reference.out", "lead"]
    for target in (None, await repository.stat(f"folder.{studio.project}.{folder}")):
        with pytest.raises(ValueRejected):
            await repository.symlink(sets["reference.out"], "bad", "x", target)
    with pytest.raises(Unsupported):
        await repository.symlink(node, "bad", "x", other)
    await repository.remove(made, sets["reference.out"])
    assert await listed(repository, sets["reference.out"]) == {}
