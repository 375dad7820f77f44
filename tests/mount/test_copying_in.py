"""Copying in with programs that keep modes and times."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.mounts import error_of
from tests.writing import Desk, fresh

pytestmark = pytest.mark.mount


@pytest.fixture
def originals(open_folder: Path) -> Path:
    """Files of several modes, one of them old."""
    folder = open_folder / fresh(6).hex() / "box"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    for name, mode in (("letter.txt", 0o644), ("private.txt", 0o600), ("all.txt", 0o666)):
        (folder / name).write_bytes(fresh())
        (folder / name).chmod(mode)
    os.utime(folder / "letter.txt", (981_158_400, 981_158_400))
    return folder


def test_rsync_copies_in_and_a_second_time_nothing(desk: Desk, originals: Path) -> None:
    desk.run(f"rsync -a '{originals}' .")
    desk.flush()
    expected = {path.name: path.read_bytes() for path in originals.iterdir()}
    assert {path.name: path.read_bytes() for path in (desk / "box").iterdir()} == expected
    assert int((desk / "box" / "letter.txt").stat().st_mtime) == 981_158_400
    again = desk.run(f"rsync -rti '{originals}' .").stdout.decode()
    assert ">f" not in again


@pytest.mark.parametrize("command", ["cp -p '{}'/* .", "tar c -C '{}' letter.txt private.txt all.txt | tar xp"])
def test_copies_that_keep_the_mode_succeed(desk: Desk, originals: Path, command: str) -> None:
    desk.run(command.format(originals))
    desk.flush()
    for path in originals.iterdir():
        assert (desk / path.name).read_bytes() == path.read_bytes()
    assert int((desk / "letter.txt").stat().st_mtime) == 981_158_400


def test_the_mode_of_what_the_server_has_cannot_be_changed(desk: Desk) -> None:
    (desk / "letter.txt").write_bytes(fresh())
    (desk / "letter.txt").chmod(0o600)
    desk.flush()
    assert error_of(lambda: (desk / "letter.txt").chmod(0o600)) == errno.EPERM
    (desk / "letter.txt").chmod((desk / "letter.txt").stat().st_mode & 0o777)
