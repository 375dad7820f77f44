"""Mounted depots (`tests/example`): a folder on this disk as a repository, which tests change as somebody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.example.disk import Disk
from tests.mounts import Mounted, User, mounted

PROJECT = Path(__file__).parents[1]
WITH_DEPOTS = User(environ={"PYTHONPATH": os.pathsep.join(map(str, (PROJECT, PROJECT / "tests/example/installed")))})
SOURCE = "depot+https://localhost/"


class Depot:
    """A mounted depot: `disk` is the server's side, `mount` the drive, `path` its root."""

    def __init__(self, disk: Disk, mount: Mounted) -> None:
        self.disk = disk
        self.mount = mount
        self.path = mount.path

    def asked(self, what: str) -> int:
        """How often the backend asked the depot for something."""
        return int(self.mount.status()["requests"]["by_label"].get(what, 0))


def empty(home: Path) -> Disk:
    """A depot with nothing in it."""
    disk = Disk(home / "depot")
    disk.folder.mkdir(parents=True, exist_ok=True)
    disk.prepare()
    return disk


@contextmanager
def depot(home: Path, *options: str, disk: Disk | None = None) -> Iterator[Depot]:
    """A depot, mounted as long as the block runs; again with the same home it is the same one."""
    disk = disk or empty(home)
    with mounted(SOURCE, "a key", home, "--folder", str(disk.folder), *options, user=WITH_DEPOTS) as mount:
        yield Depot(disk, mount)
