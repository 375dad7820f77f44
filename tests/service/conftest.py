"""A home of one's own, as a person or an administrator sets it up: configuration, keys, mount points."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assetfs.cli import mountinfo
from tests.mounts import unmount
from tests.sandboxes import RunningSandbox


class Home:
    """A folder with everything in it. `run` runs the command line there."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.program = [sys.executable, "-m", "assetfs"]
        self.config = place / ".config" / "assetfs" / "config.toml"
        self.config.parent.mkdir(parents=True)
        (place / "run").mkdir(mode=0o700)
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ASSETFS_", "XDG_"))},
            "HOME": str(place),
            "XDG_RUNTIME_DIR": str(place / "run"),
            "COLUMNS": "200",
        }

    def folder(self, name: str) -> Path:
        place = self.place / name
        place.mkdir(exist_ok=True)
        return place

    def key(self, name: str, secret: str) -> Path:
        """A private file with a credential."""
        place = self.place / f"{name}.key"
        place.touch(mode=0o600)
        place.write_text(secret + "\n")
        return place

    def repository(self, name: str, server: RunningSandbox, *lines: str, secret: str | None = None) -> None:
        """One more section of the configuration file."""
        key = self.key(name, server.credential if secret is None else secret)
        text = self.config.read_text() if self.config.exists() else ""
        section = [f"[repositories.{name}]", f'source = "{server.source}"', f'credential_file = "{key}"', *lines]
        self.config.write_text(text + "\n".join(section) + "\n")

    def run(
        self, *arguments: object, check: bool = True, said: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.program, *map(str, arguments)],
            input=said,
            capture_output=True,
            text=True,
            timeout=90,
            cwd="/",
            env={**self.environ, **environ},
        )
        if check:
            assert done.returncode == 0, f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def log(self) -> str:
        return "".join(place.read_text() for place in (self.place / ".local/state/assetfs/log").glob("*"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    place = Path(os.path.realpath(tmp_path)) / "home"
    place.mkdir()
    yield Home(place)
    for mounted in mountinfo.mounts():
        if mounted.mountpoint.is_relative_to(place):
            unmount(mounted.mountpoint)


Eventually = Callable[..., None]


@pytest.fixture
def eventually() -> Eventually:
    """Wait until something is true, half a minute at most."""
    from tests import mounts

    def wait(true: Callable[[], object], seconds: float = 30.0) -> None:
        assert mounts.eventually(true, seconds), "it did not happen in time"

    return wait
