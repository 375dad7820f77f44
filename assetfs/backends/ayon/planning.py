"""What a draft becomes when it is published: representations and their files (section 5.3). Pure but for the listing.

A folder is a representation of its name, with its files; so are the numbered files of one sequence, under the name of
their extension; every other file is one of its own. Names of representations are unique in a version, also when their
case is not looked at.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from assetfs.backends.ayon.ids import is_name
from assetfs.backends.ayon.naming import RESERVED
from assetfs.repository import ValueRejected

_FRAME = re.compile(r"(.+?)[._](\d{3,})\.([A-Za-z0-9]+)\Z")
_UNFIT = re.compile(r"[^A-Za-z0-9_.\-]+")


class Piece(NamedTuple):
    """One representation to be: its name, and its files relative to the draft."""

    name: str
    files: tuple[str, ...]


def plan(entries: dict[str, tuple[str, ...] | None]) -> list[Piece]:
    """What the entries of a draft become: None is a file, else the files in a folder. Raises ValueRejected."""
    if not entries:
        raise ValueRejected("the draft is empty")
    folders = {name: files for name, files in entries.items() if files is not None}
    for name, files in folders.items():
        if not is_name(name):
            raise ValueRejected(f"{name} cannot be the name of a representation")
        if not files:
            raise ValueRejected(f"the folder {name} is empty")
    found = [Piece(name, tuple(f"{name}/{file}" for file in files)) for name, files in folders.items()]
    taken = {name.lower() for name in folders}
    if len(taken) < len(folders):
        raise ValueRejected("two folders differ in case only")
    sequences: dict[tuple[str, str], list[str]] = {}
    single = []
    for name in sorted(name for name, files in entries.items() if files is None):
        if name in RESERVED or name.startswith(".assetfs-"):
            raise ValueRejected(f"{name} is a name of the drive's own")
        match = _FRAME.match(name)
        if match:
            sequences.setdefault((match[1], match[3].lower()), []).append(name)
        else:
            single.append((name,))
    grouped = [tuple(files) for files in sequences.values()] + single
    for files in sorted(grouped):
        name = _free(files[0], taken)
        taken.add(name.lower())
        found.append(Piece(name, files))
    return found


def _free(file: str, taken: set[str]) -> str:
    """A name for a representation: the extension, else what of the file's name can be one, else with a number."""
    stem, _, extension = file.rpartition(".")
    fit = _UNFIT.sub("_", stem or file).strip(".-") or "file"
    for name in (extension, f"{fit}_{extension}" if extension else fit):
        if is_name(name) and name.lower() not in taken:
            return name
    number = 2
    while f"{fit}_{number}".lower() in taken:
        number += 1
    return f"{fit}_{number}"


def entries_of(folder: Path) -> dict[str, tuple[str, ...] | None]:
    """What is in a draft's folder. Blocks. Raises ValueRejected for what cannot be published."""
    found: dict[str, tuple[str, ...] | None] = {}
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            below = sorted(os.scandir(entry.path), key=lambda one: one.name)
            for one in below:
                if not stat.S_ISREG(one.stat(follow_symlinks=False).st_mode):
                    raise ValueRejected(f"{entry.name}/{one.name} is no plain file: representations have only those")
            found[entry.name] = tuple(one.name for one in below)
        elif stat.S_ISREG(mode):
            found[entry.name] = None
        else:
            raise ValueRejected(f"{entry.name} is neither a file nor a folder")
    return found
