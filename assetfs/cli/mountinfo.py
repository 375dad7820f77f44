"""What the kernel says about mounts: /proc/self/mountinfo, and the controls of a FUSE connection.

Nothing here touches a mounted file system itself; `ask` has it done by a process that may be left behind, because a
mount whose daemon hangs takes its asker along.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
from pathlib import Path

import msgspec

from assetfs.failure import Failure

FSTYPE = "fuse.assetfs"
"""What our mounts are called (mount option `subtype=assetfs`)."""
AUTOFS = "autofs"
"""The kernel's trigger: x-systemd.automount, and the automounter's direct maps."""
CONNECTIONS = Path("/sys/fs/fuse/connections")

_ANSWERS = (errno.ENOTCONN, errno.ECONNABORTED, errno.ENOENT, errno.EACCES, errno.EPERM)


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
    """What is mounted exactly there; the topmost if there are several, and nothing where autofs only waits for
    somebody to look."""
    found = [mounted for mounted in mounts() if mounted.mountpoint == mountpoint]
    return found[-1] if found and found[-1].fstype != AUTOFS else None


def waits(mountpoint: Path) -> bool:
    """Whether autofs waits there for somebody to look: who opens that folder waits for the mount that is to be made."""
    return at(mountpoint) is None and any(mounted.mountpoint == mountpoint for mounted in mounts())


def ask(seconds: float, *command: str) -> bytes:
    """What a command that looks at a mount prints. Raises TimeoutError, or OSError with what the mount answered.

    It is a process of its own, and left alone when it is late: whoever waits in a mount that hangs cannot be ended, not
    even by SIGKILL, before the mount is cut off. A thread of ours would keep all of us.
    """
    process = subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.returncode = -9  # nobody waits for it
        raise TimeoutError from None
    if process.returncode != 0:
        said = errors.decode(errors="replace").strip()
        number = next((each for each in _ANSWERS if said.endswith(os.strerror(each))), errno.EIO)
        raise OSError(number, said)
    return output


def is_dead(mountpoint: Path) -> bool:
    """Whether the mount there has lost its daemon ("Transport endpoint is not connected")."""
    try:
        ask(5, "stat", "--", str(mountpoint))
    except TimeoutError:
        return False
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
