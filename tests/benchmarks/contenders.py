"""Who takes part: assetfs, rclone in its modes, and two clients that only know how to download.

A contender's `place` is a context: inside it, what is to be read is there, freshly mounted (so the page cache is cold);
`home` holds its caches (so a new one is cold, and the same one again is warm on disk).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from assetfs.fuse.session import abort
from tests.benchmarks.ordinary import Person
from tests.benchmarks.processes import running
from tests.benchmarks.servers import PROJECT, Servers, Way
from tests.mounts import alive, environment, eventually, unmount

HEADROOM = {"--cache-size": "8G"}
"""Room for the file that is read, on machines whose disk is so full that the default would be less."""

TUNED = ("--max-read-ahead", "4M", "--buffer-size", "64M")
RCLONE_MODES = {"off": ("--vfs-cache-mode", "off", *TUNED), "full": ("--vfs-cache-mode", "full", *TUNED)}


@dataclass(frozen=True)
class Place:
    """Where files are: a folder of a mount, or a URL. `how` is what `reader.py` calls it."""

    how: str
    root: str
    pid: int = 0
    """The daemon behind it; 0 where there is none."""

    def target(self, name: str) -> str:
        return f"{self.root}/{name}"


@dataclass(frozen=True)
class Contender:
    """`open(servers, way, home, person)` makes the place; `keeps` says that a new mount finds what an old one read."""

    name: str
    open: Callable[[Servers, Way, Path, Person], AbstractContextManager[Place]]
    program: str
    """What must be installed."""
    mounts: bool = True
    keeps: bool = False

    @property
    def missing(self) -> str | None:
        """Why it cannot take part."""
        return None if shutil.which(self.program) else f"{self.program} is not installed"


@contextmanager
def _assetfs(servers: Servers, way: Way, home: Path, person: Person) -> Iterator[Place]:
    path = home / "mnt"
    for folder in (path, home / "run"):
        folder.mkdir(mode=0o700, exist_ok=True)
    person.own(home, path, home / "run")
    options = {"--cache-dir": home / "cache", "--state-dir": home / "state", "--root": PROJECT, **HEADROOM}
    arguments = [str(part) for option in options.items() for part in option]
    done = subprocess.run(
        [person.python, "-P", "-m", "assetfs", "mount", way.source, path, *arguments],
        env={**environment(home, servers.credential), **person.env, "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **person.becoming,
    )
    if done.returncode:
        raise RuntimeError(f"assetfs mount: {done.stdout}{done.stderr}")
    pid = int(next((home / "state").glob("*/lock")).read_text())  # root may not look into another user's mount
    try:
        yield Place("file", str(path), pid)
    finally:
        unmount(path, pid)


def _rclone(backend: str, mode: str) -> Callable[[Servers, Way, Path, Person], AbstractContextManager[Place]]:
    @contextmanager
    def opened(servers: Servers, way: Way, home: Path, person: Person) -> Iterator[Place]:
        path = home / "mnt"
        path.mkdir(exist_ok=True)
        person.own(home, path)
        sources = {"http": ("--http-url", way.files), "webdav": ("--webdav-url", way.webdav)}
        command: Sequence[str | Path] = [
            *("rclone", "mount", f":{backend}:", path, *sources[backend], *RCLONE_MODES[mode]),
            *("--config", home / "rclone.conf", "--cache-dir", home / "cache", "--read-only"),
        ]
        env = {**os.environ, "HOME": str(home)}

        def mounted() -> bool:
            return str(path) in Path("/proc/self/mounts").read_text()

        try:
            with running(command, home / "rclone.log", env=env, person=person, ready=mounted) as process:
                yield Place("file", str(path), process.pid)
                subprocess.run(["umount", path], capture_output=True, check=False)
                eventually(lambda: not alive(process.pid), seconds=10)
        finally:
            if mounted():
                abort(path)
                subprocess.run(["umount", "-l", path], capture_output=True, check=False)

    return opened


def _client(how: str) -> Callable[[Servers, Way, Path, Person], AbstractContextManager[Place]]:
    @contextmanager
    def opened(servers: Servers, way: Way, home: Path, person: Person) -> Iterator[Place]:
        yield Place(how, way.files.rstrip("/"))

    return opened


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("assetfs", _assetfs, "fusermount3", keeps=True),
        Contender("rclone http", _rclone("http", "off"), "rclone"),
        Contender("rclone http full", _rclone("http", "full"), "rclone", keeps=True),
        Contender("rclone webdav", _rclone("webdav", "off"), "rclone"),
        Contender("rclone webdav full", _rclone("webdav", "full"), "rclone", keeps=True),
        Contender("httpx", _client("httpx"), "fusermount3", mounts=False),
        Contender("curl", _client("curl"), "curl", mounts=False),
    )
}
