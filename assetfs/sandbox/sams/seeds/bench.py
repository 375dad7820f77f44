"""The seed `bench`: much of everything, made quickly and the same every time.

"ten-thousand" has small texts, "thousand-10k" has 1,000 files of 10 KiB, "large" one file of 1 GiB, and "big" (only
with --bench-big N) has N assets of one line each.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from assetfs.sandbox.makings import block, pattern
from assetfs.sandbox.options import Options
from assetfs.sandbox.sams import content, sets
from assetfs.sandbox.sams.context import Call, Switches
from assetfs.sandbox.sams.documents import Document, Documents, seconds, sha1
from assetfs.sandbox.store import Blobs

SMALL = 10 * 1024
BEGUN = seconds("2026-01-05T08:00:00+0000")
AT_ONCE = 2000  # rows in one statement


def plant(db: sqlite3.Connection, blobs: Blobs, options: Options) -> None:
    """Make the sets."""
    call = Call(Documents(db), blobs, Switches(), "")
    call.documents.now = BEGUN
    fill(call, "ten-thousand", ((f"note-{n:06d}.txt", [b"note %d\n" % n]) for n in range(options.bench_files)))
    fill(call, "thousand-10k", ((f"scan-{n:04d}.bin", [block(n, SMALL)]) for n in range(1000)))
    fill(call, "large", [("large.bin", pattern(options.bench_size))])
    if options.bench_big:
        fill(call, "big", ((f"item-{n:07d}.txt", [b"item %d\n" % n]) for n in range(options.bench_big)))


def fill(call: Call, name: str, files: Iterable[tuple[str, Iterable[bytes]]]) -> None:
    """A set with these files, without the checks and the imaging that an upload goes through."""
    set_id = sets.add(call, {"name": name, "state": "usable", "destination_name": "internal"})["_id"]
    rows: list[tuple[str, str, str]] = []
    for filename, pieces in files:
        rows.append(_row(call, set_id, filename, pieces))
        if len(rows) == AT_ONCE:
            _write(call, rows)
    _write(call, rows)


def _row(call: Call, set_id: str, filename: str, pieces: Iterable[bytes]) -> tuple[str, str, str]:
    row, head = content.store(call, pieces, "internal", filename)
    moment, asset_id = call.documents.moment(), call.documents.new_id()
    document: Document = {
        "set_id": set_id,
        "filename": filename,
        "name": filename,
        "state": "internal",
        "binary": row["id"],
        "_media_id": row["id"],
        "length": row["size"],
        "mimetype": content.mimetype(None, head, filename),
        **dict.fromkeys(("firstcreated", "versioncreated", "_created", "_updated"), moment),
        "_id": asset_id,
        "_etag": sha1(asset_id),
    }
    text = json.dumps(document)
    return asset_id, text, text


def _write(call: Call, rows: list[tuple[str, str, str]]) -> None:
    call.documents.db.executemany("INSERT INTO asset (id, doc, view) VALUES (?, ?, ?)", rows)
    rows.clear()
