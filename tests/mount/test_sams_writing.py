"""A SAMS server goes away for a while, others change what we are changing: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.mounts import eventually
from tests.sams import NEVER, SOON, Newsroom, newsroom
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("sams", seed="empty") as running:
        yield running


@pytest.fixture(scope="module")
def _drive(server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    with newsroom(server, tmp_path_factory.mktemp("desk"), *NEVER, "--poll", "0") as made:
        yield made


@pytest.fixture
def desk(_drive: Newsroom) -> Iterator[Newsroom]:
    """A set of the test's own, on a drive whose uploads wait until they are asked for."""
    _drive.server.reset()
    name = f"desk {os.urandom(4).hex()}"
    (_drive.drive.path / name).mkdir()
    [set_id] = [entry.id for entry in _drive.wire.entries("root") if entry.name == name]
    yield Newsroom(_drive.drive, _drive.server, set_id, name)
    _drive.server.reset()


def fresh(size: int = 100) -> bytes:
    return os.urandom(size)


def put(desk: Newsroom, name: str, content: bytes) -> str:
    number = desk.wire.put(desk.set_id, name, content)
    desk.refresh()
    assert name in desk.names()
    return number


def conflict_of(desk: Newsroom) -> str:
    [name] = [name for name in desk.there() if " (conflict 20" in name]
    return name


# ---- outage ---------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(240)
def test_a_hundred_files_are_worked_on_without_the_server_and_arrive_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with start_sandbox("sams", data=data) as first, newsroom(first, tmp_path / "home", *SOON) as desk:
        original = fresh(300_000)
        number = put(desk, "asset.bin", original)
        assert (desk / "asset.bin").read_bytes() == original
        port = urlsplit(first.url).port
        assert port
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()

        contents = {f"{n:03}.txt": fresh(200) for n in range(100)}
        for name, content in contents.items():
            (desk / name).write_bytes(content)
        for n in range(0, 100, 10):
            (desk / f"{n:03}.txt").rename(desk / f"renamed {n:03}.txt")
            contents[f"renamed {n:03}.txt"] = contents.pop(f"{n:03}.txt")
        with (desk / "asset.bin").open("r+b") as file:
            file.seek(100_000)
            file.write(b"edited")
        contents["asset.bin"] = original[:100_000] + b"edited" + original[100_006:]
        assert desk.names() == sorted(contents)
        assert {name: (desk / name).read_bytes() for name in contents} == contents
        assert desk.drive.status()["uploads"]["pending"] == 101

        with start_sandbox("sams", data=data, port=port) as back:
            again = Newsroom(desk.drive, back, desk.set_id, desk.folder.name)
            again.flush(120)
            assert again.there() == contents
            assert again.record("asset.bin")["_id"] == number[1:]
            assert desk.drive.status()["uploads"]["failed"] == 0


@pytest.mark.parametrize("fault", ["status", "cut", "drop", "lost_answer"])
@pytest.mark.parametrize("kind", ["new", "asset"])
def test_a_broken_transfer_is_repeated_and_there_is_one_asset(desk: Newsroom, fault: str, kind: str) -> None:
    content = fresh(100_000)
    number = put(desk, "a.txt", fresh(1_000)) if kind == "asset" else None
    options = {"status": 502} if fault == "status" else {}
    for match in ({"kind": "asset", "method": "POST"}, {"kind": "asset", "method": "PATCH"}, {"kind": "search"}):
        desk.server.arm(fault, match, count=2, **options)
    (desk / "a.txt").write_bytes(content)
    desk.flush()
    desk.server.disarm()
    assert desk.there() == {"a.txt": content}
    if number is not None:
        assert desk.record("a.txt")["_id"] == number[1:]
    assert desk.owed() == []


def test_new_content_that_got_lost_behind_an_answer_is_sent_again(desk: Newsroom) -> None:
    put(desk, "a.txt", fresh())
    desk.server.switch(lost_patches=True)
    content = fresh(200)
    (desk / "a.txt").write_bytes(content)
    desk.hurry()
    assert eventually(lambda: desk.asked()["PATCH asset"] > 0)
    assert desk.owed()
    desk.server.switch(lost_patches=False)
    desk.flush()
    assert desk.there() == {"a.txt": content}


# ---- conflicts ------------------------------------------------------------------------------------------------------


def test_an_asset_that_somebody_else_changes_meanwhile_is_not_overwritten(desk: Newsroom) -> None:
    ours, theirs = fresh(), fresh()
    number = put(desk, "a.txt", fresh())
    with (desk / "a.txt").open("wb") as file:
        file.write(ours)
        desk.wire.overwrite(number, theirs)
    assert (desk / "a.txt").read_bytes() == ours
    desk.flush()
    assert desk.there() == {"a.txt": theirs, conflict_of(desk): ours}
    assert desk.record("a.txt")["_id"] == number[1:]


def test_what_others_write_about_an_asset_is_no_conflict_with_its_content(desk: Newsroom) -> None:
    number = put(desk, "a.txt", fresh())
    ours = fresh()
    (desk / "a.txt").write_bytes(ours)
    desk.wire.describe(number, ["Ferry"])
    desk.flush()
    assert desk.there() == {"a.txt": ours}
    assert [tag["name"] for tag in desk.record("a.txt")["tags"]] == ["Ferry"]


def test_an_asset_that_somebody_else_deletes_meanwhile_stays_under_a_name_that_says_so(desk: Newsroom) -> None:
    ours = fresh()
    number = put(desk, "a.txt", fresh())
    with (desk / "a.txt").open("wb") as file:
        file.write(ours)
        desk.wire.destroy(number)
    desk.flush()
    assert desk.there() == {conflict_of(desk): ours}


def test_the_same_change_by_both_is_no_conflict(desk: Newsroom) -> None:
    same = fresh()
    number = put(desk, "a.txt", fresh())
    (desk / "a.txt").write_bytes(same)
    desk.wire.overwrite(number, same)
    desk.flush()
    assert desk.there() == {"a.txt": same}


def test_both_sides_of_a_conflict_after_an_outage_and_a_remount(server: RunningSandbox, tmp_path: Path) -> None:
    ours, theirs = fresh(), fresh()
    with newsroom(server, tmp_path / "home", *NEVER, "--drain", "0s") as desk:
        number, name = put(desk, "a.txt", fresh()), desk.folder.name
        (desk / "a.txt").write_bytes(ours)
    desk.wire.overwrite(number, theirs)
    with newsroom(server, tmp_path / "home", *SOON, name=name) as desk:
        desk.flush()
        assert desk.there() == {"a.txt": theirs, conflict_of(desk): ours}


def test_a_new_file_beside_one_that_somebody_else_made_meanwhile(desk: Newsroom) -> None:
    ours, theirs = fresh(), fresh()
    (desk / "a.txt").write_bytes(ours)
    desk.wire.put(desk.set_id, "a.txt", theirs)
    desk.flush()
    assert desk.there() == {"a.txt": theirs, conflict_of(desk): ours}
