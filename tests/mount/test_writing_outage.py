"""The server goes away for a while, and others change what we are changing: nothing is lost, nothing is done twice."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import wire
from tests.mounts import error_of, eventually, mounted
from tests.sandboxes import RunningSandbox, start_sandbox
from tests.writing import NEVER, SOON, Desk, DeskMaker, fresh

pytestmark = pytest.mark.mount


# ---- outage ---------------------------------------------------------------------------------------------------------


@contextmanager
def served(data: Path, port: int = 0) -> Iterator[RunningSandbox]:
    with start_sandbox(data=data, port=port) as server:
        yield server


@pytest.mark.timeout(240)
def test_a_thousand_files_are_worked_on_without_the_server_and_arrive_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with served(data) as server, mounted(server.source, server.credential, tmp_path / "home", *SOON) as drive:
        desk = Desk(drive, server, "desk")
        original = fresh(300_000)
        number = desk.put("asset.bin", original)
        assert (desk / "asset.bin").read_bytes() == original
        assert desk.names() == ["asset.bin"]
        port = urlsplit(server.url).port
        assert port
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()

        contents = {f"{n:04}.txt": fresh(200) for n in range(1_000)}
        for name, content in contents.items():
            (desk / name).write_bytes(content)
        for n in range(0, 1_000, 10):
            (desk / f"{n:04}.txt").rename(desk / f"renamed {n:04}.txt")
            contents[f"renamed {n:04}.txt"] = contents.pop(f"{n:04}.txt")
        for n in range(5, 1_000, 10):
            with (desk / f"{n:04}.txt").open("r+b") as file:
                file.seek(50)
                file.write(b"overwritten")
            old = contents[f"{n:04}.txt"]
            contents[f"{n:04}.txt"] = old[:50] + b"overwritten" + old[61:]
        with (desk / "asset.bin").open("r+b") as file:
            file.seek(100_000)
            file.write(b"edited")
        contents["asset.bin"] = original[:100_000] + b"edited" + original[100_006:]
        assert desk.names() == sorted(contents)
        assert {name: (desk / name).read_bytes() for name in contents} == contents
        assert drive.status()["uploads"]["pending"] == 1_001
        assert drive.log().count("uploads wait") == 1

        with served(data, port) as back:
            desk.server = back
            desk.flush(120)
            there = desk.there()
            assert sorted(there) == sorted(contents)
            assert {r["hash"] for r in there.values()} == {wire.digest(c) for c in contents.values()}
            assert there["asset.bin"]["id"] == number
            assert back.requests()["kinds"]["POST upload"] == 1_001
            assert drive.status()["uploads"]["failed"] == 0
            assert "the server answers again" in drive.log()


def test_a_server_that_does_not_answer_for_a_while(desk: Desk) -> None:
    contents = {f"{n}.txt": fresh() for n in range(20)}
    assert desk.names() == []
    desk.server.process.send_signal(signal.SIGSTOP)
    try:
        for name, content in contents.items():
            (desk / name).write_bytes(content)
        os.setxattr(desk.drive.path / ".assetfs", "user.assetfs.flush", b"1")
        assert {name: (desk / name).read_bytes() for name in contents} == contents
    finally:
        desk.server.process.send_signal(signal.SIGCONT)
    desk.flush()
    assert {name: desk.content(name) for name in desk.there()} == contents


@pytest.mark.parametrize("fault", ["status", "cut", "drop", "lost_answer"])
@pytest.mark.parametrize("kind", ["new", "asset"])
def test_a_broken_transfer_is_repeated_and_there_is_one_resource(desk: Desk, fault: str, kind: str) -> None:
    content = fresh(100_000)
    number = desk.put("a.txt", fresh(1_000)) if kind == "asset" else None
    options = {"status": 500} if fault == "status" else {}
    for match in ({"kind": "upload"}, {"kind": "rpc"}):
        desk.server.arm(fault, match, count=2, **options)
    (desk / "a.txt").write_bytes(content)
    desk.flush(60)
    assert desk.content("a.txt") == content
    assert list(desk.there()) == ["a.txt"]
    if number is not None:
        assert desk.there()["a.txt"]["id"] == number
    assert desk.uploads() == {}


def test_a_file_that_arrives_wrong_is_sent_again(desk: Desk) -> None:
    content = fresh(100_000)
    desk.server.arm("corrupt", {"kind": "upload"}, count=1)
    (desk / "a.txt").write_bytes(content)
    desk.flush(60)
    assert desk.content("a.txt") == content
    assert list(desk.there()) == ["a.txt"]


# ---- the credential -------------------------------------------------------------------------------------------------


def test_uploads_wait_while_the_key_does_not_work(own_desk: DeskMaker) -> None:
    content, edited = fresh(), fresh()
    with own_desk(*SOON) as desk:
        number = desk.put("asset.txt", fresh())
        assert (desk / "asset.txt").read_bytes()
        wire.deactivate(desk.server, desk.server.credential)
        (desk / "a.txt").write_bytes(content)
        (desk / "asset.txt").write_bytes(edited)
        assert eventually(lambda: "uploads wait" in desk.drive.log())
        assert {u["state"] for u in desk.uploads().values()} <= {"queued", "uploading"}
        assert (desk / "a.txt").read_bytes() == content
        assert "API key" in desk.uploads()["a.txt"]["error"] + desk.uploads()["asset.txt"]["error"]
        wire.deactivate(desk.server, desk.server.credential, active=True)
        desk.flush()
        assert desk.content("a.txt") == content
        assert wire.content(desk.server, number) == edited


# ---- conflicts ------------------------------------------------------------------------------------------------------


def conflicts(desk: Desk) -> list[str]:
    return [name for name in desk.there() if " (conflict 20" in name]


def test_an_asset_that_somebody_else_changes_meanwhile_is_not_overwritten(desk: Desk) -> None:
    ours, theirs = fresh(), fresh()
    number = desk.put("a.txt", fresh())
    with (desk / "a.txt").open("wb") as file:
        file.write(ours)
        wire.replace(desk.server, number, theirs)
    assert (desk / "a.txt").read_bytes() == ours
    desk.flush()
    assert wire.content(desk.server, number) == theirs
    (mine,) = conflicts(desk)
    assert mine.startswith("a (conflict ")
    assert mine.endswith(f" {os.uname().nodename.split('.')[0]}).txt")
    assert desk.content(mine) == ours
    assert desk.names() == sorted(["a.txt", mine])
    assert eventually(lambda: (desk / "a.txt").read_bytes() == theirs)
    assert (desk / mine).read_bytes() == ours
    assert f"conflict: {desk.name}/a.txt" in desk.drive.log()
    told = desk.drive.status()["uploads"]
    assert [c["kept_as"] for c in told["happened"] if c["place"] == f"{desk.name}/a.txt"] == [mine]
    assert told["totals"]["conflicts"] >= 1


def test_an_asset_that_somebody_else_deletes_meanwhile_stays_under_a_name_that_says_so(desk: Desk) -> None:
    ours = fresh()
    number = desk.put("a.txt", fresh())
    with (desk / "a.txt").open("wb") as file:
        file.write(ours)
        desk.server.rpc("delete_resource", number)
    desk.flush()
    (mine,) = conflicts(desk)
    assert list(desk.there()) == [mine]
    assert desk.content(mine) == ours
    assert desk.names() == [mine]


def test_a_part_of_an_asset_that_somebody_else_has_replaced(desk: Desk) -> None:
    original, theirs = fresh(300_000), fresh(300_000)
    number = desk.put("a.bin", original)
    with (desk / "a.bin").open("r+b", buffering=0) as file:
        assert file.read(10) == original[:10]
        file.write(b"ours")
        wire.replace(desk.server, number, theirs, "a.bin")
    desk.flush()
    assert wire.content(desk.server, number) == theirs
    if desk.uploads():  # the rest of the old content is nowhere any more
        upload = desk.uploads()["a.bin"]
        assert upload["state"] == "failed"
        assert "changed" in desk.drive.log()
        with (desk / "a.bin").open("rb", buffering=0) as file:
            assert os.pread(file.fileno(), 4, 10) == b"ours"
            assert error_of(lambda: os.pread(file.fileno(), 10, 200_000)) in (None, errno.ESTALE)
    else:
        (mine,) = conflicts(desk)
        assert desk.content(mine) == original[:10] + b"ours" + original[14:]


def test_a_conflict_is_seen_in_what_is_owed_until_it_is_uploaded(desk: Desk) -> None:
    ours, theirs = fresh(), fresh()
    number = desk.put("a.txt", fresh())
    (desk / "a.txt").write_bytes(ours)
    wire.replace(desk.server, number, theirs)
    desk.server.arm("status", {"kind": "upload"}, status=503, count=None)
    desk.hurry()
    assert eventually(lambda: any(u["state"] == "conflict" for u in desk.uploads().values()))
    ((name, upload),) = desk.uploads().items()
    assert " (conflict " in name
    assert (desk / name).read_bytes() == ours
    assert desk.state(name) == "conflict"
    assert "somebody else" in upload["error"] or "status 503" in upload["error"]
    desk.server.disarm()
    desk.flush()
    assert desk.content(name) == ours


def test_both_sides_of_a_conflict_after_an_outage_and_a_remount(own_desk: DeskMaker) -> None:
    ours, theirs = fresh(), fresh()
    with own_desk(*NEVER, "--drain", "0s") as desk:
        number = desk.put("a.txt", fresh())
        (desk / "a.txt").write_bytes(ours)
    wire.replace(desk.server, number, theirs)
    with own_desk(*SOON) as desk:
        desk.flush()
        assert wire.content(desk.server, number) == theirs
        (mine,) = conflicts(desk)
        assert desk.content(mine) == ours


def test_the_same_change_by_both_is_no_conflict(desk: Desk) -> None:
    same = fresh()
    number = desk.put("a.txt", fresh())
    (desk / "a.txt").write_bytes(same)
    wire.replace(desk.server, number, same)
    desk.flush()
    assert list(desk.there()) == ["a.txt"]
    assert wire.content(desk.server, number) == same
