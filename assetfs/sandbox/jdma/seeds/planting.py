"""Batches that were put long ago: on tape and in the books, and their requests forgotten."""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from assetfs.sandbox.jdma.books import Books
from assetfs.sandbox.jdma.registering import FOLDER_SIZE, NOTHING, Found
from assetfs.sandbox.jdma.stages import BatchStage
from assetfs.sandbox.jdma.uploading import external_id, register

FILE_MODE, FOLDER_MODE = 0o644, 0o755

Contents = dict[str, bytes]  # by path below the batch


def add(books: Books, owner: str, workspace: str, label: str | None, folder: str, contents: Contents, date: str) -> int:
    """A batch that was put from `folder` on a day (ISO). Returns its id."""
    rights: dict[str, Any] = {"uid": os.geteuid(), "gid": os.getegid(), "mode": FOLDER_MODE}
    columns = {
        "owner": owner,
        "workspace": workspace,
        "label": label,
        "stage": BatchStage.ON_STORAGE,
        "storage": "elastictape",
        "registered": f"{date}T05:15:08.890347+00:00",
        "common_path": folder,
        **rights,
    }
    query = f"INSERT INTO batch ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    number = int(books.db.execute(query, tuple(columns.values())).lastrowid or 0)
    books.update("batch", number, external=external_id("elastictape", workspace, number))
    register(books.db, number, folder, list(_found(folder, contents)), books.switches.object_size)
    stored = {content: books.blobs.put(content) for content in set(contents.values())}
    for row in _rows(books, number):
        books.db.execute("UPDATE file SET content = ? WHERE id = ?", (stored[contents[row["path"]]], row["id"]))
    books.db.execute("UPDATE archive SET packed = 1 WHERE batch_id = ?", (number,))
    batch = books.db.execute("SELECT * FROM batch WHERE id = ?", (number,)).fetchone()
    books.charge(batch, books.size(batch))
    return number


def _found(folder: str, contents: Contents) -> Iterator[Found]:
    owner, group = os.geteuid(), os.getegid()
    parents = {str(parent) for path in contents for parent in PurePosixPath(path).parents}
    for name in sorted(parents):
        path = os.path.normpath(os.path.join(folder, name))
        yield Found(path, FOLDER_SIZE, NOTHING, "DIR", owner, group, FOLDER_MODE)
    for name, content in contents.items():
        digest = hex(zlib.adler32(content, 0))
        yield Found(os.path.join(folder, name), len(content), digest, "FILE", owner, group, FILE_MODE)


def _rows(books: Books, batch: int) -> list[sqlite3.Row]:
    query = (
        "SELECT file.id, path FROM file JOIN archive ON archive.id = archive_id WHERE batch_id = ? AND kind = 'FILE'"
    )
    return books.rows(query, batch)


def lay_out(folder: str, contents: Contents) -> None:
    """The same files on disk."""
    for name, content in contents.items():
        place = os.path.join(folder, name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as out:
            out.write(content)
