"""Folders that a walk will come to next are listed together with the one that is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import trio

from assetfs.backends import Address
from assetfs.content.catalogue import Catalogue
from assetfs.repository import Kind, Listing, Node, NotFound, Offline, ProtocolViolation
from assetfs.transport import TransportOptions
from assetfs.vfs.ahead import MOST, Ahead
from assetfs.vfs.folders import Folders
from tests.depots import SOURCE, empty
from tests.example.repository import Depot


def node(id_: str) -> Node:
    return Node(id=id_, kind=Kind.FOLDER, name=id_)


class Level:
    """A tree of two levels: folders a, b, c, … with folders a0, a1, … in each."""

    def __init__(self, width: int, depth: int) -> None:
        self.listed: set[str] = set()
        self.ahead = Ahead(self.listed.__contains__)
        self.top = [chr(ord("a") + number) for number in range(width)]
        self.depth = depth
        self.list("root", self.top)

    def list(self, folder: str, folders: Sequence[str] | None = None) -> None:
        self.listed.add(folder)
        children = folders if folders is not None else [f"{folder}{number}" for number in range(self.depth)]
        self.ahead.learn(folder, [node(child) for child in children])

    def beside(self, folder: str) -> list[str]:
        return [found.id for found in self.ahead.beside(folder)]


def test_who_looks_into_one_folder_gets_that_one() -> None:
    level = Level(4, 2)
    assert level.beside("a") == []
    assert level.beside("c") == []
    assert level.beside("root") == []
    assert level.beside("unknown") == []


def test_who_looks_into_the_next_one_gets_those_behind_it() -> None:
    level = Level(5, 2)
    level.list("a")
    level.listed.add("d")
    assert level.beside("b") == ["c", "e"]
    assert level.beside("c") == [], "the one before it was passed over"


def test_children_of_the_parents_siblings_are_on_the_same_level() -> None:
    level = Level(4, 2)
    for folder in ("a", "b", "c"):
        level.list(folder)
    assert level.beside("a0") == []
    level.list("a0", [])
    assert level.beside("a1") == ["b0", "b1", "c0", "c1"]
    level.list("a1", [])
    assert level.beside("b0") == ["b1", "c0", "c1"]


def test_they_are_not_more_than_a_request_is_good_for_and_what_is_forgotten_is_not_among_them() -> None:
    level = Level(3, 2 * MOST)
    level.list("a")
    level.list("a0", [])
    assert level.beside("a1") == [f"a{number}" for number in range(2, MOST + 1)]
    level.ahead.forget("a")
    assert level.beside("a1") == []


class Shelves(Depot):
    """A depot that lists several folders together: all, or `only` so many, or fails with `failure`."""

    only = MOST
    failure: Exception | None = None

    async def connect(self) -> Any:
        self.capabilities = msgspec.structs.replace(self.capabilities, listings=True)
        return await super().connect()

    async def listings(self, folders: Sequence[Node]) -> AsyncIterator[Listing]:
        await self._asked("together")
        for folder in folders[: self.only]:
            if self.disk.path_of(folder.id).exists():
                yield Listing(folder, self.disk.nodes(sorted(self.disk.path_of(folder.id).iterdir())))
        if self.failure is not None:
            raise self.failure


class Walk:
    def __init__(self, shelves: Shelves, folders: Folders) -> None:
        self.shelves = shelves
        self.folders = folders

    async def into(self, folder: Node) -> int:
        """A depth-first walk; how many files it finds."""
        listing = await self.folders.open(folder)
        found = [entry for _, entry in listing.entries]
        below = [await self.into(entry) for entry in found if entry.kind is Kind.FOLDER]
        return sum(below) + sum(entry.kind is Kind.FILE for entry in found)

    def asked(self) -> tuple[int, int]:
        return self.shelves.requests["list"], self.shelves.requests["together"]


@asynccontextmanager
async def walk(home: Path) -> AsyncIterator[Walk]:
    """Twelve folders with two each, every one of them with a file."""
    disk = empty(home)
    for outer in range(12):
        for inner in range(2):
            (disk.tree / f"o{outer:02}" / f"i{inner}").mkdir(parents=True)
            (disk.tree / f"o{outer:02}" / f"i{inner}" / "file").touch()
    shelves = Shelves(
        Address(backend="depot", url=urlsplit(SOURCE), options={"folder": disk.folder}), TransportOptions()
    )
    await shelves.connect()
    catalogue = Catalogue(home / "catalogue")
    async with trio.open_nursery() as nursery:
        yield Walk(shelves, Folders(shelves, catalogue, nursery, trio.current_time, ttl=60))
        nursery.cancel_scope.cancel()
    catalogue.close()


async def test_a_walk_costs_a_few_requests(tmp_path: Path) -> None:
    async with walk(tmp_path) as here:
        assert await here.into(await here.shelves.root()) == 24
        assert here.asked() == (4, 2), "the root, its first folder, the two in that; the others, and what is in them"
        assert await here.into(await here.shelves.root()) == 24
        assert here.asked() == (4, 2)


async def test_what_does_not_come_together_comes_alone(tmp_path: Path) -> None:
    async with walk(tmp_path) as here:
        here.shelves.only = 0
        assert await here.into(await here.shelves.root()) == 24
        assert here.asked()[0] == 37


@pytest.mark.parametrize("failure", [ProtocolViolation("nonsense"), ZeroDivisionError("a fault")])
async def test_a_failure_of_the_others_costs_nobody_a_listing(tmp_path: Path, failure: Exception) -> None:
    async with walk(tmp_path) as here:
        here.shelves.only, here.shelves.failure = 1, failure
        assert await here.into(await here.shelves.root()) == 24


async def test_a_server_that_is_away_is_asked_once(tmp_path: Path) -> None:
    async with walk(tmp_path) as here:
        listing = await here.folders.open(await here.shelves.root())
        first, second = (entry for _, entry in listing.entries[:2])
        await here.folders.open(first)
        (here.shelves.disk.folder / "down").touch()
        with pytest.raises(Offline):
            await here.folders.open(second)
        assert here.asked() == (2, 1)
        (here.shelves.disk.folder / "down").unlink()
        assert len(await here.folders.open(second)) == 2


async def test_a_folder_that_is_gone_is_not_found_and_those_behind_it_are(tmp_path: Path) -> None:
    async with walk(tmp_path) as here:
        listing = await here.folders.open(await here.shelves.root())
        first, second, third = (entry for _, entry in listing.entries[:3])
        await here.folders.open(first)
        here.shelves.disk.path_of(second.id).rename(tmp_path / "elsewhere")
        with pytest.raises(NotFound):
            await here.folders.open(second)
        assert len(await here.folders.open(third)) == 2
