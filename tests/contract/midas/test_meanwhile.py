"""What somebody else does while we are at it, and what a server without its pages or with quotas makes of us."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assetfs.repository import Conflict, Node, Repository, Unavailable, Unsupported
from tests.contract.backends.midas import MidasWorld
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed
from tests.contract.test_writing import seen

Fresh = Callable[..., bytes]


class Interrupted(Held):
    """A source during whose sending somebody does something, once: when the byte at `at` is read."""

    def __init__(self, content: bytes, at: int, act: Callable[[], object]) -> None:
        super().__init__(content)
        self._at = at
        self._act: Callable[[], object] | None = act

    async def read(self, offset: int, count: int) -> bytes:
        if self._act is not None and count > 1 and offset <= self._at < offset + count:
            act, self._act = self._act, None
            act()
        return await super().read(offset, count)


def revisions(world: MidasWorld, node: Node) -> list[list[str]]:
    """Names and checksums of all revisions of an item."""
    found = world.client.call("item.get", id=node.id[1:])["revisions"]
    return [[file["checksum"] for file in one["bitstreams"]] for one in found]


async def test_who_writes_while_a_large_file_is_sent_wins_and_sees_nothing_of_ours(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.upload(area, "large.bin", Held(fresh()), Book())
    theirs = fresh(70)
    ours = fresh(9 << 20)
    source = Interrupted(ours, 1 << 20, lambda: world.overwrite(node.id, theirs))
    with pytest.raises(Conflict) as conflict:
        await repository.replace(node, area, source, Book())
    assert conflict.value.node is not None
    assert conflict.value.node.id == node.id
    assert seen(world, area) == {"large.bin": theirs}
    assert len(revisions(world, node)) == 2


async def test_who_writes_in_the_last_moment_wins_and_ours_is_taken_back(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    node = await repository.upload(area, "small.bin", Held(fresh()), Book())
    theirs = fresh(70)
    source = Interrupted(fresh(90), 0, lambda: world.overwrite(node.id, theirs))
    with pytest.raises(Conflict) as conflict:
        await repository.replace(node, area, source, Book())
    assert conflict.value.node is not None
    assert conflict.value.node.version is not None
    assert (await fetched(repository, conflict.value.node)).content == theirs
    assert seen(world, area) == {"small.bin": theirs}
    assert len(revisions(world, node)) == 2


async def test_a_name_that_is_taken_while_a_file_is_sent_makes_a_twin_and_loses_nothing(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    theirs, ours = fresh(), fresh(90)
    source = Interrupted(ours, 0, lambda: world.put(area.id, "a.txt", theirs))
    await repository.upload(area, "a.txt", source, Book())
    contents = [entry.content for entry in world.entries(area.id)]
    assert sorted(contents, key=str) == sorted([theirs, ours], key=str)


async def test_a_save_that_broke_before_its_siblings_were_there_is_completed(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    item = world.client.item(int(area.id[1:]), "series")
    contents = {f"{number}.dcm": fresh(50 + number) for number in range(4)}
    for name, content in contents.items():
        world.client.put(item, name, content, revision="head")
    world.client.call("item.setmetadata", itemId=item, element="Modality", value="MR")
    series = await repository.stat(f"i{item}")
    first = (await listed(repository, series))["0.dcm"]
    book = Book()
    world.arm("status", match={"call": "upload.generatetoken"}, nth=3, count=None, status=503)
    with pytest.raises(Unavailable):
        await repository.replace(first, series, Held(b"new"), book)
    world.reset()
    world.client.call("item.setmetadata", itemId=item, element="Added", value="meanwhile")
    node = await repository.abandon(book.state)
    assert node is not None
    assert node.name == "0.dcm"
    now = world.client.files(item)
    assert sorted(now) == sorted([("0.dcm", 3), *((f"{number}.dcm", 50 + number) for number in range(1, 4))])
    rows = world.client.call("item.getmetadata", id=item)
    assert {row["element"]: row["value"] for row in rows} == {"Modality": "MR", "Added": "meanwhile"}


async def test_without_pages_one_share_is_taken_away_all_the_same(
    world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh()
    here, there = [await repository.create_folder(area, name) for name in ("here", "there")]
    node = await repository.stat(world.put(here.id, "shared.txt", content))
    await repository.link(node, there, "shared.txt")
    world.arm("status", match={"kind": "page"}, count=None, status=404, body="<html>no pages</html>")
    await repository.remove(node, here)
    assert seen(world, here) == {}
    assert seen(world, there) == {"shared.txt": content}
    assert sorted(seen(world, area)) == ["here", "there"]


async def test_quotas_show_where_the_server_has_them(world: MidasWorld, repository: Repository, area: Node) -> None:
    with pytest.raises(Unsupported):
        await repository.usage()
    world.running.switch(quota=1_000_000_000)
    other = world.open()
    await other.connect()
    usage = await other.usage()
    assert usage.total == 1_000_000_000
    assert usage.free is not None
    assert 0 < usage.free < usage.total
    await other.close()
