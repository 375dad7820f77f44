"""What only Midas has: tokens, revisions, items of several files, links, a byte that gets lost, text encoded twice."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec
import pytest

from assetfs.repository import (
    CodeWanted,
    Forbidden,
    Kind,
    NameRejected,
    Node,
    NotAuthenticated,
    NotEmpty,
    ProtocolViolation,
    QuotaExceeded,
    Repository,
    Unavailable,
    Unsupported,
)
from tests.contract.backends.midas import MidasWorld
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed
from tests.contract.test_writing import seen

Fresh = Callable[..., bytes]


def metadata_of(world: MidasWorld, node: Node) -> dict[tuple[str, str, str], str]:
    rows = world.client.call("item.getmetadata", id=node.id[1:])
    return {(row["metadatatype"], row["element"], row["qualifier"]): row["value"] for row in rows}


async def test_a_password_opens_too(world: MidasWorld) -> None:
    repository = world.open(credential=world.running.info["password"])
    assert (await repository.connect()).user == world.user
    await repository.close()


async def test_a_second_factor(world: MidasWorld) -> None:
    world.running.switch(mfa="123456")
    key = world.running.credential
    with pytest.raises(CodeWanted, match="assetfs login"):
        await world.open().connect()
    with pytest.raises(CodeWanted, match="wrong"):
        await world.open(credential=f"{key} 654321").connect()
    for secret in (key, world.running.info["password"]):
        with_code = world.open(credential=f"{secret} 123456")
        assert (await with_code.connect()).user == world.user
        assert with_code.lasting_secret is not None
        await with_code.close()
    world.reset()
    world.running.switch(mfa="another")
    lasting = with_code.lasting_secret
    again = world.open(credential=lasting)
    await again.connect()
    assert "login" not in world.running.requests()["calls"]
    top = await again.stat(world.top())
    world.end_tokens()
    with pytest.raises(NotAuthenticated, match="assetfs login"):
        await listed(again, top)
    with pytest.raises(CodeWanted):
        await world.open(credential=lasting).connect()
    await again.close()


async def test_a_password_with_a_number_behind_a_blank_is_a_password(world: MidasWorld) -> None:
    world.reset()
    with pytest.raises(NotAuthenticated, match="neither"):
        await world.open(credential="not the password 1234").connect()
    calls = [row["calls"] for row in world.requests()]
    assert calls == [["user.apikey.default"], ["user.apikey.default"]]


async def test_a_token_that_ends_is_renewed_once(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh()
    node = await repository.stat(world.put(area.id, "a.txt", content))
    world.end_tokens()
    world.running.forget()
    assert (await fetched(repository, node)).content == content
    assert await listed(repository, area)
    assert world.running.requests()["calls"]["login"] == 1


async def test_a_file_that_may_not_be_read_is_not_asked_for_again_and_again(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.stat(world.put(area.id, "a.txt", fresh()))
    world.arm("status", match={"kind": "download"}, count=None, status=500)
    with pytest.raises(Forbidden):
        await fetched(repository, node)


async def test_new_content_keeps_metadata_and_history(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    first, second = fresh(), fresh(70)
    node = await repository.upload(area, "scan.raw", Held(first), Book())
    wanted = {"user.midas.meta.DICOM.PatientName": "Jé".encode(), "user.midas.meta.slices@int": b"12"}
    await repository.set_metadata(node, wanted)
    new = await repository.replace(node, area, Held(second), Book())
    known = {("0", "DICOM", "PatientName"): "JÃ©", ("1", "slices", ""): "12"}
    assert metadata_of(world, new) == known
    revisions = world.client.call("item.get", id=node.id[1:])["revisions"]
    assert [row["revision"] for row in revisions] == ["1", "2"]
    assert (await fetched(repository, node)).content == first, "an open file reads its version to the end"
    assert (await fetched(repository, new)).content == second


async def test_metadata_by_type_and_qualifier(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.upload(area, "scan.raw", Held(fresh()), Book())
    name = "user.midas.meta.Patient Name.x%2Ey"
    now = await repository.set_metadata(node, {name: b"1 < 2", "user.midas.meta.num@int": b"7"})
    assert now[name].value == b"1 < 2"
    assert metadata_of(world, node) == {("0", "Patient Name", "x.y"): "1 < 2", ("1", "num", ""): "7"}
    now = await repository.set_metadata(node, {"user.midas.meta.num@int": None})
    assert "user.midas.meta.num@int" not in now
    with pytest.raises(Unsupported):
        await repository.set_metadata(area, {"user.midas.meta.e": b"v"})


async def test_privacy(world: MidasWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    node = await repository.upload(area, "a.txt", Held(fresh()), Book())
    assert (await repository.set_metadata(node, {"user.midas.privacy": b"Public"}))["user.midas.privacy"].value
    assert world.client.call("item.get", id=node.id[1:])["privacy_status"] == "0"
    with pytest.raises(Forbidden):
        await repository.set_metadata(node, {"user.midas.privacy": None})


@pytest.mark.parametrize("size", [1, 2, 8192, 8193, 16385])
async def test_the_byte_that_gets_lost_arrives(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh, size: int
) -> None:
    content = (fresh(size) + b"0")[1 : size + 1] if size > 1 else b"0"
    content = content[:-1] + b"0"
    node = await repository.upload(area, 'zero "0".txt', Held(content), Book())
    assert seen(world, area) == {'zero "0".txt': content}
    changed = await repository.replace(node, area, Held(b"1" * (size - 1) + b"0" if size > 1 else b"2"), Book())
    assert changed.size == size


async def test_a_broken_upload_goes_on_where_it_broke(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content, book = fresh(900_000), Book()
    world.arm("cut_upload", match={"call": "upload.perform"}, after=400_000)
    with pytest.raises(Unavailable):
        await repository.upload(area, "big.bin", Held(content), book)
    assert await listed(repository, area) == {}
    world.reset()
    await repository.upload(area, "big.bin", Held(content), Book(book.state))
    sent = [row["received"] for row in world.requests() if "upload.perform" in row["calls"]]
    assert sent == [500_000]
    assert seen(world, area) == {"big.bin": content}


async def test_bytes_that_the_server_has_are_not_sent(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh(50_000)
    world.put(area.id, "one.bin", content)
    world.reset()
    await repository.upload(area, "two.bin", Held(content), Book())
    assert "upload.perform" not in world.running.requests()["calls"]
    assert seen(world, area)["two.bin"] == content


async def test_a_full_quota(world: MidasWorld, repository: Repository, area: Node, fresh: Fresh) -> None:
    world.running.switch(quota=1)
    with pytest.raises(QuotaExceeded):
        await repository.upload(area, "a.bin", Held(fresh()), Book())


async def test_an_item_of_several_files_is_a_folder(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    contents = {"1.dcm": fresh(), "2.dcm": fresh()}
    item = world.client.item(int(area.id[1:]), "series")
    for name, content in contents.items():
        world.client.put(item, name, content, revision="head")
    (series,) = (await listed(repository, area)).values()
    assert (series.id, series.kind) == (f"i{item}", Kind.FOLDER)
    files = await listed(repository, series)
    assert {name: (await fetched(repository, node)).content for name, node in files.items()} == contents
    for node in files.values():
        assert await repository.stat(node.id) == node
        ((*_, above, last),) = await repository.locate(node.id)
        assert (above, last) == (series, node)
    repository.admit(series, "3.dcm", Kind.FILE)
    with pytest.raises(Unsupported):
        repository.admit(series, "below", Kind.FOLDER)
    with pytest.raises(NotEmpty):
        await repository.remove_folder(series, area)


async def test_a_link_is_shown_and_not_followed(world: MidasWorld, repository: Repository, area: Node) -> None:
    url = "http://example.invalid/mirror.bin"
    world.client.call("link.create", folderid=area.id[1:], url=url, itemname="mirror.bin")
    (node,) = (await listed(repository, area)).values()
    assert (node.kind, node.target) == (Kind.LINK, url)


async def test_a_link_to_anything_but_the_web_leads_nowhere(
    world: MidasWorld, repository: Repository, area: Node
) -> None:
    for number, url in enumerate(("/etc/passwd", "../../secret", "file:///etc/passwd")):
        world.client.call("link.create", folderid=area.id[1:], url=url, itemname=f"{number}", length=10)
    for found in (await listed(repository, area)).values():
        node = await repository.stat(found.id)
        assert (node.kind, node.size, node.target) == (Kind.FILE, 0, None)
        assert (await fetched(repository, node)).content == b""


async def test_a_second_listing_asks_for_nothing_that_has_not_changed(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    world.running.switch(clock=-10.0)
    files = [world.put(area.id, f"{number}.txt", fresh()) for number in range(5)]
    before = await listed(repository, area)
    world.running.switch(clock=0.0)
    world.overwrite(files[2], fresh(70))
    world.running.forget()
    after = await listed(repository, area)
    assert world.running.requests()["calls"] == {"folder.children": 1, "item.get": 1}
    assert {name for name, node in after.items() if node != before[name]} == {"2.txt"}
    world.running.forget()
    assert await listed(repository, area) != before
    assert world.running.requests()["calls"] == {"folder.children": 1, "item.get": 1}, "it was changed just now"


async def test_removing_one_share_leaves_the_others(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh()
    here, there = [await repository.stat(world.make_folder(area.id, name)) for name in ("here", "there")]
    node = await repository.stat(world.put(here.id, "shared.txt", content))
    world.client.call("item.share", id=node.id[1:], dstfolderid=there.id[1:])
    await repository.remove(node, here)
    assert seen(world, here) == {}
    assert seen(world, there) == {"shared.txt": content}


async def test_the_roots_of_users_and_communities_stay(world: MidasWorld, repository: Repository) -> None:
    world.client.call("community.create", name=f"c{secrets.token_hex(4)}")
    communities, users = (await listed(repository, await repository.root())).values()
    assert (communities.name, users.name) == ("communities", "users")
    for place in (communities, users):
        for node in (await listed(repository, place)).values():
            assert await repository.stat(node.id) == node
            with pytest.raises(Forbidden):
                await repository.remove_folder(node, place)
            with pytest.raises(Unsupported):
                await repository.move(node, place, users, "other")
    with pytest.raises(Forbidden):
        repository.admit(users, "new", Kind.FOLDER)
    with pytest.raises(Forbidden):
        repository.admit(communities, "new", Kind.FILE)


async def test_an_uncomplete_upload_of_ours_is_no_entry(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    below = await repository.stat(world.make_folder(area.id, "below"))
    part = ".assetfs-" + "0a" * 16
    world.client.item(int(below.id[1:]), part)
    assert await listed(repository, below) == {}
    with pytest.raises(NameRejected):
        repository.admit(below, part, Kind.FILE)
    await repository.remove_folder(below, area)
    assert seen(world, area) == {}


async def test_warnings_before_the_json_are_passed_over(world: MidasWorld, repository: Repository, area: Node) -> None:
    world.running.switch(warnings=True)
    assert await listed(repository, area) == {}


async def test_another_server_is_told_apart(world: MidasWorld) -> None:
    world.arm("status", count=None, status=200, body="<html>hello</html>")
    with pytest.raises(ProtocolViolation, match="Midas"):
        await world.open().connect()


async def test_a_server_that_ignores_ranges_is_read_from_its_start(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh(100_000)
    node = await repository.stat(world.put(area.id, "a.bin", content))
    world.arm("no_range", match={"kind": "download"}, count=None)
    assert (await fetched(repository, node, 60_000, 70_000)).content == content[60_000:70_000]
    longer = msgspec.structs.replace(node, size=200_000)
    with pytest.raises(Exception, match="bytes"):
        await fetched(repository, longer, 0, 10)
