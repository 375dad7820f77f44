"""Where bytes are on this machine: stored paths into files below declared roots, safely (sections 5.1, 8.4).

The server keeps any string as a path, and its roots are whatever somebody typed. So only a leading `{root[NAME]}` is
replaced; `..` and NUL are never followed; what a link leads to must stay below the root; the last element must be a
regular file and no link. What is written goes to roots only that the mount's own options name.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from assetfs.repository import LocalContent

_ROOTED = re.compile(r"\{root\[([^\[\]{}]+)\]\}(?:/|\Z)")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Rooted(NamedTuple):
    """A stored path, taken apart: the root's name, and what follows, without empty elements and dots."""

    root: str
    parts: tuple[str, ...]


class Found(NamedTuple):
    """A regular file below a root. `version` changes with every change of the file that stat(2) can tell."""

    content: LocalContent
    size: int
    mtime_ns: int
    version: str


def rooted(path: str) -> Rooted | None:
    """A stored path as root and elements; None for what is not to be opened here."""
    path = path.replace("\\", "/")
    match = _ROOTED.match(path)
    if match is None or "\0" in path:
        return None
    parts = tuple(part for part in path[match.end() :].split("/") if part not in ("", "."))
    if not parts or ".." in parts:
        return None
    return Rooted(match[1], parts)


def find(root: Path, parts: tuple[str, ...]) -> Found | None:
    """The regular file at these elements below a root; None where there is none, or where the way leads out."""
    top = os.path.realpath(root)
    parent = os.path.realpath(os.path.join(top, *parts[:-1]))
    if parent != top and not parent.startswith(top.rstrip("/") + "/"):
        return None
    try:
        there = os.lstat(os.path.join(parent, parts[-1]))
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(there.st_mode):
        return None
    relative = os.path.relpath(os.path.join(parent, parts[-1]), top)
    return Found(LocalContent(Path(top), relative), there.st_size, there.st_mtime_ns, version_of(there))


def version_of(there: os.stat_result) -> str:
    """What tells two contents of a local file apart."""
    return f"{there.st_mtime_ns:x}-{there.st_size:x}-{there.st_ino:x}"


def open_below(content: LocalContent, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a file below a root; no element is a link. Raises OSError."""
    *folders, name = content.relative.split("/")
    where = os.open(content.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            deeper = os.open(folder, _DIRECTORY, dir_fd=where)
            os.close(where)
            where = deeper
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=where)
    finally:
        os.close(where)


def mapping(text: str | None) -> dict[str, Path]:
    """The option `root_map`: `work=/mnt/work,render=/mnt/render`. Raises ValueError with a reason for people."""
    found = {}
    for part in filter(None, (text or "").split(",")):
        name, equals, place = part.partition("=")
        if not equals or not name.strip() or not os.path.isabs(place.strip()):
            raise ValueError("root_map is NAME=/absolute/path, several separated by commas")
        found[name.strip()] = Path(place.strip())
    return found


def usable(told: Mapping[str, object]) -> dict[str, Path]:
    """Roots as the server tells them for this platform, those left out that cannot be folders of their own here."""
    found = {}
    for name, place in told.items():
        if isinstance(place, str) and "\0" not in place and os.path.isabs(place) and len(Path(place).parts) > 1:
            found[name] = Path(place)
    return found
