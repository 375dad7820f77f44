"""Cutting a file into chunks, and recognising the chunks that are there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.backends.jama.uploads import MIB, Limits, chunk_count, chunk_size, encoded, encoded_plain, parts_present
from assetfs.repository import TooLarge

CURRENT = Limits(128 * MIB, 10_000)
SIZES = {0: 8, 1: 8, 8 * MIB * 10_000: 8, 8 * MIB * 10_000 + 1: 9, 128 * MIB * 10_000: 128}


@pytest.mark.parametrize("size", SIZES)
def test_chunk_sizes_of_a_current_server(size: int) -> None:
    assert chunk_size(size, CURRENT) == SIZES[size] * MIB


def test_chunk_sizes_of_servers_that_tell_no_limit() -> None:
    assert chunk_size(5, Limits()) == MIB
    assert chunk_size(5, CURRENT, cautious=True) == MIB
    assert chunk_size(5, Limits(100, 10)) == 100


def test_files_that_are_too_large() -> None:
    with pytest.raises(TooLarge):
        chunk_size(128 * MIB * 10_000 + 1, CURRENT)


@given(st.integers(0, 128 * MIB * 10_000))
def test_every_file_fits(size: int) -> None:
    chunk = chunk_size(size, CURRENT)
    count = chunk_count(size, chunk)
    assert 1 <= count <= CURRENT.max_chunks
    assert (count - 1) * chunk <= size <= count * chunk


@given(st.integers(1, 10_000), st.integers(0, 1), st.data())
def test_parts_of_this_upload_are_recognised(total: int, first: int, data: st.DataObject) -> None:
    numbers = data.draw(st.sets(st.integers(0, total - 1), max_size=20))
    width = len(str(total))
    names = [f"{total}-{number + first:0{width}d}.part" for number in numbers]
    others = [f"{total + 1}-{first}.part", f"{total}-{total + first}.part", ".lock", "x-1.part", f"{total}-1.part.tmp"]
    assert parts_present([*names, *others], total, first) == numbers


def test_names_in_headers() -> None:
    assert encoded("three.txt") == "dGhyZWUudHh0"
    assert encoded("dirA/dirB") == "ZGlyQSUyRmRpckI="
    assert encoded_plain("three.txt") == "dGhyZWUudHh0"
    assert encoded("a+b c") != encoded_plain("a+b c")
