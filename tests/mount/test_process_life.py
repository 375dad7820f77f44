"""How a daemon is started, asked and ended, with a file system of three files in the place of the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assetfs.cli import launch, mountinfo, records
from assetfs.config import MountConfig
from assetfs.failure import Failure

from .conftest import SECRET, Done

pytestmark = pytest.mark.mount
Start = Callable[..., int]
Command = Callable[..., Done]


def _daemons(config: MountConfig) -> list[int]:
    """Processes that serve this mount point."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(config.mountpoint) in words and b"--report" in words:
                found.append(int(entry.name))
    return found


def _gone(pid: int) -> bool:
    return records.born(pid) is None


def test_it_returns_when_the_mount_answers(start: Start, config: MountConfig) -> None:
    pid = start()
    assert (config.mountpoint / "hello.txt").read_text() == "hello\n"
    record = records.read(config.mountpoint)
    assert record is not None
    assert (record.pid, record.source, record.alive) == (pid, "museum", True)
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert Path(record.log).stat().st_mode & 0o777 == 0o600


def test_the_secret_is_nowhere_to_be_seen(
    start: Start, config: MountConfig, monkeypatch: pytest.MonkeyPatch, no_settings_of_the_user: Path
) -> None:
    monkeypatch.setenv("ASSETFS_CREDENTIAL", SECRET)
    pid = start()
    for what in ("cmdline", "environ"):
        assert SECRET.encode() not in Path(f"/proc/{pid}/{what}").read_bytes()
    assert "Max core file size 0 0" in " ".join(Path(f"/proc/{pid}/limits").read_text().split())
    for place in [*config.state_dir.rglob("*"), *no_settings_of_the_user.rglob("*")]:
        assert not place.is_file() or SECRET.encode() not in place.read_bytes()


@pytest.mark.parametrize(
    ("behaviour", "status", "words"),
    [("refuse", 4, "API key is refused"), ("crash", 1, "its log is"), ("raise", 1, "a fault of assetfs")],
)
def test_a_daemon_that_fails_says_why(
    start: Start, config: MountConfig, behaviour: str, status: int, words: str
) -> None:
    with pytest.raises(Failure) as caught:
        start(behaviour)
    assert caught.value.status == status
    assert words in str(caught.value)
    assert mountinfo.at(config.mountpoint) is None
    assert records.read(config.mountpoint) is None
    assert not _daemons(config)


@pytest.mark.parametrize("behaviour", ["hang", "stubborn"])
def test_ctrl_c_while_waiting_ends_the_daemon(
    start: Start, config: MountConfig, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_PATIENCE", 0.5)
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        start(behaviour)
    assert not _daemons(config)


def test_a_mount_that_never_answers_is_given_up(
    start: Start, config: MountConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_GRACE", -69.0)
    with pytest.raises(Failure, match="did not answer within 1 s") as caught:
        start("hang")
    assert caught.value.status == 3
    assert not _daemons(config)


def test_umount_takes_mount_daemon_and_record_away(start: Start, config: MountConfig, assetfs: Command) -> None:
    pid = start()
    done = assetfs("umount", config.mountpoint)
    assert (done.status, done.output, done.errors) == (0, "", "")
    assert mountinfo.at(config.mountpoint) is None
    assert _gone(pid)
    assert records.read(config.mountpoint) is None


def test_umount_names_who_uses_the_mount(start: Start, config: MountConfig, assetfs: Command) -> None:
    start()
    with (config.mountpoint / "hello.txt").open():
        done = assetfs("umount", config.mountpoint)
        assert done.status == 1
        assert f"({os.getpid()}: {config.mountpoint}/hello.txt)" in done.line
        assert mountinfo.at(config.mountpoint) is not None
    assert assetfs("umount", config.mountpoint).status == 0


def test_umount_lazy_does_not_wait_for_users(
    start: Start, config: MountConfig, assetfs: Command, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    pid = start()
    with (config.mountpoint / "hello.txt").open() as stream:
        assert assetfs("umount", "--lazy", config.mountpoint).status == 0
        assert mountinfo.at(config.mountpoint) is None
        assert stream.read() == "hello\n"
    eventually(lambda: _gone(pid))


def test_umount_says_what_is_still_owed(start: Start, config: MountConfig, assetfs: Command) -> None:
    start("owing")
    before = time.monotonic()
    done = assetfs("umount", config.mountpoint, "--timeout", "1s")
    assert time.monotonic() - before > 1
    assert done.status == 5
    assert "1 file is still owed" in done.line
    assert mountinfo.at(config.mountpoint) is None


def test_umount_force_ends_a_wedged_mount(
    start: Start, config: MountConfig, assetfs: Command, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    pid = start("wedge")
    waiting = subprocess.Popen(["cat", str(config.mountpoint / ".assetfs/status.json")], stderr=subprocess.DEVNULL)
    assert assetfs("umount", "--force", config.mountpoint).status == 0
    assert waiting.wait(5) != 0
    assert mountinfo.at(config.mountpoint) is None
    eventually(lambda: _gone(pid))


def test_umount_of_what_is_not_ours(assetfs: Command, tmp_path: Path) -> None:
    done = assetfs("umount", tmp_path)
    assert done.status == 2
    assert "is not mounted" in done.line
    done = assetfs("umount", "/proc")
    assert done.status == 2
    assert "not a mount of assetfs" in done.line
    assert "--timeout soon" in assetfs("umount", tmp_path, "--timeout", "soon").line


def test_status_shows_a_healthy_mount(start: Start, config: MountConfig, assetfs: Command) -> None:
    pid = start()
    done = assetfs("status", "--json", config.mountpoint)
    told = json.loads(done.output)
    assert done.status == 0
    assert (told["state"], told["pid"], told["source"]) == ("ok", pid, "museum")
    assert told["status"]["requests"]["total"] == 7
    shown = assetfs("status", COLUMNS="200").output
    assert str(config.mountpoint) in shown
    assert "museum" in shown


def test_status_is_not_held_up_by_a_wedged_mount(start: Start, config: MountConfig, assetfs: Command) -> None:
    start("wedge")
    before = time.monotonic()
    done = assetfs("status", config.mountpoint, COLUMNS="200")
    assert time.monotonic() - before < 10
    assert done.status == 1
    assert "hangs" in done.output
    assert "umount --force" in done.output


def test_a_mount_that_lost_its_daemon_is_said_and_replaced(start: Start, config: MountConfig, assetfs: Command) -> None:
    from assetfs.cli import preflight

    pid = start()
    os.kill(pid, signal.SIGKILL)
    while not _gone(pid):
        time.sleep(0.01)
    done = assetfs("status", config.mountpoint, COLUMNS="200")
    assert done.status == 1
    assert "lost its daemon" in done.output
    plan = preflight.Plan(mountpoint=config.mountpoint, cache_dir=config.cache_dir, state_dir=config.state_dir)
    preflight.check(plan)
    assert mountinfo.at(config.mountpoint) is None
    start()
    assert (config.mountpoint / "hello.txt").exists()


def test_umount_of_a_mount_that_lost_its_daemon(start: Start, config: MountConfig, assetfs: Command) -> None:
    pid = start()
    os.kill(pid, signal.SIGKILL)
    while not _gone(pid):
        time.sleep(0.01)
    assert assetfs("umount", config.mountpoint).status == 0
    assert mountinfo.at(config.mountpoint) is None


def test_a_stale_record_is_said_once_and_forgotten(assetfs: Command, mountpoint: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from assetfs.cli import records;"
        "records.write(Path(sys.argv[1]), 'museum', log='', state_dir=Path('/x'))"
    )
    subprocess.run([sys.executable, "-c", code, str(mountpoint)], check=True)
    done = assetfs("status", COLUMNS="200")
    assert "gone" in done.output
    assert done.status == 1
    assert str(mountpoint) not in assetfs("status").output


def test_sigterm_unmounts(start: Start, config: MountConfig, eventually: Callable[[Callable[[], bool]], None]) -> None:
    pid = start()
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: _gone(pid))
    assert mountinfo.at(config.mountpoint) is None
    assert records.read(config.mountpoint) is None
