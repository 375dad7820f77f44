"""Publishing: whole or not at all, whatever breaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from assetfs.repository import (
    Conflict,
    Forbidden,
    Immutable,
    Kind,
    Node,
    Repository,
    Unavailable,
    ValueRejected,
)
from tests.ayon import Studio, unique
from tests.contract.ayon.kit import Folder, anchors, at, draft, files_left, held, id_of, opened
from tests.contract.backends.ayon import AyonWorld
from tests.contract.doubles import Book, Broken, Held, fetched
from tests.contract.test_reading import listed


async def test_a_draft_becomes_a_version(
    world: AyonWorld, studio: Studio, repository: Repository, product: Node, tmp_path: Path
) -> None:
    contents = {"hero__abc": b"alembic", "hero__1001__exr": b"one", "hero__1002__exr": b"two"}
    found = draft(tmp_path, **contents)
    (tmp_path / "textures").mkdir()
    for name in ("skin.png", "eyes.png"):
        (tmp_path / "textures" / name).write_bytes(name.encode())
    found.attributes = {"user.ayon.attrib.comment": b"first try", "user.ayon.tags": b"x\ny", "user.other": b"z"}
    assert repository.drafts_in(product, "next.draft")
    assert repository.drafts_in(product, "v007.draft")
    assert not repository.drafts_in(product, "v007")
    assert repository.draft_commits(found, "v001")
    world.reset()
    node = await repository.commit_draft(found, product, "publish", b"", Book())
    assert node is not None
    assert node.name == "v001"
    row = studio.get("version", id_of(node))
    assert (row["version"], row["attrib"]["comment"], row["tags"]) == (1, "first try", ["x", "y"])
    shown = await listed(repository, node)
    assert set(shown) == {"hero.abc", "exr", "textures"}
    assert (await fetched(repository, shown["hero.abc"])).content == b"alembic"
    frames = await listed(repository, shown["exr"])
    assert {name: (await fetched(repository, one)).content for name, one in frames.items()} == {
        "hero.1001.exr": b"one",
        "hero.1002.exr": b"two",
    }
    assert anchors(studio, row["productId"]) == []
    left = files_left(world)
    assert held(studio, id_of(node)) == left
    assert len(left) == 5


async def test_numbers(studio: Studio, repository: Repository, product: Node, tmp_path: Path) -> None:
    studio.version(3, id_of(product))
    found = draft(tmp_path, a__abc=b"abc")
    found.name = "v003.draft"
    with pytest.raises(Conflict):
        await repository.commit_draft(found, product, "v003", b"", Book())
    node = await repository.commit_draft(found, product, "v010", b"", Book())
    assert node is not None
    assert node.name == "v010"
    found.name = "next.draft"
    node = await repository.commit_draft(found, product, "v999", b"", Book())
    assert node is not None
    assert node.name == "v011"


@pytest.mark.parametrize(
    "contents", [{}, {"empty__abc": b""}, {"_review": b"x"}], ids=["nothing", "an empty file", "a name of the drive"]
)
async def test_what_cannot_be_published_leaves_nothing(
    world: AyonWorld, repository: Repository, product: Node, tmp_path: Path, contents: dict[str, bytes]
) -> None:
    found = draft(tmp_path, **contents)
    if "_review" in contents:
        (tmp_path / "_review").rename(tmp_path / ".review")
    world.reset()
    with pytest.raises(ValueRejected) as refusal:
        await repository.commit_draft(found, product, "next", b"", Book())
    assert str(refusal.value)
    assert not [one for one in world.requests() if one["path"].endswith("/files")]
    assert await listed(repository, product) == {}


async def test_a_file_in_a_product_is_its_next_version(
    studio: Studio, repository: Repository, product: Node, fresh: Callable[..., bytes]
) -> None:
    content = fresh(3_000_000)
    repository.admit(product, "hero.abc", Kind.FILE)
    node = await repository.upload(product, "hero.abc", Held(content), Book())
    assert (node.name, node.size) == ("hero.abc", len(content))
    assert (await fetched(repository, node, 0, len(content))).content == content
    assert set(await listed(repository, product)) == {"v001", "latest"}
    await repository.upload(product, "hero.abc", Held(fresh()), Book())
    assert set(await listed(repository, product)) == {"v001", "v002", "latest"}


async def test_somebody_takes_the_number_meanwhile(
    world: AyonWorld, studio: Studio, repository: Repository, product: Node, tmp_path: Path
) -> None:
    other = await opened(world)
    drafts = []
    for number in range(2):
        place = tmp_path / str(number)
        place.mkdir()
        drafts.append(draft(place, a__abc=b"%d" % number))
    made: list[Node] = []

    async def publish(one: Repository, found: Folder) -> None:
        node = await one.commit_draft(found, product, "next", b"", Book())
        assert node is not None
        made.append(node)

    async with trio.open_nursery() as nursery:
        for one, found in zip((repository, other), drafts, strict=True):
            nursery.start_soon(publish, one, found)
    assert {node.name for node in made} == {"v001", "v002"}
    await other.close()


@pytest.mark.parametrize("before", [True, False])
async def test_a_publish_that_dies_at_any_record_is_continued(
    world: AyonWorld, studio: Studio, repository: Repository, folder: str, tmp_path: Path, before: bool
) -> None:
    found = draft(tmp_path, a__abc=b"abc", b__1001__exr=b"one", b__1002__exr=b"two")
    for step in range(1, 40):
        product = await repository.stat(f"product.{studio.project}.{studio.product(unique('p'), folder)}")
        book = Book(breaks_at=step, before=before)
        world.reset()
        try:
            await repository.commit_draft(found, product, "next", b"", book)
        except Broken:
            assert await listed(repository, product) == {}, "nothing half-published is visible"
            again = await opened(world)
            node = await again.commit_draft(found, product, "next", b"", Book(book.state))
            assert node is not None
            assert set(await listed(again, node)) == {"a.abc", "exr"}
            await again.close()
        else:
            assert step > 3
            return
        assert anchors(studio, id_of(product)) == []
        assert held(studio, id_of(node)) == files_left(world)
    raise AssertionError("too many steps")


async def test_a_publish_that_dies_at_any_request_and_again_when_it_is_continued(
    world: AyonWorld, studio: Studio, repository: Repository, folder: str, tmp_path: Path
) -> None:
    """At every step of the transaction: the anchor, each upload and whether it is whole, the batch, the look whether it
    took place, the files handed over, the anchor removed."""
    found = draft(tmp_path, a__abc=b"abc", b__bin=b"bin")
    for step in range(1, 40):
        product = await repository.stat(f"product.{studio.project}.{studio.product(unique('p'), folder)}")
        book = Book()
        world.reset()
        died = await dies(world, await opened(world), found, product, book, step)
        assert set(await listed(repository, product)) in (set(), {"v001", "latest"})
        await dies(world, await opened(world), found, product, book, 1 + step % 6)
        assert set(await listed(repository, product)) in (set(), {"v001", "latest"})
        again = await opened(world)
        node = await again.commit_draft(found, product, "next", b"", Book(book.state))
        assert node is not None
        assert set(await listed(again, product)) == {"v001", "latest"}
        assert set(await listed(again, node)) == {"a.abc", "b.bin"}
        assert anchors(studio, id_of(product)) == []
        assert held(studio, id_of(node)) == files_left(world)
        await again.close()
        if not died:
            assert step > 10
            return
    raise AssertionError("too many steps")


async def dies(
    world: AyonWorld, repository: Repository, found: Folder, product: Node, book: Book, request: int
) -> bool:
    """Publish, and be gone while the n-th request of it has no answer. False when there are not so many."""
    over = False

    async def publish() -> None:
        nonlocal over
        await repository.commit_draft(found, product, "next", b"", book)
        over = True

    world.arm("hang", nth=request)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publish)
            while not over and not world.running.armed()[0]["struck"]:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    world.running.disarm()
    await repository.close()
    return not over


@pytest.mark.parametrize("fault", ["lost_answer", "drop", "status"])
async def test_a_publish_at_which_any_answer_is_lost(
    world: AyonWorld, studio: Studio, repository: Repository, folder: str, tmp_path: Path, fault: str
) -> None:
    found = draft(tmp_path, a__abc=b"abc", b__bin=b"bin")
    for step in range(1, 40):
        product = await repository.stat(f"product.{studio.project}.{studio.product(unique('p'), folder)}")
        book = Book()
        world.reset()
        world.arm(fault, nth=step, **({"status": 502} if fault == "status" else {}))
        node = None
        for _ in range(4):
            try:
                node = await repository.commit_draft(found, product, "next", b"", book)
                break
            except Unavailable:
                book = Book(book.state)
        assert node is not None
        struck = any(request["fault"] for request in world.requests())
        world.running.disarm()
        left = files_left(world)
        assert set(await listed(repository, product)) == {"v001", "latest"}
        assert anchors(studio, id_of(product)) == []
        assert held(studio, id_of(node)) == left
        assert len(left) == 2
        if not struck:
            return
    raise AssertionError("too many steps")


async def test_a_publish_that_is_given_up_leaves_no_file(
    world: AyonWorld, studio: Studio, repository: Repository, folder: str, tmp_path: Path
) -> None:
    found = draft(tmp_path, a__abc=b"abc", b__bin=b"bin")
    for step in range(1, 40):
        product = await repository.stat(f"product.{studio.project}.{studio.product(unique('p'), folder)}")
        book = Book(breaks_at=step)
        world.reset()
        try:
            await repository.commit_draft(found, product, "next", b"", book)
        except Broken:
            await repository.abandon(book.state)
            await repository.abandon(book.state)
            assert files_left(world) == set()
            assert anchors(studio, id_of(product)) == []
            assert await listed(repository, product) == {}
        else:
            return
    raise AssertionError("too many steps")


async def test_files_of_a_publish_outlive_the_servers_sweep(
    world: AyonWorld, studio: Studio, repository: Repository, product: Node, tmp_path: Path
) -> None:
    world.running.switch(collect_after=0.0)
    node = await repository.commit_draft(draft(tmp_path, a__abc=b"abc"), product, "next", b"", Book())
    assert node is not None
    for _ in range(2):
        studio.call("POST", f"version/{id_of(node)}/activities", json={"activityType": "comment", "body": "x"})
    assert (await fetched(repository, await at(repository, node, "a.abc"))).content == b"abc"


@pytest.mark.parametrize("store", ["root", "both"])
async def test_publishing_to_a_root(
    world: AyonWorld, studio: Studio, product: Node, tmp_path: Path, store: str
) -> None:
    repository = await opened(world, store=store)
    found = draft(tmp_path, a__abc=b"abc" * 1000, b__1001__exr=b"one", b__1002__exr=b"two")
    node = await repository.commit_draft(found, product, "next", b"", Book())
    assert node is not None
    places = []
    for row in studio.rows("representations", "versionIds", id_of(node), "files{path size hash hashType}"):
        for file in row["files"]:
            here = studio.here(file["path"])
            assert here is not None
            assert here.stat().st_size == int(file["size"])
            assert "/publish/model/modelMain/v001/" in file["path"]
            places.append(here)
    assert len(places) == 3
    assert sorted(one.name for one in places[0].parent.iterdir()) == ["a.abc", "b.1001.exr", "b.1002.exr"]
    nodes = await listed(repository, node)
    assert (await fetched(repository, nodes["a.abc"])).content == b"abc" * 1000
    assert (nodes["a.abc"].local is not None) is (store == "root")
    await repository.close()


async def test_a_publish_to_a_root_never_overwrites_and_leaves_nothing(
    world: AyonWorld, studio: Studio, product: Node, tmp_path: Path
) -> None:
    repository = await opened(world, store="root")
    found = draft(tmp_path, a__abc=b"mine")
    folder = studio.get("folder", studio.get("product", id_of(product))["folderId"])["name"]
    here = studio.root / studio.project / folder
    for step in range(1, 20):
        book = Book(breaks_at=step)
        try:
            await repository.commit_draft(found, product, "next", b"", book)
        except Broken:
            await repository.abandon(book.state)
            assert not [one for one in here.rglob("*") if one.is_file()]
        else:
            break
    (place,) = (one for one in here.rglob("*") if one.is_file())
    assert place.read_bytes() == b"mine"
    theirs = place.parent.with_name("v002") / place.name
    theirs.parent.mkdir()
    theirs.write_bytes(b"theirs")
    with pytest.raises(Conflict):
        await repository.commit_draft(found, product, "v002", b"", Book())
    assert theirs.read_bytes() == b"theirs"
    await repository.close()


async def test_published_files_stay_as_they_are(studio: Studio, repository: Repository, product: Node) -> None:
    version = studio.version(1, id_of(product))
    studio.stored("bin", version, a__bin=b"x")
    place = await repository.stat(f"version.{studio.project}.{version}")
    node = await at(repository, place, "a.bin")
    with pytest.raises(Immutable):
        repository.admit(place, "new.bin", Kind.FILE)
    with pytest.raises(Immutable):
        await repository.replace(node, place, Held(b"y"), Book())
    with pytest.raises(Forbidden):
        await repository.rename(node, place, "b.bin")
    with pytest.raises(Forbidden):
        await repository.rename(place, product, "v002")


async def test_removing_a_file_of_ours_removes_its_bytes(
    world: AyonWorld, studio: Studio, repository: Repository, product: Node
) -> None:
    version = studio.version(1, id_of(product))
    studio.stored("bin", version, a__bin=b"x")
    studio.stored("seq", version, s__1__exr=b"1", s__2__exr=b"2")
    rows = studio.rows("representations", "versionIds", version, "files{id}")
    files = [file["id"] for row in rows for file in row["files"]]
    place = await repository.stat(f"version.{studio.project}.{version}")
    await repository.remove(await at(repository, place, "a.bin"), place)
    folder = await at(repository, place, "seq")
    await repository.remove(await at(repository, folder, "s.1.exr"), folder)
    assert [studio.has(id_) for id_ in files] == [False, False, True]
    assert set(await listed(repository, place)) == {"s.2.exr"}
