"""Reading a large file: one answer serves window after window, however they are asked for."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import trio

from assetfs.repository import Node, Repository
from tests.contract.backends.midas import MidasWorld
from tests.contract.doubles import Collected, fetched

Fresh = Callable[..., bytes]
WINDOW = 2 << 20
SIZE = 10 * WINDOW + 12345


@pytest.fixture
async def large(world: MidasWorld, repository: Repository, area: Node) -> tuple[Node, bytes]:
    content = random.Random(7).randbytes(SIZE)
    node = await repository.stat(world.put(area.id, "large.bin", content))
    world.running.forget()
    return node, content


def downloads(world: MidasWorld) -> int:
    return sum(row["kind"] == "download" for row in world.requests())


async def test_one_window_after_the_other_costs_one_request(
    world: MidasWorld, repository: Repository, large: tuple[Node, bytes]
) -> None:
    node, content = large
    for start in range(0, SIZE, WINDOW):
        got = await fetched(repository, node, start, start + WINDOW)
        assert got.content == content[start : start + WINDOW]
        assert got.size == SIZE
    assert downloads(world) == 1


async def test_windows_that_begin_together_cost_one_request(
    world: MidasWorld, repository: Repository, large: tuple[Node, bytes]
) -> None:
    node, content = large
    sinks = {start: Collected(start, WINDOW) for start in range(0, SIZE, WINDOW)}
    async with trio.open_nursery() as nursery:
        for start, sink in sinks.items():
            nursery.start_soon(repository.fetch, node, start, min(start + WINDOW, SIZE), sink)
    assert b"".join(sink.content for sink in sinks.values()) == content
    assert downloads(world) == 1


async def test_who_looks_around_waits_for_nobody(
    world: MidasWorld, repository: Repository, large: tuple[Node, bytes]
) -> None:
    node, content = large
    for start in (5 * WINDOW, 100, 3 * WINDOW, 100 + 65536):
        assert (await fetched(repository, node, start, start + 65536)).content == content[start : start + 65536]
    assert downloads(world) == 4


async def test_a_stream_that_breaks_is_asked_for_again(
    world: MidasWorld, repository: Repository, large: tuple[Node, bytes]
) -> None:
    node, content = large
    world.arm("cut", match={"kind": "download"}, after=3 * WINDOW + 1000)
    for start in range(0, SIZE, WINDOW):
        assert (await fetched(repository, node, start, start + WINDOW)).content == content[start : start + WINDOW]
    assert downloads(world) == 2


async def test_one_that_is_cancelled_lets_the_next_one_ask(
    world: MidasWorld, repository: Repository, large: tuple[Node, bytes]
) -> None:
    node, content = large
    world.arm("hang", match={"kind": "download"})
    got: list[bytes] = []

    async def second() -> None:
        got.append((await fetched(repository, node, WINDOW, 2 * WINDOW)).content)

    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0.5):
            async with trio.open_nursery() as first:
                first.start_soon(repository.fetch, node, 0, WINDOW, Collected(0, WINDOW))
                nursery.start_soon(second)
    assert got == [content[WINDOW : 2 * WINDOW]]
    assert downloads(world) == 2


async def test_what_is_left_is_closed_with_the_repository(world: MidasWorld, large: tuple[Node, bytes]) -> None:
    node, content = large
    repository = world.open()
    await repository.connect()
    assert (await fetched(repository, node, 0, WINDOW)).content == content[:WINDOW]
    await repository.close()
    with trio.fail_after(30):
        while not all(row["seconds"] is not None for row in world.requests() if row["kind"] == "download"):
            await trio.sleep(0.05)
