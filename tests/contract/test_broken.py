"""Transfers that are cut: at every step of the ledger, at every request, by an error, a lost answer or a cancellation.

Repeated with the same ledger, what was begun is finished: one entry, the right bytes, nothing of ours left elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from assetfs.repository import Node, Repository, RepositoryError
from tests.contract.doubles import Book, Broken, Held
from tests.contract.test_reading import listed
from tests.contract.test_writing import seen
from tests.contract.world import World

Fresh = Callable[..., bytes]
Transfer = Callable[[Book], Awaitable[Node]]

MOST_STEPS = 40
TRIES = 4


class Case:
    """A transfer into a folder, and what shall stand there afterwards."""

    def __init__(self, folder: Node, transfer: Transfer, expected: bytes, name: str) -> None:
        self.folder = folder
        self.transfer = transfer
        self.expected = expected
        self.name = name


async def new_file(world: World, repository: Repository, area: Node, fresh: Fresh, label: str) -> Case:
    folder = await repository.stat(world.beside(area.id, label))
    content = fresh(2_500_000)
    return Case(
        folder,
        lambda book: repository.upload(folder, world.samples.name, Held(content), book),
        content,
        world.samples.name,
    )


async def new_content(world: World, repository: Repository, area: Node, fresh: Fresh, label: str) -> Case:
    folder = await repository.stat(world.beside(area.id, label))
    old = await repository.stat(world.put(folder.id, world.samples.name, fresh()))
    world.describe(old.id, ["Ann"])
    content = fresh(2_500_000)
    return Case(
        folder,
        lambda book: repository.replace(old, folder, Held(content), book),
        content,
        world.samples.name,
    )


CASES = pytest.mark.parametrize(
    "make",
    [
        pytest.param(new_file, marks=pytest.mark.needs("upload")),
        pytest.param(new_content, marks=pytest.mark.needs("replace")),
    ],
)


async def check(world: World, repository: Repository, case: Case, node: Node) -> None:
    assert seen(world, case.folder) == {case.name: case.expected}
    (listed_node,) = (await listed(repository, case.folder)).values()
    assert listed_node.id == node.id
    assert node.size == len(case.expected)


@CASES
@pytest.mark.parametrize("before", [True, False])
async def test_dying_at_every_record_of_the_ledger(
    world: World, repository: Repository, area: Node, fresh: Fresh, make: Callable[..., Awaitable[Case]], before: bool
) -> None:
    for step in range(1, MOST_STEPS):
        case = await make(world, repository, area, fresh, f"step {step}")
        book = Book(breaks_at=step, before=before)
        try:
            await case.transfer(book)
        except Broken:
            node = await case.transfer(Book(book.state))
            await check(world, repository, case, node)
        else:
            assert step > 1, "the ledger was not used"
            return
    raise AssertionError("too many steps")


@CASES
@pytest.mark.parametrize("fault", ["lost_answer", "drop", "cut"])
async def test_losing_every_answer(
    world: World, repository: Repository, area: Node, fresh: Fresh, make: Callable[..., Awaitable[Case]], fault: str
) -> None:
    if not world.faults:
        pytest.skip("this server cannot be made to fail")
    for step in range(1, MOST_STEPS):
        case = await make(world, repository, area, fresh, f"step {step}")
        world.reset()
        world.arm(fault, nth=step)
        node = await persistently(case.transfer, Book())
        struck = any(request["fault"] for request in world.requests())
        world.reset()
        await check(world, repository, case, node)
        if not struck:
            return
    raise AssertionError("too many steps")


async def persistently(transfer: Transfer, book: Book) -> Node:
    """Again with the same ledger while the error is one that passes."""
    for _ in range(TRIES):
        try:
            return await transfer(book)
        except RepositoryError as error:
            if not error.transient:
                raise
    raise AssertionError("it does not pass")


@CASES
async def test_being_cancelled_at_every_request(
    world: World, repository: Repository, area: Node, fresh: Fresh, make: Callable[..., Awaitable[Case]]
) -> None:
    if not world.faults:
        pytest.skip("this server cannot be made to fail")
    for step in range(1, MOST_STEPS):
        case = await make(world, repository, area, fresh, f"step {step}")
        world.reset()
        world.arm("hang", nth=step)
        book = Book()
        with trio.move_on_after(0.5) as scope:
            node = await case.transfer(book)
        if scope.cancelled_caught:
            world.reset()
            node = await case.transfer(Book(book.state))
        world.reset()
        await check(world, repository, case, node)
        if not scope.cancelled_caught:
            return
    raise AssertionError("too many steps")


@CASES
async def test_giving_up_leaves_nothing(
    world: World, repository: Repository, area: Node, fresh: Fresh, make: Callable[..., Awaitable[Case]]
) -> None:
    for step in range(1, MOST_STEPS):
        case = await make(world, repository, area, fresh, f"step {step}")
        before = seen(world, case.folder)
        book = Book(breaks_at=step)
        try:
            await case.transfer(book)
        except Broken:
            await repository.abandon(book.state)
            await repository.abandon(book.state)
        else:
            return
        assert seen(world, case.folder) == before
    raise AssertionError("too many steps")


async def test_abandoning_what_never_began(repository: Repository) -> None:
    await repository.abandon({})
