"""The stages of an upload: register what there is, lock the folder, write to tape, compare, give the folder back."""

from __future__ import annotations

import json
import os
import sqlite3
from functools import partial

from assetfs.sandbox.jdma.books import Books
from assetfs.sandbox.jdma.registering import Blocked, Found, archived, below, common_path, everything
from assetfs.sandbox.jdma.stages import BatchStage, Kind, Stage
from assetfs.sandbox.store import PIECE

FIRST_TAPE = 14000  # the tape's own numbers of batches begin behind it
ARCHIVE = "INSERT INTO archive (batch_id, size) VALUES (?, ?)"
FILE = """
INSERT INTO file (archive_id, path, size, digest, kind, uid, gid, mode, target) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
FILES = """
SELECT file.* FROM file JOIN archive ON archive.id = file.archive_id
WHERE archive.batch_id = ? AND file.kind = 'FILE' ORDER BY file.id"""
OVER_QUOTA = (
    "Moving files to external storage: {storage} would cause the quota for the workspace: {workspace} to be exceeded.\n"
    " Current used quota: {used} \n Quota size: {size} \n Size of files in request: {more} \n"
)


def build(books: Books, request: sqlite3.Row) -> None:
    """PUT_START, PUT_BUILDING: register everything and lock the folder. What is wrong with the list shows here."""
    batch, listed = books.batch(request), json.loads(request["filelist"])
    common = common_path(listed)
    books.come(request, Stage.PUT_BUILDING)
    books.reach(batch, BatchStage.PUTTING, common_path=common)
    try:
        rights = books.disk.rights(common)
        found = list(everything(listed))
        register(books.db, batch["id"], common, found, books.switches.object_size)
    except Blocked:
        return
    except (OSError, ValueError) as error:
        books.reach(batch, BatchStage.FAILED)
        books.fail(request, str(error), done=1)
        return
    over = _over_quota(books, batch)
    if over is not None:
        books.reach(batch, BatchStage.FAILED)
        books.fail(request, over)
        return
    _store(books, batch["id"], common)
    books.update("batch", batch["id"], uid=rights.uid, gid=rights.gid, mode=rights.mode)
    books.disk.lock(common)
    books.come(request, Stage.PUT_PACKING)


def blocked(books: Books, request: sqlite3.Row) -> None:
    """PUT_BUILDING: the worker reads a pipe or a device, and comes to nothing else until the batch is deleted."""


def register(db: sqlite3.Connection, batch: int, common: str, found: list[Found], object_size: int) -> None:
    """Make the rows of a batch. Its own folder has none, but its size counts."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for group in archived([row for row in found if row.path], object_size):
            archive = db.execute(ARCHIVE, (batch, sum(row.size for row in group))).lastrowid
            named = ((below(row.path, common), row) for row in group if row.path != "/")
            db.executemany(
                FILE,
                [
                    (archive, name, row.size, row.digest, row.kind, row.uid, row.gid, row.mode, row.target)
                    for name, row in named
                    if name
                ],
            )
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _store(books: Books, batch: int, common: str) -> None:
    """Read the files while they can be read: for a worker that is not root, the lock holds, too."""
    for row in books.rows(FILES, batch):
        with open(os.path.join(common, row["path"]), "rb") as stream:
            content, _ = books.blobs.write(iter(partial(stream.read, PIECE), b""))
        books.update("file", row["id"], content=content)


def _over_quota(books: Books, batch: sqlite3.Row) -> str | None:
    query = "SELECT * FROM quota WHERE workspace = ? AND storage = ?"
    quota = books.db.execute(query, (batch["workspace"], batch["storage"])).fetchone()
    more = books.size(batch)
    if quota["used"] + more <= quota["size"]:
        return None
    return OVER_QUOTA.format(
        storage=batch["storage"],
        workspace=batch["workspace"],
        used=in_words(quota["used"]),
        size=in_words(quota["size"]),
        more=in_words(more),
    )


def in_words(size: float) -> str:
    """Bytes for people."""
    for unit in ("", "K", "M", "G", "T", "P"):
        if size < 1024 or unit == "P":
            return f"{size:.1f} {unit}B"
        size /= 1024
    raise AssertionError


def pack(books: Books, request: sqlite3.Row) -> None:
    """PUT_PACKING: neither storage packs, but the archives are marked."""
    books.db.execute("UPDATE archive SET packed = 1 WHERE batch_id = ?", (request["batch_id"],))
    books.come(request, Stage.PUT_PENDING)


def transfer(books: Books, request: sqlite3.Row) -> None:
    """PUT_PENDING: the tape begins. A batch without a file never gets the tape's number."""
    batch = books.batch(request)
    files = books.rows(FILES, batch["id"])
    books.come(request, Stage.PUTTING, done=int(bool(files)))
    if files:
        books.update("batch", batch["id"], external=external_id(batch["storage"], batch["workspace"], batch["id"]))


def external_id(storage: str, workspace: str, batch: int) -> str:
    """What the storage calls a batch: a number on tape, a bucket in the object store."""
    return str(FIRST_TAPE + batch) if storage == "elastictape" else f"gws-{workspace}-{batch:010d}"


def monitor(books: Books, request: sqlite3.Row) -> None:
    """PUTTING: wait until all is on tape."""
    if request["done"] and books.waited(request, books.switches.put_seconds):
        books.come(request, Stage.VERIFY_PENDING, done=0)


def verify(books: Books, request: sqlite3.Row) -> None:
    """VERIFY_PENDING: compare paths and sizes. With the object store nothing ever gets further than this."""
    if books.batch(request)["storage"] == "elastictape":
        books.come(request, Stage.PUT_TIDY)


def tidy(books: Books, request: sqlite3.Row) -> None:
    """PUT_TIDY: give the folder back, or remove it; the batch is on storage."""
    batch = books.batch(request)
    if request["kind"] == Kind.MIGRATE:
        books.disk.remove(batch["common_path"].rstrip("/"))
    else:
        books.unlock(batch)
    books.charge(batch, books.size(batch))
    books.reach(batch, BatchStage.ON_STORAGE)
    books.come(request, Stage.PUT_COMPLETED)


def settle(books: Books, request: sqlite3.Row) -> None:
    """FAILED: some uploads come to their end; others, like one that did not verify, stay as they are for ever."""
    if request["done"]:
        books.unlock(books.batch(request))
        books.come(request, Stage.FAILED_COMPLETED, done=0)
