"""Windows of a listing that overlap, leave gaps, or are short because of rights."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from assetfs.backends.jama import listing
from assetfs.backends.jama.wire import Collection, Items, Resource


class Server:
    """Collections and resources by id; `orders` are the orders in which one request after the other sees them."""

    def __init__(self, collections: int, *orders: Sequence[int], hidden: frozenset[int] = frozenset()) -> None:
        self.collections = [Collection(number, str(number)) for number in range(collections)]
        self.orders = list(orders)
        self.hidden = hidden
        self.asked: list[tuple[int, int]] = []

    async def window(self, start: int, stop: int) -> Items:
        order = self.orders[min(len(self.asked), len(self.orders) - 1)]
        self.asked.append((start, stop))
        some = [Resource(number, str(number)) for number in order[start:stop] if number not in self.hidden]
        return Items(self.collections[start:stop], some, len(self.collections), len(order))


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "WINDOW", 10)


async def collected(server: Server, *, hidden: bool = False) -> tuple[list[int], list[int]]:
    pieces = [items async for items in listing.windows(server.window, hidden=hidden)]
    return (
        [one.id for items in pieces for one in items.collections],
        [one.id for items in pieces for one in items.resources],
    )


async def test_one_window_is_one_request() -> None:
    server = Server(3, range(10))
    assert await collected(server) == ([0, 1, 2], list(range(10)))
    assert server.asked == [(0, 10)]


@pytest.mark.parametrize(("collections", "resources", "requests"), [(0, 0, 1), (11, 0, 2), (5, 30, 3), (31, 30, 4)])
async def test_as_many_requests_as_the_longer_list_needs(collections: int, resources: int, requests: int) -> None:
    server = Server(collections, range(resources))
    assert await collected(server) == (list(range(collections)), list(range(resources)))
    assert len(server.asked) == requests


async def test_short_windows_are_not_the_end() -> None:
    server = Server(0, range(35), hidden=frozenset(range(30)))
    assert (await collected(server, hidden=True))[1] == [30, 31, 32, 33, 34]
    assert len(server.asked) == 4


async def test_a_gap_between_two_windows_is_closed() -> None:
    ordered, shifted = list(range(25)), [*range(1, 25), 0]
    server = Server(0, ordered, shifted, ordered)
    assert sorted((await collected(server))[1]) == ordered
    assert len(server.asked) == 4


async def test_an_overlap_gives_every_entry_once() -> None:
    server = Server(0, list(range(15)), [99, *range(15)])
    found = (await collected(server))[1]
    assert len(found) == len(set(found))
    assert set(found) == {*range(15), 99}
