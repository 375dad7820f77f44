"""Who there is: the user of the sandbox, who is whoever runs it, a colleague, and a manager, in three workspaces."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from assetfs.sandbox.jdma.disk import Disk, login

WORKSPACE, OTHER, BUCKETS = "climate", "ocean", "models"
QUOTA = 1 << 50  # bytes
STORAGES = {WORKSPACE: ("elastictape",), OTHER: ("elastictape",), BUCKETS: ("elastictape", "objectstore")}
MEMBERS = {
    WORKSPACE: ("user", "member", "manager"),
    OTHER: ("member", "manager"),
    BUCKETS: ("user", "manager"),
}


def names() -> dict[str, str]:
    """The three by what they are. The colleague and the manager have no account on this machine."""
    user = login()
    return {"user": user, "member": f"{user}-colleague", "manager": f"{user}-manager"}


def stage(disk: Disk) -> Path:
    """The user's own folder on the shared disk."""
    return Path(disk.root) / WORKSPACE / names()["user"]


def plant(db: sqlite3.Connection, disk: Disk) -> None:
    """Make workspaces, memberships and the user's folder. Only the user has been initialised as such."""
    people = names()
    for workspace, roles in MEMBERS.items():
        db.execute("INSERT INTO workspace VALUES (?)", (workspace,))
        rows = [(workspace, people[role], role == "manager") for role in roles]
        db.executemany("INSERT INTO member VALUES (?, ?, ?)", rows)
        quotas = [(workspace, storage, QUOTA) for storage in STORAGES[workspace]]
        db.executemany("INSERT INTO quota (workspace, storage, size) VALUES (?, ?, ?)", quotas)
    address = f"{people['user']}@example.org"
    db.execute("INSERT INTO person (name, email) VALUES (?, ?)", (people["user"], address))
    folder = stage(disk)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
