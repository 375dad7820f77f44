"""The protocol's budget of requests, row by row, as the server counts them; and where we spend more, what for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from assetfs.repository import Kind, Node, Repository
from tests.contract.backends.midas import MidasWorld
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed

Fresh = Callable[..., bytes]


@dataclass
class Desk:
    """What a row has at hand."""

    world: MidasWorld
    repository: Repository
    area: Node
    fresh: Fresh

    def fill(self, files: int, folders: int = 0) -> None:
        """Files in the area, and folders with a file each."""
        for number in range(files):
            self.world.put(self.area.id, f"{number}.bin", self.fresh())
        for number in range(folders):
            self.world.put(self.world.make_folder(self.area.id, f"below {number}"), "a.bin", self.fresh())

    async def count(self, *doing: Awaitable[object]) -> int:
        """How many requests the server got for this."""
        self.world.running.forget()
        for one in doing:
            await one
        return int(self.world.running.requests()["total"])

    async def walk(self, folder: Node) -> int:
        """Look into all folders below one. Returns how many there are."""
        found = await listed(self.repository, folder)
        return 1 + sum([await self.walk(node) for node in found.values() if node.kind is Kind.FOLDER])


async def log_in_with_a_key(desk: Desk) -> int:
    repository = desk.world.open()
    spent = await desk.count(repository.connect())
    await repository.close()
    return spent


async def log_in_with_a_password(desk: Desk) -> int:
    repository = desk.world.open(credential=desk.world.running.info["password"])
    spent = await desk.count(repository.connect())
    await repository.close()
    return spent


async def ls_items_dir(desk: Desk) -> int:
    desk.fill(5)
    repository = desk.world.open(items="dir")
    await repository.connect()
    spent = await desk.count(listed(repository, desk.area))
    await repository.close()
    return spent


async def ls_l_where_counting_settles_it(desk: Desk) -> int:
    desk.fill(6)
    return await desk.count(listed(desk.repository, desk.area))


async def ls_l_with_two_subfolders(desk: Desk) -> int:
    desk.fill(6, folders=2)
    return await desk.count(listed(desk.repository, desk.area))


async def ls_l_with_three_undecided_items(desk: Desk) -> int:
    desk.fill(3, folders=4)
    return await desk.count(listed(desk.repository, desk.area))


async def a_path_of_four_cold_folders(desk: Desk) -> int:
    place = desk.area.id
    for name in "abc":
        place = desk.world.make_folder(place, name)
    return await desk.count(desk.walk(desk.area))


async def find_in_five_folders(desk: Desk) -> int:
    desk.fill(6, folders=4)
    assert await desk.walk(desk.area) == 5
    again = desk.world.open()
    await again.connect()
    spent = await desk.count(Desk(desk.world, again, desk.area, desk.fresh).walk(desk.area))
    await again.close()
    return spent


async def cat_a_small_file(desk: Desk) -> int:
    desk.fill(6)
    node = (await listed(desk.repository, desk.area))["3.bin"]
    return await desk.count(fetched(desk.repository, node))


async def cat_it_again(desk: Desk) -> int:
    node = await desk.repository.stat(desk.world.put(desk.area.id, "a.bin", desk.fresh()))
    await fetched(desk.repository, node)
    return await desk.count(desk.repository.stat(node.id))


async def a_window_of_a_large_file(desk: Desk) -> int:
    node = await desk.repository.stat(desk.world.put(desk.area.id, "a.bin", desk.fresh(3_000_000)))
    return await desk.count(desk.repository.stat(node.id), fetched(desk.repository, node, 1_000_000, 1_100_000))


async def a_large_file_from_end_to_end(desk: Desk) -> int:
    window = 2 << 20
    node = await desk.repository.stat(desk.world.put(desk.area.id, "a.bin", desk.fresh(4 * window)))
    windows = [fetched(desk.repository, node, start, start + window) for start in range(0, 4 * window, window)]
    return await desk.count(desk.repository.stat(node.id), *windows)


async def attributes_of_ten_items(desk: Desk) -> int:
    desk.fill(10)
    nodes = list((await listed(desk.repository, desk.area)).values())
    return await desk.count(desk.repository.metadata(nodes))


async def a_new_file(desk: Desk) -> int:
    await listed(desk.repository, desk.area)
    return await desk.count(desk.repository.upload(desk.area, "a.bin", Held(desk.fresh()), Book()))


async def a_new_file_of_known_bytes(desk: Desk) -> int:
    content = desk.fresh()
    desk.world.put(desk.area.id, "a.bin", content)
    await listed(desk.repository, desk.area)
    return await desk.count(desk.repository.upload(desk.area, "b.bin", Held(content), Book()))


async def _saved(desk: Desk) -> Node:
    desk.fill(1)
    return (await listed(desk.repository, desk.area))["0.bin"]


async def new_content(desk: Desk) -> int:
    node = await _saved(desk)
    return await desk.count(desk.repository.replace(node, desk.area, Held(desk.fresh(90)), Book()))


async def new_content_where_there_is_metadata(desk: Desk) -> int:
    node = await _saved(desk)
    await desk.repository.set_metadata(node, {"user.midas.meta.title": b"kept"})
    return await desk.count(desk.repository.replace(node, desk.area, Held(desk.fresh(90)), Book()))


async def another_name(desk: Desk) -> int:
    return await desk.count(desk.repository.rename(await _saved(desk), desk.area, "b.bin"))


async def another_place(desk: Desk) -> int:
    below = await desk.repository.create_folder(desk.area, "below")
    return await desk.count(desk.repository.move(await _saved(desk), desk.area, below, "0.bin"))


async def another_name_and_place(desk: Desk) -> int:
    below = await desk.repository.create_folder(desk.area, "below")
    return await desk.count(desk.repository.move(await _saved(desk), desk.area, below, "b.bin"))


async def removal(desk: Desk) -> int:
    return await desk.count(desk.repository.remove(await _saved(desk), desk.area))


@dataclass(frozen=True)
class Row:
    """What the protocol's table allows, and what we spend."""

    action: Callable[[Desk], Awaitable[int]]
    page: int
    ours: int
    more: str = ""
    """What the difference is for."""


CHECK = "one asks whether the name is free: the server numbers a taken one, or takes it twice"
ROWS = (
    Row(log_in_with_a_key, 2, 2),
    Row(log_in_with_a_password, 3, 3),
    Row(ls_items_dir, 1, 1),
    Row(ls_l_where_counting_settles_it, 2, 2),
    Row(ls_l_with_two_subfolders, 2 + 2, 4),
    Row(ls_l_with_three_undecided_items, 1 + 3, 4),
    Row(a_path_of_four_cold_folders, 4, 5, "an empty folder is asked for: a forbidden one looks the same"),
    Row(find_in_five_folders, 2 * 5, 10),
    Row(cat_a_small_file, 2, 2),
    Row(cat_it_again, 1, 1),
    Row(a_window_of_a_large_file, 2, 2),
    Row(a_large_file_from_end_to_end, 2, 2),
    Row(attributes_of_ten_items, 10, 10),
    Row(a_new_file, 4, 5, f"it gets its name when it is complete; {CHECK}"),
    Row(a_new_file_of_known_bytes, 3, 4, CHECK),
    Row(new_content, 5, 5),
    Row(new_content_where_there_is_metadata, 5, 6, "one looks whether somebody else has saved meanwhile"),
    Row(another_name, 1 + 1, 2),
    Row(another_place, 1 + 1, 2),
    Row(another_name_and_place, 2 + 1, 3),
    Row(removal, 1, 1),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.action.__name__)
async def test_a_row_of_the_budget(
    row: Row, world: MidasWorld, repository: Repository, area: Node, fresh: Fresh
) -> None:
    assert row.ours <= row.page or row.more
    assert await row.action(Desk(world, repository, area, fresh)) == row.ours
