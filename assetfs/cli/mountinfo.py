"""What the kernel says about mounts: /proc/self/mountinfo, and the controls of a FUSE connection.

Nothing here touches a mounted file system itself except `within` a deadline: a mount whose daemon hangs would take its
asker along.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from assetfs.failure import Failure

FSTYPE = "fuse.assetfs"
"""What our mounts are called (mount option `subtype=assetfs`)."""
CONNECTIONS = Path("/sys/fs/fuse/connections")

T = TypeVar("T")


class Mounted(msgspec.Struct, frozen=True):
    """One line of mountinfo."""

    mountpoint: Path
    fstype: str
    source: str
    minor: int
    """Of its device: the name of its FUSE connection."""

    @property
    def ours(self) -> bool:
        return self.fstype == FSTYPE


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def parse(text: str) -> list[Mounted]:
    """The lines of a mountinfo file (proc(5)), oldest first."""
    found = []
    for line in text.splitlines():
        fields = line.split(" ")
        end = fields.index("-")
        found.append(
            Mounted(
                mountpoint=Path(_unescape(fields[4])),
                fstype=fields[end + 1],
                source=_unescape(fields[end + 2]),
                minor=int(fields[2].partition(":")[2]),
            )
        )
    return found


def mounts() -> list[Mounted]:
    return parse(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))


def real(path: Path) -> Path:
    """The path without symbolic links, where the last part is not looked at: it may be a mount that hangs."""
    place = Path(os.path.abspath(path.expanduser()))
    if place.name and any(mounted.mountpoint == place for mounted in mounts()):
        return place
    resolved = Path(os.path.realpath(place.parent), place.name)
    if any(mounted.mountpoint == resolved for mounted in mounts()):
        return resolved
    return Path(os.path.realpath(place))


def at(mountpoint: Path) -> Mounted | None:
    """What is mounted exactly there; the topmost if there are several."""
    return next((mounted for mounted in reversed(mounts()) if mounted.mountpoint == mountpoint), None)


def within(seconds: float, function: Callable[[], T]) -> T:
    """Call it in a thread and wait so long. Raises TimeoutError, leaving the thread to its fate."""
    outcome: list[T] = []
    trouble: list[BaseException] = []

    def call() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if trouble:
        raise trouble[0]
    if not outcome:
        raise TimeoutError
    return outcome[0]


def is_dead(mountpoint: Path) -> bool:
    """Whether the mount there has lost its daemon ("Transport endpoint is not connected")."""
    try:
        within(5, lambda: os.stat(mountpoint))
    except OSError as error:
        return error.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    return False


def unmount(mountpoint: Path, *, lazy: bool = False) -> None:
    """Ask the kernel to take the mount away. Raises OSError(EBUSY), or Failure with what the tool said."""
    command = ["fusermount3", "-u", *(["-z"] if lazy else []), "--", str(mountpoint)]
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment
        )
    except FileNotFoundError:
        raise Failure("fusermount3 is not installed: install the package fuse3") from None
    if done.returncode == 0 or at(mountpoint) is None:
        return
    if "busy" in done.stderr:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(mountpoint))
    raise Failure(f"{mountpoint} cannot be unmounted: {done.stderr.strip() or f'status {done.returncode}'}")


def abort(mounted: Mounted) -> None:
    """Cut the connection between kernel and daemon: every call that waits in the mount fails at once."""
    control = CONNECTIONS / str(mounted.minor) / "abort"
    if not control.exists() and os.geteuid() == 0:
        subprocess.run(  # noqa: S603
            ["mount", "-t", "fusectl", "fusectl", str(CONNECTIONS)],  # noqa: S607
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    try:
        control.write_text("1")
    except OSError as error:
        raise Failure(f"{mounted.mountpoint} cannot be aborted: {control}: {error.strerror}") from None
