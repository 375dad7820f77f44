"""The three users of every seed, with keys that never change, so that a script can be run against any sandbox."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from assetfs.sandbox.jama import setup

ADMIN_KEY = "sandbox0admin0key0000000000000001"
READER_KEY = "sandbox0reader0key000000000000002"
LIMITED_KEY = "sandbox0limited0key00000000000003"


@dataclass(frozen=True)
class People:
    """Ids of the users: one with full rights, one that may only read, one that sees some collections only."""

    admin: int
    reader: int
    limited: int


def add(db: sqlite3.Connection) -> People:
    """Make the users, without any role yet."""
    return People(
        setup.add_user(db, "admin", ADMIN_KEY, superuser=True),
        setup.add_user(db, "reader", READER_KEY),
        setup.add_user(db, "limited", LIMITED_KEY),
    )


def admit(db: sqlite3.Connection, people: People, project_id: int) -> None:
    """Give the admin and the reader their roles in a project."""
    setup.join(db, people.admin, project_id, setup.READ_WRITE)
    setup.join(db, people.reader, project_id, setup.READ_ONLY)
