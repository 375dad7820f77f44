"""Tasks that outlive their own faults."""

from __future__ import annotations

import itertools

import pytest
import trio
import trio.testing

from assetfs.observe.enduring import FIRST_WAIT, LONGEST_WAIT, enduring, once

pytestmark = pytest.mark.faults


@pytest.fixture
def clock() -> trio.testing.MockClock:
    return trio.testing.MockClock(autojump_threshold=0)


async def test_a_fault_is_logged_and_ends_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(number: int) -> None:
        raise IndexError(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(once, broken, 7)
        await trio.testing.wait_all_tasks_blocked()
        assert not nursery.cancel_scope.cancel_called
    assert "broken" in caplog.text
    assert "IndexError: 7" in caplog.text


async def test_what_a_mount_cannot_be_without_begins_again_later_each_time(
    caplog: pytest.LogCaptureFixture, clock: trio.testing.MockClock
) -> None:
    begun: list[float] = []

    async def loop() -> None:
        begun.append(trio.current_time())
        if len(begun) == 10:
            return
        async with trio.open_nursery() as nursery:  # whose faults come in groups
            nursery.start_soon(trio.sleep, 1000)
            raise RuntimeError("once more")

    await enduring(loop)
    waits = [round(later - earlier) for earlier, later in itertools.pairwise(begun)]
    assert waits == [FIRST_WAIT, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]
    assert caplog.text.count("begins again") == 9


async def test_a_task_that_has_lasted_begins_again_soon(clock: trio.testing.MockClock) -> None:
    begun: list[float] = []

    async def loop() -> None:
        begun.append(trio.current_time())
        if len(begun) == 4:
            return
        await trio.sleep(10 * LONGEST_WAIT)
        raise RuntimeError

    await enduring(loop)
    assert begun[-1] - begun[-2] == pytest.approx(10 * LONGEST_WAIT + FIRST_WAIT)


async def test_it_ends_with_its_mount() -> None:
    with trio.move_on_after(0.01) as scope:
        await enduring(trio.sleep_forever)
    assert scope.cancelled_caught
