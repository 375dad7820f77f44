"""`file/` and `archive/`: what is in one batch, or in all that the caller sees. They differ in odd places.

Folders and links are rows as files are, but are left out of an answer after its limit has been counted off.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assetfs.sandbox.jdma.context import Call
from assetfs.sandbox.jdma.errors import Crash, Refused

HIDDEN = "0"  # the digest of what is no file
PACKED = ("not packed", "")
ARCHIVE_FORMAT, FILE_FORMAT = "SHA256", "ADLER32"

Fields = dict[str, Any]


@dataclass(frozen=True)
class View:
    """What is peculiar to one of the two."""

    one: str  # what one may not do with a single batch
    many: str
    files: bool
    strays: Callable[[Fields, str], None]  # what becomes of `workspace` when there is no such batch


def _crash(fields: Fields, workspace: str) -> None:
    raise Crash


def _add(fields: Fields, workspace: str) -> None:
    fields["workspace"] = workspace


FILES = View("view files", "list files", True, _crash)
ARCHIVES = View("list archives", "list requests", False, _add)


def files(call: Call) -> Fields:
    """GET `file/`."""
    return _read(call, FILES)


def archives(call: Call) -> Fields:
    """GET `archive/`."""
    return _read(call, ARCHIVES)


def _read(call: Call, view: View) -> Fields:
    name = call.caller()
    limit, number = call.integer("limit") or 0, call.integer("migration_id")
    if number is None:
        where, values = call.scope(view.many)
        batches = call.rows(f"SELECT * FROM batch WHERE {where.format(owner='batch')} ORDER BY id", *values)
        asked: Fields = {"name": name}
    else:
        asked = {"migration_id": number, "name": name}
        found = call.by_id("batch", number)
        if found is None:
            if "workspace" in call.query:
                view.strays(asked, call.query["workspace"])
            raise Refused("Batch not found.", **asked)
        call.admit(name, found["workspace"], view.one)
        batches = [found]
    if limit < 0 and any(not view.files or _archives(call, row) for row in batches):
        raise Refused("Batch not found.", **asked)
    return {"migrations": [_batch(call, view, row, limit, "digest" in call.query) for row in batches]}


def _archives(call: Call, batch: sqlite3.Row, most: int = -1) -> list[sqlite3.Row]:
    return call.rows("SELECT * FROM archive WHERE batch_id = ? ORDER BY id LIMIT ?", batch["id"], most)


def _batch(call: Call, view: View, batch: sqlite3.Row, limit: int, digests: bool) -> Fields:
    most = -1 if view.files else limit or -1
    return {
        "migration_id": batch["id"],
        "user": batch["owner"],
        "workspace": batch["workspace"],
        "label": batch["label"],
        "storage": batch["storage"],
        "archives": [_archive(call, view, batch, row, limit, digests) for row in _archives(call, batch, most)],
    }


def _archive(call: Call, view: View, batch: sqlite3.Row, archive: sqlite3.Row, limit: int, digests: bool) -> Fields:
    shown: Fields = {
        "archive_id": f"archive_{archive['id']:010d}",
        "pk": archive["id"],
        "size": archive["size"],
        "limit": limit,
    }
    if digests:
        shown |= {"digest": PACKED[0] if archive["packed"] else PACKED[1], "digest_format": ARCHIVE_FORMAT}
    if view.files:
        query = "SELECT id, path, size, digest FROM file WHERE archive_id = ? ORDER BY id LIMIT ?"
        rows = call.db.execute(query, (archive["id"], limit or -1))
        shown["files"] = [_file(batch["common_path"], row, digests) for row in rows if row["digest"] != HIDDEN]
    return shown


def _file(folder: str, row: sqlite3.Row, digests: bool) -> Fields:
    shown = {"pk ": row["id"], "path": os.path.join(folder, row["path"]), "size": row["size"]}
    return shown | {"digest": row["digest"], "digest_format": FILE_FORMAT} if digests else shown
