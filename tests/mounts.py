"""Real mounts for tests: through the command line, the daemon, the kernel.

`mounted(...)` mounts a source, yields a `Mounted`, and takes everything down again: unmount, then wait for the daemon;
a mount that does not go is aborted, so that a failing test never wedges the machine. `watchdog` does the same for a
test that hangs in the mount: it breaks the kernel's connection, and every call that waits in it fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assetfs.fuse.session import abort, device_of

PROGRAM = [sys.executable, "-m", "assetfs"]


class User:
    """Who runs the mount and the programs that use it: `uid` None is whoever runs the tests."""

    def __init__(
        self,
        uid: int | None = None,
        gid: int | None = None,
        program: Sequence[str] = PROGRAM,
        environ: dict[str, str] | None = None,
    ) -> None:
        self.uid = uid
        self.gid = gid
        self.program = list(program)
        self.environ = environ or {}

    def popen(self) -> dict[str, Any]:
        """What subprocess needs to run something as this user."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, *folders: Path) -> None:
        """Make folders that belong to this user."""
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.uid is not None and self.gid is not None:
                os.chown(folder, self.uid, self.gid)


WHOEVER = User()


class Mounted:
    """One mount: `path` is its root, `home` holds cache, state and log."""

    def __init__(self, path: Path, home: Path, source: str, user: User = WHOEVER) -> None:
        self.path = path
        self.home = home
        self.source = source
        self.user = user
        self.pid = 0

    def status(self) -> dict[str, Any]:
        """What the mount says of itself."""
        found: dict[str, Any] = json.loads(self.run("cat", ".assetfs/status.json").stdout)
        return found

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted((self.home / "state" / "log").glob("*.log")))

    def requests(self) -> int:
        """Requests that the daemon has sent since it started."""
        return int(self.status()["requests"]["total"])

    def run(self, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run a program in the mount's root as the mount's user; with one argument that has blanks, a shell command."""
        words = self._words(command)
        done = subprocess.run(
            words,
            cwd="/",
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            timeout=180,
            check=False,
            **self.user.popen(),
        )
        if check:
            assert done.returncode == 0, f"{words}: {done.returncode} {done.stderr.decode(errors='replace')[-2000:]}"
        return done

    def python(self, script: str, *arguments: str | Path) -> str:
        """Run a Python script in the mount's root as the mount's user; returns what it prints."""
        done = subprocess.run(
            [*self._words((self.user.program[0], "-c", script, *arguments))],
            cwd="/",
            env={**os.environ, **self.user.environ},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            **self.user.popen(),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *command: str | Path, **more: Any) -> subprocess.Popen[bytes]:
        """The same in the background; `ended` waits for it."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(self._words(command), cwd="/", **pipes, **self.user.popen())

    def _words(self, command: Sequence[str | Path]) -> list[str]:
        """The user goes into the mount, and not we: a mount lets nobody else in, not even root."""
        script = f"set -o pipefail; {command[0]}" if len(command) == 1 else 'exec "$@"'
        return ["bash", "-c", f'cd "$0" || exit; {script}', str(self.path), *map(str, command)]

    @property
    def is_mounted(self) -> bool:
        return device_of(self.path) is not None


def environment(home: Path, credential: str, user: User = WHOEVER) -> dict[str, str]:
    """An environment in which nothing of the machine's own assetfs is touched."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASSETFS_", "XDG_"))}
    return {
        **kept,
        **user.environ,
        "HOME": str(home),
        "ASSETFS_CREDENTIAL": credential,
        "XDG_RUNTIME_DIR": str(home / "run"),
        "XDG_CONFIG_HOME": str(home / "config"),
    }


def assetfs(
    *arguments: str | Path, home: Path, credential: str = "", timeout: float = 60, user: User = WHOEVER
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    user.own(home, home / "run")
    return subprocess.run(
        [*user.program, *map(str, arguments)],
        env=environment(home, credential, user),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        check=False,
        **user.popen(),
    )


def mount(
    source: str, credential: str, home: Path, *options: str, user: User = WHOEVER, name: str = "mnt"
) -> subprocess.CompletedProcess[str]:
    """Run `assetfs mount` for a mount point below `home`, where cache and state are too."""
    user.own(home, home / name)
    places = ["--cache-dir", str(home / "cache"), "--state-dir", str(home / "state")]
    return assetfs("mount", source, home / name, *places, *options, home=home, credential=credential, user=user)


_alive: list[Mounted] = []
"""What is mounted now, for the watchdog."""


@contextmanager
def mounted(
    source: str, credential: str, home: Path, *options: str, user: User = WHOEVER, name: str = "mnt"
) -> Iterator[Mounted]:
    """Mount a source below `home`. Cache and state stay there, so that a second mount finds them again."""
    done = mount(source, credential, home, *options, user=user, name=name)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    found = Mounted(home / name, home, source, user)
    _alive.append(found)
    try:
        found.pid = int(found.status()["pid"])
        yield found
    finally:
        _alive.remove(found)
        unmount(found.path, found.pid)
    assert "Traceback" not in found.log(), f"something happened that nobody expected:\n{found.log()[-5000:]}"


def unmount(path: Path, pid: int = 0) -> None:
    """Take a mount down and wait until its daemon has ended; abort it if it will not."""
    deadline = time.monotonic() + 20
    while device_of(path) is not None:
        done = subprocess.run(["umount", path], capture_output=True, text=True, check=False)
        if done.returncode == 0 or "not mounted" in done.stderr:
            continue
        if time.monotonic() > deadline:
            abort(path)
            subprocess.run(["umount", "-l", path], capture_output=True, check=False)
            break
        time.sleep(0.1)
    if pid and not eventually(lambda: not alive(pid), seconds=20):
        os.kill(pid, signal.SIGKILL)
        raise AssertionError(f"the daemon {pid} did not end after its mount was gone")


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """Break every mount's connection if the block takes longer: whoever hangs in one gets an error instead."""

    def bite() -> None:
        for found in list(_alive):
            print(f"watchdog: {found.path} is aborted", file=sys.stderr)
            with contextlib.suppress(OSError):
                os.kill(found.pid, signal.SIGUSR1)  # what every task is doing, into the log
            abort(found.path)

    timer = threading.Timer(seconds, bite)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def eventually(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def ended(process: subprocess.Popen[bytes], seconds: float = 30.0) -> tuple[int, bytes, bytes]:
    """Status, output and errors of a program that was started; it is killed when it takes longer."""
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, output, errors


def error_of(action: Callable[[], object]) -> int | None:
    """The errno that something fails with; None when it does not fail."""
    try:
        action()
    except OSError as error:
        return error.errno
    return None
