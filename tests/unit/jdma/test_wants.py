"""Wishes and windows: few requests, nothing lost, and no more than is allowed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assetfs.backends.jdma.wants import Allowance, Wants

WINDOW = 3.0


def test_wishes_in_one_window_are_one_request() -> None:
    wants = Wants(WINDOW)
    wants.add(1, [10], 0.0, explicit=False)
    wants.add(1, [11], 2.0, explicit=False)
    assert wants.due(4.9, []) is None
    assert wants.due(5.0, []) == 1
    assert wants.take(1, 100) == [10, 11]
    assert wants.due(1e9, []) is None


def test_a_window_ends_however_many_follow() -> None:
    wants = Wants(WINDOW)
    for second in range(40):
        wants.add(1, [second], float(second), explicit=False)
    assert wants.next_time([]) == 30.0


def test_the_same_wish_again_prolongs_nothing() -> None:
    wants = Wants(WINDOW)
    wants.add(1, [10], 0.0, explicit=False)
    wants.add(1, [10], 2.9, explicit=False)
    assert wants.due(3.0, []) == 1


def test_an_explicit_wish_goes_soon() -> None:
    wants = Wants(WINDOW)
    wants.add(1, [10], 0.0, explicit=False)
    wants.add(1, [11, 12], 0.5, explicit=True)
    assert wants.due(1.5, []) == 1


def test_a_batch_that_is_busy_gathers_on() -> None:
    wants = Wants(WINDOW)
    wants.add(1, [10], 0.0, explicit=False)
    wants.add(2, [20], 1.0, explicit=False)
    assert wants.due(10.0, [1]) == 2
    assert wants.next_time([1, 2]) == float("inf")


def test_wishes_are_taken_back_and_put_back() -> None:
    wants = Wants(WINDOW)
    wants.add(1, [10, 11], 0.0, explicit=True)
    assert wants.drop(1, [10, 99]) == 1
    assert wants.take(1, 5) == [11]
    wants.add(1, [12], 1.0, explicit=False)
    wants.put_back(1, [11], 60.0)
    assert wants.due(59.0, []) is None
    assert wants.take(1, 5) == [11, 12]


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 20), st.booleans(), st.floats(0, 5)), max_size=60))
def test_every_wish_is_taken_once(wishes: list[tuple[int, int, bool, float]]) -> None:
    wants, now, taken = Wants(WINDOW), 0.0, list[tuple[int, int]]()
    for batch, pk, explicit, pause in wishes:
        now += pause
        if (batch, pk) not in taken:
            wants.add(batch, [pk], now, explicit=explicit)
        if (due := wants.due(now, [])) is not None:
            taken += [(due, one) for one in wants.take(due, 5)]
    while (due := wants.due(float("inf"), [])) is not None:
        taken += [(due, one) for one in wants.take(due, 5)]
    assert sorted(taken) == sorted({(batch, pk) for batch, pk, _, _ in wishes})
    assert len(wants) == 0


def test_what_opens_may_bring_in_an_hour() -> None:
    allowance = Allowance(3, 100)
    assert allowance.spend([10, 10], 0.0) == 2
    assert allowance.spend([10, 10], 1.0) == 1
    assert allowance.spend([10], 3599.0) == 0
    assert allowance.spend([10], 3601.0) == 1
    assert Allowance(100, 25).spend([10, 10, 10], 0.0) == 2
