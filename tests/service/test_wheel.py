"""From nothing to a mount that is used, watched, repaired and taken down: the wheel alone, without the source tree."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetfs.cli import mountinfo
from tests.fixtures import PROJECT
from tests.mounts import alive
from tests.mounts import eventually as eventually_true
from tests.sandboxes import start_sandbox

from .conftest import Eventually, Home
from .test_rotation import NEW, exchange

IDLE = 80 << 20
"""Bytes of memory that a daemon may have while nobody uses it."""


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with the wheel in it, and what it needs from the package index."""
    place = tmp_path_factory.mktemp("wheel")
    environ = {**os.environ, "PIP_CACHE_DIR": str(Path.home() / ".cache/pip"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", place, PROJECT]
    subprocess.run(build, check=True, env=environ, cwd="/")
    (wheel,) = place.glob("assetfs-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / "venv"], check=True)
    pip = [sys.executable, "-m", "pip", "--python", place / "venv/bin/python", "install", "--quiet", wheel]
    subprocess.run(pip, check=True, env=environ, cwd="/")
    return place / "venv"


@pytest.fixture
def machine(home: Home, venv: Path) -> Home:
    """A home where `assetfs` is the wheel's, and nothing knows of the source tree."""
    home.environ = {
        name: value for name, value in home.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    home.environ["PATH"] = f"{venv / 'bin'}:{os.environ['PATH']}"
    home.program = [str(venv / "bin" / "assetfs")]
    return home


@pytest.fixture
def found_by_mount(venv: Path) -> Iterator[None]:
    """mount(8) looks for programs in the system's own folders only: a link there, as `assetfs install` makes it. Tests
    of another source tree may have one at this moment."""
    link, program = Path("/usr/local/bin/assetfs"), venv / "bin" / "assetfs"

    def made() -> bool:
        if link.is_symlink() and not link.exists():
            link.unlink()  # of a test that was killed
        try:
            link.symlink_to(program)
        except FileExistsError:
            return False
        return True

    if not eventually_true(made, 60):
        pytest.skip(f"{link} is there already")
    yield
    link.unlink()


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.timeout(400)
def test_the_wheel_has_everything_in_it(machine: Home, venv: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [venv / "bin/python", "-c", "import assetfs; print(assetfs.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env=machine.environ,
    ).stdout
    assert where.startswith(str(venv))
    machine.run("install", "--root", tmp_path / "root")
    unit = (tmp_path / "root/etc/systemd/system/assetfs@.service").read_text()
    assert f"ExecStart={venv}/bin/assetfs mount --foreground" in unit
    found = {each["about"]: each for each in json.loads(machine.run("doctor", "--json", check=False).stdout)}
    assert found["backends"]["level"] == "ok"
    assert "jama" in found["backends"]["what"]
    assert not [about for about, each in found.items() if about.startswith("backend ") and each["level"] == "bad"]


@pytest.mark.mount
@pytest.mark.timeout(400)
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount.fuse3") is None, reason="needs root and mount.fuse3")
def test_from_nothing_to_a_drained_mount(
    machine: Home, found_by_mount: None, tmp_path: Path, eventually: Eventually
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, place = tmp_path / "data", machine.folder("museum")

    with start_sandbox(data=data, port=port) as server:
        # set up: a configuration, a credential in a file, a line of fstab
        config = Path(machine.run("config", "init").stdout.strip())
        key = machine.key("museum", server.credential)
        section = {
            "source": server.source,
            "credential_file": str(key),
            "state_dir": str(machine.place / ".local/state/assetfs"),
            "cache_dir": str(machine.place / ".cache/assetfs"),
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in section.items()]
        config.write_text("\n".join([config.read_text(), "[repositories.museum]", *lines, ""]))
        found = machine.run("doctor", "museum", check=False).stdout.splitlines()
        assert [line for line in found if " BAD " in line and "BAD mount:" not in line] == []  # others mount here, too
        fstab = tmp_path / "fstab"
        options = f"_netdev,noauto,nofail,config={config},write_back_delay=100ms,list_timeout=1s"
        fstab.write_text(f"museum {place} fuse.assetfs {options} 0 0\n")
        subprocess.run(["mount", "-T", fstab, place], check=True, env=machine.environ, timeout=60)
        mounted = mountinfo.at(place)
        assert mounted is not None
        assert (mounted.fstype, mounted.source) == ("fuse.assetfs", "museum")

        # used, and watched
        pid = int(json.loads(machine.run("status", "--json", place).stdout)["status"]["pid"])
        assert memory(pid) < IDLE
        top = next(folder for folder in place.iterdir() if folder.is_dir())
        (top / "first.txt").write_text("first\n")
        machine.run("flush", place)
        assert "museum" in machine.run("status", check=False).stdout
        assert "assetfs_uploads_total" in (place / ".assetfs/metrics").read_text()
        credential = server.credential

    # the server is away, and comes back with another key
    (top / "second.txt").write_text("second\n")
    eventually(lambda: json.loads((place / ".assetfs/status.json").read_text())["health"] == "unreachable")
    with start_sandbox(data=data, port=port) as server:
        server.credential = credential
        exchange(server, credential, NEW)
        machine.key("museum", NEW)
        eventually(lambda: os.getxattr(top / "second.txt", "user.assetfs.state") == b"clean", 90)
        assert (top / "first.txt").read_text() == "first\n"
        assert json.loads((place / ".assetfs/status.json").read_text())["health"] == "ok"

        # and taken down, with what was written a moment ago
        (top / "third.txt").write_text("third\n")
        machine.run("umount", place)
        assert mountinfo.at(place) is None
        eventually(lambda: not alive(pid))
        assert not machine.log().count("Traceback")
        subprocess.run(["mount", "-T", fstab, place], check=True, env=machine.environ, timeout=60)
        assert (top / "third.txt").read_text() == "third\n"
        assert os.getxattr(top / "third.txt", "user.assetfs.state") == b"clean"
        subprocess.run(["umount", place], check=True)
        assert mountinfo.at(place) is None
