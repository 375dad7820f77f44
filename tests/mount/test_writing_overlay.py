"""What is written here is seen here: at once, after a remount, while the server is away; and what never leaves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests import wire
from tests.mounts import ended, error_of, eventually
from tests.writing import NEVER, SOON, Desk, DeskMaker, fresh

pytestmark = pytest.mark.mount

LEAVE = (*NEVER, "--drain", "0s")
"""What is queued stays queued, also when the drive is unmounted."""


def no_answers(desk: Desk) -> None:
    """The server is gone, as far as anybody can tell."""
    desk.server.arm("drop", count=None)


# ---- overlay --------------------------------------------------------------------------------------------------------


def test_what_is_queued_is_listed_and_readable_after_a_remount_and_without_the_server(own_desk: DeskMaker) -> None:
    new, edited, original = fresh(1_000), fresh(100), fresh(300_000)
    with own_desk(*LEAVE) as desk:
        number = desk.put("asset.bin", original)
        (desk / "new.txt").write_bytes(new)
        with (desk / "asset.bin").open("r+b") as file:
            file.write(edited)
        os.utime(desk / "new.txt", ns=(0, 10**18))
        assert desk.there()["asset.bin"]["hash"] != ""
        inodes = {name: (desk / name).stat().st_ino for name in desk.names()}
        desk.server.arm("drop", {"kind": "upload"}, count=None)
    with own_desk(*LEAVE) as desk:
        assert desk.names() == ["asset.bin", "new.txt"]
        no_answers(desk)
        assert (desk / "new.txt").read_bytes() == new
        assert (desk / "new.txt").stat().st_mtime_ns == 10**18
        assert {name: (desk / name).stat().st_ino for name in desk.names()} == inodes
        assert desk.state("asset.bin") in ("queued", "uploading")
        assert (desk / "asset.bin").stat().st_size == 300_000
        with (desk / "asset.bin").open("rb") as file:
            assert file.read(100) == edited
        desk.server.disarm()
        desk.flush()
        assert wire.content(desk.server, number) == edited + original[100:]
        assert desk.content("new.txt") == new


def test_everything_can_be_done_to_what_is_queued_while_the_server_is_away(desk: Desk) -> None:
    desk.put("theirs.txt", fresh())
    assert desk.names() == ["theirs.txt"]
    no_answers(desk)
    contents = {}
    for number in range(20):
        contents[f"{number}.txt"] = fresh()
        (desk / f"{number}.txt").write_bytes(contents[f"{number}.txt"])
    for number in range(0, 20, 2):
        (desk / f"{number}.txt").rename(desk / f"renamed {number}.txt")
        contents[f"renamed {number}.txt"] = contents.pop(f"{number}.txt")
    (desk / "1.txt").unlink()
    del contents["1.txt"]
    (desk / "renamed 0.txt").rename(desk / "3.txt")
    contents["3.txt"] = contents.pop("renamed 0.txt")
    with (desk / "5.txt").open("ab") as file:
        file.write(b"more")
    contents["5.txt"] += b"more"
    assert desk.names() == sorted([*contents, "theirs.txt"])
    assert {name: (desk / name).read_bytes() for name in contents} == contents
    desk.server.disarm()
    desk.flush()
    assert sorted(desk.there()) == sorted([*contents, "theirs.txt"])
    assert {name: desk.content(name) for name in contents} == contents


def test_an_unreachable_server_refuses_only_what_needs_it(desk: Desk) -> None:
    desk.put("a.txt", fresh())
    assert desk.names() == ["a.txt"]
    no_answers(desk)
    for action in (lambda: (desk / "f").mkdir(), lambda: os.unlink(desk / "a.txt")):
        assert error_of(action) in (errno.EIO, errno.EHOSTUNREACH, errno.ETIMEDOUT)
    (desk / "b.txt").write_bytes(fresh())
    assert desk.names() == ["a.txt", "b.txt"]


def test_a_listing_that_is_under_way_does_not_undo_what_is_done_meanwhile(desk: Desk) -> None:
    for name in ("removed.txt", "renamed.txt"):
        desk.put(name, fresh())
    assert desk.names() == ["removed.txt", "renamed.txt"]
    desk.server.switch()
    desk.refresh()
    desk.server.arm("delay", {"call": "project_items"}, seconds=1.0, count=1)
    listing = desk.drive.start("ls", desk.folder)
    assert eventually(lambda: any(fault["struck"] for fault in desk.server.armed()))
    (desk / "new.txt").write_bytes(fresh())
    (desk / "folder").mkdir()
    ended(listing)
    assert desk.names() == ["folder", "new.txt", "removed.txt", "renamed.txt"]
    (desk / "removed.txt").unlink()
    (desk / "renamed.txt").rename(desk / "other.txt")
    desk.flush()
    assert desk.names() == ["folder", "new.txt", "other.txt"]
    desk.refresh()
    assert desk.names() == ["folder", "new.txt", "other.txt"]


def test_a_name_that_somebody_else_takes_before_our_upload(desk: Desk) -> None:
    ours, theirs = fresh(), fresh()
    (desk / "a.txt").write_bytes(ours)
    desk.put("a.txt", theirs)
    assert (desk / "a.txt").read_bytes() == ours
    assert len(desk.names()) == 2
    other = next(name for name in desk.names() if name != "a.txt")
    assert (desk / other).read_bytes() == theirs
    desk.flush()
    assert desk.content("a.txt") == theirs
    assert len(desk.there()) == 2
    mine = next(name for name in desk.there() if name != "a.txt")
    assert mine.startswith("a (conflict ")
    assert desk.content(mine) == ours
    desk.refresh()
    assert desk.names() == sorted(["a.txt", mine])
    assert (desk / mine).read_bytes() == ours


# ---- what stays here ------------------------------------------------------------------------------------------------

DROPPINGS = (
    ".a.txt.swp", ".~lock.a.odt#", "4913", ".goutputstream-AB12CD", ".DS_Store", "._a.txt", "Thumbs.db",
    ".fuse_hidden0000001", "a.txt.part", "lu1234.tmp", "a.txt~", "#a.txt#", "a.txt.AbCdEf", "db.sqlite-journal",
)  # fmt: skip


def test_droppings_never_reach_the_server_and_survive_a_remount(own_desk: DeskMaker) -> None:
    contents = {name: name.encode() + fresh(10) for name in DROPPINGS}
    with own_desk(*SOON) as desk:
        desk.server.forget()
        for name, content in contents.items():
            (desk / name).write_bytes(content)
        desk.flush()
        assert desk.names() == sorted(contents)
        assert {desk.state(name) for name in contents} == {"local"}
        assert desk.uploads() == {}
    with own_desk(*SOON) as desk:
        assert {name: (desk / name).read_bytes() for name in desk.names()} == contents
        desk.flush()
        assert desk.chunks() == 0
        assert desk.there() == {}
        for name in contents:
            (desk / name).unlink()
        assert desk.names() == []
    with own_desk(*SOON) as desk:
        assert desk.names() == []


def test_a_dropping_becomes_an_upload_when_it_gets_a_real_name(own_desk: DeskMaker) -> None:
    first, second = fresh(), fresh()
    with own_desk(*SOON) as desk:
        (desk / "download.txt.part").write_bytes(first)
        (desk / "download.txt.part").rename(desk / "download.txt")
        (desk / "later.txt.part").write_bytes(second)
        desk.flush()
        assert list(desk.there()) == ["download.txt"]
    with own_desk(*SOON) as desk:
        (desk / "later.txt.part").rename(desk / "later.txt")
        desk.flush()
        assert desk.content("download.txt") == first
        assert desk.content("later.txt") == second


def test_an_upload_stays_here_when_it_gets_a_local_name(desk: Desk) -> None:
    (desk / "a.txt").write_bytes(fresh())
    (desk / "a.txt").rename(desk / "a.txt.part")
    desk.flush()
    assert desk.there() == {}
    assert desk.state("a.txt.part") == "local"


def test_an_asset_does_not_become_local(desk: Desk) -> None:
    desk.put("a.txt", fresh())
    assert error_of(lambda: os.rename(desk / "a.txt", desk / "a.txt.part")) == errno.EXDEV


def test_the_patterns_of_local_names_are_an_option(own_desk: DeskMaker) -> None:
    with own_desk(*SOON, "--local-only", "*.draft.txt,private-*") as desk:
        for name in ("a.draft.txt", "private-b.txt", "c.txt"):
            (desk / name).write_bytes(fresh())
        (desk / "private-folder").mkdir()
        (desk / "private-folder" / "x.txt").write_bytes(fresh())
        desk.flush()
        assert list(desk.there()) == ["c.txt"]
        assert desk.collections() == {}
        assert desk.names() == ["a.draft.txt", "c.txt", "private-b.txt", "private-folder"]


def test_the_trash_of_a_desktop_stays_here(own_desk: DeskMaker) -> None:
    content = fresh()
    with own_desk(*SOON) as desk:
        trash = desk / ".Trash-1000"
        for folder in (trash, trash / "files", trash / "info"):
            folder.mkdir(mode=0o700)
        (trash / "info" / "a.txt.trashinfo").write_text("[Trash Info]\nPath=a.txt\n")
        (desk / "own.txt").write_bytes(content)
        (desk / "own.txt").rename(trash / "files" / "own.txt")
        desk.put("a.txt", fresh())
        assert error_of(lambda: os.rename(desk / "a.txt", trash / "files" / "a.txt")) == errno.EXDEV
        desk.run(f"mv a.txt {Path('.Trash-1000') / 'files' / 'a.txt'}")
        assert sorted(os.listdir(trash / "files")) == ["a.txt", "own.txt"]
        desk.flush()
        assert desk.there() == {}
        assert desk.collections() == {}
    with own_desk(*SOON) as desk:
        trash = desk / ".Trash-1000"
        assert (trash / "files" / "own.txt").read_bytes() == content
        (trash / "files" / "own.txt").rename(desk / "own.txt")
        desk.flush()
        assert desk.content("own.txt") == content
        assert error_of(trash.rmdir) == errno.ENOTEMPTY
        desk.run("rm -r .Trash-1000")
        assert desk.names() == ["own.txt"]
