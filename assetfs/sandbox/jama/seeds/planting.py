"""Planting: putting collections, files, values and tags into a new database without going through the protocol."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from assetfs.sandbox.jama.context import now
from assetfs.sandbox.jama.imagesize import measure
from assetfs.sandbox.jama.uploads import file_type
from assetfs.sandbox.store import Blobs

INSERT = (
    "INSERT INTO resource (project_id, title, original_name, mime, hash, size, width, height, created_at, updated_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Planter:
    """Fills one project."""

    def __init__(self, db: sqlite3.Connection, blobs: Blobs, project_id: int) -> None:
        self.db = db
        self.blobs = blobs
        self.project_id = project_id
        self.root = self._one("SELECT root_id FROM project WHERE id = ?", project_id)

    def _one(self, query: str, *values: object) -> int:
        return int(self.db.execute(query, values).fetchone()[0])

    def collection(self, title: str, parent: int | None = None) -> int:
        """Make a collection, below the root unless a parent is given. Returns its id."""
        moment = now()
        cursor = self.db.execute(
            "INSERT INTO collection (project_id, parent_id, title, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
            (self.project_id, parent or self.root, title, moment, moment),
        )
        return int(cursor.lastrowid or 0)

    def file(self, title: str, content: bytes | Iterable[bytes], *places: int, name: str | None = None) -> int:
        """Make a resource with this content in some collections. `name` is its original name, the title by default."""
        digest, size = self.blobs.write([content] if isinstance(content, bytes) else content)
        mime = file_type(name or title).mime
        width, height = measure(self.blobs.path(digest), mime)
        moment = now()
        row = (self.project_id, title, name or title, mime, digest, size, width, height, moment, moment)
        resource_id = int(self.db.execute(INSERT, row).lastrowid or 0)
        for place in places:
            self.db.execute("INSERT INTO membership (collection_id, resource_id) VALUES (?, ?)", (place, resource_id))
        return resource_id

    def files(self, contents: Iterable[tuple[str, bytes]], place: int) -> None:
        """Make many small resources in one collection, in bulk."""
        first = 1 + self._one(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'resource' UNION ALL SELECT 0"
        )
        moment = now()
        rows = [
            (
                self.project_id,
                title,
                title,
                file_type(title).mime,
                self.blobs.put(content),
                len(content),
                None,
                None,
                at,
                at,
            )
            for at, (title, content) in enumerate(contents, moment)
        ]
        self.db.executemany(INSERT, rows)
        members = ((place, resource_id) for resource_id in range(first, first + len(rows)))
        self.db.executemany("INSERT INTO membership (collection_id, resource_id) VALUES (?, ?)", members)

    def field(self, set_title: str, title: str) -> int:
        """Get or make a metadata field. Returns its id."""
        self.db.execute(
            "INSERT OR IGNORE INTO metadataset (project_id, title) VALUES (?, ?)", (self.project_id, set_title)
        )
        query = "SELECT id FROM metadataset WHERE project_id = ? AND title = ?"
        set_id = self._one(query, self.project_id, set_title)
        self.db.execute(
            "INSERT OR IGNORE INTO metadata (project_id, set_id, title) VALUES (?, ?, ?)",
            (self.project_id, set_id, title),
        )
        return self._one("SELECT id FROM metadata WHERE set_id = ? AND title = ?", set_id, title)

    def describe(self, kind: str, owner: int, set_title: str, values: Mapping[str, str | Sequence[str]]) -> None:
        """Add values of one set to a "resource" or "collection"; a field may have several."""
        for title, texts in values.items():
            field_id = self.field(set_title, title)
            for text in [texts] if isinstance(texts, str) else texts:
                row = (owner, field_id, text)
                self.db.execute(f"INSERT INTO {kind}_value (owner_id, metadata_id, value) VALUES (?, ?, ?)", row)

    def tag(self, uid: str, label: str | None = None) -> int:
        """Make a tag. Returns its id."""
        cursor = self.db.execute(
            "INSERT INTO tag (project_id, uid, label) VALUES (?, ?, ?)", (self.project_id, uid, label)
        )
        return int(cursor.lastrowid or 0)

    def attach(self, kind: str, owner: int, *tag_ids: int) -> None:
        """Attach tags to a "resource" or "collection"."""
        for tag_id in tag_ids:
            self.db.execute(f"INSERT INTO {kind}_tag (owner_id, tag_id) VALUES (?, ?)", (owner, tag_id))
