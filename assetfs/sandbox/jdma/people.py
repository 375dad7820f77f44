"""Who there is: the user of the sandbox, a colleague, and a manager, in three workspaces."""

from __future__ import annotations

import os
import pwd
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from assetfs.sandbox.jdma.disk import PRIVILEGED, Disk, Rights, owner_name

WORKSPACE, OTHER, BUCKETS = "climate", "ocean", "models"
QUOTA = 1 << 50  # bytes
STORAGES = {WORKSPACE: ("elastictape",), OTHER: ("elastictape",), BUCKETS: ("elastictape", "objectstore")}


@dataclass(frozen=True)
class People:
    """The three by their login names. The colleague and the manager have no account on this machine."""

    user: str
    uid: int
    gid: int

    @property
    def member(self) -> str:
        """Belongs to two of the workspaces, and owns nothing."""
        return f"{self.user}-colleague"

    @property
    def manager(self) -> str:
        """Manages all workspaces."""
        return f"{self.user}-manager"

    def stage(self, disk: Disk) -> Path:
        """The user's own folder on the shared disk."""
        return Path(disk.root) / WORKSPACE / self.user


def known(login: str) -> People:
    """The people around a user of this machine; with an empty login, around whoever runs this. Raises KeyError."""
    if not login:
        return People(owner_name(os.geteuid()), os.geteuid(), os.getegid())
    record = pwd.getpwnam(login)
    return People(login, record.pw_uid, record.pw_gid)


def plant(db: sqlite3.Connection, disk: Disk, people: People) -> None:
    """Make workspaces, memberships and the user's folder. Only the user has been initialised as such."""
    members = {
        WORKSPACE: (people.user, people.member, people.manager),
        OTHER: (people.member, people.manager),
        BUCKETS: (people.user, people.manager),
    }
    for workspace, names in members.items():
        db.execute("INSERT INTO workspace VALUES (?)", (workspace,))
        rows = [(workspace, name, name == people.manager) for name in names]
        db.executemany("INSERT INTO member VALUES (?, ?, ?)", rows)
        quotas = [(workspace, storage, QUOTA) for storage in STORAGES[workspace]]
        db.executemany("INSERT INTO quota (workspace, storage, size) VALUES (?, ?, ?)", quotas)
    db.execute("INSERT INTO person (name, email) VALUES (?, ?)", (people.user, f"{people.user}@example.org"))
    people.stage(disk).mkdir(parents=True, exist_ok=True)
    give(disk, people)


def give(disk: Disk, people: People) -> None:
    """Make everything in the user's folder the user's own."""
    stage = str(people.stage(disk))
    for folder, _, files in os.walk(stage):
        disk.give(folder, Rights(people.uid, people.gid, 0o755))
        for name in files:
            disk.give(os.path.join(folder, name), Rights(people.uid, people.gid, 0o644))


def let_in(data: Path, people: People) -> None:
    """Let the user of a server that root runs come to the shared disk."""
    if PRIVILEGED and people.uid != os.geteuid():
        data.chmod(0o711)
