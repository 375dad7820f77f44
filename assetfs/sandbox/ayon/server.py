"""The server's state: its databases, the projects that are open, and what it remembers between requests."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assetfs.sandbox.ayon import anatomy, attributes
from assetfs.sandbox.ayon.context import Switches, User, moment
from assetfs.sandbox.ayon.errors import refused
from assetfs.sandbox.ayon.records import Project, prepared
from assetfs.sandbox.ayon.schema import SERVER
from assetfs.sandbox.store import Store

FAILURES = 10  # failed logins of one address
BAN_SECONDS = 600


def digest(secret: str) -> str:
    """What is kept of a password or key."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass
class Job:
    """A batch of operations in the background."""

    id: str
    project: str
    request: Any
    status: str = "pending"
    progress: float | None = None
    result: Any = None


@dataclass
class Memory:
    """What one worker keeps in memory."""

    keys_used: dict[str, float] = field(default_factory=dict)  # digest of a key: when it was last used
    failed_logins: dict[str, list[float]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)  # session token: the public address that it is bound to
    lost: set[str] = field(default_factory=set)  # tokens of sessions that turned up elsewhere
    jobs: dict[str, Job] = field(default_factory=dict)
    heads: dict[tuple[str, str], tuple[float, dict[str, str]]] = field(default_factory=dict)


class Server:
    """One server over one store. `local_root` is a folder that stands for the studio's storage."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.db = prepared(store.open("ayon", SERVER))
        self.switches = Switches()
        self.memory = Memory()
        self.started = time.monotonic()
        self.on_switch: Callable[[Switches], None] = lambda switches: None
        self.local_root: Path = store.folder / "studio"
        self.local_root.mkdir(exist_ok=True)
        self._projects: dict[str, Project] = {}

    def empty(self) -> bool:
        """Whether nothing was ever in it."""
        return self.db.execute("SELECT 1 FROM user LIMIT 1").fetchone() is None

    # Projects

    def project(self, name: str) -> Project:
        """A project by its name in any case. Refuses one that there is not."""
        folded = name.lower()
        if folded not in self._projects:
            row = self.db.execute("SELECT * FROM project WHERE folded = ?", (folded,)).fetchone()
            if row is None:
                raise refused(404, f"Project {folded} not found")
            self._projects[folded] = Project(self.store, row)
        return self._projects[folded]

    def has_project(self, name: str) -> bool:
        """Whether there is a project of this name, in any case."""
        return self.db.execute("SELECT 1 FROM project WHERE folded = ?", (name.lower(),)).fetchone() is not None

    def add_project(self, name: str, code: str, content: dict[str, Any] | None = None, **more: Any) -> None:
        """Deploy a project with the stock anatomy, or another in the form of `anatomy.stock()`."""
        content = content or anatomy.stock()
        own = content.pop("attrib", attributes.DEFAULTS)
        now = moment()
        try:
            self.db.execute(
                "INSERT INTO project VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)",
                (
                    name,
                    name.lower(),
                    code,
                    more.get("label"),
                    int(bool(more.get("library"))),
                    json.dumps(content),
                    json.dumps(attributes.ordered(own)),
                    json.dumps(more.get("data") or {}),
                    now,
                    now,
                ),
            )
        except sqlite3.IntegrityError as error:
            raise refused(409, f"Project {name} already exists") from error

    def save_project(self, project: Project) -> None:
        """Keep what was changed in a project's own record."""
        self.db.execute(
            "UPDATE project SET code = ?, label = ?, active = ?, library = ?, anatomy = ?, attrib = ?, data = ?,"
            " updated_at = ? WHERE name = ?",
            (
                project.code,
                project.label,
                int(project.active),
                int(project.library),
                json.dumps(project.anatomy),
                json.dumps(project.own),
                json.dumps(project.data),
                moment(),
                project.name,
            ),
        )
        project.load(self.db.execute("SELECT * FROM project WHERE name = ?", (project.name,)).fetchone())

    def drop_project(self, project: Project) -> None:
        """Forget a project and its database."""
        self.db.execute("DELETE FROM project WHERE name = ?", (project.name,))
        self.db.execute("DELETE FROM root WHERE project = ?", (project.name,))
        del self._projects[project.name.lower()]
        project.close()
        for file in self.store.folder.glob(f"project_{project.name.lower()}.sqlite*"):
            file.unlink()

    def undo(self, projects: dict[str, Project]) -> None:
        """Read again what a request that failed may have changed in memory."""
        for name in projects:
            row = self.db.execute("SELECT * FROM project WHERE name = ?", (name,)).fetchone()
            if row is not None:
                projects[name].load(row)

    # Users

    def user(self, name: str) -> User | None:
        """A user by name."""
        row = self.db.execute("SELECT * FROM user WHERE name = ? AND active", (name,)).fetchone()
        return User(row["name"], json.loads(row["data"]), json.loads(row["attrib"])) if row else None

    def add_user(
        self, name: str, password: str | None, data: dict[str, Any], attrib: dict[str, Any], key: str | None = None
    ) -> None:
        """Make a user, or change one. What is None stays."""
        now = moment()
        kept = digest(password) if password is not None else None
        self.db.execute(
            "INSERT INTO user VALUES (?, 1, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET active = 1,"
            " password = coalesce(excluded.password, password), data = excluded.data, attrib = excluded.attrib,"
            " updated_at = excluded.updated_at",
            (name, kept, json.dumps(attrib), json.dumps(data), now, now),
        )
        if key is not None:
            self.db.execute("INSERT OR REPLACE INTO api_key VALUES (?, ?, NULL)", (digest(key), name))

    def failed_logins(self, client: str) -> list[float]:
        """When logins from an address failed lately."""
        recent = [at for at in self.memory.failed_logins.get(client, []) if time.monotonic() - at < BAN_SECONDS]
        self.memory.failed_logins[client] = recent
        return recent
