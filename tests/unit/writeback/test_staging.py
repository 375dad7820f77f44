"""Staging files: written bytes, those of the base, and zeros, as a plain file would have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from assetfs.repository import Node, VersionChanged
from tests.unit.writeback.office import FOLDER, Desk, Office, at_work

BASE = bytes(range(1, 201))
positions = st.integers(0, 260)
writes = st.tuples(st.just("write"), positions, st.binary(min_size=1, max_size=40))
cuts = st.tuples(st.just("truncate"), positions)
reads = st.tuples(st.just("read"), positions, st.integers(0, 120))
wholes = st.tuples(st.sampled_from(["complete", "acknowledge"]))


class Plain(bytearray):
    """The same file as bytes."""

    def write(self, at: int, data: bytes) -> None:
        self.extend(bytes(max(0, at - len(self))))
        self[at : at + len(data)] = data

    def truncate(self, size: int) -> None:
        self.extend(bytes(max(0, size - len(self))))
        del self[size:]


async def edited(desk: Desk, target: Node, steps: Sequence[tuple[Any, ...]]) -> None:
    staged = desk.writeback.making.stage(target, FOLDER, b"a.bin", len(BASE))
    plain = Plain(BASE)
    for step, *arguments in steps:
        if step == "write":
            await desk.write(staged, arguments[1], arguments[0])
            plain.write(*arguments)
        elif step == "truncate":
            desk.writeback.touch(staged)
            await desk.writeback.truncate(staged, arguments[0])
            plain.truncate(*arguments)
        elif step == "read":
            start, count = arguments
            assert bytes(await staged.read(start, count)) == bytes(plain[start : start + count])
        elif step == "complete":
            await staged.complete()
        else:
            desk.writeback.touch(staged)
            await desk.writeback.flush(staged)
        assert staged.size == len(plain)
    assert bytes(await staged.read(0, 1000)) == bytes(plain)
    await staged.complete()
    assert staged.path.read_bytes()[: staged.size] == bytes(plain)
    assert await staged.digest("sha256") == _sha256(bytes(plain))
    desk.writeback.forget(staged)


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.lists(st.one_of(writes, cuts, reads, wholes), max_size=14))
def test_a_staged_file_is_a_file(steps: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        office = Office()
        target = office.seed("a.bin", BASE)
        with TemporaryDirectory() as place:
            async with at_work(office, Path(place)) as desk:
                await edited(desk, target, steps)

    trio.run(run)


@pytest.fixture
def autojump_clock() -> MockClock:
    return MockClock(autojump_threshold=0.02)


async def test_opening_and_writing_a_little_copies_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    target = office.seed("a.bin", BASE)
    async with at_work(office, tmp_path) as desk:
        staged = desk.writeback.making.stage(target, FOLDER, b"a.bin", len(BASE))
        await desk.write(staged, b"xyz", 100)
        assert list(staged.written) == [(100, 103)]
        await desk.close(staged)
        await desk.sent()
    assert office.has("a.bin") == BASE[:100] + b"xyz" + BASE[103:]


async def test_after_a_restart_the_rest_still_comes_from_the_server(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    target = office.seed("a.bin", BASE)
    office.gate = trio.Event()
    async with at_work(office, tmp_path) as desk:
        staged = desk.writeback.making.stage(target, FOLDER, b"a.bin", len(BASE))
        await desk.write(staged, b"xyz", 100)
        await desk.close(staged)
    office.gate = None
    async with at_work(office, tmp_path) as desk:
        await desk.sent()
    assert office.has("a.bin") == BASE[:100] + b"xyz" + BASE[103:]


async def test_bytes_of_two_versions_are_never_mixed(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    target = office.seed("a.bin", BASE)
    office.gate = trio.Event()
    async with at_work(office, tmp_path) as desk:
        staged = desk.writeback.making.stage(target, FOLDER, b"a.bin", len(BASE))
        await desk.write(staged, b"xyz", 100)
        await desk.close(staged)
    office.gate = None
    office.files[target.id] = ("a.bin", BASE[::-1])
    async with at_work(office, tmp_path) as desk:
        (found,) = desk.writeback.accounts.owed()
        with pytest.raises(VersionChanged):
            await found.read(0, 50)
        await desk.sent()
        assert bytes(await found.read(100, 3)) == b"xyz"
    assert office.has("a.bin") == BASE[::-1]
