"""The store of documents: ids, times and etags as the server makes them, and two views of every asset.

The record (`doc`) is what the database holds; the view (`view`) is what the search index holds: it is merged with
each change, so that keys which were removed from an object live on in it. The columns that queries use are generated
from the view.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sets (
    id TEXT PRIMARY KEY,
    doc TEXT NOT NULL,
    name TEXT GENERATED ALWAYS AS (json_extract(doc, '$.name')) VIRTUAL
);
CREATE TABLE IF NOT EXISTS asset (
    id TEXT PRIMARY KEY,
    doc TEXT NOT NULL,
    view TEXT NOT NULL,
    set_id TEXT GENERATED ALWAYS AS (json_extract(view, '$.set_id')) VIRTUAL,
    media_id TEXT GENERATED ALWAYS AS (json_extract(view, '$._media_id')) VIRTUAL,
    filename TEXT GENERATED ALWAYS AS (json_extract(view, '$.filename')) VIRTUAL,
    updated TEXT GENERATED ALWAYS AS (json_extract(view, '$._updated')) VIRTUAL
);
CREATE INDEX IF NOT EXISTS asset_of_set ON asset (set_id, media_id);
CREATE INDEX IF NOT EXISTS asset_of_media ON asset (media_id);
CREATE INDEX IF NOT EXISTS asset_of_name ON asset (filename, set_id);
CREATE INDEX IF NOT EXISTS asset_of_time ON asset (updated);
CREATE TABLE IF NOT EXISTS media (
    id TEXT PRIMARY KEY,
    destination TEXT NOT NULL,
    digest TEXT NOT NULL,
    sha1 TEXT NOT NULL,
    size INTEGER NOT NULL
);
"""
MACHINE = "7c5a3e9b21"  # the middle of every id made here: the real server's host and process


def stamp(moment: float) -> str:
    """A time as the server writes it: whole seconds, UTC."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def seconds(text: str) -> float:
    """The time that a stamp says, in seconds since 1970."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()


def sha1(text: str) -> str:
    """The hash that the server makes its etags with."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def http_date(text: str) -> str:
    """A stamp as HTTP writes times."""
    return datetime.fromtimestamp(seconds(text), UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


def is_id(value: object) -> bool:
    """Whether this is an id: 24 lower-case hex digits."""
    return isinstance(value, str) and len(value) == 24 and all(digit in "0123456789abcdef" for digit in value)


class Documents:
    """Sets, assets and media of one store, through one connection. `now` may be set by a seed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.now: float | None = None

    def moment(self) -> str:
        """The time of a change."""
        return stamp(time.time() if self.now is None else self.now)

    def _count(self) -> int:
        row = self.db.execute(
            "INSERT INTO counter VALUES ('ids', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
        ).fetchone()
        return int(row[0])

    def new_id(self) -> str:
        """An id that is greater than all made before, while the clock does not go back."""
        return f"{int(seconds(self.moment())):08x}{MACHINE}{self._count() & 0xFFFFFF:06x}"

    def touch(self, document: Document) -> None:
        """Give a changed document its time and a new etag."""
        document["_updated"] = self.moment()
        document["_etag"] = sha1(f"{document['_id']} {self._count()}")

    # Sets

    def set(self, set_id: object) -> Document | None:
        """A set, or None."""
        return _document(self.db.execute("SELECT doc FROM sets WHERE id = ?", (set_id,)).fetchone())

    def sets(self) -> list[Document]:
        """All sets, in the order of the database, which is that of their making."""
        return [json.loads(row[0]) for row in self.db.execute("SELECT doc FROM sets ORDER BY rowid")]

    def save_set(self, document: Document) -> None:
        """Write a set, new or changed."""
        self.db.execute(
            "INSERT INTO sets (id, doc) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
            (document["_id"], json.dumps(document)),
        )

    # Assets

    def asset(self, asset_id: object) -> Document | None:
        """An asset's record, or None."""
        return _document(self.db.execute("SELECT doc FROM asset WHERE id = ?", (asset_id,)).fetchone())

    def insert_asset(self, document: Document) -> None:
        """Write a new asset's record and put it into the index."""
        text = json.dumps(document)
        self.db.execute("INSERT INTO asset (id, doc, view) VALUES (?, ?, ?)", (document["_id"], text, text))

    def update_asset(self, document: Document, *, stored: bool = True) -> None:
        """Write a changed record and merge it into the index. Without `stored` the record's update gets lost."""
        row = self.db.execute("SELECT view FROM asset WHERE id = ?", (document["_id"],)).fetchone()
        if not stored or row is None:
            return
        view = json.dumps(merged(json.loads(row[0]), document))
        values = (json.dumps(document), view, document["_id"])
        self.db.execute("UPDATE asset SET doc = ?, view = ? WHERE id = ?", values)

    def asset_count(self, set_id: str) -> int:
        """How many assets a set has."""
        return int(self.db.execute("SELECT count(*) FROM asset WHERE set_id = ?", (set_id,)).fetchone()[0])

    # Media

    def media(self, media_id: object, destination: str) -> sqlite3.Row | None:
        """A stored binary as one destination sees it, or None."""
        row: sqlite3.Row | None = self.db.execute(
            "SELECT * FROM media WHERE id = ? AND destination = ?", (media_id, destination)
        ).fetchone()
        return row

    def drop_media(self, media_id: object, destination: str) -> None:
        """Delete a binary from one destination, if it is there."""
        self.db.execute("DELETE FROM media WHERE id = ? AND destination = ?", (media_id, destination))


def _document(row: sqlite3.Row | None) -> Document | None:
    return json.loads(row[0]) if row else None


def merged(old: Any, new: Any) -> Any:
    """A partial update as the index does it: objects are merged key by key, everything else is replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return new
