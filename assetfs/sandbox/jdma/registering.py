"""What an upload's list comes to on disk: the folder that all paths have in common, and a row for everything below it.

The server was made for one folder. What it makes of several folders (the longest beginning that their texts share), of
a slash at the end, and of plain files (a row for each letter of the path, of which only the slashes are something) is
reproduced as it is.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from assetfs.sandbox.store import PIECE

FOLDER_SIZE = 4096
LONGEST = 1024  # characters of a path below the batch
NOTHING = "0"  # the digest of what is no file


@dataclass(frozen=True)
class Found:
    """One file, folder or link, as it was when it was looked at. `path` is absolute, `size` in bytes."""

    path: str
    size: int
    digest: str
    kind: str
    uid: int
    gid: int
    mode: int
    target: str | None = None


class Blocked(Exception):
    """A pipe or a device is among the files: the worker waits for it for ever."""


def adler(path: str) -> str:
    """The digest as the wire has it: ADLER-32 with both sums from 0, in hexadecimal without leading zeros."""
    value = 0
    with open(path, "rb") as stream:
        while piece := stream.read(PIECE):
            value = zlib.adler32(piece, value)
    return hex(value)


def look(path: str) -> Found:
    """One row. Raises OSError when there is nothing at the path, Blocked for what cannot be read to its end."""
    found = os.lstat(path)
    rights = (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(path)
        return Found(path, len(os.fsencode(target)), NOTHING, "LINK", *rights, target)
    if stat.S_ISDIR(found.st_mode):
        return Found(path, FOLDER_SIZE, NOTHING, "DIR", *rights)
    if not stat.S_ISREG(found.st_mode):
        raise Blocked(path)
    return Found(path, found.st_size, adler(path), "FILE", *rights)


def common_path(listed: list[str]) -> str:
    """The beginning that all paths share, letter by letter; the folder around plain files."""
    shared = os.path.commonprefix(listed)  # noqa: RUF071
    plain = not any(os.path.isdir(path) for path in listed)
    return os.path.dirname(shared) if plain and not os.path.isdir(shared) else shared


def everything(listed: list[str]) -> Iterator[Found]:
    """A row for everything that is listed and below it, the listed folders included."""
    for entry in listed:
        if not os.path.isdir(entry):
            yield from (look("/") for letter in entry if letter == "/")
            continue
        yield look(entry)
        for folder, names, files in os.walk(entry):
            for name in (*names, *files):
                try:
                    yield look(os.path.join(folder, name))
                except FileNotFoundError:
                    continue  # it vanished while the others were read


def below(path: str, common: str) -> str:
    """A path without what all have in common. Raises ValueError for what no row can hold."""
    name = path.replace(common, "").removeprefix("/")
    name.encode()
    if len(name) > LONGEST:
        raise ValueError(f"value too long for type character varying({LONGEST})\n")
    return name


def archived(rows: list[Found], least: int) -> Iterator[list[Found]]:
    """Rows by size, the smallest first, in groups of at least `least` bytes; the last may be smaller."""
    group: list[Found] = []
    size = 0
    for row in sorted(rows, key=lambda row: row.size):
        group.append(row)
        size += row.size
        if size >= least:
            yield group
            group, size = [], 0
    if group:
        yield group
