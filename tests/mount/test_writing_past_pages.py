"""What a descriptor writes that is open for writing only: it goes past the kernel's pages, and nobody sees old ones."""

from __future__ import annotations

import mmap
import os
import random

import pytest

from assetfs.fuse.operations import PAST_PAGES
from tests.writing import Desk, fresh

pytestmark = pytest.mark.mount

KIB = 1 << 10


def operations(desk: Desk) -> dict[str, int]:
    text = (desk.drive.path / ".assetfs" / "metrics").read_text()
    lines = [line.split() for line in text.splitlines() if line.startswith("assetfs_operations_total{")]
    return {name.split('operation="')[1].split('"')[0]: int(float(count)) for name, count in lines}


def test_who_has_the_file_in_pages_or_mapped_sees_what_was_written(desk: Desk) -> None:
    old = fresh(256 * KIB)
    desk.put("scan.bin", old)
    dice = random.Random(7)
    expected = bytearray(old)
    with (desk / "scan.bin").open("rb", buffering=0) as reader:
        assert reader.read() == old
        with mmap.mmap(reader.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            assert mapped[:] == old
            writer = os.open(desk / "scan.bin", os.O_WRONLY)
            for _ in range(60):
                start = dice.randrange(len(old) - 9_000)
                piece = dice.randbytes(dice.choice((1, 7, 511, 4_096, 8_192)))
                os.pwrite(writer, piece, start)
                expected[start : start + len(piece)] = piece
                assert os.pread(reader.fileno(), len(piece), start) == piece
                assert mapped[start : start + len(piece)] == piece
            os.close(writer)
            assert mapped[:] == expected
    assert (desk / "scan.bin").read_bytes() == expected
    desk.flush()
    assert desk.content("scan.bin") == expected


def test_the_end_of_a_file_grows_within_a_page_that_a_reader_has(desk: Desk) -> None:
    desk.put("log.txt", b"first\n" * 1000)
    grown = b"first\n" * 1000
    with (desk / "log.txt").open("rb", buffering=0) as reader:
        assert reader.read() == grown
        for number in range(50):
            line = f"line {number}\n".encode()
            with (desk / "log.txt").open("ab", buffering=0) as writer:
                writer.write(line)
            assert os.pread(reader.fileno(), 1_000, len(grown)) == line
            grown += line
    desk.flush()
    assert desk.content("log.txt") == grown


@pytest.mark.skipif(not PAST_PAGES, reason="the kernel is older than 6.6: writes go through its pages")
def test_a_write_is_one_request_and_no_attribute_is_asked_for(desk: Desk) -> None:
    before = operations(desk)
    with (desk / "small.txt").open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(fresh(100))
    after = operations(desk)
    assert after["write"] - before.get("write", 0) == 100
    assert after.get("getxattr", 0) - before.get("getxattr", 0) <= 1
