"""The stages of a retrieval: lock the target, fetch from tape, put everything in its place, hand it over.

What the tape delivers is gathered in a spool beside the target and moved in at the end, as on the real machine, where
the spool is inside the target: an entry of the batch that has the name of the path's first folder is lost then, and so
is one that meets a folder that is not empty. The target gets owner and mode of the folder that was uploaded.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
from pathlib import Path

from assetfs.sandbox.jdma.books import Books
from assetfs.sandbox.jdma.disk import Rights, remove
from assetfs.sandbox.jdma.stages import Stage

ROWS = """
SELECT file.* FROM file JOIN archive ON archive.id = file.archive_id WHERE archive.batch_id = ? ORDER BY file.path"""
LEFT_TO_ROOT = Rights(0, 0, 0o755)  # folders that nobody listed


def lock(books: Books, request: sqlite3.Row) -> None:
    """GET_START: make the target and take it away."""
    target = request["target"]
    try:
        if not os.path.isdir(target):
            os.mkdir(target)
        books.disk.lock(target)
    except OSError as error:
        books.fail(request, str(error))
        return
    books.come(request, Stage.GET_PENDING)


def order(books: Books, request: sqlite3.Row) -> None:
    """GET_PENDING: order the tape."""
    books.come(request, Stage.GETTING)


def fetch(books: Books, request: sqlite3.Row) -> None:
    """GETTING: read the tape. Without a file among what is wanted it goes on for ever, and all others wait."""
    wanted = [row for row in _wanted(books, request) if row["kind"] == "FILE"]
    if request["done"] or not wanted or not books.waited(request, books.switches.recall_seconds):
        return
    spool = books.blobs.scratch / f"get-{request['id']}"
    if spool.exists():
        remove(str(spool))
    for row in wanted:
        _deliver(books, spool / row["path"], row)
    books.update("request", request["id"], done=1, spool=str(spool))


def _wanted(books: Books, request: sqlite3.Row) -> list[sqlite3.Row]:
    rows = books.rows(ROWS, request["batch_id"])
    if request["filelist"] is None:
        return rows
    listed = set(json.loads(request["filelist"]))
    return [row for row in rows if row["path"] in listed]


def _deliver(books: Books, place: Path, row: sqlite3.Row) -> None:
    """One file from tape, in the way that the switches say."""
    switches = books.switches
    spoiled = switches.spoiled if re.search(switches.spoiled_paths, row["path"]) else ""
    place.parent.mkdir(parents=True, exist_ok=True)
    if spoiled == "missing":
        return
    shutil.copyfile(books.blobs.path(row["content"]), place)
    if spoiled == "short":
        os.truncate(place, row["size"] // 2)
    elif spoiled == "corrupt" and row["size"]:
        with place.open("r+b") as stream:
            stream.seek(row["size"] // 2)
            byte = stream.read(1)
            stream.seek(row["size"] // 2)
            stream.write(bytes([byte[0] ^ 0xFF]))


def monitor(books: Books, request: sqlite3.Row) -> None:
    """GETTING: see whether the tape has delivered."""
    if request["done"]:
        books.come(request, Stage.GET_UNPACKING, done=0)


def unpack(books: Books, request: sqlite3.Row) -> None:
    """GET_UNPACKING: neither storage packs."""
    books.come(request, Stage.GET_RESTORE)


def restore(books: Books, request: sqlite3.Row) -> None:
    """GET_RESTORE: everything to its place, with the owners and modes of what was listed, the target last."""
    batch, target, disk = books.batch(request), request["target"], books.disk
    if not disk.sees(target):
        books.fail(request, f"[Errno 2] No such file or directory: '{target}'")
        return
    rows = {row["path"]: row for row in _wanted(books, request)}
    os.chmod(target, 0o700)
    whole = request["filelist"] is None
    _move_in(request["spool"], target, batch["common_path"].strip("/").partition("/")[0])
    for path, row in rows.items():
        place = os.path.join(target, path)
        if row["kind"] == "DIR" and disk.ours(place):
            with contextlib.suppress(FileExistsError):
                os.makedirs(place, exist_ok=True)
        elif row["kind"] == "LINK" and whole and not os.path.lexists(place):
            os.symlink(row["target"], place)
    for folder in {str(parent) for path in rows for parent in Path(path).parents} - rows.keys() - {"."}:
        if os.path.isdir(os.path.join(target, folder)):
            disk.give(os.path.join(target, folder), LEFT_TO_ROOT)
    for path in sorted(rows, key=len, reverse=True):
        row, place = rows[path], os.path.join(target, path)
        if os.path.exists(place) and (row["kind"] != "LINK" or whole):
            disk.give(place, Rights(row["uid"], row["gid"], row["mode"]))
    disk.give(target, Rights(batch["uid"], batch["gid"], batch["mode"]))
    books.come(request, Stage.GET_TIDY, spool=None)


def _move_in(spool: str, target: str, first: str) -> None:
    """Move what was fetched into the target; what meets a folder that is in the way is lost without a word."""
    for name in sorted(os.listdir(spool)):
        place = os.path.join(target, name)
        with contextlib.suppress(OSError):
            if name != first:
                os.rename(os.path.join(spool, name), place)
    remove(os.path.join(target, first))
    remove(spool)


def tidy(books: Books, request: sqlite3.Row) -> None:
    """GET_TIDY: the mail goes out."""
    books.come(request, Stage.GET_COMPLETED)
