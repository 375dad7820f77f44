"""When a way counts as fast, and what the cache file does past the page cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assetfs.content import keeping
from assetfs.content.blocks import BLOCK
from assetfs.content.direct import LEAST, Direct
from assetfs.content.disk import CacheFile
from assetfs.content.pace import FAST, WINDOW, Pace
from assetfs.content.reader import Reader
from assetfs.content.verify import Verdict
from assetfs.repository import ProtocolViolation
from tests.unit.content.test_reading import MIB, Library, content_of, opened, read_all


def test_unknown_and_slow_ways_get_the_whole_window() -> None:
    pace = Pace()
    assert pace.window(128 * MIB) == 128 * MIB
    pace.took(64 << 10, 0.00001)
    assert not pace.fast, "a small answer tells nothing"
    pace.took(8 * MIB, 8 * 0.08)
    assert pace.window(128 * MIB) == 128 * MIB


def test_a_way_is_fast_while_its_requests_are() -> None:
    pace = Pace()
    for _ in range(3):
        pace.took(8 * MIB, 8 * FAST / 4)
    assert pace.fast
    assert pace.window(128 * MIB) == WINDOW
    assert pace.window(8 * MIB) == 8 * MIB
    for _ in range(10):
        pace.took(8 * MIB, 8 * FAST * 4)
    assert not pace.fast


@pytest.mark.parametrize("size", [LEAST, 3 * MIB + 17, 100])
def test_a_cache_file_holds_what_was_written_whatever_its_length(tmp_path: Path, size: int) -> None:
    data = content_of(size)
    cached = CacheFile(tmp_path / "f", "key", size)
    cached.write(0, memoryview(data))
    assert not cached.missing
    into = memoryview(bytearray(size))
    assert cached.read(0, into)
    assert bytes(into) == data
    cached.close()
    assert (tmp_path / "f.data").read_bytes() == data


def test_what_direct_access_cannot_do_is_left_to_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(4 * LEAST))
    direct = Direct(path, 4 * LEAST)
    assert direct.write(BLOCK, memoryview(bytearray(LEAST // 2))) == 0, "too small"
    assert direct.write(17, memoryview(bytearray(LEAST))) == 0, "not on a border"
    assert direct.write(0, memoryview(bytearray(LEAST + 1))[1:]) in (0, LEAST), "memory that is not aligned"
    direct.close()
    assert Direct(path, 100)._file == -1, "no second descriptor for small files"


def test_a_broken_disk_is_an_error_and_not_a_short_count(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(LEAST))
    direct = Direct(path, LEAST)
    if direct._file < 0:
        pytest.skip("this file system has no direct access")
    os.close(direct._file)
    with pytest.raises(OSError, match="descriptor"):
        direct.write(0, memoryview(bytearray(LEAST)))
    direct._file = -1


async def test_a_large_file_on_a_fast_way_is_hashed_from_the_disk_and_still_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "HELD", 8 * MIB)
    library = Library(content_of(20 * MIB))
    wrong = Library(content_of(20 * MIB, 2)).node(version="2")
    async with opened(library, tmp_path) as store:
        store.pace.took(8 * MIB, 0.001)
        good = await Reader.open(store, library.node())
        assert await read_all(good) == library.data
        while good.content.keeper.verdict is Verdict.OPEN:
            await good.content.keeper.settled.wait()
        assert good.content.keeper.verdict is Verdict.GOOD
        good.close()
        library.data, library.version = library.data[::-1], "2"
        bad = await Reader.open(store, wrong)
        await read_all(bad)
        while bad.content.keeper.verdict is Verdict.OPEN:
            await bad.content.keeper.settled.wait()
        with pytest.raises(ProtocolViolation):
            await bad.read(0, MIB)
        bad.close()
