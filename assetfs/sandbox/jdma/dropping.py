"""The stages of a deletion: stop everything else that is done with the batch, drop it from tape, release what it held.

The listing of the batch stays. And what becomes of finished requests after some days.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from assetfs.sandbox.jdma.books import Books
from assetfs.sandbox.jdma.stages import UPLOADS, BatchStage, Stage

OF_BATCH = "archive_id IN (SELECT id FROM archive WHERE batch_id = ?)"
ENDED = (Stage.PUT_COMPLETED, Stage.GET_COMPLETED, Stage.DELETE_COMPLETED, Stage.FAILED_COMPLETED)


def lock(books: Books, request: sqlite3.Row) -> None:
    """DELETE_START: nobody works on the batch's other requests any more."""
    books.db.execute(
        "UPDATE request SET locked = 1 WHERE batch_id = ? AND id != ?", (request["batch_id"], request["id"])
    )
    books.reach(books.batch(request), BatchStage.DELETING)
    books.come(request, Stage.DELETE_PENDING)


def order(books: Books, request: sqlite3.Row) -> None:
    """DELETE_PENDING: there may be nothing on tape."""
    uploaded = books.batch(request)["external"] is not None
    books.come(request, Stage.DELETING if uploaded else Stage.DELETE_TIDY)


def drop(books: Books, request: sqlite3.Row) -> None:
    """DELETING: the tape forgets the batch. For the object store, the worker leaves out an argument."""
    if books.batch(request)["storage"] != "elastictape":
        books.fail(request, "delete_batch() missing 1 required positional argument: 'file_list'")
        return
    books.db.execute(f"UPDATE file SET content = NULL WHERE {OF_BATCH}", (request["batch_id"],))
    books.update("request", request["id"], done=1)


def monitor(books: Books, request: sqlite3.Row) -> None:
    """DELETING: see whether the tape has forgotten it."""
    if request["done"]:
        books.come(request, Stage.DELETE_TIDY, done=0)


def tidy(books: Books, request: sqlite3.Row) -> None:
    """DELETE_TIDY: the quota of an upload that was complete, or else the folder of one that was not, is given back."""
    batch = books.batch(request)
    query = "SELECT * FROM request WHERE batch_id = ? AND kind IN (?, ?)"
    uploads = books.rows(query, batch["id"], *UPLOADS)
    unfinished = [
        upload for upload in uploads if upload["stage"] < Stage.FAILED and upload["stage"] != Stage.PUT_COMPLETED
    ]
    if unfinished:
        books.unlock(batch)
    elif batch["external"] is not None and not any(upload["stage"] == Stage.FAILED for upload in uploads):
        books.charge(batch, -books.size(batch))
    books.reach(batch, BatchStage.DELETED)
    books.come(request, Stage.DELETE_COMPLETED)


def sweep(books: Books) -> None:
    """Forget requests that ended days ago, counted from their beginning, and deleted batches with all of theirs."""
    now = books.switches.now()
    for row in books.rows(f"SELECT * FROM request WHERE stage IN ({', '.join('?' * len(ENDED))})", *ENDED):
        if (now - datetime.fromisoformat(row["date"])).days <= books.switches.completed_days:
            continue
        books.db.execute("DELETE FROM request WHERE id = ?", (row["id"],))
        if row["stage"] == Stage.DELETE_COMPLETED:
            number = (row["batch_id"],)
            books.db.execute("DELETE FROM request WHERE batch_id = ?", number)
            books.db.execute(f"DELETE FROM file WHERE {OF_BATCH}", number)
            books.db.execute("DELETE FROM archive WHERE batch_id = ?", number)
            books.db.execute("DELETE FROM batch WHERE id = ?", number)
