"""Which files are fetched ahead when somebody goes through a folder."""

from __future__ import annotations

import random
from collections.abc import Sequence

from assetfs.repository import Capabilities, Kind, Node
from assetfs.vfs.neighbours import FIRST, MOST, Neighbours
from assetfs.vfs.versions import Versions


class Store:
    """Records what would be fetched ahead."""

    def __init__(self, bundle: int = 0) -> None:
        self.started: list[str] = []
        self.repository = self
        self.capabilities = Capabilities(bundle=bundle)
        self.expected: list[int] = []

    def expect(self, nodes: Sequence[Node]) -> None:
        self.expected += [len(nodes)] if nodes else []

    def start(self, work: object, node: Node, key: object) -> None:
        self.started.append(node.id)


def folder(count: int, size: int = 1000) -> list[tuple[bytes, Node]]:
    return [
        (f"{i}.txt".encode(), Node(id=f"r{i}", kind=Kind.FILE, name=f"{i}.txt", version=f"v{i}", size=size))
        for i in range(count)
    ]


def walk(entries: list[tuple[bytes, Node]], opens: list[Node], numbers: dict[str, int] | None = None) -> list[str]:
    store = Store()
    neighbours = Neighbours(
        store,  # type: ignore[arg-type]
        lambda node: numbers[node.id] if numbers else int(node.id[1:]),
        lambda node: node.size,
        Versions(None),  # type: ignore[arg-type]
    )
    for node in opens:
        neighbours.opened("c1", "one listing", entries, node)
    return store.started


def test_two_files_of_a_folder_fetch_nothing_ahead() -> None:
    entries = folder(100)
    assert walk(entries, [node for _, node in entries[:2]]) == []


def test_files_opened_in_the_order_of_the_listing_are_fetched_ahead() -> None:
    entries = folder(300)
    opens = [node for _, node in entries[:100]]
    ahead = walk(entries, opens)
    assert len(ahead) == len(set(ahead))
    assert set(ahead) >= {node.id for node in opens[4:]}
    assert len(ahead) <= 100 + MOST + FIRST


def test_files_opened_by_inode_number_are_fetched_ahead_too() -> None:
    entries = folder(300)
    shuffled = random.Random(7).sample(range(1000, 2000), 300)
    numbers = {node.id: number for (_, node), number in zip(entries, shuffled, strict=True)}
    opens = sorted((node for _, node in entries), key=lambda node: numbers[node.id])[:100]
    ahead = walk(entries, opens, numbers)
    assert set(ahead) >= {node.id for node in opens[4:]}
    assert len(ahead) <= 100 + 2 * MOST


def test_files_opened_here_and_there_fetch_almost_nothing() -> None:
    entries = folder(1000)
    opens = [entries[i][1] for i in random.Random(3).sample(range(1000), 60)]
    assert len(walk(entries, opens)) <= MOST


def test_large_files_and_folders_are_passed_over() -> None:
    small, large = folder(40), folder(80, size=100 << 20)[40:]
    mixed = [entry for pair in zip(small, large, strict=True) for entry in pair]
    ahead = walk(mixed, [node for _, node in small[:20]])
    assert ahead
    assert not {node.id for _, node in large} & set(ahead)


def test_where_one_request_brings_many_they_are_expected_by_the_hundred() -> None:
    entries = folder(500)
    store = Store(bundle=100)
    neighbours = Neighbours(store, lambda node: int(node.id[1:]), lambda node: node.size, Versions(None))  # type: ignore[arg-type]
    for _, node in entries:
        neighbours.opened("c1", "one listing", entries, node)
    assert store.expected == [198, 100, 100, 98]
    assert len(store.started) == 496


def test_together_they_are_no_more_than_the_memory_has_room_for() -> None:
    store, large = Store(bundle=100), folder(500, size=1 << 20)
    neighbours = Neighbours(store, lambda node: int(node.id[1:]), lambda node: node.size, Versions(None))  # type: ignore[arg-type]
    for _, node in large[:4]:
        neighbours.opened("c1", "one listing", large, node)
    assert store.expected == [64]
