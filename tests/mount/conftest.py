"""Mounts for tests, and the certainty that none is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assetfs.backends import Address
from assetfs.cli import launch, mountinfo, records
from assetfs.config import MountConfig, source
from assetfs.transport import TransportOptions

SECRET = "hush-hush-0123"
TINYFS = Path(__file__).with_name("tinyfs.py")


class Done:
    """What a command left: status, output, and its lines on stderr."""

    def __init__(self, status: int, output: str, errors: str) -> None:
        self.status, self.output, self.errors = status, output, errors

    @property
    def line(self) -> str:
        """The one line on stderr."""
        lines = self.errors.splitlines()
        assert len(lines) == 1, self.errors
        assert lines[0].startswith("assetfs: ")
        assert SECRET not in self.errors + self.output
        return lines[0]


@pytest.fixture
def assetfs() -> Callable[..., Done]:
    """Run the command line as a user does."""

    def run(*arguments: object, module: str = "assetfs", **environ: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **environ},
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def mountpoint(tmp_path: Path) -> Iterator[Path]:
    """An empty folder; whatever is mounted there is taken away afterwards, with its daemon."""
    place = Path(os.path.realpath(tmp_path)) / "drive"
    place.mkdir()
    yield place
    record = records.read(place)
    if record is not None and record.alive:
        os.kill(record.pid, signal.SIGKILL)
    if (mounted := mountinfo.at(place)) is not None:
        with contextlib.suppress(Exception):
            mountinfo.abort(mounted)
        mountinfo.unmount(place, lazy=True)


@pytest.fixture
def config(tmp_path: Path, mountpoint: Path) -> MountConfig:
    return MountConfig(
        mountpoint=mountpoint,
        source="museum",
        address=Address(backend="jama", url=source.parse("jama+https://h/").url, secret=SECRET),
        transport=TransportOptions(),
        cache_dir=tmp_path / "cache",
        state_dir=tmp_path / "state",
        uid=os.getuid(),
        gid=os.getgid(),
        cache_size=1 << 20,
        cache_free=0,
        read_ahead=0,
    )


@pytest.fixture
def start(config: MountConfig, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Start the tiny daemon as `assetfs mount` starts the real one; returns its pid."""

    def launched(behaviour: str = "ok") -> int:
        monkeypatch.setenv("TINYFS", behaviour)
        return launch.launch(config, program=(sys.executable, str(TINYFS)))

    return launched


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is true, ten seconds at most."""

    def wait(true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not true():
            assert time.monotonic() < deadline, "it did not happen within 10 s"
            time.sleep(0.02)

    return wait
