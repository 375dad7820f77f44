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
from tests.benchmarks.processes import running
from tests.benchmarks.servers import PROJECT, Servers, Way
from tests.conformance.clients import environment
from tests.mounts import Mounted, User, alive, eventually, mounted

HEADROOM = {"--cache-size": "8G"}
"""Room for the file that is read, on machines whose disk is so full that the default would be less."""

TUNED = ("--max-read-ahead", "4M", "--buffer-size", "64M")
RCLONE_MODES = {
    "off": ("--vfs-cache-mode", "off", *TUNED, "--read-only"),
    "full": ("--vfs-cache-mode", "full", *TUNED, "--read-only"),
    "writes": ("--vfs-cache-mode", "writes"),
}
CLIENT = "jama-client-CERTIC==0.0.38"


@dataclass(frozen=True)
class Place:
    """Where files are: a folder of a mount, or a URL. `how` is what `reader.py` calls it."""

    how: str
    root: str
    pid: int = 0
    """The daemon behind it; 0 where there is none."""
    mount: Mounted | None = None
    """Where it is ours."""

    def requests(self) -> int | None:
        """How many requests our daemon has sent."""
        return self.mount.requests() if self.mount is not None else None

    def target(self, name: str) -> str:
        return f"{self.root}/{name}"


@dataclass(frozen=True)
class Contender:
    """`open(servers, way, home, user)` makes the place; `keeps` says that a new mount finds what an old one read."""

    name: str
    open: Callable[[Servers, Way, Path, User], AbstractContextManager[Place]]
    program: str
    """What must be installed."""
    mounts: bool = True
    keeps: bool = False
    writes: bool = False
    """Only for works that write; no way to read what the others read."""

    @property
    def missing(self) -> str | None:
        """Why it cannot take part."""
        return None if shutil.which(self.program) else f"{self.program} is not installed"


@contextmanager
def _assetfs(servers: Servers, way: Way, home: Path, user: User) -> Iterator[Place]:
    options = {"--root": PROJECT, **HEADROOM}
    arguments = [part for option in options.items() for part in option]
    with mounted(way.source, servers.credential, home, *arguments, user=user) as found:
        yield Place("file", str(found.path), found.pid, found)


def _rclone(backend: str, mode: str) -> Callable[[Servers, Way, Path, User], AbstractContextManager[Place]]:
    @contextmanager
    def opened(servers: Servers, way: Way, home: Path, user: User) -> Iterator[Place]:
        path = home / "mnt"
        user.own(home, path)
        webdav = way.writable if mode == "writes" else way.webdav
        sources = {"http": ("--http-url", way.files), "webdav": ("--webdav-url", webdav)}
        command: Sequence[str | Path] = [
            *("rclone", "mount", f":{backend}:", path, *sources[backend], *RCLONE_MODES[mode]),
            *("--config", home / "rclone.conf", "--cache-dir", home / "cache"),
        ]
        env = {**os.environ, "HOME": str(home)}

        def is_mounted() -> bool:
            return str(path) in Path("/proc/self/mounts").read_text()

        try:
            with running(command, home / "rclone.log", env=env, user=user, ready=is_mounted) as process:
                yield Place("file", str(path), process.pid)
                subprocess.run(["umount", path], capture_output=True, check=False)
                eventually(lambda: not alive(process.pid), seconds=10)
        finally:
            if is_mounted():
                abort(path)
                subprocess.run(["umount", "-l", path], capture_output=True, check=False)

    return opened


def _client(how: str) -> Callable[[Servers, Way, Path, User], AbstractContextManager[Place]]:
    @contextmanager
    def opened(servers: Servers, way: Way, home: Path, user: User) -> Iterator[Place]:
        yield Place(how, way.files.rstrip("/"))

    return opened


@contextmanager
def _client_upload(servers: Servers, way: Way, home: Path, user: User) -> Iterator[Place]:
    """The official client's environment; `root` is its Python. Raises NotAvailable."""
    yield Place("client", str(environment(CLIENT)))


@contextmanager
def _disk(servers: Servers, way: Way, home: Path, user: User) -> Iterator[Place]:
    """A plain folder beside the mounts' caches and staging files."""
    yield Place("disk", str(home))


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
        Contender("rclone writes", _rclone("webdav", "writes"), "rclone", writes=True),
        Contender("client", _client_upload, "fusermount3", mounts=False, writes=True),
        Contender("disk", _disk, "fusermount3", mounts=False, writes=True),
    )
}
