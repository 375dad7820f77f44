"""Runs of writes that are sent to the disk while a file is still written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import trio

from assetfs.writeback.early import EVERY, KNOWN, Early

pytestmark = pytest.mark.skipif(not KNOWN, reason="the C library has no sync_file_range")

MIB = 1 << 20


def in_memory(path: Path) -> int:
    """Bytes of a file that are in the page cache."""
    asked = ["fincore", "--bytes", "--noheadings", "--output", "RES", path]
    return int(subprocess.run(asked, capture_output=True, check=True).stdout)


async def test_only_a_long_run_is_sent() -> None:
    early = Early()
    for start in range(0, EVERY - MIB, MIB):
        assert not early.wrote(start, start + MIB)
    assert early.wrote(EVERY - MIB, EVERY)


async def test_a_write_elsewhere_begins_a_new_run() -> None:
    early = Early()
    assert not early.wrote(0, EVERY - 1)
    assert not early.wrote(EVERY, EVERY + 10)
    assert not early.wrote(5, EVERY)
    assert early.wrote(EVERY, EVERY + 5)


async def test_one_run_at_a_time_and_the_next_begins_where_it_ended(tmp_path: Path) -> None:
    early = Early()
    assert early.wrote(0, EVERY)
    held = tmp_path / "held"
    os.mkfifo(held)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(early.send, held)
        await trio.testing.wait_all_tasks_blocked()
        assert not early.wrote(EVERY, 3 * EVERY)
        os.close(await trio.to_thread.run_sync(os.open, held, os.O_WRONLY))
    assert early.wrote(3 * EVERY, 3 * EVERY + 1)


async def test_what_was_sent_leaves_memory_and_is_still_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    content = os.urandom(MIB) * (EVERY // MIB)
    path.write_bytes(content)
    if subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, check=True).stdout.strip() == b"tmpfs":
        pytest.skip("files of this folder live in memory only")
    early = Early()
    assert in_memory(path) == EVERY
    assert early.wrote(0, EVERY)
    await early.send(path)
    assert in_memory(path) < EVERY // 4
    assert path.read_bytes() == content
