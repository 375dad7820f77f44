"""The units: systemd itself says that they are well-formed, and how much they let a daemon do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fixtures import PROJECT

from .conftest import Home

UNITS = ("assetfs@.service", "user/assetfs@.service")
EXPOSURE = 45
"""In tenths, as `systemd-analyze security` counts: of 100. Without a mount namespace of its own, which would hide the
mount, it cannot be much less."""


@pytest.fixture
def installed(home: Home, tmp_path: Path) -> Path:
    root = tmp_path / "root"
    home.run("install", "--root", root)
    return root


def test_everything_is_installed_where_the_system_looks(installed: Path) -> None:
    for place in (
        "etc/systemd/system/assetfs@.service",
        "etc/systemd/user/assetfs@.service",
        "etc/tmpfiles.d/assetfs.conf",
        "usr/local/share/bash-completion/completions/assetfs",
        "usr/local/share/zsh/site-functions/_assetfs",
        "usr/local/share/fish/vendor_completions.d/assetfs.fish",
        "usr/local/share/man/man1/assetfs-mount.1",
        "usr/local/share/man/man5/assetfs.toml.5",
        "usr/local/share/man/man8/mount.assetfs.8",
    ):
        text = (installed / place).read_text()
        assert "@ASSETFS@" not in text
        assert str(PROJECT / "systemd") not in text
    for place in ("sbin/mount.assetfs", "sbin/mount.fuse.assetfs", "usr/local/bin/assetfs"):
        assert os.access(os.readlink(installed / place), os.X_OK)


@pytest.mark.skipif(not (PROJECT / ".venv").is_dir(), reason="make uses .venv, and there is none")
def test_make_installs_the_same(installed: Path, tmp_path: Path) -> None:
    root = tmp_path / "destination"
    make = ["make", "-C", PROJECT, "install-systemd", f"DESTDIR={root}"]
    done = subprocess.run(make, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    def files(place: Path) -> set[Path]:
        return {found.relative_to(place) for found in place.rglob("*") if found.is_symlink() or found.is_file()}

    assert files(root) == files(installed)


def test_a_person_installs_for_themselves(home: Home) -> None:
    home.run("install", "--user")
    assert (home.place / ".config/systemd/user/assetfs@.service").is_file()
    assert (home.place / ".local/share/man/man1/assetfs.1").is_file()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_the_units(installed: Path, tmp_path: Path, unit: str) -> None:
    folder = installed / "etc/systemd" / ("user" if unit.startswith("user") else "system")
    instance = tmp_path / "assetfs@museum.service"
    shutil.copy(folder / "assetfs@.service", instance)
    scope = ["--user"] if unit.startswith("user") else []
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *scope, str(instance)],
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert "assetfs" not in done.stderr, done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_the_system_unit_leaves_little_to_a_daemon(installed: Path, tmp_path: Path) -> None:
    instance = tmp_path / "assetfs@museum.service"
    shutil.copy(installed / "etc/systemd/system/assetfs@.service", instance)
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", str(instance)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "unrecognized option" in done.stderr or "Unknown" in done.stderr:
        pytest.skip("this systemd cannot judge a unit that is not loaded")
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man")
def test_the_manual_pages_are_well_formed(installed: Path) -> None:
    for page in sorted((installed / "usr/local/share/man").glob("man*/*")):
        done = subprocess.run(
            ["man", "--warnings", "-l", str(page)],
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100"},
        )
        assert done.returncode == 0
        assert "warning" not in done.stderr, f"{page}: {done.stderr}"
        assert "\nNAME\n" in re.sub(".\b", "", done.stdout)
