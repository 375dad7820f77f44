"""Batches that were put long ago: on tape and in the books, and their requests forgotten."""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from assetfs.sandbox.jdma.books import Books
from assetfs.sandbox.jdma.people import WORKSPACE, People
from assetfs.sandbox.jdma.registering import FOLDER_SIZE, NOTHING, Found
from assetfs.sandbox.jdma.stages import BatchStage
from assetfs.sandbox.jdma.uploading import external_id, register

FILE_MODE, FOLDER_MODE = 0o644, 0o755

Contents = dict[str, bytes]  # by path below the batch


@dataclass(frozen=True)
class Stored:
    """A content that is on tape: its blob, its size in bytes, its digest as the wire has it."""

    blob: str
    size: int
    digest: str


@dataclass
class Planter:
    """Makes batches of the sandbox's user, in the first workspace."""

    books: Books
    people: People

    @property
    def stage(self) -> str:
        """The user's folder."""
        return str(self.people.stage(self.books.disk))

    def batch(self, label: str | None, folder: str, contents: Contents, date: str) -> int:
        """A batch that was put from a folder of the user on a day (ISO). Returns its id."""
        stored = {content: self._store(content) for content in set(contents.values())}
        return self.stored(label, folder, {name: stored[content] for name, content in contents.items()}, date)

    def large(self, label: str, name: str, pieces: Iterable[bytes], date: str) -> int:
        """A batch with one file, of which the pieces need not fit in memory."""
        adler = 0

        def summed() -> Iterator[bytes]:
            nonlocal adler
            for piece in pieces:
                adler = zlib.adler32(piece, adler)
                yield piece

        blob, size = self.books.blobs.write(summed())
        return self.stored(label, label, {name: Stored(blob, size, hex(adler))}, date)

    def stored(self, label: str | None, folder: str, files: dict[str, Stored], date: str) -> int:
        """A batch of contents that are on tape."""
        place = os.path.join(self.stage, folder)
        columns: dict[str, Any] = {
            "owner": self.people.user,
            "workspace": WORKSPACE,
            "label": label,
            "stage": BatchStage.ON_STORAGE,
            "storage": "elastictape",
            "registered": f"{date}T05:15:08.890347+00:00",
            "common_path": place,
            "uid": self.people.uid,
            "gid": self.people.gid,
            "mode": FOLDER_MODE,
        }
        query = f"INSERT INTO batch ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        db = self.books.db
        number = int(db.execute(query, tuple(columns.values())).lastrowid or 0)
        self.books.update("batch", number, external=external_id("elastictape", WORKSPACE, number))
        register(db, number, place, list(self._found(place, files)), self.books.switches.object_size)
        db.execute("BEGIN IMMEDIATE")
        rows = [(files[row["path"]].blob, row["id"]) for row in self._rows(number)]
        db.executemany("UPDATE file SET content = ? WHERE id = ?", rows)
        db.execute("UPDATE archive SET packed = 1 WHERE batch_id = ?", (number,))
        db.execute("COMMIT")
        batch = db.execute("SELECT * FROM batch WHERE id = ?", (number,)).fetchone()
        self.books.charge(batch, self.books.size(batch))
        return number

    def lay_out(self, folder: str, contents: Contents) -> None:
        """The same files on disk, below the user's folder."""
        for name, content in contents.items():
            place = os.path.join(self.stage, folder, name)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as out:
                out.write(content)

    def _store(self, content: bytes) -> Stored:
        return Stored(self.books.blobs.put(content), len(content), hex(zlib.adler32(content, 0)))

    def _found(self, place: str, files: dict[str, Stored]) -> Iterator[Found]:
        owner = (self.people.uid, self.people.gid)
        for name in sorted({str(parent) for path in files for parent in PurePosixPath(path).parents}):
            yield Found(os.path.normpath(f"{place}/{name}"), FOLDER_SIZE, NOTHING, "DIR", *owner, FOLDER_MODE)
        for name, file in files.items():
            yield Found(f"{place}/{name}", file.size, file.digest, "FILE", *owner, FILE_MODE)

    def _rows(self, batch: int) -> list[sqlite3.Row]:
        query = """
        SELECT file.id, path FROM file JOIN archive ON archive.id = archive_id WHERE batch_id = ? AND kind = 'FILE'"""
        return self.books.rows(query, batch)
