"""Options of writing: when close and fsync return, when uploads begin, and how many run at once."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.mounts import assetfs, error_of, eventually
from tests.writing import NEVER, DeskMaker, fresh

pytestmark = pytest.mark.mount

THROUGH = ("--write-mode", "through", *NEVER)


def test_close_returns_when_the_server_has_it(own_desk: DeskMaker) -> None:
    first, second = fresh(100_000), fresh(200_000)
    with own_desk(*THROUGH) as desk:
        (desk / "a.txt").write_bytes(first)
        assert desk.content("a.txt") == first
        number = desk.there()["a.txt"]["id"]
        (desk / "a.txt").write_bytes(second)
        assert desk.content("a.txt") == second
        assert desk.there()["a.txt"]["id"] == number
        assert desk.uploads() == {}


def test_close_returns_the_servers_verdict(own_desk: DeskMaker) -> None:
    with own_desk(*THROUGH) as desk:
        content = fresh()
        desk.put("a.txt", content)
        assert error_of(lambda: (desk / "same.txt").write_bytes(content)) == errno.EEXIST
        desk.server.arm("status", {"kind": "upload"}, status=413, body="Payload Too Large", count=None)
        assert error_of(lambda: (desk / "large.txt").write_bytes(fresh())) == errno.EFBIG
        desk.server.disarm()
        desk.server.arm("status", {"kind": "upload"}, status=503, count=None)
        assert error_of(lambda: (desk / "later.txt").write_bytes(fresh())) == errno.EIO
        desk.server.disarm()
        desk.server.arm("drop", count=None)
        assert error_of(lambda: (desk / "away.txt").write_bytes(fresh())) in (errno.EIO, errno.EHOSTUNREACH)
        desk.server.disarm()
        assert desk.names() == ["a.txt", "away.txt", "large.txt", "later.txt", "same.txt"]
        for number in [u["number"] for u in desk.uploads().values() if u["state"] == "failed"]:
            os.setxattr(desk.drive.path / ".assetfs", "user.assetfs.retry", str(number).encode())
        desk.flush()
        assert sorted(desk.there()) == ["a.txt", "away.txt", "large.txt", "later.txt"]


def test_what_is_written_after_a_verdict_is_not_lost(own_desk: DeskMaker) -> None:
    first, second = fresh(100_000), fresh(100_000)
    with own_desk(*THROUGH) as desk:
        file = os.open(desk / "a.txt", os.O_RDWR | os.O_CREAT)
        os.write(file, first)
        os.close(os.dup(file))
        assert desk.content("a.txt") == first
        assert os.pread(file, 100, 0) == first[:100]
        os.write(file, second)
        os.close(file)
        assert desk.content("a.txt") == first + second
        assert (desk / "a.txt").read_bytes() == first + second
        assert len(desk.there()) == 1


def test_fsync_that_waits_for_the_server(own_desk: DeskMaker) -> None:
    first, second = fresh(50_000), fresh(50_000)
    with own_desk("--fsync", "server", *NEVER) as desk, (desk / "a.txt").open("w+b", buffering=0) as file:
        file.write(first)
        os.fsync(file.fileno())
        assert desk.content("a.txt") == first
        file.write(second)
        os.fdatasync(file.fileno())
        assert desk.content("a.txt") == first + second
        file.write(b"not yet")
        file.close()
        assert desk.state("a.txt") == "queued"


def test_fsync_says_that_the_server_is_away(own_desk: DeskMaker) -> None:
    content = fresh()
    with own_desk("--fsync", "server", *NEVER) as desk:
        assert desk.names() == []
        desk.server.arm("drop", count=None)
        with (desk / "a.txt").open("wb", buffering=0) as file:
            file.write(content)
            assert error_of(lambda: os.fsync(file.fileno())) in (errno.EIO, errno.EHOSTUNREACH)
        assert (desk / "a.txt").read_bytes() == content
        desk.server.disarm()
        desk.flush()
        assert desk.content("a.txt") == content


def test_uploads_wait_for_a_quiet_time_after_the_last_close(own_desk: DeskMaker) -> None:
    with own_desk("--write-back-delay", "1s") as desk:
        desk.server.forget()
        for number in range(10):
            with (desk / "log.txt").open("ab") as file:
                file.write(f"{number}\n".encode())
        assert eventually(lambda: desk.state("log.txt") == "clean")
        assert desk.chunks() == 1
        assert desk.content("log.txt") == b"".join(b"%d\n" % n for n in range(10))


@pytest.mark.parametrize("limit", [1, 3])
def test_so_many_uploads_run_at_once(own_desk: DeskMaker, limit: int) -> None:
    with own_desk("--uploads", str(limit), *NEVER) as desk:
        for number in range(6):
            (desk / f"{number}.txt").write_bytes(fresh())
        desk.server.arm("delay", {"kind": "upload"}, seconds=0.5, count=None)
        most = 0

        def done() -> bool:
            nonlocal most
            states = [upload["state"] for upload in desk.uploads().values()]
            most = max(most, states.count("uploading"))
            return not states

        desk.hurry()
        assert eventually(done, 30)
        assert most == limit


def test_uploads_go_in_the_order_in_which_files_were_closed(own_desk: DeskMaker) -> None:
    names = [f"{number}.txt" for number in (5, 3, 8, 1, 9, 2)]
    with own_desk("--uploads", "1", *NEVER) as desk:
        for name in names:
            (desk / name).write_bytes(fresh())
        desk.flush()
        there = desk.there()
        assert sorted(there, key=lambda name: there[name]["id"]) == names


def test_an_unmount_sends_what_it_can(own_desk: DeskMaker) -> None:
    content = fresh(500_000)
    with own_desk(*NEVER, "--drain", "30s") as desk:
        (desk / "a.txt").write_bytes(content)
        done = assetfs("umount", desk.drive.path, "--timeout", "0s", home=desk.drive.home)
        assert done.returncode in (0, 5)
        assert eventually(lambda: not Path(f"/proc/{desk.drive.pid}").exists())
        assert desk.content("a.txt") == content
