"""A mounted tape archive: what programs that know nothing of tape do to it, and what they get.

Every test has a stage of its own on the disk that it shares with the server, and counts what the server was asked.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.jdma import Jdma, below, tree
from tests.mounts import Mounted, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount

QUICK = ("--poll-min", "0.1", "--poll-max", "0.5", "--recall-window", "0.3", "--auto-recall-files", "5000")
NEVER = 3600.0
"""Seconds that a tape may take when a test does not wait for it."""
MANY = 1000
_numbers = itertools.count(1)

Archive = Callable[..., AbstractContextManager[Mounted]]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    options = ("--bench-files", str(MANY), "--bench-size", "65536")
    with start_sandbox("jdma", seed="bench", options=options) as found:
        yield found


@pytest.fixture
def user(running: RunningSandbox) -> Iterator[Jdma]:
    running.reset()
    yield Jdma(running)
    running.reset()


def new_stage(user: Jdma) -> Path:
    """A folder for a mount on the shared disk."""
    stage = tree(user.stage / f"stage-{next(_numbers)}")
    stage.chmod(0o700)
    return stage


@pytest.fixture
def archive(user: Jdma, tmp_path: Path) -> Archive:
    """Mount the archive, with a new stage or a given one; `recall` is what an open of an offline file does."""

    @contextmanager
    def opened(*options: str, recall: str = "wait", stage: Path | None = None) -> Iterator[Mounted]:
        place = stage or new_stage(user)
        words = ("--stage", str(place), "--recall", recall, *QUICK, *options)
        with mounted(user.server.source, user.server.credential, tmp_path, *words) as drive:
            yield drive

    return opened


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


HOLES = bytes(300_000) + noise(5000) + bytes(200_000)
TREE = {"small_txt": b"not zeros\n", "sub__large_bin": noise(400_000), "sub__holes_bin": HOLES, "sub__empty": b""}


def folder_of(user: Jdma, label: str) -> tuple[str, dict[str, bytes]]:
    """A batch whose source is gone: where it is in the mount, and what it holds."""
    source = tree(tree(user.stage / "sources") / label, **TREE)
    truth = below(source)
    user.batch(source, label=label, kind="MIGRATE")
    user.server.forget()
    return f"{user.workspace}/{label}", truth


# ---- looking costs little, and brings nothing ------------------------------------------------------------------------


def test_find_over_all_batches_costs_two_requests(user: Jdma, archive: Archive) -> None:
    for number in range(3):
        folder_of(user, f"looked at {number}")
    with archive() as drive:
        user.server.forget()
        found = drive.run("find . -type f -size +0").stdout.decode().splitlines()
        assert len([name for name in found if "/looked at" in name]) == 9
        assert len([name for name in found if name.startswith(f"./{user.workspace}/small/")]) == MANY
        assert user.server.requests()["kinds"] == {"GET migration": 1, "GET file": 1}
        drive.run("find . -ls")
        drive.run("ls -lR")
        drive.run("du -a")
        assert user.server.requests()["total"] == 2


def test_looking_brings_nothing(user: Jdma, archive: Archive) -> None:
    folder, truth = folder_of(user, "only looked at")
    with archive() as drive:
        for command in (
            "ls -lsR",
            "find -type f -empty",
            "stat -c %b **",
            "getfattr -d -m - -R .",
            "du -a --apparent-size",
        ):
            drive.run("bash", "-O", "globstar", "-c", f'cd "$0"; {command}', folder)
        for name, content in truth.items():
            assert (drive.path / folder / name).stat().st_blocks > 0 or not content
        assert "POST request" not in user.server.requests()["kinds"]
