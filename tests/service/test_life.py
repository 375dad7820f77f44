"""A mount's life as a service: reloads, log rotation, the watchdog, draining within a limit, few rights."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assetfs.cli import mountinfo
from tests.mounts import alive
from tests.sandboxes import RunningSandbox

from .conftest import Eventually, Home

pytestmark = pytest.mark.mount


def mount(home: Home, server: RunningSandbox, *lines: str) -> tuple[Path, int]:
    home.repository("museum", server, *lines)
    place = home.folder("museum")
    home.run("mount", "museum", place)
    return place, int(json.loads(home.run("status", "--json", "museum").stdout)["pid"])


class Manager:
    """What systemd would hear."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(place))
        self.socket.settimeout(60)

    def hear(self, word: str) -> str:
        """Everything up to a message that has this word."""
        while word not in (said := self.socket.recv(4096).decode()):
            pass
        return said


@contextmanager
def foreground(home: Home, *arguments: object, program: tuple[str, ...] = (), **environ: str) -> Iterator[Manager]:
    """`assetfs mount --foreground museum`, as a service manager starts it; ended with SIGTERM."""
    manager = Manager(home.place / "notify")
    process = subprocess.Popen(
        [*program, sys.executable, "-m", "assetfs", "mount", "--foreground", "museum", *map(str, arguments)],
        env={**home.environ, "NOTIFY_SOCKET": str(manager.place), **environ},
        stderr=(home.place / "said").open("wb"),
    )
    try:
        manager.hear("READY=1")
        yield manager
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
        manager.socket.close()
    assert status == 0


def test_the_place_comes_from_the_configuration(home: Home, demo_sandbox: RunningSandbox) -> None:
    place = home.folder("drive")
    home.repository("museum", demo_sandbox, 'mountpoint = "~/drive"')
    home.run("mount", "museum")
    assert os.listdir(place)
    assert str(place) in home.run("config", "show", "museum").stdout
    home.run("umount", "museum")
    done = home.run("mount", demo_sandbox.source, check=False, ASSETFS_CREDENTIAL="x")
    assert done.returncode == 2
    assert "where?" in done.stderr


def test_sighup_takes_what_can_be_taken(home: Home, demo_sandbox: RunningSandbox, eventually: Eventually) -> None:
    place, pid = mount(home, demo_sandbox)
    home.config.write_text(
        home.config.read_text() + 'log_level = "debug"\nlog_format = "json"\nuploads = 7\ndownloads = 3\n'
    )
    os.kill(pid, signal.SIGHUP)
    eventually(lambda: "uploads is 7 now" in home.log())
    assert "new values of downloads, transport are for the next mount" in home.log()
    os.listdir(place)
    eventually(lambda: home.log().splitlines()[-1].startswith("{"))
    home.config.write_text(home.config.read_text() + "uplods = 7\n")
    os.kill(pid, signal.SIGHUP)
    eventually(lambda: "the configuration stays as it was" in home.log())
    assert "did you mean 'uploads'" in home.log()
    assert os.listdir(place)
    home.run("umount", "museum")


def test_the_log_may_be_moved_away(home: Home, demo_sandbox: RunningSandbox, eventually: Eventually) -> None:
    log = home.place / "museum.log"
    _, pid = mount(home, demo_sandbox, f'log_file = "{log}"')
    log.rename(home.place / "museum.log.1")
    os.kill(pid, signal.SIGUSR1)
    eventually(lambda: log.exists() and "tasks:" in log.read_text())
    assert "is mounted at" in (home.place / "museum.log.1").read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    assert os.readlink(f"/proc/{pid}/fd/2") == str(log)
    home.run("umount", "museum")


def test_the_manager_hears_of_life_and_reloads(home: Home, demo_sandbox: RunningSandbox) -> None:
    home.repository("museum", demo_sandbox, f'mountpoint = "{home.folder("museum")}"')
    with foreground(home, WATCHDOG_USEC="300000", JOURNAL_STREAM="8:1") as manager:
        manager.hear("WATCHDOG=1")
        manager.hear("WATCHDOG=1")
        pid = int(json.loads(home.run("status", "--json", "museum").stdout)["pid"])
        os.kill(pid, signal.SIGHUP)
        manager.hear("RELOADING=1")
        manager.hear("READY=1")
    said = (home.place / "said").read_text()
    assert "<6>assetfs: museum is mounted at" in said
    assert mountinfo.at(home.place / "museum") is None


def test_sigterm_drains_within_its_limit_and_keeps_the_rest(
    home: Home, sandbox: RunningSandbox, eventually: Eventually
) -> None:
    place, pid = mount(home, sandbox, 'write_back_delay = "1h"', 'drain = "2s"')
    top = next(folder for folder in place.iterdir() if folder.is_dir())
    (top / "one.txt").write_text("one\n")
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not alive(pid))
    assert json.loads(home.run("uploads", "museum", "list", "--json").stdout)["uploads"] == []
    home.run("mount", "museum", place)
    assert (top / "one.txt").read_text() == "one\n"
    assert os.getxattr(top / "one.txt", "user.assetfs.state") == b"clean"
    pid = int(json.loads(home.run("status", "--json", "museum").stdout)["pid"])
    sandbox.arm("hang", count=None)
    (top / "two.txt").write_text("two\n")
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not alive(pid), 60)
    (owed,) = json.loads(home.run("uploads", "museum", "list", "--json").stdout)["uploads"]
    assert owed["place"].endswith("two.txt")
    assert "1 files are still owed" in home.log()
    sandbox.disarm()
    home.run("mount", "museum", place, "--write-back-delay", "0s")
    home.run("flush", "museum")
    assert (top / "two.txt").read_text() == "two\n"
    home.run("umount", "museum")


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_it_mounts_with_the_rights_of_its_unit(home: Home, demo_sandbox: RunningSandbox) -> None:
    """Root with one capability and no new privileges: what systemd/assetfs@.service leaves it."""
    home.repository("museum", demo_sandbox, f'mountpoint = "{home.folder("museum")}"', "allow_other = true")
    few = ("setpriv", "--no-new-privs", "--bounding-set", "-all,+sys_admin", "--inh-caps", "-all")
    with foreground(home, program=few):
        assert os.listdir(home.place / "museum")
    assert mountinfo.at(home.place / "museum") is None
