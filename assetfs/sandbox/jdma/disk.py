"""The disk that the server and its users share, and the locks that the workers put on folders there.

The workers run as root: a locked folder belongs to root and has the mode 01274, which is what decimal 700 is in octal.
An ordinary user cannot give a folder away; then a lock is the mode 0. Whoever runs the sandbox, it sees and touches
nothing outside of its own disk: a path that leads elsewhere does not exist for it.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

LOCKED = 0o1274
PRIVILEGED = os.geteuid() == 0


def owner_name(uid: int) -> str:
    """A user's login name; the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user{uid}"


@dataclass(frozen=True)
class Rights:
    """Owner, group and mode of a folder or file."""

    uid: int
    gid: int
    mode: int


class Disk:
    """The shared disk below `root`; `root` is absolute and free of links."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = os.path.realpath(root)

    def ours(self, path: str) -> bool:
        """Whether a path, links followed, is on this disk."""
        real = os.path.realpath(path)
        return os.path.isabs(path) and (real == self.root or real.startswith(self.root + "/"))

    def sees(self, path: str) -> bool:
        """Whether there is something at a path."""
        return "\0" not in path and self.ours(path) and os.path.exists(path)

    def writable(self, folder: str, user: str) -> bool:
        """Whether the mode's letters say that a user may write into a folder. A sticky bit spoils it for others."""
        if not self.ours(folder):
            return False
        found = os.stat(folder)
        letters = stat.filemode(found.st_mode)
        may = ("wx", "ws")
        return (
            letters[8:10] in may
            or (letters[5:7] in may and user in _group(found.st_gid))
            or (letters[2:4] in may and owner_name(found.st_uid) == user)
        )

    def rights(self, path: str) -> Rights:
        """Owner, group and mode."""
        found = os.lstat(path)
        return Rights(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))

    def give(self, path: str, rights: Rights) -> None:
        """Set owner, group and mode; an ordinary user sets the mode only."""
        if not self.ours(path):
            return
        if PRIVILEGED:
            os.chown(path, rights.uid, rights.gid)
        os.chmod(path, rights.mode)

    def lock(self, folder: str) -> None:
        """Take a folder away from its owner."""
        self.give(folder, Rights(0, 0, LOCKED if PRIVILEGED else 0))

    def remove(self, path: str) -> None:
        """Remove a file or a whole tree of this disk; what is not there is removed already."""
        if self.ours(path) and os.path.realpath(path) != self.root:
            remove(path)


def remove(path: str) -> None:
    """Remove a file or a whole tree, locked folders in it included."""
    if not os.path.isdir(path) or os.path.islink(path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    os.chmod(path, 0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            if not os.path.islink(os.path.join(folder, name)):
                os.chmod(os.path.join(folder, name), 0o700)
    shutil.rmtree(path)


def _group(gid: int) -> list[str]:
    try:
        return grp.getgrgid(gid).gr_mem
    except KeyError:
        return []
