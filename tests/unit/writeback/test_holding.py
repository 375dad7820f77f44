"""Renames to backup names wait for what comes next."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from assetfs.repository import Conflict, Offline
from assetfs.writeback.states import State
from tests.unit.writeback.office import FOLDER, Office, at_work


@pytest.fixture
def autojump_clock() -> MockClock:
    return MockClock(autojump_threshold=0.02)


async def test_a_rename_that_nothing_follows_goes_to_the_server(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    old = office.seed("a.txt", b"old")
    async with at_work(office, tmp_path) as desk:
        desk.writeback.holding.hold(old, FOLDER, b"a.txt", b"a.txt~")
        assert office.calls == []
        await trio.sleep(10)
        assert not desk.journal.held()
    assert office.has("a.txt~") == b"old"


async def test_a_new_file_takes_the_identity_and_the_backup_is_a_copy(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    office = Office()
    old = office.seed("a.txt", b"old")
    async with at_work(office, tmp_path) as desk:
        desk.writeback.holding.hold(old, FOLDER, b"a.txt", b"a.txt~")
        await desk.save("a.txt", b"new")
        await desk.sent()
        await trio.sleep(10)
        assert office.files == {old.id: ("a.txt", b"new")}
        (copy,) = [s for s in desk.writeback.files.values() if s.entry.state is State.LOCAL]
        assert copy.entry.name == b"a.txt~"
        assert bytes(await copy.read(0, 10)) == b"old", "although the server has it no more"


async def test_a_held_rename_survives_a_restart_and_a_server_that_is_away(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    office = Office()
    old = office.seed("a.txt", b"old")
    async with at_work(office, tmp_path) as desk:
        desk.writeback.holding.hold(old, FOLDER, b"a.txt", b"a.txt~")
    office.script = lambda call: Offline("away")
    async with at_work(office, tmp_path) as desk:
        await trio.sleep(20)
        assert [held.new for held in desk.journal.held()] == [b"a.txt~"]
        office.script = lambda call: None
        await trio.sleep(60)
        assert not desk.journal.held()
    assert office.has("a.txt~") == b"old"


async def test_a_refused_rename_is_undone_and_said(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    old = office.seed("a.txt", b"old")
    office.script = lambda call: Conflict("the name is taken")
    async with at_work(office, tmp_path) as desk:
        desk.writeback.holding.hold(old, FOLDER, b"a.txt", b"a.txt~")
        listed = [(b"a.txt", old)]
        assert [name for name, _ in desk.writeback.overlay.merge("c1", listed, 0.0)] == [b"a.txt~"]
        await trio.sleep(10)
        assert desk.writeback.overlay.merge("c1", listed, 0.0) == listed
        assert not desk.journal.held()
