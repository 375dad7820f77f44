"""Making projects, users and keys: what an administrator of the real server does by hand.

A fresh project has its root collection, the three stock roles and the Dublin Core set.
"""

from __future__ import annotations

import sqlite3

from assetfs.sandbox.jama.access import CLASSES, create_role, grant
from assetfs.sandbox.jama.context import now

DUBLIN_CORE = (
    *("title", "creator", "subject", "description", "publisher", "contributor", "date", "type", "format"),
    *("identifier", "source", "language", "relation", "coverage", "rights", "audience", "provenance", "rightsholder"),
)
READ_ONLY, NO_ACCESS, READ_WRITE = "project read only", "project no access", "project read/write"
STOCK_ROLES = {READ_ONLY: "r", NO_ACCESS: "", READ_WRITE: "crud"}


def add_project(db: sqlite3.Connection, label: str, *, use_exiftool: bool = False) -> int:
    """Make a project. Returns its id."""
    project_id = _insert(db, "INSERT INTO project (label, use_exiftool) VALUES (?, ?)", label, use_exiftool)
    moment = now()
    root = _insert(
        db,
        "INSERT INTO collection (project_id, title, created_at, updated_at) VALUES (?, ?, ?, ?)",
        *(project_id, f"root {label}", moment, moment),
    )
    db.execute("UPDATE project SET root_id = ? WHERE id = ?", (root, project_id))
    for name, letters in STOCK_ROLES.items():
        create_role(db, project_id, name, dict.fromkeys(CLASSES, letters))
    set_id = _insert(db, "INSERT INTO metadataset (project_id, title) VALUES (?, 'Dublin_Core')", project_id)
    for rank, title in enumerate(DUBLIN_CORE, 1):
        values = (project_id, set_id, title, rank)
        db.execute("INSERT INTO metadata (project_id, set_id, title, rank) VALUES (?, ?, ?, ?)", values)
    return project_id


def add_user(db: sqlite3.Connection, username: str, key: str, *, superuser: bool = False) -> int:
    """Make a user with an API key. Returns the user's id."""
    user_id = _insert(
        db,
        "INSERT INTO user (username, first_name, last_name, email, is_staff, is_superuser) VALUES (?, ?, '', ?, ?, ?)",
        *(username, username.capitalize(), f"{username}@example.org", superuser, superuser),
    )
    db.execute("INSERT INTO api_key (key, user_id) VALUES (?, ?)", (key, user_id))
    return user_id


def join(db: sqlite3.Connection, user_id: int, project_id: int, role_label: str) -> None:
    """Give a user a role in a project."""
    (role_id,) = db.execute(
        "SELECT id FROM role WHERE project_id = ? AND label = ?", (project_id, role_label)
    ).fetchone()
    db.execute("INSERT INTO access (project_id, user_id, role_id) VALUES (?, ?, ?)", (project_id, user_id, role_id))


def limit(db: sqlite3.Connection, user_id: int, project_id: int, collection_ids: list[int]) -> None:
    """Let a user into some collections of a project only: full rights there and none on the rest of the tree."""
    flags = {
        "resource": "c",
        "collection": "",
        "metadata": "r",
        "metadataset": "r",
        "project_property": "r",
        "tag": "cr",
    }
    label = f"limited to {', '.join(map(str, collection_ids))}"
    role_id = create_role(db, project_id, label, flags)
    for collection_id in collection_ids:
        grant(db, role_id, "collection", collection_id, "crud")
    db.execute("INSERT INTO access (project_id, user_id, role_id) VALUES (?, ?, ?)", (project_id, user_id, role_id))


def _insert(db: sqlite3.Connection, statement: str, *values: object) -> int:
    return int(db.execute(statement, values).lastrowid or 0)
