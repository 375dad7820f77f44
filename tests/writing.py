"""A drive to write on, for tests: a desk is one fresh folder of it, with the server's side of that folder beside it.

Most tests share one server and one drive, on which uploads wait until a test asks for them: so that the state between
close and upload can be looked at for as long as a test likes, and nothing depends on time.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import wire
from tests.mounts import Mounted, alive, eventually, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

NEVER = ("--write-back-delay", "1h")
"""Uploads wait until somebody asks for them."""
SOON = ("--write-back-delay", "0.1s")

_numbers = itertools.count(1)


def fresh(size: int = 100, seed: object = None) -> bytes:
    """Bytes that no other test has: the server keeps equal content once."""
    return random.Random(repr((seed, os.getpid(), next(_numbers)))).randbytes(size)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Desk:
    """One folder of a drive (`folder`), which is one collection of a server (`collection`)."""

    def __init__(self, drive: Mounted, server: RunningSandbox, name: str) -> None:
        self.drive = drive
        self.server = server
        self.name = name
        self.collection = wire.folder(server, name)
        self.project = drive.path / "Sandbox"
        self.folder = self.project / name
        self.refresh(self.project)

    # Here

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def refresh(self, folder: Path | None = None) -> None:
        """Ask the server anew what is in the folder."""
        os.setxattr(folder or self.folder, "user.assetfs.refresh", b"1")

    def names(self) -> list[str]:
        return sorted(os.listdir(self.folder))

    def run(self, *command: str | Path, check: bool = True, **environ: str) -> subprocess.CompletedProcess[bytes]:
        """A program, or with one argument a shell command, in the folder."""
        words: list[str | Path] = ["bash", "-ec", f"set -o pipefail; {command[0]}"] if len(command) == 1 else [*command]
        done = subprocess.run(
            words,
            cwd=self.folder,
            env={**os.environ, "LC_ALL": "C.UTF-8", **environ},
            capture_output=True,
            timeout=180,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{words}: {done.returncode} {done.stderr.decode(errors='replace')[-2000:]}"
        return done

    def id_of(self, name: str) -> int:
        return int(os.getxattr(self / name, "user.jama.id"))

    def xattr(self, name: str, attribute: str) -> str:
        return os.getxattr(self / name, attribute).decode()

    def state(self, name: str) -> str:
        return self.xattr(name, "user.assetfs.state")

    # On the way

    def uploads(self) -> dict[str, dict[str, Any]]:
        """What is owed to the server of this folder, and of those whose names begin alike, by name."""
        listed = self.drive.status()["uploads"]["list"]
        return {u["place"].removeprefix(f"{self.name}/"): u for u in listed if u["place"].startswith(self.name)}

    def pending(self) -> list[dict[str, Any]]:
        return [upload for upload in self.drive.status()["uploads"]["list"] if upload["state"] != "failed"]

    def flush(self, seconds: float = 20) -> None:
        """Upload everything now, and wait until nothing is on its way."""

        def done() -> bool:
            self.hurry()
            return not self.pending() and not self.drive.status()["uploads"]["held"]

        assert eventually(done, seconds), f"still owed: {self.uploads()}"

    def hurry(self) -> None:
        os.setxattr(self.drive.path / ".assetfs", "user.assetfs.flush", b"1")

    def failed(self, name: str) -> str:
        """Upload everything; the reason why this file cannot be."""
        self.flush()
        return str(self.uploads()[name]["error"])

    # There

    def put(self, name: str, content: bytes) -> int:
        """Another client uploads a file."""
        number = wire.put(self.server, self.collection, name, content)
        self.refresh()
        return number

    def there(self, collection: int | None = None) -> dict[str, dict[str, Any]]:
        """The resources of the collection by title; each title once."""
        found = self.server.rpc(
            "project_items",
            [],
            self.server.info["project"],
            True,
            collection or self.collection,
            0,
            10_000,
            "title",
            None,
        )["resources"]
        titles = [resource["title"] for resource in found]
        assert len(titles) == len(set(titles)), f"two of one name: {titles}"
        return {resource["title"]: resource for resource in found}

    def collections(self) -> dict[str, int]:
        found = self.server.rpc(
            "project_items", [], self.server.info["project"], False, self.collection, 0, 10_000, "title", None
        )["collections"]
        return {collection["title"]: collection["id"] for collection in found}

    def content(self, name: str) -> bytes:
        """What the server has under a name."""
        return wire.content(self.server, int(self.there()[name]["id"]))

    def chunks(self) -> int:
        """How many chunks of files the server was sent since its log was emptied."""
        return int(self.server.requests()["kinds"].get("POST upload", 0))


DeskMaker = Callable[..., AbstractContextManager[Desk]]


class Studio:
    """One server and one drive for all tests of this process, made anew where a test has left one of them dead."""

    def __init__(self, home: Callable[[], Path]) -> None:
        self._home = home
        self._stack = contextlib.ExitStack()
        self._made: tuple[RunningSandbox, Mounted] | None = None

    def open(self) -> tuple[RunningSandbox, Mounted]:
        if self._made is not None:
            server, drive = self._made
            if server.process.poll() is None and alive(drive.pid) and drive.is_mounted:
                return self._made
            self.close()
        server = self._stack.enter_context(start_sandbox())
        drive = self._stack.enter_context(mounted(server.source, server.credential, self._home(), *NEVER))
        self._made = server, drive
        return self._made

    def close(self) -> None:
        self._made = None
        self._stack.close()


@pytest.fixture(scope="session")
def _studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with contextlib.closing(Studio(lambda: tmp_path_factory.mktemp("studio"))) as studio:
        yield studio


@pytest.fixture
def desk(_studio: Studio, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A fresh folder on the drive that all tests share. What a test leaves unsent is discarded."""
    server, drive = _studio.open()
    server.reset()
    made = Desk(drive, server, f"desk {next(_numbers):05}")
    yield made
    server.reset()
    clear(made)


def clear(desk: Desk) -> None:
    """Give up what is owed, so that the next test begins with nothing."""
    for upload in desk.drive.status()["uploads"]["list"]:
        with contextlib.suppress(OSError):
            os.setxattr(desk.drive.path / ".assetfs", "user.assetfs.discard", str(upload["number"]).encode())


@pytest.fixture
def own_desk(sandbox: RunningSandbox, tmp_path: Path) -> DeskMaker:
    """`with own_desk("--option")`: a desk on a mount of the test's own; a second one with the same `home` and `name`
    is the same folder after a remount."""

    @contextmanager
    def make(*options: str, home: Path = tmp_path / "home", **more: Any) -> Iterator[Desk]:
        name = more.pop("name", "desk")
        with mounted(sandbox.source, more.pop("credential", sandbox.credential), home, *options, **more) as drive:
            yield Desk(drive, sandbox, name)

    return make
