"""Content that is not online: policies, waiting, and what is wished for together."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.depots import Depot, depot, empty
from tests.example.disk import SIZE, Disk
from tests.mounts import ended, error_of, eventually, watchdog

pytestmark = pytest.mark.mount

CONTENT = b"from the tape\n" * 1000


def archive(home: Path, count: int = 5) -> Disk:
    """A depot with a folder of files that are on tape."""
    disk = empty(home)
    (disk.tree / "run").mkdir()
    for number in range(count):
        path = disk.tree / "run" / f"{number}.dat"
        path.write_text("")
        os.setxattr(path, SIZE, str(len(CONTENT)).encode())
    return disk


def bring(disk: Disk, *names: str, content: bytes = CONTENT) -> None:
    """The robot has fetched files."""
    for name in names:
        id_ = disk.id_of(disk.tree / "run" / name)
        (disk.stage / f"{id_}.part").write_bytes(content)
        (disk.stage / f"{id_}.part").rename(disk.stage / id_)
        disk.tell(node=id_, kind="availability")


def state(depot: Depot, name: str) -> str:
    return os.getxattr(depot.path / "run" / name, "user.assetfs.state").decode()


def test_fail_says_come_back_later(tmp_path: Path) -> None:
    disk = archive(tmp_path)
    with depot(tmp_path, disk=disk) as found:
        file = found.path / "run" / "0.dat"
        assert file.stat().st_size == len(CONTENT)
        assert file.stat().st_blocks > 0, "no tool may take it for a hole"
        assert state(found, "0.dat") == "offline"
        assert error_of(file.read_bytes) == errno.EAGAIN
        assert eventually(lambda: state(found, "0.dat") == "recalling", 30)
        assert disk.wishes() == [{"nodes": [disk.id_of(disk.tree / "run" / "0.dat")], "explicit": False, "along": None}]
        assert error_of(file.read_bytes) == errno.EAGAIN
        bring(disk, "0.dat")
        assert eventually(lambda: state(found, "0.dat") == "clean", 30)
        assert file.read_bytes() == CONTENT
        assert len(disk.wishes()) == 1
        bring(disk, "1.dat", content=b"too short")
        assert eventually(lambda: state(found, "1.dat") == "clean", 30)
        assert error_of((found.path / "run" / "1.dat").read_bytes) == errno.EIO


def test_manual_leaves_it_to_people(tmp_path: Path) -> None:
    disk = archive(tmp_path)
    with depot(tmp_path, "--recall", "manual", disk=disk) as found:
        folder = found.path / "run"
        assert error_of((folder / "0.dat").read_bytes) == errno.ENODATA
        assert disk.wishes() == []
        found.mount.run("setfattr", "-n", "user.depot.recall", "-v", "1", "run")
        (wish,) = disk.wishes()
        assert (len(wish["nodes"]), wish["explicit"]) == (5, True), "all below the folder, in one wish"
        assert eventually(lambda: state(found, "3.dat") == "recalling", 30)


def test_waiting_reads_are_wished_for_together_and_wake(tmp_path: Path) -> None:
    disk = archive(tmp_path)
    with watchdog(100), depot(tmp_path, "--recall", "wait", "--timeout", "5s", disk=disk) as found:
        read: dict[str, bytes] = {}

        def reading(name: str) -> None:
            read[name] = (found.path / "run" / name).read_bytes()

        readers = [threading.Thread(target=reading, args=(f"{number}.dat",)) for number in range(3)]
        for reader in readers:
            reader.start()
        assert eventually(lambda: sum(len(wish["nodes"]) for wish in disk.wishes()) == 3, 30)
        assert os.listdir(found.path / "run"), "the mount lives on"
        handle = os.open(found.path / "run" / "3.dat", os.O_RDONLY | os.O_NONBLOCK)
        time.sleep(6)  # longer than an operation may take otherwise
        assert not read
        bring(disk, "0.dat", "1.dat", "2.dat", "3.dat")
        for reader in readers:
            reader.join(30)
        assert read == {f"{number}.dat": CONTENT for number in range(3)}
        assert os.pread(handle, 10, 5) == CONTENT[5:15]
        os.close(handle)


def test_a_process_that_waits_can_be_ended(tmp_path: Path) -> None:
    disk = archive(tmp_path)
    with watchdog(100), depot(tmp_path, "--recall", "wait", disk=disk) as found:
        waiting = found.mount.start("cat", "run/0.dat")
        assert eventually(disk.wishes, 30)
        waiting.send_signal(signal.SIGKILL)
        assert ended(waiting)[0] == -signal.SIGKILL
        (disk.tape / f"{disk.id_of(disk.tree / 'run' / '1.dat')}.broken").touch()
        disk.tell(folder=disk.id_of(disk.tree / "run"), kind="availability")
        assert eventually(lambda: state(found, "1.dat") == "failed", 30)
        assert error_of((found.path / "run" / "1.dat").read_bytes) == errno.EIO


def test_a_wait_is_bounded(tmp_path: Path) -> None:
    disk = archive(tmp_path)
    with watchdog(100), depot(tmp_path, "--recall", "wait", "--recall-wait", "1", disk=disk) as found:
        assert error_of((found.path / "run" / "0.dat").read_bytes) == errno.ETIMEDOUT


def test_who_walks_says_where(tmp_path: Path) -> None:
    disk = archive(tmp_path)
    with depot(tmp_path, disk=disk) as found:
        done = found.mount.run("grep", "-r", "tape", "run", check=False)
        assert isinstance(done, subprocess.CompletedProcess)
        assert {wish["along"] for wish in disk.wishes()} == {"run"}
