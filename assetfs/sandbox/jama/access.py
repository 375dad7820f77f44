"""Access rights: roles hold create, read, update and delete flags per class and per object.

A flag on a resource or collection, or on the nearest ancestor that has one, overrides the class's. Several flags on
one object must all agree; of several roles the first class flag decides. That is the server's way, not a wish.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from assetfs.sandbox.jama.errors import Refused

CLASSES = ("resource", "collection", "metadata", "metadataset", "project_property", "tag")
VERBS = ("create", "read", "update", "delete")
Node = tuple[str, int]


class Access:
    """What one user may do in one project."""

    def __init__(self, db: sqlite3.Connection, user_id: int, project_id: int) -> None:
        rows = db.execute(
            "SELECT p.* FROM permission p JOIN role r ON r.id = p.role_id AND r.project_id = ?1"
            " JOIN access a ON a.role_id = r.id AND a.project_id = ?1 AND a.user_id = ?2 ORDER BY p.id",
            (project_id, user_id),
        ).fetchall()
        self._start(db, rows)
        self.project_id = project_id
        self.member = bool(
            db.execute("SELECT 1 FROM access WHERE project_id = ? AND user_id = ?", (project_id, user_id)).fetchone()
        )

    @classmethod
    def of_role(cls, db: sqlite3.Connection, role_id: int) -> Access:
        """The rights that one role gives."""
        self = cls.__new__(cls)
        self._start(db, db.execute("SELECT * FROM permission WHERE role_id = ? ORDER BY id", (role_id,)).fetchall())
        self.member = True
        return self

    def _start(self, db: sqlite3.Connection, rows: list[sqlite3.Row]) -> None:
        self._db = db
        self.rows = rows
        self._classes: dict[str, sqlite3.Row] = {}
        self._objects: dict[Node, list[sqlite3.Row]] = {}
        self._parents: dict[int, int | None] = {}
        for row in rows:
            if row["object_pk"] is None:
                self._classes.setdefault(row["object_class"], row)
            else:
                self._objects.setdefault((row["object_class"], row["object_pk"]), []).append(row)

    def allows(self, verb: str, kind: str, object_id: int | None = None) -> bool:
        """Whether `verb` is allowed on an object, or on the class when there is no id."""
        flag = f"object_{verb}"
        if self._objects and object_id is not None and kind in ("resource", "collection"):
            for node in self._upwards(kind, object_id):
                if rules := self._objects.get(node):
                    return all(rule[flag] for rule in rules)
        rule = self._classes.get(kind)
        return bool(rule and rule[flag])

    def check(self, verb: str, kind: str, object_id: int | None, name: str) -> None:
        """Refuse the call unless `verb` is allowed."""
        if not self.allows(verb, kind, object_id):
            raise Refused(f"no {verb} access for {name}")

    def check_row(self, verb: str, kind: str, row: sqlite3.Row) -> None:
        """Refuse the call unless `verb` is allowed on a collection or resource."""
        if not self.allows(verb, kind, row["id"]):
            raise Refused(f"no {verb} access for {row['title']}")

    def check_member(self, label: str) -> None:
        """Refuse the call unless the user has any role in the project."""
        if not self.member:
            raise Refused(f"no project access for {label}")

    def readable(self, kind: str, rows: Iterable[sqlite3.Row]) -> list[sqlite3.Row]:
        """Those of the rows that the user may read."""
        if not self._objects:
            return list(rows) if self.allows("read", kind) else []
        return [row for row in rows if self.allows("read", kind, row["id"])]

    def _upwards(self, kind: str, object_id: int) -> Iterator[Node]:
        yield kind, object_id
        if kind == "collection":
            yield from self._above(object_id)
            return
        rows = self._db.execute(
            "SELECT c.id FROM membership m JOIN collection c ON c.id = m.collection_id"
            " WHERE m.resource_id = ? AND c.deleted_at IS NULL ORDER BY c.title",
            (object_id,),
        )
        for row in rows.fetchall():
            yield "collection", row["id"]
            yield from self._above(row["id"])

    def _above(self, collection_id: int) -> Iterator[Node]:
        while (parent := self._parent(collection_id)) is not None:
            yield "collection", parent
            collection_id = parent

    def _parent(self, collection_id: int) -> int | None:
        if collection_id not in self._parents:
            row = self._db.execute("SELECT parent_id FROM collection WHERE id = ?", (collection_id,)).fetchone()
            self._parents[collection_id] = row["parent_id"] if row else None
        return self._parents[collection_id]


def create_role(db: sqlite3.Connection, project_id: int, label: str, flags: dict[str, str]) -> int:
    """Make a role. `flags` gives each class the first letters of what it may, e.g. {"tag": "cr"}. Returns its id."""
    cursor = db.execute("INSERT INTO role (project_id, label) VALUES (?, ?)", (project_id, label))
    role_id = int(cursor.lastrowid or 0)
    for kind, letters in flags.items():
        grant(db, role_id, kind, None, letters)
    return role_id


def grant(db: sqlite3.Connection, role_id: int, kind: str, object_id: int | None, letters: str) -> int:
    """Add one row of flags to a role. Returns its id."""
    values = [verb[0] in letters for verb in VERBS]
    cursor = db.execute(
        "INSERT INTO permission (role_id, object_class, object_pk, object_create, object_read, object_update,"
        " object_delete) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (role_id, kind, object_id, *values),
    )
    return int(cursor.lastrowid or 0)
