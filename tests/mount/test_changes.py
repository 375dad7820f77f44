"""What others do is seen here, although the kernel and the mount would believe what they know for an hour."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.depots import Depot, depot, empty
from tests.example.disk import NOTE
from tests.mounts import error_of, eventually, watchdog

pytestmark = pytest.mark.mount

FOREVER = ("--list-timeout", "1h", "--entry-timeout", "1h", "--attr-timeout", "1h", "--negative-timeout", "1h")
SOON = 30.0
"""Seconds that a slow machine has. Nothing but a notification shows a change within an hour."""


class Others(Depot):
    """A depot with two folders, and somebody else who works in it."""

    @property
    def desk(self) -> Path:
        return self.path / "desk"

    @property
    def theirs(self) -> Path:
        return self.disk.tree / "desk"

    def tell(self, path: Path, kind: str = "modified", **more: object) -> None:
        """The server's event for an entry that is there."""
        self.disk.tell(node=self.disk.id_of(path), folder=self.disk.id_of(path.parent), kind=kind, **more)

    def seen(self, condition: Callable[[], object]) -> bool:
        return eventually(condition, SOON)


def start(home: Path, *options: str) -> Iterator[Others]:
    disk = empty(home)
    for name in ("desk", "attic"):
        (disk.tree / name).mkdir()
    for name in ("a.txt", "b.txt"):
        (disk.tree / "desk" / name).write_text(f"{name}, first\n")
    with watchdog(100), depot(home, *FOREVER, *options, disk=disk) as found:
        others = Others(found.disk, found.mount)
        assert others.seen(lambda: others.mount.status()["changes"]["state"] == "listening")
        yield others


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Others]:
    yield from start(tmp_path)


def test_a_new_file_is_there_although_it_was_missing_a_moment_ago(others: Others) -> None:
    new = others.desk / "new.txt"
    assert error_of(new.stat) == errno.ENOENT
    assert "new.txt" not in os.listdir(others.desk)
    (others.theirs / "new.txt").write_text("hello\n")
    others.tell(others.theirs / "new.txt", "created")
    assert others.seen(new.exists)
    assert new.read_text() == "hello\n"
    assert "new.txt" in os.listdir(others.desk)


def test_new_content_shows_in_stat_and_cat(others: Others) -> None:
    assert (others.desk / "a.txt").read_text() == "a.txt, first\n"
    before = (others.desk / "a.txt").stat()
    (others.theirs / "a.txt").write_text("another, longer text\n")
    others.tell(others.theirs / "a.txt")
    assert others.seen(lambda: (others.desk / "a.txt").stat().st_size == 21)
    assert (others.desk / "a.txt").read_text() == "another, longer text\n"
    assert (others.desk / "a.txt").stat().st_ino == before.st_ino


def test_who_has_it_open_reads_on(others: Others) -> None:
    with (others.desk / "a.txt").open() as opened:
        assert opened.read(5) == "a.txt"
        (others.theirs / "a.txt").write_text("XXXXXXXXXXXXXXXXXXXXXXXXXXX\n")
        others.tell(others.theirs / "a.txt")
        assert others.seen(lambda: others.mount.status()["changes"]["counts"].get("listed_again", 0) > 0)
        assert opened.read() == ", first\n"
    assert others.seen(lambda: (others.desk / "a.txt").read_text().startswith("XXX"))


def test_metadata_and_whole_nodes_without_their_folder(others: Others) -> None:
    assert error_of(lambda: os.getxattr(others.desk / "a.txt", NOTE)) == errno.ENODATA
    os.setxattr(others.theirs / "a.txt", NOTE, b"seen")
    others.disk.tell(node=others.disk.id_of(others.theirs / "a.txt"), kind="metadata")
    assert others.seen(lambda: error_of(lambda: os.getxattr(others.desk / "a.txt", NOTE)) is None)
    assert os.getxattr(others.desk / "a.txt", NOTE) == b"seen"


def test_what_is_renamed_moved_and_removed(others: Others) -> None:
    assert (others.desk / "a.txt").exists()
    assert (others.desk / "b.txt").exists()
    desk = others.disk.id_of(others.theirs)
    (others.theirs / "a.txt").rename(others.theirs / "c.txt")
    others.tell(others.theirs / "c.txt", "moved")
    (others.theirs / "b.txt").rename(others.disk.tree / "attic" / "b.txt")
    others.disk.tell(folder=desk, kind="moved")
    others.tell(others.disk.tree / "attic" / "b.txt", "moved")
    assert others.seen(lambda: not (others.desk / "a.txt").exists() and not (others.desk / "b.txt").exists())
    assert (others.desk / "c.txt").read_text() == "a.txt, first\n"
    assert others.seen((others.path / "attic" / "b.txt").exists)
    (others.theirs / "c.txt").unlink()
    others.disk.tell(folder=desk, kind="removed")
    assert others.seen(lambda: not (others.desk / "c.txt").exists())


def test_a_folder_is_moved_with_all_that_is_in_it(others: Others) -> None:
    (others.theirs / "sub" / "deep").mkdir(parents=True)
    (others.theirs / "sub" / "deep" / "x.txt").write_text("x")
    others.tell(others.theirs / "sub", "created")
    assert others.seen((others.desk / "sub" / "deep" / "x.txt").exists)
    moved = others.disk.tree / "attic" / "sub"
    (others.theirs / "sub").rename(moved)
    others.disk.tell(node=others.disk.id_of(moved), folder=others.disk.id_of(others.theirs), subtree=True, kind="moved")
    others.tell(moved, "moved")
    assert others.seen(lambda: not (others.desk / "sub").exists())
    assert others.seen((others.path / "attic" / "sub" / "deep" / "x.txt").exists)


def test_a_cut_stream_is_said_and_nothing_is_missed(others: Others) -> None:
    assert error_of((others.desk / "late.txt").stat) == errno.ENOENT
    (others.disk.folder / "events.down").touch()
    assert others.seen(lambda: others.mount.status()["changes"]["state"] == "broken")
    assert "cut off" in others.mount.status()["changes"]["error"]
    (others.theirs / "late.txt").write_text("nobody told us\n")
    (others.theirs / "a.txt").write_text("nobody told us either\n")
    (others.disk.folder / "events.down").unlink()
    assert others.seen((others.desk / "late.txt").exists)
    assert others.seen(lambda: (others.desk / "a.txt").read_text() == "nobody told us either\n")
    assert others.mount.status()["changes"]["counts"]["broken"] >= 1


def test_echoes_do_not_disturb_what_is_pending(tmp_path: Path) -> None:
    for others in start(tmp_path, "--write-back-delay", "1h"):
        (others.desk / "ours.txt").write_text("not sent yet\n")
        (others.desk / "a.txt").write_text("ours, not sent yet\n")
        (others.desk / "folder").mkdir()
        others.tell(others.theirs / "a.txt")
        assert others.seen(lambda others=others: others.mount.status()["changes"]["counts"].get("listed_again", 0) > 0)
        assert (others.desk / "ours.txt").read_text() == "not sent yet\n"
        assert (others.desk / "a.txt").read_text() == "ours, not sent yet\n"
        assert set(os.listdir(others.desk)) == {"a.txt", "b.txt", "folder", "ours.txt"}
        (others.desk / "ours.txt").unlink()
        others.mount.run("setfattr", "-n", "user.assetfs.flush", "-v", "1", ".assetfs")
        assert others.seen(lambda others=others: (others.theirs / "a.txt").read_text() == "ours, not sent yet\n")


def test_a_storm_of_changes_while_the_folder_is_in_use(others: Others) -> None:
    (others.theirs / "big.bin").write_bytes(os.urandom(8 << 20))
    others.tell(others.theirs / "big.bin", "created")
    assert others.seen((others.desk / "big.bin").exists)
    over = threading.Event()
    failures: list[BaseException] = []

    def use() -> None:
        try:
            while not over.is_set():
                assert (others.desk / "big.bin").stat().st_size == 8 << 20
                assert len((others.desk / "big.bin").read_bytes()) == 8 << 20
                for name in os.listdir(others.desk):
                    error_of((others.desk / name).stat)
        except BaseException as failure:
            failures.append(failure)

    users = [threading.Thread(target=use) for _ in range(3)]
    for user in users:
        user.start()
    for number in range(200):
        (others.theirs / f"{number}.txt").write_text(str(number))
        others.tell(others.theirs / f"{number}.txt", "created")
        if number % 2:
            (others.theirs / f"{number - 1}.txt").unlink()
            others.disk.tell(folder=others.disk.id_of(others.theirs), kind="removed")
    try:
        assert others.seen(lambda: len(os.listdir(others.desk)) == 103)
        assert not failures
    finally:
        over.set()
        for user in users:
            user.join(60)
    assert not any(user.is_alive() for user in users)
    for number in range(200):
        (others.theirs / f"end {number}.txt").touch()
        others.tell(others.theirs / f"end {number}.txt", "created")  # the mount ends while they come


# ---- inotify(7) -----------------------------------------------------------------------------------------------------

IN_MODIFY, IN_CREATE, IN_DELETE, IN_DELETE_SELF = 0x2, 0x100, 0x200, 0x400


class Watch:
    """What inotify tells of a folder or file."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._file = libc.inotify_init1(os.O_NONBLOCK)
        mask = IN_MODIFY | IN_CREATE | IN_DELETE | IN_DELETE_SELF
        assert libc.inotify_add_watch(self._file, os.fsencode(path), mask) > 0

    def events(self) -> list[tuple[int, str]]:
        """What has happened since this was asked last."""
        found, rest = [], b""
        with contextlib.suppress(BlockingIOError):
            rest = os.read(self._file, 64 << 10)
        while rest:
            _, mask, _, length = struct.unpack_from("iIII", rest)
            found.append((mask & 0xFFF, rest[16 : 16 + length].rstrip(b"\0").decode()))
            rest = rest[16 + length :]
        return found

    def close(self) -> None:
        os.close(self._file)


def test_inotify_tells_of_what_is_done_here_and_of_a_watched_file_that_others_remove(others: Others) -> None:
    with contextlib.closing(Watch(others.desk)) as folder, contextlib.closing(Watch(others.desk / "a.txt")) as file:
        (others.desk / "ours.txt").touch()
        assert (IN_CREATE, "ours.txt") in folder.events()
        (others.theirs / "new.txt").write_text("hello\n")
        others.tell(others.theirs / "new.txt", "created")
        (others.theirs / "b.txt").write_text("b, second\n")
        others.tell(others.theirs / "b.txt")
        assert others.seen((others.desk / "new.txt").exists)
        assert others.seen(lambda: (others.desk / "b.txt").read_text() == "b, second\n")
        assert folder.events() == []
        node, place = others.disk.id_of(others.theirs / "a.txt"), others.disk.id_of(others.theirs)
        (others.theirs / "a.txt").unlink()
        others.disk.tell(node=node, folder=place, kind="removed")
        assert others.seen(lambda: not (others.desk / "a.txt").exists())
        assert others.seen(lambda: IN_DELETE_SELF in [mask for mask, _ in file.events()])
        (others.desk / "ours.txt").unlink()
        assert folder.events() == [(IN_DELETE, "ours.txt")], "of what others do, a folder's watcher learns nothing"
