"""What only SAMS has: sets at the top, states, destinations, names that break downloads, renditions, locks, extra."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
import trio

from assetfs.repository import (
    Busy,
    Conflict,
    Fixed,
    Forbidden,
    Kind,
    NameRejected,
    Node,
    NotEmpty,
    NotFound,
    ProtocolViolation,
    Repository,
    Rights,
    TooLarge,
    Unsupported,
    ValueRejected,
    VersionChanged,
)
from assetfs.sandbox import makings
from tests.contract.backends.sams import OTHER_DESTINATION, TAGS, SamsWorld
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed
from tests.contract.test_writing import seen
from tests.contract.world import walked
from tests.sandboxes import start_sandbox

Fresh = Callable[..., bytes]


@pytest.fixture(scope="module")
def server() -> Iterator[SamsWorld]:
    with start_sandbox("sams", seed="empty") as running:
        yield SamsWorld(running)


@pytest.fixture
def world(server: SamsWorld) -> SamsWorld:
    server.reset()
    return server


@pytest.fixture
async def other(world: SamsWorld, repository: Repository) -> Node:
    return await repository.stat(world.beside("root", "other"))


async def opened(world: SamsWorld, **options: object) -> Repository:
    repository = world.open(**options)
    await repository.connect()
    return repository


def unique(name: str = "set") -> str:
    return f"{name} {secrets.token_hex(6)}"


def requests(world: SamsWorld) -> list[str]:
    found = [f"{request['method']} {request['kind']}" for request in world.requests()]
    world.reset()
    return found


# ---- sets ---------------------------------------------------------------------------------------------------------


async def test_sets_are_made_renamed_and_removed(world: SamsWorld, repository: Repository, fresh: Fresh) -> None:
    root, name = await repository.root(), unique()
    repository.admit(root, name, Kind.FOLDER)
    node = await repository.create_folder(root, name)
    assert (await listed(repository, root))[name] == node
    with pytest.raises(Conflict):
        await repository.create_folder(root, name)
    renamed = await repository.rename(node, root, unique("new"))
    assert renamed.id == node.id
    file = world.put(node.id, "a.txt", fresh())
    with pytest.raises(NotEmpty):
        await repository.remove_folder(node, root)
    assert (await repository.stat(node.id)).rights == Rights.ALL
    world.destroy(file)
    await repository.remove_folder(node, root)
    with pytest.raises(NotFound):
        await repository.remove_folder(node, root)
    with pytest.raises(NotFound):
        await listed(repository, node)
    again = await repository.create_folder(root, name)
    assert again.id != node.id


async def test_a_set_takes_the_place_of_an_empty_one_only(
    world: SamsWorld, repository: Repository, area: Node, other: Node, fresh: Fresh
) -> None:
    root = await repository.root()
    inside = world.put(area.id, "a.txt", fresh())
    with pytest.raises(Conflict):
        await repository.rename(area, root, other.name)
    now = await repository.rename(area, root, other.name, other)
    assert (now.id, now.name) == (area.id, other.name)
    with pytest.raises(NotFound):
        await repository.stat(other.id)
    third = await repository.stat(world.beside("root", "third"))
    with pytest.raises(NotEmpty):
        await repository.rename(third, root, now.name, now)
    assert [entry.id for entry in world.entries(area.id)] == [inside]


async def test_there_are_no_folders_in_sets_and_no_files_beside_them(repository: Repository, area: Node) -> None:
    root = await repository.root()
    for folder, kind, error in (
        (area, Kind.FOLDER, Fixed),
        (root, Kind.FILE, Unsupported),
        (area, Kind.LINK, Unsupported),
    ):
        with pytest.raises(error):
            repository.admit(folder, "x", kind)
    with pytest.raises(Unsupported):
        await repository.move(area, root, area, "x")
    for name in ("", "nul\0"):
        with pytest.raises(NameRejected):
            await repository.create_folder(root, name)


async def test_several_destinations_and_none_chosen(world: SamsWorld) -> None:
    repository = await opened(world, destination=None)
    with pytest.raises(Forbidden, match=r"archive, internal"):
        await repository.create_folder(await repository.root(), unique())
    await repository.close()


@pytest.mark.parametrize("state", ["draft", "disabled"])
async def test_a_set_that_is_not_open_can_only_be_read(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh, state: str
) -> None:
    content = fresh()
    file = world.put(area.id, "a.txt", content)
    if state == "disabled":
        world.change_set(area.id, state=state)
    else:  # a draft set can have only what was moved into it
        closed = world.make_set(unique(), state="draft")
        world.change(file, json={"set_id": closed[1:]})
        area = await repository.stat(closed)
    area, node = await repository.stat(area.id), await repository.stat(file)
    assert Rights.WRITE not in area.rights | node.rights
    assert (await fetched(repository, node)).content == content
    with pytest.raises(Forbidden):
        await repository.upload(area, "b.txt", Held(fresh()), Book())
    with pytest.raises(Forbidden):
        await repository.replace(node, area, Held(fresh()), Book())
    with pytest.raises(Forbidden):
        await repository.rename(node, area, "b.txt")
    with pytest.raises(Forbidden):
        await repository.remove(node, area)
    with pytest.raises(Forbidden):
        await repository.set_metadata(node, {TAGS: b"Ann"})


async def test_attributes_of_a_set(world: SamsWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    world.put(area.id, "a.txt", fresh(30)), world.put(area.id, "b.txt", fresh(12))
    assert await repository.attribute(area, "user.sams.asset_count") == b"2"
    assert await repository.attribute(area, "user.sams.total_bytes") == b"42"
    now = await repository.set_metadata(area, {"user.sams.maximum_asset_size": b"40", "user.sams.description": b"d"})
    assert now["user.sams.maximum_asset_size"].value == b"40"
    assert (await repository.metadata([area]))[area.id] == now
    with pytest.raises(TooLarge):
        await repository.upload(await repository.stat(area.id), "c.txt", Held(fresh(41)), Book())
    with pytest.raises(Forbidden):
        await repository.set_metadata(area, {"user.sams.destination_name": b"archive"})
    with pytest.raises(Forbidden):
        await repository.set_metadata(area, {"user.sams.state": b"draft"})
    now = await repository.set_metadata(area, {"user.sams.state": b"disabled", "user.sams.description": None})
    assert now["user.sams.state"].value == b"disabled"
    assert "user.sams.description" not in now


# ---- reading ------------------------------------------------------------------------------------------------------


async def test_everything_at_once(world: SamsWorld, repository: Repository, other: Node, fresh: Fresh) -> None:
    files = {world.put(other.id, f"{number}.txt", fresh()) for number in range(3)}
    empty = world.beside("root", "empty")
    listings = await walked(repository, await repository.root())
    found = {listing.folder.id: {node.id for node in listing.nodes} for listing in listings}
    assert found["root"] == {entry.id for entry in world.entries("root")} == found.keys() - {"root"}
    assert (found[other.id], found[empty]) == (files, set())
    assert len(listings) == len(found)


async def test_stat_and_listing_agree(world: SamsWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    extra = '{"byline": "Ann", "n": 3}'
    world.put(area.id, "a.txt", fresh(), state="public", extra=extra, tags='[{"code": "a", "name": "A"}]')
    world.put(area.id, "p.png", portrait(30))
    for folder in (area, await repository.root()):
        for node in (await listed(repository, folder)).values():
            assert await repository.stat(node.id) == node


async def test_what_is_gone_is_not_found(
    world: SamsWorld, repository: Repository, area: Node, other: Node, fresh: Fresh
) -> None:
    file = world.put(area.id, "a.txt", fresh())
    node = await repository.stat(file)
    orphans = world.make_set(unique("draft"), state="draft")
    world.change(file, json={"set_id": orphans[1:]})
    etag = world.call("GET", f"consume/sets/{orphans[1:]}").json()["_etag"]
    world.call("DELETE", f"admin/sets/{orphans[1:]}", etag)
    again = await opened(world)
    for gone in (file, orphans):
        with pytest.raises(NotFound):
            await again.stat(gone)
    with pytest.raises(NotFound):
        await fetched(again, node)
    world.destroy(other.id)
    with pytest.raises(NotFound):
        await repository.upload(other, "a.txt", Held(fresh()), Book())
    await again.close()


async def test_listings_go_on_page_by_page(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assetfs.backends.sams.client.PAGE", 3)
    files = {world.put(area.id, f"{number}.txt", fresh()) for number in range(7)}
    world.reset()
    assert {node.id for node in (await listed(repository, area)).values()} == files
    assert requests(world) == ["GET search"] * 3
    listings = await walked(repository, await repository.root())
    assert {node.id for listing in listings if listing.folder.id == area.id for node in listing.nodes} == files


async def test_times_are_those_of_the_content(world: SamsWorld, repository: Repository, area: Node) -> None:
    before = time.time()
    node = await repository.stat(world.put(area.id, "a.txt", b"x"))
    assert node.mtime_ns is not None
    assert before - 2 < node.mtime_ns / 1e9 < time.time() + 2
    world.describe(node.id, ["Ann"])
    later = await repository.stat(node.id)
    assert (later.mtime_ns, later.version) == (node.mtime_ns, node.version)


async def test_a_read_costs_one_request_when_the_asset_is_older_than_a_second(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    file, content = world.put(area.id, "a.txt", fresh()), None
    for expected in (["GET binary", "GET asset"], ["GET binary"], ["GET binary"]):
        node = await repository.stat(file)
        world.reset()
        content = (await fetched(repository, node)).content
        assert requests(world) == expected
    time.sleep(1.1)  # the clock that the server writes down has whole seconds
    again = await opened(world)
    node = await again.stat(file)
    world.reset()
    assert (await fetched(again, node)).content == content
    assert requests(world) == ["GET binary"]
    await again.close()


@pytest.mark.parametrize("name", ["日本 — 語.txt", "line\nbreak.txt", "tab\t.txt", "nul\0.txt"])
async def test_names_that_break_their_download_are_read_from_an_archive(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh, name: str
) -> None:
    content = fresh(5000)
    node = await repository.stat(world.put(area.id, name, content))
    for start, stop in ((0, 5000), (17, 200), (4999, 9000)):
        sink = await fetched(repository, node, start, stop)
        assert (sink.content, sink.size) == (content[start:stop], 5000)
    world.overwrite(node.id, fresh(5000))
    with pytest.raises(VersionChanged):
        await fetched(repository, node)


async def test_ranges_of_a_proxy_are_taken(world: SamsWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    content = fresh(9000)
    node = await repository.stat(world.put(area.id, "a.txt", content))
    world.switch(proxy_ranges=True)
    assert (await fetched(repository, node, 100, 8000)).content == content[100:8000]


async def test_the_digest_is_known_after_a_download(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    file = world.put(area.id, "a.txt", fresh())
    node = await repository.stat(file)
    assert node.digest is None
    sha1 = await repository.attribute(node, "user.sams.sha1")
    assert sha1 is not None
    assert (await repository.stat(file)).digest == f"sha1:{sha1.decode()}"


def portrait(size: int) -> bytes:
    return makings.encoded(makings.gradient(size, (0, 0, 0), (9, 9, 200)), "PNG")


async def below(repository: Repository, area: Node, *names: str) -> Node:
    here = await repository.hidden(area, ".renditions")
    for name in names:
        here = (await listed(repository, here))[name]
    return here


async def test_renditions_that_are_there_can_be_read(world: SamsWorld, repository: Repository, area: Node) -> None:
    file = world.put(area.id, "p.png", portrait(90))
    world.put(area.id, "notes.txt", b"x")
    for asked in ("width=20&name=thumbnail", "width=60&height=40", "width=33&height=22&keep_proportions=0"):
        world.call("POST", f"produce/assets/images/{file[1:]}?{asked}")
    known = world.asset(file)
    sizes = await listed(repository, await below(repository, area))
    assert set(sizes) == {"original", "90x90", "thumbnail", "20x", "60x40", "33x22"}
    for name, node in sizes.items():
        assert await repository.stat(node.id) == node
        image = await below(repository, area, name, "p.png")
        assert await repository.stat(image.id) == image
        [rendition] = [one for one in known["renditions"] if one["_media_id"] == image.version]
        content = (await fetched(repository, image)).content
        assert len(content) == image.size == rendition["length"]
        part = await fetched(repository, image, 10, 30)
        assert (part.content, part.size) == (content[10:30], image.size)
    assert world.asset(file) == known, "reading makes none"
    assert ".renditions" not in await listed(repository, area)
    assert set(await repository.metadata(list(sizes.values()))) == {node.id for node in sizes.values()}


async def test_renditions_cannot_be_changed(world: SamsWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    file = world.put(area.id, "p.png", portrait(90))
    world.call("POST", f"produce/assets/images/{file[1:]}?width=20&name=thumbnail")
    shelf, image = await below(repository, area, "thumbnail"), await below(repository, area, "thumbnail", "p.png")
    with pytest.raises(Forbidden):
        repository.admit(shelf, "new.png", Kind.FILE)
    with pytest.raises(Forbidden):
        await repository.remove(image, shelf)
    with pytest.raises(Forbidden):
        await repository.rename(image, shelf, "new.png")
    with pytest.raises(Forbidden):
        await repository.replace(image, shelf, Held(fresh()), Book())
    world.overwrite(file, portrait(60))
    world.change(file, json={"renditions": []})
    with pytest.raises(NotFound):
        await fetched(repository, image)
    assert await listed(repository, await below(repository, area)) == {}


async def test_a_picture_of_another_size_is_made_when_it_is_read_and_not_before(
    world: SamsWorld, repository: Repository, area: Node
) -> None:
    file = world.put(area.id, "p.png", portrait(90))
    world.put(area.id, "notes.txt", b"x")
    with pytest.raises(NotFound):
        await repository.hidden(await below(repository, area), "64x64")
    creating = await opened(world, create_renditions=True)
    top = await creating.hidden(area, ".renditions")
    shelf = await creating.hidden(top, "64x64")
    for name in ("nothing.png", "notes.txt"):
        with pytest.raises(NotFound):
            await creating.hidden(shelf, name)
    with pytest.raises(NotFound):
        await creating.hidden(top, "large")
    known, node = world.asset(file), await creating.hidden(shelf, "p.png")
    assert (node.size, node.measurable, shelf.open_ended, top.open_ended) == (None, False, True, True)
    assert await creating.stat(node.id) == node
    assert await creating.stat(shelf.id) == shelf
    assert world.asset(file) == known, "looking makes none"
    sink = await fetched(creating, node)
    made = world.asset(file)["renditions"][-1]
    assert (made["width"], made["height"], made["length"]) == (64, 64, sink.size)
    assert (await creating.hidden(shelf, f"p~{file[1:]}.png")).version == made["_media_id"]
    assert (await listed(creating, shelf))["p.png"].size == sink.size
    world.overwrite(file, portrait(30))
    with pytest.raises(VersionChanged):
        await fetched(creating, node)
    await creating.close()


async def test_assets_are_linked_by_tag_and_by_state(
    world: SamsWorld, repository: Repository, area: Node, other: Node, fresh: Fresh
) -> None:
    code = f"t{secrets.token_hex(4)}"
    one = world.put(area.id, "a.txt", fresh(), state="public", tags=json.dumps([{"code": code, "name": "T"}]))
    world.put(area.id, "b.txt", fresh())
    two = world.put(other.id, "a.txt", fresh(), tags=json.dumps([{"code": code, "name": "T"}]))

    async def links(folder: Node, *names: str) -> set[tuple[str, str | None]]:
        here = await repository.hidden(folder, names[0])
        for name in names[1:]:
            here = (await listed(repository, here))[name]
            assert await repository.stat(here.id) == here
        found = [node async for page in repository.children(here) for node in page.nodes]
        for node in found:
            assert await repository.stat(node.id) == node
            with pytest.raises(Forbidden):
                await repository.remove(node, here)
        return {(node.name, node.leads_to) for node in found}

    assert await links(area, ".tags", code) == {("a.txt", one)}
    assert await links(await repository.root(), ".tags", code) == {("a.txt", one), ("a.txt", two)}
    assert await links(area, ".state", "public") == {("a.txt", one)}
    assert await links(area, ".state", "internal") == set()
    assert set(await listed(repository, await repository.hidden(area, ".state"))) == {"draft", "internal", "public"}
    assert [node.name for node in await repository.hidden_entries(area)] == [".renditions", ".tags", ".state"]
    world.change(one, json={"tags": [], "state": "draft"})
    with pytest.raises(NotFound):
        await repository.stat(f"l{one[1:]}@t{area.id[1:]}/{code}")


async def test_what_changed_last_comes_first(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    files = [world.put(area.id, f"{number}.txt", fresh()) for number in range(3)]
    found = [node.id async for page in repository.recent() for node in page.nodes]
    assert found[:3] == files[::-1]


async def test_nothing_else_is_hidden(world: SamsWorld, repository: Repository, area: Node) -> None:
    world.reset()
    for name in (".x", ".renditions2", "renditions"):
        with pytest.raises(NotFound):
            await repository.hidden(area, name)
    with pytest.raises(NotFound):
        await repository.hidden(await repository.root(), ".renditions")
    assert requests(world) == []


# ---- writing ------------------------------------------------------------------------------------------------------


async def test_new_content_takes_the_pictures_of_the_old_away(
    world: SamsWorld, repository: Repository, area: Node
) -> None:
    old, new = portrait(60), portrait(90)
    node = await repository.upload(area, "p.png", Held(old), Book())
    world.call("POST", f"produce/assets/images/{node.id[1:]}?width=20&name=thumbnail")
    world.describe(node.id, ["Ann"])
    now = await repository.replace(node, area, Held(new), Book())
    assert now.id == node.id
    assert world.asset(node.id)["renditions"] == []
    assert world.attributes(node.id)[TAGS] == {"Ann"}
    assert seen(world, area) == {"p.png": new}


async def test_a_replacement_that_was_made_is_not_unmade(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.stat(world.put(area.id, "a.txt", fresh()))
    book, content = Book(), fresh(70)
    assert await repository.abandon({}) is None
    now = await repository.replace(node, area, Held(content), book)
    assert await repository.abandon(book.state) == now
    assert seen(world, area) == {"a.txt": content}
    theirs = fresh()
    world.overwrite(node.id, theirs)
    assert await repository.abandon(book.state) is None
    assert seen(world, area) == {"a.txt": theirs}


async def test_attributes_of_a_new_file_are_judged_before_it_is_sent(world: SamsWorld, repository: Repository) -> None:
    world.reset()
    repository.admit_metadata({"user.sams.state": b"public", TAGS: b"Ann"})
    for name, value in (("user.sams.state", b"open"), ("user.sams.extra.fresh", b"x")):
        with pytest.raises(ValueRejected):
            repository.admit_metadata({name: value})
    assert requests(world) == []


async def test_moving_between_sets(
    world: SamsWorld, repository: Repository, area: Node, other: Node, fresh: Fresh
) -> None:
    content = fresh()
    node = await repository.stat(world.put(area.id, "a.txt", content, state="internal"))
    world.describe(node.id, ["Ann"])
    moved = await repository.move(node, area, other, "b.txt")
    assert (moved.id, moved.name, moved.version) == (node.id, "b.txt", node.version)
    assert (seen(world, area), seen(world, other)) == ({}, {"b.txt": content})
    taken = fresh()
    world.put(area.id, "b.txt", taken)
    with pytest.raises(Conflict):
        await repository.move(moved, other, area, "b.txt")
    assert (seen(world, area), seen(world, other)) == ({"b.txt": taken}, {"b.txt": content})
    assert world.attributes(node.id)[TAGS] == {"Ann"}


async def test_moving_to_another_destination_takes_the_content_along(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    bucket = await repository.stat(world.make_set(unique("bucket"), OTHER_DESTINATION))
    content = fresh(3000)
    node = await repository.stat(world.put(area.id, "a.txt", content))
    there = await repository.move(node, area, bucket, "b.txt")
    assert (there.id, there.version == node.version) == (node.id, False)
    assert seen(world, bucket) == {"b.txt": content}
    back = await repository.move(there, bucket, area, "a.txt")
    assert (seen(world, area), seen(world, bucket)) == ({"a.txt": content}, {})
    assert (await fetched(repository, back)).content == content


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_file_takes_the_place_of_another_and_leaves_it_what_it_is(
    world: SamsWorld, repository: Repository, area: Node, other: Node, fresh: Fresh, elsewhere: bool
) -> None:
    over = await repository.stat(world.put(area.id, "a.txt", fresh()))
    world.describe(over.id, ["Ann"])
    content, source = fresh(), other if elsewhere else area
    node = await repository.stat(world.put(source.id, "new.txt", content))
    if elsewhere:
        now = await repository.move(node, other, area, "a.txt", over)
    else:
        now = await repository.rename(node, area, "a.txt", over)
    assert (now.id, now.name) == (over.id, "a.txt")
    assert seen(world, area) == {"a.txt": content}
    assert seen(world, other) == {}
    assert world.attributes(over.id)[TAGS] == {"Ann"}


async def test_a_title_that_is_the_name_follows_it(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    plain = await repository.upload(area, "a.txt", Held(fresh()), Book())
    titled = await repository.stat(world.put(area.id, "b.txt", fresh()))
    world.change(titled.id, json={"name": "A title"})
    await repository.rename(plain, area, "c.txt")
    await repository.rename(titled, area, "d.txt")
    assert [world.asset(node.id)["name"] for node in (plain, titled)] == ["c.txt", "A title"]


async def test_locks_of_others_are_honoured_unless_told_otherwise(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.stat(world.put(area.id, "a.txt", fresh()))
    path = f"produce/assets/lock/{node.id[1:]}?external_user_id=ines&external_session_id=s"
    world.call("PATCH", path, json={"lock_action": "edit"})
    for options in ({}, {"user_id": "ines"}):  # her own browser has it, too
        refused = await opened(world, **options)
        with pytest.raises(Busy, match="ines"):
            await refused.set_metadata(node, {TAGS: b"Ann"})
        with pytest.raises(Busy):
            await refused.replace(node, area, Held(fresh()), Book())
        with pytest.raises(Busy):
            await refused.rename(node, area, "b.txt")
        with pytest.raises(Busy):
            await refused.remove(node, area)
        await refused.close()
    allowed = await opened(world, locks="off")
    await allowed.set_metadata(node, {TAGS: b"Ann"})
    await allowed.close()


# ---- what is known ------------------------------------------------------------------------------------------------


async def test_tags_keep_their_names(world: SamsWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    node = await repository.stat(world.put(area.id, "a.txt", fresh()))
    one, two, three = (f"t{secrets.token_hex(4)}" for _ in range(3))
    world.change(node.id, json={"tags": [{"code": code, "name": f"The {code}"} for code in (one, two)]})
    node = await repository.stat(node.id)
    wished = [{"code": two, "name": f"The {two}"}, {"code": three, "name": three}]
    changes = {"user.sams.tags": json.dumps(wished).encode(), f"user.sams.tag.{three}": b"Third"}
    now = await repository.set_metadata(node, changes)
    wished[1]["name"] = "Third"
    assert world.asset(node.id)["tags"] == json.loads(now["user.sams.tags"].value) == wished
    assert now[f"user.sams.tag.{two}"].value == f"The {two}".encode()
    assert now[TAGS].value == f"The {two}\nThird".encode()
    assert {two, three} <= set(await repository.tags())
    assert [found.id async for page in repository.tagged(three) for found in page.nodes] == [node.id]
    now = await repository.set_metadata(node, {f"user.sams.tag.{two}": None})
    assert now[TAGS].value == b"Third"
    with pytest.raises(NotFound):
        await repository.set_metadata(node, {f"user.sams.tag.{two}": None})


async def test_a_tag_is_given_by_its_name_and_keeps_its_code(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    name = f"Smith, {secrets.token_hex(4)}"
    first = world.put(area.id, "a.txt", fresh(), tags=json.dumps([{"code": "smith", "name": name}]))
    nodes = [await repository.stat(found) for found in (first, world.put(area.id, "b.txt", fresh()))]
    now = await repository.set_metadata(nodes[1], {TAGS: f"{name}\nnew".encode()})
    assert now[TAGS].value == f"{name}\nnew".encode()
    assert world.asset(nodes[1].id)["tags"] == [{"code": "smith", "name": name}, {"code": "new", "name": "new"}]
    cut_at_commas = "\n".join([*name.split(", "), "other"]).encode()  # as a desktop gives it back
    await repository.set_metadata(nodes[1], {TAGS: cut_at_commas})
    assert [tag["code"] for tag in world.asset(nodes[1].id)["tags"]] == ["smith", "other"]


async def test_extra_keeps_its_types_and_forgets_what_is_removed(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    extra = '{"byline": "Ann", "priority": 3, "rights": {"until": 2031}}'
    node = await repository.stat(world.put(area.id, "a.txt", fresh(), extra=extra))
    prefix = "user.sams.extra."
    known = (await repository.metadata([node]))[node.id]
    assert known[f"{prefix}byline"].value == b"Ann"
    assert known[f"{prefix}rights"].value == b'{"until": 2031}'
    await repository.set_metadata(node, {f"{prefix}priority": b"5", f"{prefix}byline": b"7"})
    assert world.asset(node.id)["extra"] == {"byline": "7", "priority": 5, "rights": {"until": 2031}}
    for name, value in (("priority", b"high"), ("rights", b"[]"), ("fresh", b"new")):
        with pytest.raises(ValueRejected):
            await repository.set_metadata(node, {prefix + name: value})
    now = await repository.set_metadata(node, {f"{prefix}byline": None})
    assert f"{prefix}byline" not in now
    bulk = await repository.metadata([node, node])
    assert f"{prefix}byline" not in bulk[node.id]
    free = await opened(world, new_extra=True)
    await free.set_metadata(node, {f"{prefix}fresh": b"new"})
    assert world.asset(node.id)["extra"]["fresh"] == "new"
    await free.close()


async def test_a_public_asset_has_its_address(world: SamsWorld, repository: Repository, area: Node) -> None:
    node = await repository.stat(world.put(area.id, "a.txt", b"x"))
    assert node.url is None
    now = await repository.set_metadata(node, {"user.sams.state": b"public"})
    assert now["user.sams.public_url"].value.endswith(f"/assets/{area.id[1:]}/{node.id[1:]}".encode())
    assert (await repository.stat(node.id)).url == now["user.sams.public_url"].value.decode()


async def test_searching_finds_sets_and_assets(world: SamsWorld, repository: Repository, fresh: Fresh) -> None:
    word = f"w{secrets.token_hex(6)}"
    area = world.make_set(f"{word} pictures")
    file = world.put(area, f"{word}-a.txt", fresh())
    world.put(area, "b.txt", fresh())
    assert [node.id async for page in repository.search(word) for node in page.nodes] == [area, file]


async def test_space_is_counted(repository: Repository, area: Node) -> None:
    before = (await repository.usage()).files or 0
    await repository.upload(area, "a.txt", Held(b"x"), Book())
    assert (await repository.usage()).files == before + 1


async def test_an_open_server_needs_no_key(world: SamsWorld) -> None:
    world.switch(authentication=False)
    repository = world.open(credential="", user_id="ben")
    assert (await repository.connect()).user == "ben"
    assert (await repository.stat("root")).kind is Kind.FOLDER
    await repository.close()


# ---- many at once -------------------------------------------------------------------------------------------------


async def test_many_small_files_come_in_one_archive(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    names = ["a.txt", "日本.txt", "line\nbreak.txt", "a.txt", *(f"{number}.txt" for number in range(120))]
    contents = {world.put(area.id, name, data): data for name in names if (data := fresh())}
    nodes = [node async for page in repository.children(area) for node in page.nodes]
    gone, changed = nodes[100].id, nodes[102].id
    world.overwrite(changed, fresh())
    repository.expect(nodes)
    world.reset()
    got: dict[str, bytes] = {}

    async def fetch(node: Node) -> None:
        try:
            got[node.id] = (await fetched(repository, node)).content
        except VersionChanged:
            assert node.id == changed

    async with trio.open_nursery() as nursery:
        for node in nodes[:100]:
            nursery.start_soon(fetch, node)
    assert requests(world) == ["GET zip", "GET search"]
    world.destroy(gone)
    async with trio.open_nursery() as nursery:  # an asset that is gone spoils the archive, and not the others
        for node in nodes[101:]:
            nursery.start_soon(fetch, node)
    assert {node: contents[node] for node in got} == got
    assert contents.keys() - got.keys() == {gone, changed}


@pytest.mark.parametrize("fault", ["cut", "corrupt"])
async def test_an_archive_that_breaks_is_done_without(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh, fault: str
) -> None:
    contents = {world.put(area.id, f"{number}.txt", data): data for number in range(4) if (data := fresh(5000))}
    nodes = list((await listed(repository, area)).values())
    repository.expect(nodes)
    world.arm(fault, match={"kind": "zip"}, count=None)
    for node in nodes:
        assert (await fetched(repository, node)).content == contents[node.id]


async def test_all_windows_of_a_large_file_share_one_download(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh(6_000_000)
    node = await repository.stat(world.put(area.id, "a.bin", content))
    await repository.attribute(node, "user.sams.sha1")
    world.reset()
    parts: dict[int, bytes] = {}

    async def fetch(start: int, stop: int) -> None:
        parts[start] = (await fetched(repository, node, start, stop)).content

    async with trio.open_nursery() as nursery:
        for start in (5_500_000, 0, 1_200_000, 3_000_000):  # a seek waits
            nursery.start_soon(fetch, start, min(start + 2_000_000, 6_000_000))
    await fetch(2_000_000, 6_000_000)
    assert all(content[start : start + len(part)] == part for start, part in parts.items())
    assert len(parts[2_000_000]) == 4_000_000
    assert requests(world) == ["GET binary"]


async def test_a_large_file_that_arrives_wrong_does_not_come_to_its_end(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh(3_000_000)
    node = await repository.stat(world.put(area.id, "a.bin", content))
    await repository.attribute(node, "user.sams.sha1")
    world.arm("corrupt", match={"kind": "binary"})
    with pytest.raises(ProtocolViolation, match="SHA-1"):
        await fetched(repository, node, 1, 3_000_000)
    assert (await fetched(repository, node, 1, 3_000_000)).content == content[1:]


@pytest.mark.parametrize("start", [0, 1])
async def test_a_large_archive_is_held_against_its_digest(
    world: SamsWorld, repository: Repository, area: Node, fresh: Fresh, monkeypatch: pytest.MonkeyPatch, start: int
) -> None:
    monkeypatch.setattr("assetfs.backends.sams.downloads.LARGEST", 1000)
    content = fresh(300_000)
    node = await repository.stat(world.put(area.id, "選挙.bin", content))
    world.arm("corrupt", match={"kind": "zip"})
    with pytest.raises(ProtocolViolation, match="SHA-1"):
        await fetched(repository, node, start, 300_000)
    world.reset()
    assert (await fetched(repository, node, start, 300_000)).content == content[start:]
    assert requests(world).count("GET zip") == 1


async def test_one_search_goes_through_all_sets_in_whatever_order_they_are_listed(
    world: SamsWorld, repository: Repository, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assetfs.backends.sams.client.PAGE", 4)
    monkeypatch.setattr("assetfs.backends.sams.together.PAGE", 4)
    files = {}
    for count in (3, 0, 9, 1, 0, 2, 1):
        set_id = world.make_set(unique("walk"))
        files[set_id] = {world.put(set_id, f"{number}.txt", fresh()) for number in range(count)}
    for backwards in (False, True):
        walking = await opened(world)
        sets = [node async for page in walking.children(await walking.root()) for node in page.nodes]
        source = quote(json.dumps({"size": 0, "query": {"range": {"set_id": {"gte": sets[0].id[1:]}}}}))
        total = world.call("GET", f"consume/assets?source={source}").json()["_meta"]["total"]
        world.reset()
        for node in sorted(sets, key=lambda node: node.id, reverse=backwards):
            found = {child.id async for page in walking.children(node) for child in page.nodes}
            assert found == files.get(node.id, found)
        if not backwards:
            assert requests(world) == ["GET search"] * (total // 4 + 1), "one for each page, and the last is not full"
        await walking.close()


async def test_what_a_walk_has_brought_is_forgotten_when_something_changes(
    world: SamsWorld, repository: Repository, fresh: Fresh
) -> None:
    sets = [await repository.stat(world.make_set(unique("walk"))) for _ in range(3)]
    [_ async for _ in repository.children(await repository.root())]
    for node in sets[:2]:
        assert await listed(repository, node) == {}
    await repository.upload(sets[2], "a.txt", Held(fresh()), Book())
    assert set(await listed(repository, sets[2])) == {"a.txt"}
