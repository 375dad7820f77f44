"""What only Jama has: users that see a part, locks, foreign parts, answers that look like content, old generations."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from assetfs.repository import (
    Conflict,
    CrossScope,
    Forbidden,
    Kind,
    NameRejected,
    Node,
    NotFound,
    ProtocolViolation,
    Repository,
    Rights,
    Unavailable,
    Unsupported,
    VersionChanged,
)
from tests.contract.backends.jama import JamaWorld
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed
from tests.contract.test_writing import seen
from tests.sandboxes import RunningSandbox, start_sandbox

Fresh = Callable[..., bytes]
MIB = 1 << 20


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with start_sandbox("jama") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def large() -> Iterator[RunningSandbox]:
    options = ("--bench-files", "4100", "--bench-size", str(MIB))
    with start_sandbox("jama", seed="bench", options=options) as sandbox:
        yield sandbox


@pytest.fixture
def world(running: RunningSandbox) -> Iterator[JamaWorld]:
    running.reset()
    yield JamaWorld(running.url, running.credential, "admin", "current", running)
    running.reset()


async def opened(world: JamaWorld, **options: object) -> Repository:
    repository = world.open(**options)  # type: ignore[arg-type]
    await repository.connect()
    return repository


@pytest.fixture
async def repository(world: JamaWorld) -> AsyncIterator[Repository]:
    repository = await opened(world)
    yield repository
    await repository.close()


@pytest.fixture
async def area(world: JamaWorld, repository: Repository) -> Node:
    node = await repository.stat(world.make_folder(world.top(), f"area {secrets.token_hex(6)}"))
    world.reset()
    return node


# ---- projects and people ------------------------------------------------------------------------------------------


async def test_the_root_lists_the_projects(repository: Repository, world: JamaWorld) -> None:
    projects = await listed(repository, await repository.root())
    assert [node.id for node in projects.values()] == [world.top()]
    assert world.requests()
    root = await repository.root()
    with pytest.raises(Unsupported):
        repository.admit(root, "new", Kind.FOLDER)
    with pytest.raises(Unsupported):
        await repository.rename(projects["Sandbox"], root, "other")
    with pytest.raises(Unsupported):
        await repository.remove_folder(projects["Sandbox"], root)


@pytest.mark.parametrize("project", ["Sandbox", "1"])
async def test_one_project_as_the_root(world: JamaWorld, project: str) -> None:
    repository = await opened(world, project=project)
    root = await repository.root()
    assert root.id == world.top()
    folder = world.make_folder(world.top(), f"top {secrets.token_hex(4)}")
    assert folder in {node.id for node in (await listed(repository, root)).values()}
    ((only,),) = await repository.locate(folder)
    assert only.id == folder
    await repository.close()


async def test_a_project_that_is_not_there(world: JamaWorld) -> None:
    repository = world.open(project="Nowhere")
    with pytest.raises(NotFound, match="Sandbox"):
        await repository.connect()
    await repository.close()


async def test_a_reader_reads(world: JamaWorld, running: RunningSandbox, area: Node, fresh: Fresh) -> None:
    file = world.put(area.id, "letter.txt", fresh())
    repository = await opened(world, credential=running.info["readonly_credential"])
    node, folder = await repository.stat(file), await repository.stat(area.id)
    assert node.rights == folder.rights == Rights.READ
    with pytest.raises(Forbidden):
        repository.admit(folder, "new.txt", Kind.FILE)
    with pytest.raises(Forbidden):
        await repository.create_folder(folder, "new")
    with pytest.raises(Forbidden):
        await repository.upload(folder, "new.txt", Held(fresh()), Book())
    with pytest.raises(Forbidden):
        await repository.rename(node, folder, "new.txt")
    with pytest.raises(Forbidden):
        await repository.remove(node, folder)
    with pytest.raises(Forbidden):
        await repository.set_metadata(node, {"user.jama.meta.Dublin_Core.creator": b"Ann"})
    assert list(seen(world, area)) == ["letter.txt"]
    await repository.close()


async def test_a_user_who_sees_a_part(demo_sandbox: RunningSandbox, fresh: Fresh) -> None:
    credential = demo_sandbox.info["limited_credential"]
    world = JamaWorld(demo_sandbox.url, credential, "limited", "current", demo_sandbox)
    repository = await opened(world)
    (project,) = (await listed(repository, await repository.root())).values()
    entries = await listed(repository, project)
    assert {node.id for node in entries.values()} == {f"c{one}" for one in demo_sandbox.info["limited_collections"]}
    with pytest.raises(Forbidden):
        repository.admit(project, "new", Kind.FOLDER)
    for entry in entries.values():
        assert Rights.WRITE in entry.rights
        for node in (await listed(repository, entry)).values():
            ways = [[step.id for step in way] for way in await repository.locate(node.id)]
            assert [project.id, entry.id, node.id] in ways
            if node.kind is Kind.FILE:
                assert (await fetched(repository, node)).size is not None
    await repository.close()


# ---- versions -----------------------------------------------------------------------------------------------------


async def test_ranges_of_two_versions_are_not_mixed_though_their_sizes_are_equal(
    world: JamaWorld, repository: Repository, area: Node, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = fresh(100), fresh(100)
    node = msgspec.structs.replace(await repository.stat(world.put(area.id, "page.tif", old)), size=100)
    assert (await fetched(repository, node, 0, 50)).content == old[:50]
    before = len(world.requests())
    assert (await fetched(repository, node, 50, 60)).content == old[50:60]
    assert len(world.requests()) == before + 1, "no question within seconds"
    world.overwrite(node.id, new)
    monkeypatch.setattr("assetfs.backends.jama.repository.BELIEVED", 0.0)
    with pytest.raises(VersionChanged):
        await fetched(repository, node, 60, 100)


async def test_what_was_deleted_is_read_to_its_end(
    world: JamaWorld, repository: Repository, area: Node, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = fresh(100)
    node = msgspec.structs.replace(await repository.stat(world.put(area.id, "page.tif", content)), size=100)
    assert (await fetched(repository, node, 0, 50)).content == content[:50]
    world.call("delete_resource", int(node.id[1:]))
    monkeypatch.setattr("assetfs.backends.jama.repository.BELIEVED", 0.0)
    assert (await fetched(repository, node, 50, 100)).content == content[50:]


# ---- listings and budgets -----------------------------------------------------------------------------------------


async def test_large_folders_come_in_windows(large: RunningSandbox) -> None:
    large.reset()
    world = JamaWorld(large.url, large.credential, "admin", "current", large)
    repository = await opened(world)
    assert len(world.requests()) == 2
    (project,) = (await listed(repository, await repository.root())).values()
    folder = (await listed(repository, project))["ten-thousand"]
    world.reset()
    pages = [page async for page in repository.children(folder)]
    assert sum(len(page.nodes) for page in pages) == pages[0].total == 4100
    assert len(world.requests()) == 3
    await repository.close()


async def test_folders_listed_together_cost_one_request(world: JamaWorld, repository: Repository, area: Node) -> None:
    for number in range(40):
        world.make_folder(world.make_folder(area.id, f"outer {number}"), "inner")
    folders = list((await listed(repository, area)).values())
    world.reset()
    listings = [listing async for listing in repository.listings(folders)]
    assert [[node.name for node in listing.nodes] for listing in listings] == [["inner"]] * 40
    assert len(world.requests()) == 1


# ---- downloads ----------------------------------------------------------------------------------------------------


async def test_content_that_is_missing_on_disk(
    world: JamaWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.stat(world.put(area.id, "letter.txt", fresh()))
    world.reset()
    world.arm("status", status=500, match={"kind": "download"}, count=None)
    with pytest.raises(ProtocolViolation):
        await fetched(repository, node)
    assert len(world.requests()) == 2


async def test_a_proxy_that_cuts_ranges_out(world: JamaWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    content = fresh(5000)
    node = await repository.stat(world.put(area.id, "letter.txt", content))
    world.arm("no_range", match={"kind": "download"}, count=None)
    sink = await fetched(repository, node, 4000, 4500)
    assert (sink.content, sink.size) == (content[4000:4500], 5000)


async def test_the_old_416_with_a_body(
    world: JamaWorld, running: RunningSandbox, repository: Repository, area: Node, fresh: Fresh
) -> None:
    running.switch(body_416=True)
    node = await repository.stat(world.put(area.id, "letter.txt", fresh(25)))
    sink = await fetched(repository, node, 25, 30)
    assert (sink.content, sink.size) == (b"", 25)


async def test_a_key_that_is_refused_later(world: JamaWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    node = await repository.stat(world.put(area.id, "letter.txt", fresh()))
    world.arm("status", status=403, match={"kind": "download"})
    with pytest.raises(Forbidden):
        await fetched(repository, node)


# ---- uploads ------------------------------------------------------------------------------------------------------


async def test_uploads_go_on_where_they_stopped(
    world: JamaWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content, book = fresh(20 * MIB), Book()
    world.arm("status", status=503, match={"kind": "upload"}, nth=3, count=None)
    with pytest.raises(Unavailable):
        await repository.upload(area, "large.txt", Held(content), book)
    world.reset()
    await repository.upload(area, "large.txt", Held(content), book)
    assert [one["headers"]["x-file-chunk"] for one in world.requests() if one["kind"] == "upload"] == ["3/3"]
    assert seen(world, area) == {"large.txt": content}


async def test_a_part_of_another_program(
    world: JamaWorld, running: RunningSandbox, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh(9 * MIB)
    digest = await Held(content).digest("sha256")
    running.send_chunk("large.txt", content[: 5 * MIB], chunk="1/2", digest=digest)
    node = await repository.upload(area, "large.txt", Held(content), Book())
    assert seen(world, area) == {"large.txt": content}
    assert (await repository.stat(node.id)).digest == f"sha256:{digest}"


async def test_the_lock_of_a_dead_server(
    world: JamaWorld, running: RunningSandbox, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content, book = fresh(), Book()
    running.switch(stale_lock=True)
    with pytest.raises(Unavailable, match="lock"):
        await repository.upload(area, "letter.txt", Held(content), book)
    assert seen(world, area) == {}
    running.switch(stale_lock=False)
    for lock in Path(running.info["data"]).rglob(".lock"):
        lock.unlink()  # as the server's hourly job does
    await repository.upload(area, "letter.txt", Held(content), book)
    assert seen(world, area) == {"letter.txt": content}


async def test_a_proxy_that_takes_one_mebibyte(
    world: JamaWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh(3 * MIB)
    world.arm("status", status=413, match={"kind": "upload"})
    await repository.upload(area, "large.txt", Held(content), Book())
    assert seen(world, area) == {"large.txt": content}
    sent = [one["headers"]["x-file-chunk"] for one in world.requests() if one["kind"] == "upload"]
    assert sorted(sent[1:]) == ["1/3", "2/3", "3/3"]


async def test_one_empty_file_per_project(world: JamaWorld, repository: Repository, area: Node) -> None:
    node = await repository.upload(area, "empty.txt", Held(b""), Book())
    assert node.size == 0
    assert (await fetched(repository, node)).size == 0
    with pytest.raises(Conflict):
        await repository.upload(area, "other.txt", Held(b""), Book())
    await repository.remove(node, area)


# ---- names, fields, tags ------------------------------------------------------------------------------------------


async def test_a_title_without_extension(world: JamaWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    file = world.put(area.id, "cherbourg.txt", fresh())
    world.rename(file, "Cherbourg by night")
    node = await repository.stat(file)
    assert (node.name, node.exact_name) == ("Cherbourg by night.txt", False)
    renamed = await repository.rename(node, area, "Cherbourg by day.txt")
    assert [entry.name for entry in world.entries(area.id)] == ["Cherbourg by day"]
    with pytest.raises(Conflict):
        await repository.upload(area, "Cherbourg by day.txt", Held(fresh()), Book())
    with pytest.raises(NameRejected):
        await repository.rename(renamed, area, "Cherbourg by day.jpg")


async def test_a_deleted_folder_keeps_its_name(world: JamaWorld, repository: Repository, area: Node) -> None:
    world.destroy(world.make_folder(area.id, "gone"))
    node = await repository.stat(world.make_folder(area.id, "here"))
    with pytest.raises(Conflict):
        await repository.rename(node, area, "gone")


async def test_fields_are_made_only_when_allowed(
    world: JamaWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.stat(world.put(area.id, "letter.txt", fresh()))
    name = f"user.jama.meta.Set%2E{secrets.token_hex(3)}.Note: 1/2"
    with pytest.raises(Unsupported, match="create_fields"):
        await repository.set_metadata(node, {name: b"x"})
    making = await opened(world, create_fields=True)
    now = await making.set_metadata(node, {name: b"x\n--\ny"})
    assert now[name].value == b"x\n--\ny"
    assert (await repository.set_metadata(node, {name: b"y"}))[name].value == b"y"
    await making.close()


async def test_tags_keep_their_labels(world: JamaWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    uid = f"T{secrets.token_hex(4)}"
    world.call("set_tag", uid, 1, "peintures", None)
    node = await repository.stat(world.put(area.id, "letter.txt", fresh()))
    await repository.set_metadata(node, {"user.jama.tags": uid.encode()})
    assert [tag["label"] for tag in world.call("tags", 1) if tag["uid"] == uid] == ["peintures"]


# ---- changes of the tree whose answers are lost -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.FOLDER])
async def test_a_move_is_done_or_not(
    world: JamaWorld, repository: Repository, area: Node, fresh: Fresh, kind: Kind
) -> None:
    for step in range(1, 12):
        here, there = [await repository.stat(world.make_folder(area.id, f"{name} {step}")) for name in ("a", "b")]
        if kind is Kind.FILE:
            node = await repository.stat(world.put(here.id, "old.txt", fresh()))
        else:
            node = await repository.stat(world.make_folder(here.id, "old.txt"))
        world.reset()
        world.arm("lost_answer", nth=step)
        try:
            await repository.move(node, here, there, "new.txt")
            done = True
        except Unavailable:
            done = False
        struck = any(request["fault"] for request in world.requests())
        world.reset()
        places = (list(seen(world, here)), list(seen(world, there)))
        assert places in ([([], ["new.txt"])] if done else [([], ["new.txt"]), (["old.txt"], [])])
        if not struck:
            return
    raise AssertionError("too many steps")


async def test_content_goes_over_another_file_or_not(
    world: JamaWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    for step in range(1, 6):
        folder = await repository.stat(world.make_folder(area.id, f"step {step}"))
        old, new = fresh(), fresh()
        over = await repository.stat(world.put(folder.id, "letter.txt", old))
        node = await repository.stat(world.put(folder.id, "new.txt", new))
        world.reset()
        world.arm("lost_answer", nth=step)
        now = await repository.rename(node, folder, "letter.txt", over)
        struck = any(request["fault"] for request in world.requests())
        world.reset()
        assert now.id == over.id
        assert seen(world, folder) == {"letter.txt": new}
        if not struck:
            return
    raise AssertionError("too many steps")


async def test_moving_between_projects(repository: Repository, area: Node) -> None:
    elsewhere = msgspec.structs.replace(area, id="c999", private=msgspec.structs.replace(area.private, project=99))
    with pytest.raises(CrossScope):
        await repository.move(area, await repository.root(), elsewhere, area.name)


async def test_removing_a_folder_is_done_when_only_the_answer_is_lost(
    world: JamaWorld, repository: Repository, area: Node
) -> None:
    node = await repository.create_folder(area, "below")
    world.arm("lost_answer", match={"call": "delete_collection"})
    await repository.remove_folder(node, area)
    assert seen(world, area) == {}
