"""The seed `empty`: one project as it is right after it was made."""

from __future__ import annotations

import sqlite3

from assetfs.sandbox.jama import setup
from assetfs.sandbox.jama.seeds import people
from assetfs.sandbox.options import Options
from assetfs.sandbox.store import Blobs


def plant(db: sqlite3.Connection, blobs: Blobs, options: Options) -> None:
    """Make the project "Sandbox"."""
    users = people.add(db)
    project_id = setup.add_project(db, "Sandbox")
    people.admit(db, users, project_id)
    setup.limit(db, users.limited, project_id, [])
