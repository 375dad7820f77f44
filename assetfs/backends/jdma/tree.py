"""The tree of one batch, made of its listing (8.1, 8.2). Pure.

A listing has original absolute paths of regular files, and nothing else; folders are made up. The tree begins at the
longest folder that all paths have in common: a function of the listing alone, which never changes, and not the folder
that was uploaded, which the server does not tell. Paths come from other people: one that is not plain is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from os.path import commonpath

import msgspec

from assetfs.backends.jdma.wire import Archive, Content, File
from assetfs.names import LIMIT

TOP = ""


class Row(msgspec.Struct, frozen=True, gc=False):
    """A file of a batch: `relative` is where it is shown, `file.path` where it came from."""

    file: File
    relative: str
    archive: str

    @property
    def name(self) -> str:
        return self.relative.rpartition("/")[2]


class Tree:
    """Files and folders of one batch. Folders by their relative path, the top is the empty one."""

    def __init__(self, content: Content) -> None:
        self.batch = content.id
        self.archives = len(content.archives)
        listed = [(file, archive.archive_id) for archive in content.archives for file in archive.files]
        listed.sort(key=lambda pair: pair[0].pk)
        plain = [pair for pair in listed if is_plain(pair[0].path)]
        self.base = common_folder(file.path for file, _ in plain)
        self.rows: dict[int, Row] = {}
        self.files: dict[str, list[Row]] = {TOP: []}
        """What is in each folder, by number."""
        self.folders: dict[str, list[str]] = {TOP: []}
        """The folders in each folder, by relative path."""
        start = len(self.base.rstrip("/")) + 1
        for file, archive in plain:
            self._add(Row(file, file.path[start:], archive))
        self._without_clashes()
        self.skipped = len(listed) - len(self.rows)
        self.bytes = sum(row.file.size for row in self.rows.values())

    def _add(self, row: Row) -> None:
        folder = row.relative.rpartition("/")[0]
        self._make(folder)
        self.files[folder].append(row)

    def _make(self, folder: str) -> None:
        while folder not in self.folders:
            self.folders[folder], self.files[folder] = [], []
            above = folder.rpartition("/")[0]
            if above in self.folders:
                self.folders[above].append(folder)
                return
            self._make(above)
            self.folders[above].append(folder)

    def _without_clashes(self) -> None:
        """Of two rows with one path the first is shown; a folder of that path stands before both."""
        for folder, rows in self.files.items():
            unique: dict[str, Row] = {}
            for row in rows:
                if row.relative not in self.folders:
                    unique.setdefault(row.relative, row)
            self.files[folder] = list(unique.values())
            self.rows.update((row.file.pk, row) for row in self.files[folder])

    def below(self, folder: str) -> list[Row]:
        """All files below a folder, in the order of their numbers."""
        if folder == TOP:
            return [self.rows[pk] for pk in sorted(self.rows)]
        return [self.rows[pk] for pk in sorted(self.rows) if self.rows[pk].relative.startswith(f"{folder}/")]


def is_plain(path: str) -> bool:
    """Whether a path can be shown: absolute, and each component a name that a file system has."""
    first, *parts = path.split("/")
    if first or not parts:
        return False
    return all(part not in ("", ".", "..") and "\0" not in part and fits(part) for part in parts)


def fits(part: str) -> bool:
    try:
        return len(part.encode()) <= LIMIT
    except UnicodeEncodeError:
        return False


def common_folder(paths: Iterable[str]) -> str:
    """The longest folder that all files are below; `/` where there are none."""
    folders = {path.rpartition("/")[0] or "/" for path in paths}
    return commonpath(folders) if folders else "/"


def ancestors(paths: Iterable[str], top: str) -> list[str]:
    """Every folder above the files and below `top`, once. A folder that a retrieval does not name stays root's, and
    what is in it can never be removed (7.4)."""
    found: dict[str, None] = {}
    for path in paths:
        folder = path.rpartition("/")[0]
        while len(folder) > len(top) and folder not in found:
            found[folder] = None
            folder = folder.rpartition("/")[0]
    return sorted(found)


def packed(content: Content) -> bytes:
    """A listing as it is kept on disk: without the names of its fields."""
    archives = [(one.archive_id, [msgspec.structs.astuple(file) for file in one.files]) for one in content.archives]
    return msgspec.json.encode((content.id, archives))


_Packed = tuple[int, list[tuple[str, list[tuple[int, str, int, str, str]]]]]


def unpacked(data: bytes) -> Content:
    """The listing that `packed` made this of. Raises msgspec.MsgspecError."""
    number, archives = msgspec.json.decode(data, type=_Packed)
    found = []
    for name, rows in archives:
        files = [
            File(pk=pk, path=path, size=size, digest=sum_, digest_format=kind) for pk, path, size, sum_, kind in rows
        ]
        found.append(Archive(archive_id=name, files=files))
    return Content(id=number, archives=found)
