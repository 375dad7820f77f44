"""Real mounts for tests: through the command line, the daemon, the kernel.

`mounted(...)` mounts a source, yields a `Mounted`, and takes everything down again: unmount, then wait for the daemon;
a mount that does not go is aborted, so that a failing test never wedges the machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = [sys.executable, "-m", "assetfs"]


class Mounted:
    """One mount: `path` is its root, `home` holds cache, state and log."""

    def __init__(self, path: Path, home: Path, source: str) -> None:
        self.path = path
        self.home = home
        self.source = source

    def status(self) -> dict[str, Any]:
        """What the mount says of itself."""
        found: dict[str, Any] = json.loads((self.path / ".assetfs/status.json").read_text())
        return found

    @property
    def pid(self) -> int:
        return int(self.status()["pid"])

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted((self.home / "state" / "log").glob("*.log")))

    def requests(self) -> int:
        """Requests that the daemon has sent since it started."""
        return int(self.status()["requests"]["total"])


def environment(home: Path, credential: str) -> dict[str, str]:
    """An environment in which nothing of the machine's own assetfs is touched."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASSETFS_", "XDG_"))}
    return {
        **kept,
        "ASSETFS_CREDENTIAL": credential,
        "XDG_RUNTIME_DIR": str(home / "run"),
        "XDG_CONFIG_HOME": str(home / "config"),
    }


def assetfs(
    *arguments: str | Path, home: Path, credential: str = "", timeout: float = 60, user: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        env=environment(home, credential),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        check=False,
    )


@contextmanager
def mounted(
    source: str, credential: str, home: Path, *options: str, user: int | None = None, name: str = "mnt"
) -> Iterator[Mounted]:
    """Mount a source below `home`. Cache and state stay there, so that a second mount finds them again."""
    path = home / name
    path.mkdir(exist_ok=True)
    for folder in (home, path):
        if user is not None:
            os.chown(folder, user, user)
    places = ["--cache-dir", str(home / "cache"), "--state-dir", str(home / "state")]
    if user is not None and not (home / "run").exists():
        (home / "run").mkdir(mode=0o700)
        os.chown(home / "run", user, user)
    done = assetfs("mount", source, path, *places, *options, home=home, credential=credential, user=user)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    mount = Mounted(path, home, source)
    pid = mount.pid
    try:
        yield mount
    finally:
        unmount(path, pid)


def unmount(path: Path, pid: int) -> None:
    """Take a mount down and wait until its daemon has ended; abort it if it will not."""
    deadline = time.monotonic() + 20
    while os.path.ismount(path) if _answers(path) else True:
        done = subprocess.run(["umount", path], capture_output=True, text=True, check=False)
        if done.returncode == 0 or "not mounted" in done.stderr:
            break
        if time.monotonic() > deadline:
            from assetfs.fuse.session import abort

            abort(path)
            subprocess.run(["umount", "-l", path], capture_output=True, check=False)
            break
        time.sleep(0.1)
    if not eventually(lambda: not alive(pid), seconds=20):
        os.kill(pid, 9)
        raise AssertionError(f"the daemon {pid} did not end after its mount was gone")


def _answers(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
