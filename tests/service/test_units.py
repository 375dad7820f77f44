"""The units, started by a real systemd: readiness, watchdog, credential, reload, draining stop, automount."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandboxes import RunningSandbox

from .conftest import Eventually, Home
from .machine import ALONE, Machine, why_not

REASON = why_not()
pytestmark = [pytest.mark.mount, pytest.mark.skipif(bool(REASON), reason=REASON)]

SERVICE = "assetfs@museum.service"


@pytest.fixture
def machine(home: Home, tmp_path: Path) -> Iterator[Machine]:
    """A machine where assetfs is installed, and nothing else."""
    machine = Machine(tmp_path / "machine")
    home.run("install", "--root", tmp_path / "root")
    unit = (tmp_path / "root/etc/systemd/system/assetfs@.service").read_text()
    (machine.units / "assetfs@.service").write_text(unit)
    for helper in (tmp_path / "root/sbin").iterdir():
        (machine.place / "sbin" / helper.name).symlink_to(helper.readlink())
    yield machine
    machine.halt()


def configure(machine: Machine, server: RunningSandbox, place: Path, *lines: str) -> None:
    folder = machine.place / "etc" / "assetfs"
    folder.mkdir()
    section = ["[repositories.museum]", f'source = "{server.source}"', f'mountpoint = "{place}"', *lines]
    (folder / "config.toml").write_text("\n".join(section) + "\n")
    (folder / "museum.credential").touch(mode=0o600)
    (folder / "museum.credential").write_text(server.credential + "\n")


def test_the_service_is_ready_watched_reloaded_and_drained(
    machine: Machine, home: Home, sandbox: RunningSandbox, eventually: Eventually
) -> None:
    place = home.folder("museum")
    configure(machine, sandbox, place, 'write_back_delay = "1h"')
    machine.adjust(SERVICE, "Service", "WatchdogSec=1s", "RestartSec=0")
    machine.boot()
    machine.run("systemctl", "service-watchdogs", "no")  # a busy machine of tests is late, too

    # ready when it answers, by a credential that only systemd has read
    machine.run("systemctl", "start", SERVICE)
    top = machine.run("ls", place).stdout.split("\n")[0]
    assert top
    status = json.loads(machine.run("cat", place / ".assetfs/status.json").stdout)
    main, watched = machine.shows(SERVICE, "MainPID", "WatchdogTimestampMonotonic")
    assert main == str(status["pid"])
    environ = machine.run("cat", f"/proc/{main}/environ").stdout
    assert "CREDENTIALS_DIRECTORY=" in environ
    assert sandbox.credential not in environ
    assert "museum at" in machine.shows(SERVICE, "StatusText")[0]

    # fed
    eventually(lambda: machine.shows(SERVICE, "WatchdogTimestampMonotonic")[0] != watched)

    # reloaded
    config = machine.place / "over" / "assetfs"
    machine.run("sh", "-c", "sed -i 's/1h/2h/' /etc/assetfs/config.toml")
    assert config.is_dir()
    machine.run("systemctl", "reload", SERVICE)
    eventually(lambda: "write_back_delay is 7200.0 now" in machine.console())
    eventually(lambda: machine.shows(SERVICE, "ActiveState") == ["active"])

    # hangs: the watchdog ends it, and it is started anew over its dead mount
    machine.run("sh", "-c", f"systemctl service-watchdogs yes; kill -STOP {main} || true")
    eventually(lambda: machine.shows(SERVICE, "NRestarts") != ["0"])
    machine.run("systemctl", "service-watchdogs", "no")
    eventually(lambda: machine.shows(SERVICE, "ActiveState") == ["active"])
    assert machine.run("ls", place).stdout.split("\n")[0] == top

    # stopped: what is owed is sent first
    machine.run("sh", "-c", f"echo one >'{place}/{top}/one.txt'")
    assert sent(sandbox) == 0
    machine.run("systemctl", "stop", SERVICE)
    assert machine.shows(SERVICE, "Result", "ActiveState") == ["success", "inactive"]
    assert machine.run("mountpoint", "-q", place, check=False).returncode != 0
    assert sent(sandbox) == 1


def sent(sandbox: RunningSandbox) -> int:
    """Files that the server was given."""
    return int(sandbox.requests()["kinds"].get("POST upload", 0))


MANAGER = """
[Service]
Type=notify
Delegate=yes
RuntimeDirectory=user
Environment=XDG_RUNTIME_DIR=/run/user HOME={home} SYSTEMD_UNIT_PATH={units}
ExecStart=/lib/systemd/systemd --user
"""
"""As user@.service of systemd, for whom the test runs as."""


def test_a_persons_manager_starts_and_drains_it(machine: Machine, home: Home, sandbox: RunningSandbox) -> None:
    place = home.folder("museum")
    home.repository("museum", sandbox, f'mountpoint = "{place}"', 'write_back_delay = "1h"')
    home.run("install", "--user")
    units = home.place / ".config/systemd/user"
    for name in ("basic", "default", "shutdown"):
        (units / f"{name}.target").write_text(ALONE)
    (machine.units / "manager.service").write_text(MANAGER.format(home=home.place, units=units))
    machine.boot()
    machine.run("systemctl", "start", "manager.service")
    told = "env", "XDG_RUNTIME_DIR=/run/user", "systemctl", "--user"
    machine.run(*told, "start", "assetfs@museum")
    top = machine.run("ls", place).stdout.split("\n")[0]
    machine.run("sh", "-c", f"echo one >'{place}/{top}/one.txt'")
    assert sent(sandbox) == 0
    machine.run(*told, "stop", "assetfs@museum")
    assert machine.run(*told, "is-failed", "assetfs@museum", check=False).stdout == "inactive\n"
    assert machine.run("mountpoint", "-q", place, check=False).returncode != 0
    assert sent(sandbox) == 1


def test_fstab_mounts_when_somebody_looks(
    machine: Machine, home: Home, sandbox: RunningSandbox, eventually: Eventually
) -> None:
    place = home.folder("museum")
    configure(machine, sandbox, place, 'credential_file = "/etc/assetfs/museum.credential"')
    machine.fstab(f"museum {place} fuse.assetfs _netdev,nofail,x-systemd.automount,x-systemd.idle-timeout=1h 0 0")
    (unit,) = (found.stem for found in machine.units.glob("*.automount"))
    machine.adjust(f"{unit}.mount", "Mount")
    machine.boot()
    machine.run("systemctl", "start", f"{unit}.automount")
    assert machine.shows(f"{unit}.automount", "SubState") == ["waiting"]
    assert sandbox.requests()["total"] == 0
    top = machine.run("ls", place).stdout.split("\n")[0]
    assert top
    assert machine.shows(f"{unit}.automount", "SubState") == ["running"]
    machine.run("sh", "-c", f"echo one >'{place}/{top}/one.txt'")
    machine.run("systemctl", "stop", f"{unit}.mount")
    assert machine.shows(f"{unit}.automount", "SubState") == ["waiting"]
    eventually(lambda: sent(sandbox) == 1)
    machine.run("systemctl", "stop", f"{unit}.automount")
    assert machine.run("mountpoint", "-q", place, check=False).returncode != 0
