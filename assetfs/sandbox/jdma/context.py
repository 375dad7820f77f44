"""What a handler has at hand while it runs, the directory of people, and the switches of the server and its workers."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from assetfs.sandbox.jdma.disk import Disk
from assetfs.sandbox.jdma.errors import Crash, Refused
from assetfs.sandbox.switches import Switchboard

STORAGES = {"elastictape": "Elastic Tape", "objectstore": "Object Store"}
CREDENTIALS: dict[str, tuple[str, ...]] = {"elastictape": (), "objectstore": ("access_key", "secret_key")}
SPOILED = ("", "missing", "short", "corrupt")


@dataclass
class Switches(Switchboard):
    """Lasting behaviour that a test can change while the server runs. Stages are requests' stages; -1 is none."""

    reason_phrases: bool = True  # an error text that no status line can hold is answered 500
    clock: float = 0.0  # seconds that the server's clock is ahead: finished requests go away by it
    completed_days: int = 1  # whole days after which they do
    object_size: int = 2 << 30  # bytes from which an archive is full
    unreachable: str = ""  # a storage that does not answer

    passes: int = -1  # how many passes the workers may still make; -1 is no limit, 0 stops them
    pass_seconds: float = 0.02  # between two passes
    put_seconds: float = 0.0  # until an upload is on tape
    recall_seconds: float = 0.2  # until the tape has delivered
    stuck_stage: int = -1  # a request that is here stays here
    failed_stage: int = -1  # a request that is here fails
    failure: str = "the tape robot dropped it"  # its reason
    spoiled: str = ""  # what comes back from tape wrongly: missing, short, corrupt
    spoiled_paths: str = ""  # and which files, a regular expression of paths below the batch; none is all

    def change(self, values: dict[str, Any]) -> None:
        """Set some switches. Raises ValueError for what there is not."""
        if values.get("spoiled", "") not in SPOILED:
            raise ValueError(f"spoiled is one of {', '.join(SPOILED[1:])} or empty")
        try:
            re.compile(str(values.get("spoiled_paths", "")))
        except re.error as error:
            raise ValueError(f"spoiled_paths: {error}") from error
        super().change(values)

    def now(self) -> datetime:
        """The server's time."""
        return datetime.now(UTC) + timedelta(seconds=self.clock)

    def stamp(self) -> str:
        """The server's time as the wire has it."""
        return self.now().isoformat(timespec="microseconds")

    def seconds(self) -> float:
        """Seconds for measuring how long a request has been where it is."""
        return time.time() + self.clock


@dataclass
class Call:
    """One request, inside one transaction."""

    db: sqlite3.Connection
    switches: Switches
    disk: Disk
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The JSON body. Crashes on what is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Crash from error

    def integer(self, name: str) -> int | None:
        """A number of the query, None when it is not there. Crashes on what is none."""
        try:
            return int(self.query[name]) if name in self.query else None
        except ValueError as error:
            raise Crash from error

    def caller(self) -> str:
        """Who the caller says to be."""
        if "name" not in self.query:
            raise Refused("No name supplied.")
        return self.query["name"]

    # The database

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a query."""
        row: sqlite3.Row | None = self.db.execute(query, values).fetchone()
        return row

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self.db.execute(query, values).fetchall()

    def by_id(self, table: str, number: int) -> sqlite3.Row | None:
        """A row by its id; a number that no column holds finds none."""
        return self.row(f"SELECT * FROM {table} WHERE id = ?", number) if abs(number) < 1 << 31 else None

    # The directory

    def known(self, workspace: str) -> bool:
        """Whether there is such a workspace."""
        return self.row("SELECT 1 FROM workspace WHERE name = ?", workspace) is not None

    def belongs(self, name: str, workspace: str) -> bool:
        """Whether somebody is a member of a workspace."""
        return self.row("SELECT 1 FROM member WHERE name = ? AND workspace = ?", name, workspace) is not None

    def manages(self, name: str, workspace: str) -> bool:
        """Whether somebody is a manager of a workspace."""
        query = "SELECT 1 FROM member WHERE name = ? AND workspace = ? AND manager"
        return self.row(query, name, workspace) is not None

    # What all listings have in common

    def admit(self, name: str, workspace: str, task: str) -> None:
        """Refuse whom a workspace does not concern."""
        if not self.belongs(name, workspace):
            text = f"User does not have permission to {task} in the workspace"
            raise Refused(text, 403, workspace=workspace, name=name)

    def scope(self, task: str) -> tuple[str, list[str]]:
        """The condition and values for `batch`-like rows that a listing shows: one's own, or a whole workspace's."""
        name, whole = self.caller(), self.query.get("filter") == "workspace"
        workspace = self.query.get("workspace")
        if workspace is None:
            if whole:
                raise Refused("No workspace supplied and filter=workspace.", name=name)
            return "{owner}.owner = ?", [name]
        if not self.known(workspace):
            raise Refused("Workspace not found.", name=name, workspace=workspace)
        if not whole:
            return "{owner}.owner = ? AND batch.workspace = ?", [name, workspace]
        self.admit(name, workspace, task)
        return "batch.workspace = ?", [workspace]
