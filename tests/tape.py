"""Fixtures of tests that mount the tape archive: a server for the whole session, and a stage for every mount.

What a test puts there has a label of its own; what the server does is as it was when the test is over.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.jdma import Jdma, below, tree
from tests.mounts import Mounted, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

QUICK = ("--poll-min", "0.1", "--poll-max", "0.5", "--recall-window", "0.3", "--auto-recall-files", "5000")
NEVER = 3600.0
"""Seconds that a tape may take when a test does not wait for it."""
MANY = 1000
"""Files of the batch `small`, of which one in a hundred has any given content."""


def noise(size: int) -> bytes:
    """Bytes that no tool can leave out."""
    return random.Random(size).randbytes(size)


TREE = {
    "small_txt": b"not zeros\n",
    "sub__large_bin": noise(400_000),
    "sub__holes_bin": bytes(300_000) + noise(5000) + bytes(200_000),
    "sub__empty": b"",
}

Archive = Callable[..., AbstractContextManager[Mounted]]


@pytest.fixture(scope="session")
def _tape() -> Iterator[RunningSandbox]:
    options = ("--bench-files", str(MANY), "--bench-size", "65536")
    with start_sandbox("jdma", seed="bench", options=options) as found:
        yield found


@pytest.fixture
def tape(_tape: RunningSandbox) -> Iterator[Jdma]:
    """Somebody else who uses the archive under our name."""
    _tape.reset()
    yield Jdma(_tape)
    _tape.reset()


@pytest.fixture
def archive(tape: Jdma, tmp_path: Path) -> Archive:
    """Mount the archive, with a new stage or a given one; `recall` is what an open of an offline file does."""

    @contextmanager
    def opened(*options: str, recall: str = "wait", stage: Path | None = None) -> Iterator[Mounted]:
        words = ("--stage", str(stage or tape.new_stage()), "--recall", recall, *QUICK, *options)
        with mounted(tape.server.source, tape.server.credential, tmp_path, *words) as drive:
            yield drive

    return opened


def on_tape(tape: Jdma, label: str) -> tuple[str, dict[str, bytes]]:
    """A batch whose source is gone: where it is in the mount, and what it holds. The log is empty then."""
    source = tree(tree(tape.stage / "sources") / label, **TREE)
    truth = below(source)
    tape.batch(source, label=label, kind="MIGRATE")
    tape.server.forget()
    return f"{tape.workspace}/{label}", truth


def attribute(path: Path, name: str) -> bytes:
    """An attribute; empty where there is no such thing at this moment."""
    with contextlib.suppress(FileNotFoundError):
        return os.getxattr(path, name)
    return b""
