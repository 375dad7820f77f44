"""What is owed goes to the server: when, in what order, how often, and what becomes of it when that fails."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from assetfs.repository import Forbidden, Offline, SameContent, Unavailable
from assetfs.writeback.states import State
from tests.unit.writeback.office import Office, at_work


@pytest.fixture
def autojump_clock() -> MockClock:
    """Time passes when nobody does anything: with a little patience for threads."""
    return MockClock(autojump_threshold=0.02)


async def test_files_go_in_the_order_of_closing_after_a_quiet_time(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    async with at_work(office, tmp_path, uploads=1) as desk:
        for name in "cab":
            await desk.save(f"{name}.txt", name.encode())
        await trio.sleep(0.5)
        assert office.calls == []
        await desk.sent()
        assert office.calls == ["upload c.txt", "upload a.txt", "upload b.txt"]
        assert not list(desk.journal.entries())
        assert not desk.writeback.files


async def test_no_more_at_once_than_asked_for(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    office.gate = trio.Event()
    async with at_work(office, tmp_path, uploads=3) as desk:
        for number in range(10):
            await desk.save(f"{number}.txt", b"%d" % number)
        await trio.sleep(5)
        assert office.running == 3
        office.gate.set()
        await desk.sent()
    assert office.most == 3
    assert len(office.files) == 10


async def test_a_passing_error_is_tried_again_later_each_time(tmp_path: Path, autojump_clock: MockClock) -> None:
    office, times = Office(), []

    def script(call: str) -> Exception | None:
        times.append(trio.current_time())
        return Unavailable("busy") if len(times) < 5 else None

    office.script = script
    async with at_work(office, tmp_path) as desk:
        await desk.save("a.txt", b"a")
        await desk.sent()
    pauses = [b - a for a, b in itertools.pairwise(times)]
    assert len(pauses) == 4
    for pause, least in zip(pauses, (1, 2, 4, 8), strict=True):
        assert pause >= least
    assert sum(pauses) < 120
    assert office.has("a.txt") == b"a"


async def test_a_server_that_is_away_is_not_knocked_at_by_everybody(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    office.script = lambda call: Offline("nobody answers")
    async with at_work(office, tmp_path) as desk:
        for number in range(50):
            await desk.save(f"{number}.txt", b"%d" % number)
        await trio.sleep(120)
        assert len(office.calls) < 15
        office.script = lambda call: None
        back = trio.current_time()
        await desk.sent()
        assert trio.current_time() - back < 120
    assert len(office.files) == 50


async def test_what_the_server_refuses_stays_and_says_why(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    office.script = lambda call: Forbidden("not yours")
    async with at_work(office, tmp_path) as desk:
        staged = await desk.save("a.txt", b"a")
        await desk.sent()
        assert (staged.entry.state, staged.entry.error) == (State.FAILED, "not yours")
    office.script = lambda call: None
    async with at_work(office, tmp_path) as desk:
        (again,) = desk.writeback.accounts.owed()
        assert again.entry.state is State.FAILED
        desk.writeback.accounts.retry(again)
        await desk.sent()
    assert office.has("a.txt") == b"a"


async def test_equal_content_elsewhere_is_said_and_nothing_is_lost(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    office.script = lambda call: SameContent("it is r9")
    async with at_work(office, tmp_path) as desk:
        staged, empty = await desk.save("a.txt", b"a"), await desk.save("b.txt", b"")
        await desk.sent()
        assert staged.entry.state is State.FAILED
        assert empty.entry.state is State.LOCAL


async def test_a_write_stops_the_upload_and_the_last_content_arrives(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    office.gate = trio.Event()
    async with at_work(office, tmp_path) as desk:
        staged = await desk.save("a.txt", b"first")
        await trio.sleep(2)
        assert office.calls == ["upload a.txt"]
        await desk.write(staged, b"second")
        await desk.close(staged)
        office.gate.set()
        office.gate = None
        await desk.sent()
        assert office.abandoned == [{"name": "a.txt"}]
    assert office.has("a.txt") == b"second"
    assert len(office.files) == 1


async def test_a_content_of_ours_that_arrived_although_it_was_stopped_is_no_conflict(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    office = Office()
    old = office.seed("a.txt", b"old")
    async with at_work(office, tmp_path) as desk:
        office.gate = trio.Event()
        staged = await desk.overwrite(old, b"first")
        await trio.sleep(2)
        office.files[old.id] = ("a.txt", b"first")  # the server goes on with what it has got
        await desk.write(staged, b"second")
        await desk.close(staged)
        office.gate = None
        await desk.sent()
    assert office.files == {old.id: ("a.txt", b"second")}


async def test_somebody_elses_content_is_never_replaced(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    old = office.seed("a.txt", b"old")
    async with at_work(office, tmp_path) as desk:
        office.files[old.id] = ("a.txt", b"theirs")
        await desk.overwrite(old, b"ours")
        await desk.sent()
    assert office.has("a.txt") == b"theirs"
    kept = [data for name, data in office.files.values() if name.startswith("a (conflict ")]
    assert kept == [b"ours"]


async def test_an_upload_whose_answer_was_lost_is_not_made_twice(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    office.gate = trio.Event()
    async with at_work(office, tmp_path) as desk:
        await desk.save("a.txt", b"a")
        await trio.sleep(2)
        office.seed("a.txt", b"a")  # done, and the daemon dies before it hears of it
    office.gate = None
    async with at_work(office, tmp_path) as desk:
        await desk.sent()
        assert not list(desk.journal.entries())
    assert len(office.files) == 1


async def test_attributes_travel_with_the_file_also_those_that_are_set_on_the_way(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    office = Office()
    async with at_work(office, tmp_path) as desk:
        staged = await desk.save("a.txt", b"a")
        staged.entry.attributes["user.office.one"] = b"1"

        def script(call: str) -> None:
            if call.startswith("set"):
                staged.entry.attributes["user.office.two"] = b"2"

        office.script = script
        await desk.sent()
    assert list(office.attributes.values()) == [{"user.office.one": b"1", "user.office.two": b"2"}]


async def test_saving_over_a_file_with_new_content_leaves_one_row_for_one_asset(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    office = Office()
    old = office.seed("a.txt", b"old")
    async with at_work(office, tmp_path, local_only=("*.tmp",)) as desk:
        await desk.overwrite(old, b"one")
        temporary = await desk.save("a.tmp", b"two")
        desk.writeback.naming.rename(temporary, desk.writeback.files[1].entry.parent_node, b"a.txt", old)  # type: ignore[arg-type]
        assert [entry.target.id for entry in desk.journal.entries() if entry.target] == [old.id]
        await desk.sent()
    assert office.files == {old.id: ("a.txt", b"two")}


async def test_what_was_acknowledged_stays_until_the_next_acknowledgement(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    office = Office()
    office.script = lambda call: Offline("away")
    async with at_work(office, tmp_path) as desk:
        staged = await desk.save("a.txt", b"acknowledged")
        desk.writeback.touch(staged)
        await desk.writeback.truncate(staged, 0)
        await desk.write(staged, b"half")
        assert bytes(await staged.read(0, 100)) == b"half"
    async with at_work(office, tmp_path) as desk:
        (found,) = desk.writeback.accounts.owed()
        assert bytes(await found.read(0, 100)) == b"acknowledged"
        desk.writeback.touch(found)
        await desk.writeback.truncate(found, 0)
        await desk.write(found, b"whole")
        await desk.close(found)
        await trio.sleep(1)
    assert len(list((tmp_path / "staging").iterdir())) == 1
    office.script = lambda call: None
    async with at_work(office, tmp_path) as desk:
        await desk.sent()
    assert office.has("a.txt") == b"whole"
    assert not list((tmp_path / "staging").iterdir())


async def test_what_was_open_under_a_local_name_at_the_crash_stays_local(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    office = Office()
    async with at_work(office, tmp_path, local_only=("*.swp",)) as desk:
        staged = desk.writeback.making.create(await office.root(), b"a.swp")
        await desk.write(staged, b"swap")
        await desk.writeback.flush(staged)
    async with at_work(office, tmp_path, local_only=("*.swp",)) as desk:
        assert [s.entry.state for s in desk.writeback.files.values()] == [State.LOCAL]
        await trio.sleep(10)
    assert not office.files


async def test_what_the_disk_has_lost_is_not_sent_as_zeros(tmp_path: Path, autojump_clock: MockClock) -> None:
    office = Office()
    office.script = lambda call: Offline("away")
    async with at_work(office, tmp_path) as desk:
        staged = await desk.save("a.txt", b"all of it")
        path = staged.path
    with path.open("r+b") as file:
        file.truncate(3)
    office.script = lambda call: None
    async with at_work(office, tmp_path) as desk:
        await trio.sleep(10)
        (found,) = desk.writeback.accounts.owed()
        assert found.entry.state is State.FAILED
        assert "3 bytes of 9" in found.entry.error
        assert path.read_bytes() == b"all"
    assert not office.files
