"""What `/download/` sends: one file with the server's idea of ranges, a zip of several, or a redirect of a link.

A Range header is heard from two user agents of long ago only; its end is ignored. `offset` cuts the body and not the
announced length. Everything here is decided before a byte is sent.
"""

from __future__ import annotations

import re
import sqlite3
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from assetfs.sandbox.midas.context import Call
from assetfs.sandbox.midas.errors import Fatal
from assetfs.sandbox.midas.folders import ancestors, contained, subfolders
from assetfs.sandbox.midas.policies import READ, allowed
from assetfs.sandbox.midas.revisions import head, numbered
from assetfs.sandbox.store import Blobs

OLD_AGENT = re.compile(r"Opera[/ ]\d\.\d|MSIE \d\.\d")
EPOCH = (1980, 1, 1, 0, 0, 0)
LONGEST_NAME = 50  # bytes of an item's name in the name of its zip


class Absent(Exception):
    """Nothing has this id: 404."""


class Elsewhere(Exception):
    """A link: 302 to any place."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


@dataclass(frozen=True)
class File:
    """One stored file."""

    path: Path
    name: str
    mime: str
    size: int
    item_id: int


@dataclass(frozen=True)
class Archive:
    """A zip to be made: entry names and the files that they hold; None is an empty entry."""

    name: str
    entries: list[tuple[str, Path | None]]
    item_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Span:
    """What is said about a body and what is sent: `length` may be a lie, `start` is the first byte sent."""

    status: int
    length: int
    start: int
    content_range: str | None = None


def span(size: int, wanted: str | None, offset: int, agent: str, *, for_all: bool = False) -> Span:
    """The part of a file that a Range header and an offset ask for."""
    sent_from = offset if 0 < offset <= size else 0
    if wanted is None or not (for_all or OLD_AGENT.search(agent)):
        return Span(200, size, sent_from)
    text = wanted.partition("=")[2]
    found = re.match(r"\s*(\d+)\s*-\s*(\d*)", text)
    if found is None:
        return Span(206, size, sent_from, f"bytes -{size - 1}/{size}")
    start = int(found[1])
    return Span(206, size - start, sent_from or start, f"bytes {start}-{size - 1}/{size}")


class Resolver:
    """Finds out what a request asks for. Raises Absent, Elsewhere, or Fatal for what may not be read."""

    def __init__(self, call: Call, blobs: Blobs, user: sqlite3.Row | None) -> None:
        self.call = call
        self.blobs = blobs
        self.user = user

    def wanted(self) -> File | Archive:
        """What the parameters name: `bitstream`, `items`, `folders`."""
        params = self.call.params
        if "bitstream" in params:
            return self.bitstream(_number(params["bitstream"]))
        items = [one.partition(",") for one in params.get("items", "").split("-") if one]
        folders = [_number(one) for one in params.get("folders", "").split("-") if one]
        if len(items) == 1 and not folders:
            return self.item(_number(items[0][0]), items[0][2])
        entries: list[tuple[str, Path | None]] = []
        ids: list[int] = []
        for folder_id in folders:
            entries += self._tree(self._folder(folder_id), "", ids)
        for text, _, revision in items:
            entries += self._entries(self._item(_number(text)), revision, "", ids)
        if len(folders) == 1 and not items:
            return Archive(self._folder_name(self._folder(folders[0])), entries, ids)
        if not folders and not items:
            raise Absent
        return Archive("Custom.zip", entries, ids)

    def bitstream(self, bitstream_id: int) -> File:
        """One bitstream."""
        row = self.call.get("bitstream", bitstream_id)
        if row is None:
            raise Absent
        query = "SELECT item.* FROM itemrevision JOIN item USING (item_id) WHERE itemrevision_id = ?"
        item = self.call.row(query, row["itemrevision_id"])
        if item is None or not allowed(self.call, "item", item, self.user, READ):
            raise Fatal("no permission")
        return self._file(row, item["item_id"])

    def item(self, item_id: int, revision: str) -> File | Archive:
        """One item: its file, a zip of its files, or what its link leads to."""
        item = self._item(item_id)
        files = self._files(item, revision)
        if len(files) == 1:
            if files[0]["mimetype"] == "url":
                raise Elsewhere(files[0]["path"])
            return self._file(files[0], item_id)
        name = item["name"].encode()[:LONGEST_NAME].decode("utf-8", "ignore")
        return Archive(f"{name}.zip", [(row["name"], self._path(row)) for row in files], [item_id])

    def _item(self, item_id: int) -> sqlite3.Row:
        item = self.call.get("item", item_id)
        if item is None:
            raise Absent
        if not allowed(self.call, "item", item, self.user, READ):
            raise Fatal("no permission")
        return item

    def _folder(self, folder_id: int) -> sqlite3.Row:
        folder = self.call.get("folder", folder_id)
        if folder is None:
            raise Absent
        if not allowed(self.call, "folder", folder, self.user, READ):
            raise Fatal("no permission")
        return folder

    def _files(self, item: sqlite3.Row, revision: str) -> list[sqlite3.Row]:
        found = numbered(self.call, item["item_id"], revision) if revision else head(self.call, item["item_id"])
        if found is None:
            return []
        query = "SELECT * FROM bitstream WHERE itemrevision_id = ? ORDER BY bitstream_id"
        return self.call.rows(query, found["itemrevision_id"])

    def _path(self, bitstream: sqlite3.Row) -> Path | None:
        digest = self.call.scalar("SELECT blob FROM content WHERE checksum = ?", bitstream["checksum"])
        return None if digest is None or bitstream["mimetype"] == "url" else self.blobs.path(digest)

    def _file(self, row: sqlite3.Row, item_id: int) -> File:
        path = self._path(row)
        if path is None:
            raise Fatal("no file behind the bitstream")
        return File(path, row["name"], row["mimetype"], row["sizebytes"], item_id)

    def _entries(
        self, item: sqlite3.Row, revision: str, above: str, ids: list[int]
    ) -> Iterator[tuple[str, Path | None]]:
        ids.append(item["item_id"])
        files = self._files(item, revision)
        if len(files) == 1:
            yield f"{above}{item['name']}", self._path(files[0])
            return
        for row in files:
            yield f"{above}{item['name']}/{row['name']}", self._path(row)
        if not files:
            yield f"{above}{item['name']}", None

    def _tree(self, folder: sqlite3.Row, above: str, ids: list[int]) -> Iterator[tuple[str, Path | None]]:
        here = f"{above}{folder['name']}/"
        for row in contained(self.call, folder["folder_id"], self.user):
            yield from self._entries(row, "", here, ids)
        for row in subfolders(self.call, folder["folder_id"], self.user):
            yield from self._tree(row, here, ids)

    def _folder_name(self, folder: sqlite3.Row) -> str:
        root = ancestors(self.call, folder)[-1]["folder_id"]
        owner = self.call.scalar("SELECT name FROM community WHERE folder_id = ?", root) or self.call.scalar(
            "SELECT firstname || lastname FROM user WHERE folder_id = ?", root
        )
        return f"{owner or ''}-{folder['name']}.zip"


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 19 else 0


def pack(archive: Archive, path: Path) -> int:
    """Write a zip. Returns its size in bytes. Blocks. Names are what they are: doubles and `../` too."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for name, source in archive.entries:
            entry = zipfile.ZipInfo(name, EPOCH)
            packed.writestr(entry, source.read_bytes() if source else b"")
    return path.stat().st_size
