"""Daemons and readers that end in the middle of something, and mounts that are taken away while somebody waits."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetfs.fuse.session import abort
from tests import wire
from tests.mounts import Mounted, alive, assetfs, ended, error_of, eventually, mount, mounted, unmount
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount

SIZE = 64 << 20
DOWNLOAD = {"kind": "download"}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox(seed="bench", options=("--bench-files", "10", "--bench-size", str(SIZE))) as running:
        yield running


@pytest.fixture
def found(server: RunningSandbox, tmp_path: Path) -> Iterator[Mounted]:
    server.reset()
    with mounted(server.source, server.credential, tmp_path / "home") as running:
        yield running
    server.reset()


LARGE = "Bench/large/large.bin"


# ---- the daemon ends ----


def test_a_daemon_that_is_killed_leaves_a_clear_error_and_the_next_mount_works(
    found: Mounted, server: RunningSandbox
) -> None:
    content = found.run("cat", LARGE).stdout
    cached = b"user.assetfs.cached"  # the cache is written behind the reader
    assert eventually(lambda: int(os.getxattr(found.path / LARGE, cached)) == SIZE), "everything is in the cache"
    os.kill(found.pid, signal.SIGKILL)
    assert eventually(lambda: not alive(found.pid))
    assert eventually(lambda: error_of(lambda: os.listdir(found.path)) == errno.ENOTCONN)
    with mounted(server.source, server.credential, found.home) as again:
        assert again.pid != found.pid
        server.forget()
        assert again.run("cat", LARGE).stdout == content
        assert server.requests()["sent"] < SIZE // 8, "what was in the cache is still there"
    assert not found.is_mounted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_that_is_told_to_end_unmounts_although_files_are_open(found: Mounted, number: signal.Signals) -> None:
    file = os.open(found.path / LARGE, os.O_RDONLY)
    assert len(os.pread(file, 1000, 0)) == 1000
    os.kill(found.pid, number)
    assert eventually(lambda: not alive(found.pid))
    assert not found.is_mounted
    assert error_of(lambda: os.pread(file, 1000, 40 << 20)) in (errno.ENOTCONN, errno.EIO)
    assert error_of(lambda: os.close(file)) in (errno.ENOTCONN, None)
    assert os.listdir(found.path) == []
    assert "Traceback" not in found.log()


def test_unmounting_while_a_read_waits(found: Mounted, server: RunningSandbox) -> None:
    found.run("ls", "-l", "Bench/large")
    server.arm("hang", DOWNLOAD, count=None)
    reader = found.start("cat", LARGE)
    assert eventually(lambda: any(entry["fault"] == "hang" for entry in server.listing()))
    busy = assetfs("umount", found.path, home=found.home)
    assert busy.returncode == 1
    assert f"cat ({reader.pid}" in busy.stderr
    forced = assetfs("umount", "--force", found.path, home=found.home)
    assert forced.returncode == 0, forced.stderr
    assert ended(reader)[0] != 0
    assert eventually(lambda: not alive(found.pid))
    assert not found.is_mounted


def test_stopping_the_daemon_while_a_read_waits(found: Mounted, server: RunningSandbox) -> None:
    found.run("ls", "-l", "Bench/large")
    server.arm("hang", DOWNLOAD, count=None)
    reader = found.start("cat", LARGE)
    assert eventually(lambda: any(entry["fault"] == "hang" for entry in server.listing()))
    os.kill(found.pid, signal.SIGTERM)
    assert eventually(lambda: not alive(found.pid))
    assert ended(reader)[0] != 0
    assert not found.is_mounted


def test_a_lazy_unmount_lets_a_reader_finish(found: Mounted) -> None:
    with (found.path / LARGE).open("rb") as file:
        file.read(1000)
        assert assetfs("umount", "--lazy", found.path, home=found.home).returncode == 0
        assert not found.is_mounted
        assert len(file.read()) == SIZE - 1000
    assert eventually(lambda: not alive(found.pid))


# ---- the reader ends ----


def test_what_a_killed_reader_had_asked_for_is_cancelled(found: Mounted, server: RunningSandbox) -> None:
    """Its window of up to 64 MiB is not fetched to the end."""
    found.run("ls", "-l", "Bench/large")
    server.forget()
    server.arm("slow", DOWNLOAD, count=None, bytes_per_second=4 << 20)
    reader = found.start("cat", LARGE, stdout=subprocess.DEVNULL)
    assert eventually(lambda: server.requests()["total"] >= 3)
    reader.send_signal(signal.SIGKILL)
    reader.wait(10)
    assert eventually(lambda: found.status()["handles"] <= 1)
    assert eventually(lambda: all(entry["seconds"] is not None for entry in server.listing())), "nothing goes on"
    assert server.requests()["sent"] < SIZE // 2
    server.disarm()
    assert len(found.run("cat", LARGE).stdout) == SIZE


def test_readers_that_are_killed_again_and_again_leave_nothing(found: Mounted, server: RunningSandbox) -> None:
    found.run("ls", "-l", "Bench/large")
    for _ in range(5):
        server.forget()
        readers = [found.start("cat", LARGE, stdout=subprocess.DEVNULL) for _ in range(3)]
        eventually(lambda: server.requests()["total"] > 0, seconds=0.3)
        for reader in readers:
            reader.kill()
            reader.wait(10)
    assert eventually(lambda: found.status()["handles"] <= 1)
    assert eventually(lambda: found.status()["content"]["memory_in_use"] <= 16 << 20)
    whole = found.run("sha256sum", LARGE).stdout.split()[0]
    assert whole == found.run("getfattr", "--only-values", "-n", "user.jama.sha256", LARGE).stdout


def test_a_reader_that_waits_for_a_listing_can_be_killed(found: Mounted, server: RunningSandbox) -> None:
    server.arm("delay", {"kind": "rpc"}, count=None, seconds=3)
    reader = found.start("ls", "Bench/ten-thousand")
    assert eventually(lambda: server.requests()["total"] > 0)
    reader.kill()
    assert eventually(lambda: reader.poll() is not None, seconds=20)
    server.disarm()
    assert found.run("ls", "Bench/ten-thousand").stdout.count(b"\n") == 10


# ---- traps that have wedged other mounts ----


def test_content_that_changes_under_many_readers_wedges_nothing(tmp_path: Path) -> None:
    """Pages are never dropped by a notification: that waits for the lock of a page that a read of ours would fill."""
    with start_sandbox() as server:
        options = ("--list-timeout", "100ms", "--attr-timeout", "10ms", "--entry-timeout", "10ms")
        place = wire.folder(server, "one")
        versions = [os.urandom(3 << 20) for _ in range(2)]
        number = wire.put(server, place, "file.bin", versions[0])
        with mounted(server.source, server.credential, tmp_path / "home", *options) as found:
            path = found.path / "Sandbox/one/file.bin"
            script = "for i in $(seq 40); do cat Sandbox/one/file.bin | wc -c; ls -l Sandbox/one; done"
            readers = [found.start(f"{script} || true") for _ in range(4)]
            for turn in range(6):
                wire.replace(server, number, versions[(turn + 1) % 2] + b"%d" % turn, "new.bin")
            for reader in readers:
                output = ended(reader, 60)[1]
                assert output.count(b"file.bin") > 0
            assert eventually(lambda: path.stat().st_size == (3 << 20) + 1)
            assert found.status()["state"] == "ok"


def test_a_hundred_requests_that_wait_do_not_stop_the_others(found: Mounted, server: RunningSandbox) -> None:
    """pyfuse3 reads nothing more from the kernel when all its tasks are at work, 99 by default."""
    found.run("ls", "-l", "Bench/thousand-10k")
    server.arm("delay", DOWNLOAD, count=None, seconds=4)
    script = """
import concurrent.futures, sys
def read(number):
    with open(f"Bench/thousand-10k/scan-{number:04d}.bin", "rb") as file:
        return len(file.read())
with concurrent.futures.ThreadPoolExecutor(120) as pool:
    print(sum(pool.map(read, range(120))))
"""
    reading = found.start(found.user.program[0], "-c", script)
    assert eventually(lambda: server.requests()["kinds"].get("GET download", 0) >= 16)
    assert found.run("ls", "Bench").stdout.split() == [b"large", b"ten-thousand", b"thousand-10k"]
    assert reading.poll() is None, "they still wait"
    server.disarm()
    assert ended(reading, 60)[1].strip() == b"%d" % (120 * 10240)


def test_a_cache_below_the_mount_point_is_refused(server: RunningSandbox, tmp_path: Path) -> None:
    (tmp_path / "home" / "mnt").mkdir(parents=True)
    inside = tmp_path / "home" / "mnt" / "cache"
    done = assetfs(
        "mount", server.source, tmp_path / "home" / "mnt", "--cache-dir", inside, home=tmp_path / "home",
        credential=server.credential,
    )  # fmt: skip
    assert done.returncode == 2
    assert "below the mount point" in done.stderr
    assert os.listdir(tmp_path / "home" / "mnt") == []


def test_a_wedged_connection_can_be_aborted(server: RunningSandbox, tmp_path: Path) -> None:
    """The last way out: a daemon that does not run at all any more."""
    server.reset()
    home = tmp_path / "home"
    assert mount(server.source, server.credential, home).returncode == 0
    path = home / "mnt"
    pid = int(Mounted(path, home, server.source).status()["pid"])
    os.kill(pid, signal.SIGSTOP)
    outcome: list[int | None] = []
    asking = threading.Thread(target=lambda: outcome.append(error_of(lambda: os.listdir(path / "Bench"))))
    asking.start()
    try:
        asking.join(0.5)
        assert asking.is_alive(), "it waits for the daemon"
        assert abort(path)
        asking.join(10)
        assert outcome in ([errno.ENOTCONN], [errno.ECONNABORTED])
    finally:
        os.kill(pid, signal.SIGCONT)
        unmount(path, pid)
