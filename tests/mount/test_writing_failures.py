"""What can go wrong while writing: a clear errno, a line in the log, and what was written stays readable."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import disks, wire
from tests.mounts import assetfs, error_of, eventually, mount, mounted
from tests.sandboxes import RunningSandbox
from tests.writing import NEVER, SOON, Desk, DeskMaker, fresh

pytestmark = pytest.mark.mount

MIB = 1 << 20


# ---- the disk under the staging folder ------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A home whose state folder is a disk of 12 MiB."""
    with disks.small_disk(tmp_path / "home" / "state", "12m"):
        yield tmp_path / "home"


def no_space(action: Callable[[], object]) -> None:
    assert error_of(action) == errno.ENOSPC


def test_a_full_disk_is_said_at_write_and_nothing_else_is_harmed(small_disk: Path, own_desk: DeskMaker) -> None:
    good = fresh(MIB)
    with own_desk(*NEVER, home=small_disk) as desk:
        number = desk.put("asset.bin", good[::-1])
        (desk / "good.bin").write_bytes(good)
        no_space(lambda: (desk / "large.bin").write_bytes(bytes(30 * MIB)))
        (desk / "large.bin").unlink()
        again = desk / "again.bin"
        assert eventually(lambda: error_of(lambda: again.write_bytes(good + b"x")) is None)  # deleted, not freed yet
        no_space(lambda: (desk / "large.bin").write_bytes(bytes(30 * MIB)))
        assert (desk / "good.bin").read_bytes() == good
        assert (desk / "asset.bin").read_bytes() == good[::-1]
        (desk / "large.bin").unlink()
        desk.flush()
        assert desk.content("good.bin") == good
        assert desk.content("again.bin") == good + b"x"
        assert wire.content(desk.server, number) == good[::-1]
        assert "ENOSPC" in desk.drive.log()


def test_a_disk_that_stays_full_is_emptied_by_the_uploads(small_disk: Path, own_desk: DeskMaker) -> None:
    contents = {f"{n}.bin": fresh(MIB) for n in range(5)}
    with own_desk(*NEVER, home=small_disk) as desk:
        for name, content in contents.items():
            (desk / name).write_bytes(content)
        filler = disks.fill(small_disk / "state")
        desk.flush()
        assert {name: desk.content(name) for name in desk.there()} == contents
        assert {name: (desk / name).read_bytes() for name in contents} == contents
        filler.unlink()
        (desk / "more.bin").write_bytes(fresh(3 * MIB))
        desk.flush()
        assert desk.drive.is_mounted
    with own_desk(*NEVER, home=small_disk) as desk:
        assert desk.names() == sorted([*contents, "more.bin"])
        assert desk.drive.status()["uploads"]["pending"] == 0


def test_a_disk_that_is_full_when_a_part_of_an_asset_is_completed(small_disk: Path, own_desk: DeskMaker) -> None:
    original = fresh(20 * MIB)
    with own_desk(*NEVER, "--drain", "1", home=small_disk) as desk:
        number = desk.put("asset.bin", original)
        with (desk / "asset.bin").open("r+b") as file:
            file.write(b"edited")
        desk.hurry()
        assert eventually(lambda: "staging file" in desk.uploads()["asset.bin"]["error"], 20)
        assert desk.uploads()["asset.bin"]["state"] in ("queued", "uploading")
        with (desk / "asset.bin").open("rb") as file:
            assert file.read(10) == b"edited" + original[6:10]
        assert wire.content(desk.server, number)[:6] == original[:6]


def test_a_staging_folder_that_cannot_be_written(sandbox: RunningSandbox, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with mounted(sandbox.source, sandbox.credential, home):
        pass
    state = home / "state"
    subprocess.run(["mount", "--bind", state, state], check=True)
    try:
        if subprocess.run(["mount", "-o", "remount,bind,ro", state], check=False).returncode:
            pytest.skip("this user may not remount")
        done = mount(sandbox.source, sandbox.credential, home)
        assert done.returncode != 0
        assert len(done.stderr.splitlines()) == 1
        assert "writ" in done.stderr
    finally:
        subprocess.run(["umount", state], check=True)
    with mounted(sandbox.source, sandbox.credential, home):
        pass


# ---- the journal ----------------------------------------------------------------------------------------------------


def journal(home: Path) -> Path:
    (found,) = (home / "state").glob("*/journal.sqlite")
    return found


@pytest.mark.parametrize("damage", ["overwritten", "cut", "no database", "another version"])
def test_a_damaged_journal_prevents_the_mount_and_is_left_as_it_is(own_desk: DeskMaker, damage: str) -> None:
    content = fresh(1_000)
    with own_desk(*NEVER, "--drain", "0s") as desk:
        for number in range(50):
            (desk / f"{number}.txt").write_bytes(content + b"%d" % number)
        home, source, credential = desk.drive.home, desk.drive.source, desk.server.credential
    place = journal(home)
    whole = place.read_bytes()
    if damage == "overwritten":
        place.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    elif damage == "cut":
        place.write_bytes(whole[: len(whole) // 2 + 100])
    elif damage == "no database":
        place.write_bytes(b"x" * 8192)
    else:
        subprocess.run(["sqlite3", place, "UPDATE settings SET value = '99' WHERE name = 'version'"], check=True)
    left = place.read_bytes()
    staged = sorted(path.name for path in place.parent.glob("staging/*"))
    done = mount(source, credential, home)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert str(place.parent / "staging") in line
    assert place.read_bytes() == left
    assert sorted(path.name for path in place.parent.glob("staging/*")) == staged
    with mounted(source, credential, home, "--read-only") as drive:
        assert drive.is_mounted
    place.write_bytes(whole)
    with own_desk(*SOON) as desk:
        desk.flush()
        assert len(desk.there()) == 50


def test_a_second_daemon_for_one_repository_is_refused(own_desk: DeskMaker) -> None:
    with own_desk() as desk:
        done = mount(desk.drive.source, desk.server.credential, desk.drive.home, name="second")
        assert done.returncode != 0
        assert f"mounted already by process {desk.drive.pid}" in done.stderr
        (desk / "a.txt").write_bytes(fresh())
        desk.flush()
    with own_desk() as desk:
        assert desk.names() == ["a.txt"]


# ---- what the server refuses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"status": 413, "body": "Payload Too Large"}, "smaller parts"),
        ({"status": 400, "body": "Type de fichier inconnu"}, "type"),
        ({"status": 400, "body": "no reason at all"}, "status 400"),
        ({"status": 418}, "status 418"),
    ],
)
def test_a_refused_upload_stays_readable_and_says_why(desk: Desk, options: dict[str, Any], reason: str) -> None:
    content = fresh(3_000)
    desk.server.arm("status", {"kind": "upload"}, count=None, **options)
    (desk / "a.txt").write_bytes(content)
    assert reason in desk.failed("a.txt")
    assert (desk / "a.txt").read_bytes() == content
    assert reason in desk.xattr("a.txt", "user.assetfs.error")
    assert f"{desk.name}/a.txt stays here, it was refused: " in desk.drive.log()
    assert desk.drive.status()["uploads"]["failed"] == 1
    assert list(desk.there()) == []
    desk.server.disarm()
    (desk / "a.txt").rename(desk / "b.txt")  # somebody found another way
    desk.flush()
    assert desk.content("b.txt") == content


def test_a_refused_edit_leaves_the_asset_as_it_was(desk: Desk) -> None:
    original, ours = fresh(1_000), fresh(1_000)
    number = desk.put("a.txt", original)
    desk.server.arm("status", {"kind": "upload"}, status=413, body="Payload Too Large", count=None)
    (desk / "a.txt").write_bytes(ours)
    assert desk.failed("a.txt")
    assert wire.content(desk.server, number) == original
    assert (desk / "a.txt").read_bytes() == ours
    assert desk.state("a.txt") == "failed"


def test_a_folder_that_goes_away_before_the_upload(desk: Desk) -> None:
    content = fresh()
    (desk / "f").mkdir()
    (desk / "f" / "a.txt").write_bytes(content)
    desk.server.rpc("delete_collection", desk.collections()["f"], True)
    desk.flush()
    owed = desk.drive.status()["uploads"]["list"]
    assert [upload["state"] for upload in owed] == ["failed"]
    out = desk.drive.home / "rescued.txt"
    done = assetfs("uploads", desk.drive.path, "export", str(owed[0]["number"]), out, home=desk.drive.home)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == content


def test_a_right_that_is_lost_in_the_middle_of_an_upload(desk: Desk) -> None:
    content = fresh(20 * MIB)
    desk.server.arm("status", {"kind": "upload"}, status=403, nth=2, count=1)
    (desk / "a.bin").write_bytes(content)
    assert "right" in desk.failed("a.bin")
    assert (desk / "a.bin").read_bytes() == content
    os.setxattr(desk.drive.path / ".assetfs", "user.assetfs.retry", b"all")
    desk.flush(60)
    assert desk.content("a.bin") == content


def test_other_bytes_than_were_sent_are_found_out(desk: Desk) -> None:
    content = fresh(100_000)
    desk.server.arm("other_status", {"kind": "upload"}, count=1)
    (desk / "a.txt").write_bytes(content)
    desk.flush(60)
    if desk.uploads():
        os.setxattr(desk.drive.path / ".assetfs", "user.assetfs.retry", b"all")
        desk.flush(60)
    assert desk.content("a.txt") == content
    assert list(desk.there()) == ["a.txt"]


def test_one_refused_file_holds_up_no_other(desk: Desk) -> None:
    content = fresh()
    desk.put("there.txt", content)
    (desk / "same.txt").write_bytes(content)
    others = {f"{n}.txt": fresh() for n in range(10)}
    for name, data in others.items():
        (desk / name).write_bytes(data)
    desk.flush()
    assert {name: desk.content(name) for name in others} == others
    assert list(desk.uploads()) == ["same.txt"]


def test_no_refusal_is_counted_as_an_incident(desk: Desk) -> None:
    assert "incident" not in desk.drive.log()
    assert "Traceback" not in desk.drive.log()
    assert shutil.which("vim")


@pytest.mark.timeout(180)
def test_a_lock_that_a_dead_upload_has_left(own_desk: DeskMaker) -> None:
    content = fresh(100_000)
    with own_desk(*NEVER) as desk:
        desk.server.switch(stale_lock=True)
        (desk / "a.txt").write_bytes(content)
        desk.hurry()
        assert eventually(lambda: "lock" in desk.uploads()["a.txt"]["error"], 60)
        assert desk.state("a.txt") == "queued"
        assert (desk / "a.txt").read_bytes() == content
        desk.server.switch(stale_lock=False)
        for lock in Path(desk.server.info["data"]).rglob("*.lock"):
            lock.unlink()  # as the server does by itself after some hours
        desk.hurry()
        desk.flush(60)
        assert desk.content("a.txt") == content
