"""Prefetch windows: how many requests a way of reading costs, and how much it fetches for nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assetfs.content.window import INITIAL, REQUEST, SKIP, Cursors

LIMIT = 64 << 20
GIB = 1 << 30
PAGE = 128 << 10


def ahead_of(reads: list[tuple[int, int]], size: int = GIB) -> list[int]:
    cursors = Cursors()
    return [cursors.observe(start, stop, size, LIMIT) for start, stop in reads]


def sequential(start: int, stop: int, step: int = PAGE) -> list[tuple[int, int]]:
    return [(at, min(at + step, stop)) for at in range(start, stop, step)]


def test_the_first_read_asks_for_one_request() -> None:
    assert ahead_of([(0, PAGE)]) == [INITIAL]


def test_a_small_file_is_one_request() -> None:
    assert ahead_of([(0, PAGE)], size=2 * INITIAL) == [2 * INITIAL]
    assert ahead_of([(0, 10)], size=10) == [10]


def test_a_sequential_read_grows_its_window_up_to_the_limit_and_in_whole_requests() -> None:
    targets = ahead_of(sequential(0, 512 << 20))
    assert targets == sorted(targets)
    assert {t % REQUEST for t in targets} == {0, INITIAL}
    assert max(t - at for t, (_, at) in zip(targets, sequential(0, 512 << 20), strict=True)) <= LIMIT + REQUEST
    assert targets[-1] - (512 << 20) > LIMIT // 2


def test_a_random_read_asks_for_nothing_ahead() -> None:
    reads = [(at, at + 4096) for at in (700 << 20, 20 << 20, 400 << 20, 3 << 20)]
    assert ahead_of(reads) == [stop for _, stop in reads]


def test_two_reads_in_a_row_start_a_window_anywhere() -> None:
    first, second = ahead_of([(300 << 20, (300 << 20) + PAGE), ((300 << 20) + PAGE, (300 << 20) + 2 * PAGE)])
    assert first == (300 << 20) + PAGE
    assert second >= (300 << 20) + INITIAL


def test_one_small_read_that_comes_page_by_page_is_random_all_the_same() -> None:
    at = (300 << 20) - 4096
    reads = [(at, at + 4096), (at + 4096, at + 8192), (at + 8192, at + 12288)]
    assert ahead_of(reads) == [stop for _, stop in reads]


def test_a_forward_skip_inside_the_window_keeps_it() -> None:
    cursors = Cursors()
    for start, stop in sequential(0, 64 << 20):
        before = cursors.observe(start, stop, GIB, LIMIT)
    assert cursors.observe((64 << 20) + SKIP, (64 << 20) + SKIP + PAGE, GIB, LIMIT) >= before


def test_reads_that_arrive_out_of_order_are_sequential_all_the_same() -> None:
    reads = sequential(0, 32 << 20, 1 << 20)
    swapped = [r for pair in zip(reads[1::2], reads[::2], strict=True) for r in pair]
    assert ahead_of([reads[0], *swapped])[-1] >= (32 << 20) + REQUEST


def test_interleaved_readers_of_one_handle_each_keep_their_window() -> None:
    one, two = sequential(0, 32 << 20), sequential(512 << 20, 544 << 20)
    targets = ahead_of([read for pair in zip(one, two, strict=True) for read in pair])
    assert targets[-2] > 40 << 20
    assert targets[-1] > 552 << 20


@given(st.lists(st.tuples(st.integers(0, GIB - 1), st.integers(1, 1 << 20)), max_size=60), st.integers(1, GIB))
def test_a_target_is_never_behind_the_read_nor_behind_the_end(reads: list[tuple[int, int]], size: int) -> None:
    cursors = Cursors()
    for start, count in reads:
        stop = min(start + count, size)
        if start < stop:
            assert stop <= cursors.observe(start, stop, size, LIMIT) <= size
