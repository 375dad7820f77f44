"""Ranges are a set of byte positions, whatever is done to them."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from assetfs.writeback.ranges import Ranges

LIMIT = 60
edges = st.tuples(st.integers(0, LIMIT), st.integers(0, LIMIT))
changes = st.lists(st.one_of(st.tuples(st.just("add"), edges), st.tuples(st.just("cut"), st.integers(0, LIMIT))))


@given(changes, edges)
def test_ranges_are_a_set_of_positions(changes: list[tuple[str, object]], window: tuple[int, int]) -> None:
    ranges, model = Ranges(), set[int]()
    for what, argument in changes:
        if what == "add":
            start, stop = argument  # type: ignore[misc]
            ranges.add(start, stop)
            model |= set(range(start, stop))
        else:
            ranges.cut(argument)  # type: ignore[arg-type]
            model = {position for position in model if position < argument}  # type: ignore[operator]
    intervals = list(ranges)
    assert {p for start, stop in intervals for p in range(start, stop)} == model
    assert all(start < stop for start, stop in intervals)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(intervals)), "they neither touch nor overlap"
    gaps = list(ranges.missing(*window))
    assert {p for start, stop in gaps for p in range(start, stop)} == set(range(*window)) - model
    assert list(Ranges.unpack(ranges.pack())) == intervals
