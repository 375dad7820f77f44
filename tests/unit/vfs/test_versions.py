"""Versions that a listing leaves out."""

from __future__ import annotations

import msgspec
import pytest
import trio

from assetfs.repository import Kind, Node, NodeId, Unavailable
from assetfs.vfs.versions import Versions

LISTED = Node(id="i1", kind=Kind.FILE, name="a", size=3, stamp="today 3")
KNOWN = msgspec.structs.replace(LISTED, version="abc")


class Server:
    """Tells versions, as often as it is asked."""

    def __init__(self) -> None:
        self.asked: list[NodeId] = []
        self.fails = False

    async def stat(self, node: NodeId) -> Node:
        self.asked.append(node)
        await trio.sleep(0)
        if self.fails:
            raise Unavailable("not now")
        return KNOWN


async def test_a_version_is_asked_for_once_however_many_ask() -> None:
    server = Server()
    versions = Versions(server)  # type: ignore[arg-type]
    told: list[Node] = []

    async def ask() -> None:
        told.append(await versions.of(LISTED))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    assert told == [KNOWN] * 5
    assert await versions.of(LISTED) == KNOWN
    assert server.asked == ["i1"]
    assert versions.newest(LISTED) == KNOWN


async def test_another_stamp_is_another_version() -> None:
    server = Server()
    versions = Versions(server)  # type: ignore[arg-type]
    await versions.of(LISTED)
    later = msgspec.structs.replace(LISTED, stamp="tomorrow 3")
    assert versions.newest(later) is later
    await versions.of(later)
    assert server.asked == ["i1", "i1"]


async def test_a_failure_is_everybodys_and_not_remembered() -> None:
    server = Server()
    server.fails = True
    versions = Versions(server)  # type: ignore[arg-type]
    failed = 0

    async def ask() -> None:
        nonlocal failed
        with pytest.raises(Unavailable):
            await versions.of(LISTED)
        failed += 1

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
    assert failed == 3
    server.fails = False
    assert await versions.of(LISTED) == KNOWN


async def test_what_we_have_changed_is_known_at_once() -> None:
    server = Server()
    versions = Versions(server)  # type: ignore[arg-type]
    await versions.of(LISTED)
    ours = msgspec.structs.replace(KNOWN, version="def")
    versions.learn(ours)
    assert versions.newest(LISTED) == ours
    assert versions.newest(ours) is ours
