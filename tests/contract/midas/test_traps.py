"""The traps of Midas Server that concern a client, a test for each, in the order in which the protocol has them.

The table of them, with what else holds them, is in docs/backends/midas.md.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from assetfs.repository import (
    Conflict,
    Forbidden,
    Kind,
    NameRejected,
    Node,
    NotAuthenticated,
    NotEmpty,
    NotFound,
    ProtocolViolation,
    Repository,
    Rights,
    Unsupported,
)
from tests.contract.backends.midas import MidasWorld
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed
from tests.contract.test_writing import seen
from tests.midas import MidasClient

Fresh = Callable[..., bytes]
PROJECT = Path(__file__).parents[3]
ROW = re.compile(r"^\| (\d+) \|[^|]*\| (.+) \|$", re.MULTILINE)


async def several(world: MidasWorld, repository: Repository, area: Node, contents: dict[str, bytes]) -> Node:
    """An item of several files."""
    item = world.client.item(int(area.id[1:]), "series")
    for name, content in contents.items():
        world.client.put(item, name, content, revision="head")
    return await repository.stat(f"i{item}")


def test_every_trap_has_its_tests() -> None:
    """The table names each trap of the protocol once, and only tests that there are."""
    page = (PROJECT / "docs/backends/midas.md").read_text()
    rows = dict(ROW.findall(page.partition("### Traps")[2]))
    assert [int(number) for number in rows] == list(range(1, 28))
    for number, tests in rows.items():
        named = [one.partition("::") for one in re.findall(r"`([^`]+)`", tests)]
        assert any(test.startswith(f"test_{int(number):02}_") for _, _, test in named)
        for file, _, test in named:
            assert f"def {test}(" in (PROJECT / "tests" / file).read_text(), test


def values_of(world: MidasWorld, item: str) -> dict[str, str]:
    return {row["element"]: row["value"] for row in world.client.call("item.getmetadata", id=item)}


async def test_01_text_is_encoded_twice_on_one_face_and_once_on_the_other(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.upload(area, "Übersicht 日本.txt", Held(fresh()), Book())
    assert list(await listed(repository, area)) == ["Übersicht 日本.txt"]
    now = await repository.set_metadata(node, {"user.midas.meta.title": "Größe <1 & 2>".encode()})
    assert now["user.midas.meta.title"].value.decode() == "Größe <1 & 2>"
    data = world.client.http.get(f"/rest/item/{node.id[1:]}", params={"token": world.client.token}).json()["data"]
    assert data["name"] == "Übersicht 日本.txt", "it went to the server as it is"


async def test_02_errors_come_with_status_200_and_a_wrong_key_with_no_message(world: MidasWorld) -> None:
    with pytest.raises(NotAuthenticated, match="neither"):
        await world.open(credential="wrong" * 6 + "42").connect()


async def test_02_a_forbidden_download_is_a_page_with_status_500(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.stat(world.put(area.id, "private.txt", fresh()))
    reader = world.open_as_reader()
    await reader.connect()
    with pytest.raises(Forbidden):
        await fetched(reader, node)
    await reader.close()


async def test_03_a_missing_module_is_no_reason_to_log_in_again(
    world: MidasWorld, repository: Repository, area: Node
) -> None:
    world.running.switch(modules="dicomextractor")
    other = world.open()
    await other.connect()
    world.running.switch(modules="")
    node = await repository.stat(world.put(area.id, "a.dcm", b"bytes"))
    world.reset()
    with pytest.raises(Unsupported):
        await other.perform(node, "user.midas.extract_dicom", b"1")
    assert "login" not in world.running.requests()["calls"]
    await other.close()


async def test_03_nobody_in_particular_reads_what_is_public_and_never_logs_in(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh()
    public = await repository.stat(f"f{world.client.folder('for all', world.running.info['public_folder'])}")
    node = await repository.upload(public, "a.txt", Held(content), Book())
    world.reset()
    nobody = world.open_as_nobody()
    await nobody.connect()
    found = (await listed(nobody, public))["a.txt"]
    assert (await fetched(nobody, found)).content == content
    with pytest.raises(NotFound):
        await listed(nobody, area)
    with pytest.raises(Forbidden):
        await fetched(nobody, await repository.stat(world.put(area.id, "mine.txt", fresh())))
    assert not nobody.capabilities.upload
    with pytest.raises(Unsupported):
        await nobody.remove(node, public)
    world.client.call("folder.delete", id=public.id[1:])
    assert world.running.requests()["calls"].get("login", 0) == 0
    await nobody.close()


async def test_04_known_bytes_over_an_existing_name_are_not_lost(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    known = fresh(5_000)
    world.put(area.id, "elsewhere.bin", known)
    node = await repository.upload(area, "f.bin", Held(fresh(5_000)), Book())
    new = await repository.replace(node, area, Held(known), Book())
    assert seen(world, area)["f.bin"] == known
    assert (await fetched(repository, new)).content == known


async def test_04_known_bytes_that_belong_to_no_item_are_sent(
    world: MidasWorld, repository: Repository, area: Node
) -> None:
    """The server breaks at a checksum whose first bearer is a thumbnail."""
    world.running.switch(modules="thumbnailcreator")
    picture = world.client.item(int(area.id[1:]), "p.png", world.picture())
    small = world.client.http.get("/item/thumbnail", params={"itemId": picture}).content
    assert small
    await repository.upload(area, "copy of a thumbnail.jpg", Held(small), Book())
    assert seen(world, area)["copy of a thumbnail.jpg"] == small
    node = await several(world, repository, area, {"1.txt": b"one", "2.txt": b"two"})
    await repository.upload(node, "thumbnail too.jpg", Held(small), Book())
    assert ("thumbnail too.jpg", len(small)) in world.client.files(int(node.id[1:]))


async def test_05_a_new_revision_keeps_metadata_and_sibling_files(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    first, second, twin = fresh(), fresh(60), fresh(70)
    series = await several(world, repository, area, {"1.dcm": first, "2.dcm": second})
    world.client.put(int(series.id[1:]), "2.dcm", twin, revision="head")
    world.client.call("item.setmetadata", itemId=series.id[1:], element="Modality", value="MR")
    one = next(node for node in await children(repository, series) if node.name == "1.dcm")
    content = fresh(80)
    new = await repository.replace(one, series, Held(content), Book())
    assert new.name == "1.dcm"
    assert (await fetched(repository, new)).content == content
    now = await children(repository, series)
    assert sorted((node.name, node.size) for node in now) == [("1.dcm", 80), ("2.dcm", 60), ("2.dcm", 70)]
    assert {(await fetched(repository, node)).content for node in now} == {content, second, twin}
    assert values_of(world, series.id[1:]) == {"Modality": "MR"}
    revisions = world.client.call("item.get", id=series.id[1:])["revisions"]
    assert len(revisions) == 2
    assert len(revisions[0]["bitstreams"]) == 3, "the old revision is as it was"


async def test_05_sibling_files_that_the_server_does_not_find_by_their_sum_are_sent(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    """The first file of that sum is one that may not be read."""
    shared = fresh(500)
    world.put(area.id, "mine alone.bin", shared)
    public = world.client.folder(f"for all {secrets.token_hex(4)}", world.running.info["reader_public_folder"])
    reader = MidasClient.reader(world.running)
    item = reader.item(public, "series")
    for name, content in {"a.bin": shared, "b.bin": fresh(80)}.items():
        reader.put(item, name, content, revision="head")
    theirs = world.open_as_reader()
    await theirs.connect()
    series = await theirs.stat(f"i{item}")
    other = next(node for node in await children(theirs, series) if node.name == "b.bin")
    await theirs.replace(other, series, Held(fresh(90)), Book())
    now = {node.name: (await fetched(theirs, node)).content for node in await children(theirs, series)}
    assert now["a.bin"] == shared
    assert len(now["b.bin"]) == 90
    await theirs.close()


async def children(repository: Repository, folder: Node) -> list[Node]:
    return [node async for page in repository.children(folder) for node in page.nodes]


@pytest.mark.parametrize("size", [1, 8193, 8192 * 3 + 1])
async def test_06_a_last_byte_that_is_the_text_0_arrives(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh, size: int
) -> None:
    content = fresh(size)[:-1] + b"0"
    node = await repository.upload(area, "zero.bin", Held(content), Book())
    assert seen(world, area) == {"zero.bin": content}
    again = fresh(size)[:-1] + b"1"
    node = await repository.replace(node, area, Held(again), Book())
    await repository.replace(node, area, Held(content), Book())
    assert seen(world, area) == {"zero.bin": content}


async def test_07_the_item_s_size_is_not_what_is_read(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh(100)
    node = await several(world, repository, area, {"stays.bin": content, "goes.bin": fresh(900)})
    last = world.client.call("item.get", id=node.id[1:], head=1)["revisions"][0]["bitstreams"][1]
    world.client.call("bitstream.delete", id=last["bitstream_id"])
    for number in range(5):
        world.put(area.id, f"{number}.bin", fresh())
    assert world.client.call("item.get", id=node.id[1:])["sizebytes"] == "1000", "the server is wrong"
    found = (await listed(repository, area))["series"]
    assert (found.kind, found.size) == (Kind.FILE, 100)
    assert (await fetched(repository, found)).content == content


async def test_08_a_server_that_lies_about_ranges_is_read_from_its_start(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh(100_000)
    node = await repository.stat(world.put(area.id, "a.bin", content))
    assert (await fetched(repository, node, 60_000, 70_000)).content == content[60_000:70_000]
    agents = [row["headers"]["user-agent"] for row in world.requests() if row["kind"] == "download"]
    assert agents
    assert all("MSIE 9.0" in agent for agent in agents)
    world.arm("no_range", match={"kind": "download"}, count=None)
    assert (await fetched(repository, node, 60_000, 70_000)).content == content[60_000:70_000]


async def test_09_no_redirect_of_the_server_is_followed_and_no_token_leaves(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    name = "a&b#c?d=e.txt"
    content = fresh()
    node = await repository.upload(area, name, Held(content), Book())
    assert (await fetched(repository, node)).content == content
    assert "bitstream.download" not in world.running.requests()["calls"]
    world.arm("status", match={"kind": "download"}, status=302, headers={"location": "http://127.0.0.1:9/steal"})
    with pytest.raises(ProtocolViolation, match="not followed"):
        await fetched(repository, node)


async def test_10_what_is_deleted_is_looked_at_first(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    below = await repository.create_folder(area, "below")
    world.put(below.id, "a.txt", fresh())
    with pytest.raises(NotEmpty):
        await repository.remove_folder(below, area)
    home = await repository.stat(f"f{world.client.call('user.folders')[0]['parent_id']}")
    with pytest.raises(Forbidden):
        await repository.remove_folder(home, await repository.stat("users"))
    assert "folder.delete" not in world.running.requests()["calls"]


async def test_11_a_taken_name_is_refused_and_not_numbered(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    below = await repository.create_folder(area, "below")
    world.put(below.id, "x", fresh())
    mine = await repository.stat(world.put(area.id, "x", fresh()))
    with pytest.raises(Conflict):
        await repository.upload(below, "x", Held(fresh()), Book())
    with pytest.raises(Conflict):
        await repository.move(mine, area, below, "x")
    with pytest.raises(Conflict):
        await repository.rename(mine, area, "below")
    assert sorted(seen(world, area)) == ["below", "x"]
    assert list(seen(world, below)) == ["x"]


async def test_12_moving_to_where_it_is_already_neither_renames_nor_leaves_two(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    here, there = [await repository.create_folder(area, name) for name in ("here", "there")]
    node = await repository.stat(world.put(here.id, "x.txt", fresh()))
    await repository.link(node, there, "x.txt")
    moved = await repository.move(node, here, there, "x.txt")
    assert moved.id == node.id
    assert (list(seen(world, here)), list(seen(world, there))) == ([], ["x.txt"])


async def test_13_a_folder_that_is_gone_and_one_that_may_not_be_read_are_told_apart(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    world.put(area.id, "a.txt", fresh())
    reader = world.open_as_reader()
    await reader.connect()
    with pytest.raises(NotFound):
        await listed(reader, area)
    with pytest.raises((Forbidden, NotFound)):
        await reader.remove_folder(area, area)
    await reader.close()
    assert seen(world, area)
    world.destroy(area.id)
    with pytest.raises(NotFound):
        await listed(repository, area)


async def test_14_a_community_that_is_not_listed_answers_to_its_name(world: MidasWorld) -> None:
    name = f"Hidden {secrets.token_hex(4)}"
    made = world.client.call("community.create", name=name)
    world.running.switch(community_limit=0)
    reader = world.open_as_reader()
    await reader.connect()
    communities = await reader.stat("communities")
    assert communities.open_ended
    assert name not in await listed(reader, communities)
    node = await reader.hidden(communities, name)
    assert (node.name, node.id) == (name, f"f{made['folder_id']}")
    assert "Public" in await listed(reader, node)
    world.reset()
    for absent in (".git", ".Trash-0"):
        with pytest.raises(NotFound):
            await reader.hidden(communities, absent)
    assert not world.requests()
    with pytest.raises(NotFound):
        await reader.hidden(communities, "no such community")
    await reader.close()
    world.client.call("community.delete", id=made["community_id"])


async def test_15_flags_are_on_when_they_are_there_and_removals_name_their_type(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.upload(area, "a.txt", Held(fresh()), Book())
    typed, plain = "user.midas.meta.n@int", "user.midas.meta.n"
    await repository.set_metadata(node, {typed: b"7", plain: b"seven"})
    now = await repository.set_metadata(node, {typed: None})
    assert typed not in now
    assert now[plain].value == b"seven"
    world.client.put(int(node.id[1:]), "second.txt", fresh())
    revisions = [row async for page in repository.children(await repository.stat(f"v{node.id}")) for row in page.nodes]
    assert [one.name for one in revisions] == ["1", "2"], "no head was asked for"


@pytest.mark.parametrize("name", ["../../x.txt", "..", "/etc/passwd", "a\nb.txt"])
async def test_16_names_that_lead_away_are_names(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh, name: str
) -> None:
    contents = {name: fresh(), "other.txt": fresh()}
    series = await several(world, repository, area, contents)
    nodes = {node.name: node for node in await children(repository, series)}
    assert {one: (await fetched(repository, node)).content for one, node in nodes.items()} == contents
    with pytest.raises(NotFound):
        await repository.hidden(series, name)


async def test_17_a_link_item_is_a_link_and_its_size_hearsay(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    url = f"http://127.0.0.1:{world.running.root_url.rsplit(':', 1)[1]}/_sandbox/requests"
    for number, length in enumerate((0, 12)):
        world.client.call(
            "link.create", folderid=area.id[1:], url=url, itemname=f"{number}", length=length, checksum=" "
        )
    world.reset()
    for node in (await listed(repository, area)).values():
        settled = await repository.stat(node.id)
        assert (settled.kind, settled.target) == (Kind.LINK, url)
    assert not [row for row in world.requests() if row["path"].startswith("/_sandbox")]


async def test_18_no_cookie_goes_with_a_download(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh()
    node = await repository.upload(area, "a.txt", Held(content), Book())
    await repository.remove(await repository.upload(area, "b.txt", Held(fresh()), Book()), area)  # opens a session
    world.reset()
    assert (await fetched(repository, node)).content == content
    rows = [row for row in world.requests() if row["kind"] != "page"]
    assert all("cookie" not in row["headers"] for row in rows)
    assert {row["method"] for row in rows} == {"POST"}, "and the token is in no URL"


async def test_19_upload_tokens_go_back_as_they_came_and_to_nobody_else(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    book = Book()
    await repository.upload(area, "a.txt", Held(fresh()), book)
    token = book.state["token"]
    assert token.count("/") == 2
    assert token not in repr(repository)
    assert token not in repr(repository.requests)


async def test_20_no_parameter_comes_from_a_user(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.upload(area, "x&testingmode=1&localinput=/etc/passwd", Held(b"mine"), Book())
    assert (await fetched(repository, node)).content == b"mine"
    sent = [row["path"] for row in world.requests()]
    assert not [path for path in sent if "localinput=" in path]
    await repository.set_metadata(node, {"user.midas.meta._x&privacy=Public": b"v"})
    assert world.client.call("item.get", id=node.id[1:])["privacy_status"] == "2"


async def test_21_of_other_users_only_names_are_kept(world: MidasWorld, repository: Repository) -> None:
    users = await repository.stat("users")
    node = await repository.hidden(users, "Grace_Sandbox")
    assert node.name == "Grace_Sandbox"
    known = (await repository.metadata([node]))[node.id]
    assert not [value for value in known.values() if b"@" in value.value]
    assert "grace@" not in repr(node) + repr(vars(repository))


async def test_22_single_files_are_fetched_and_never_a_zip(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    contents = {f"{number}.bin": fresh(3_000) for number in range(4)}
    series = await several(world, repository, area, contents)
    world.reset()
    for node in await children(repository, series):
        assert (await fetched(repository, node)).content == contents[node.name]
    assert sum(row["sent"] for row in world.requests() if row["kind"] == "download") == 4 * 3_000


async def test_23_revisions_go_by_their_ids_and_not_by_their_numbers(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    contents = [fresh(), fresh(50), fresh(60)]
    node = await repository.stat(world.put(area.id, "r.txt", contents[0]))
    for content in contents[1:]:
        world.client.put(int(node.id[1:]), "r.txt", content)
    history = await repository.stat(f"v{node.id}")
    revisions = await children(repository, history)
    (old,) = await children(repository, revisions[1])
    first = world.client.call("item.get", id=node.id[1:])["revisions"][0]
    world.client.http.post(
        "/item/deleteitemrevision", data={"itemId": node.id[1:], "itemrevisionId": first["itemrevision_id"]}
    )
    again = await repository.stat(revisions[1].id)
    assert (again.id, again.name) == (revisions[1].id, "1")
    assert (await fetched(repository, old)).content == contents[1]
    with pytest.raises(NotFound):
        await repository.stat(revisions[0].id)
    assert Rights.WRITE not in old.rights
    with pytest.raises((Forbidden, Unsupported)):
        await repository.replace(old, revisions[1], Held(fresh()), Book())


async def test_24_a_server_that_folds_case_is_compared_with_what_comes_back(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    world.running.switch(fold_case=True)
    mine, theirs = fresh(), fresh()
    world.put(area.id, "data.txt", theirs)
    await repository.upload(area, "Data.txt", Held(mine), Book())
    assert seen(world, area) == {"data.txt": theirs, "Data.txt": mine}
    await repository.create_folder(area, "folder")
    with pytest.raises(Conflict):
        await repository.create_folder(area, "Folder")


async def test_25_dates_are_read_in_the_server_s_zone(world: MidasWorld, area: Node, fresh: Fresh) -> None:
    node_id = world.put(area.id, "a.txt", fresh())
    times = []
    for zone in ("UTC", "America/New_York"):
        repository = world.open(time_zone=zone)
        await repository.connect()
        times.append((await repository.stat(node_id)).mtime_ns)
        await repository.close()
    assert times[0] is not None
    assert times[1] is not None
    assert (times[1] - times[0]) // 1_000_000_000 in (4 * 3600, 5 * 3600)


async def test_26_a_listing_or_a_look_counts_as_no_download(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.stat(world.put(area.id, "a.bin", fresh(100_000)))
    await listed(repository, area)
    await repository.measure([node])
    await repository.metadata([node])
    assert "HEAD" not in {row["method"] for row in world.requests()}
    assert world.client.call("item.get", id=node.id[1:])["download"] == "0"


async def test_27_a_uuid_is_never_used_for_two_things(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    nodes = [await repository.create_folder(area, name) for name in ("one", "two")]
    nodes.append(await repository.upload(area, "a.txt", Held(fresh()), Book()))
    known = await repository.metadata(nodes)
    uuids = {known[node.id]["user.midas.uuid"].value for node in nodes}
    assert len(uuids) == 3
    renamed = await repository.rename(nodes[0], area, "three")
    assert renamed.id == nodes[0].id
    assert msgspec.structs.replace(renamed, name="one", mtime_ns=nodes[0].mtime_ns) == nodes[0]


async def test_names_of_unfinished_uploads_are_nobody_s(repository: Repository, area: Node) -> None:
    with pytest.raises(NameRejected):
        repository.admit(area, ".assetfs-" + "0a" * 16, Kind.FILE)
