"""What the workers have at hand, and the entries that they all make: a request comes to a stage, or fails."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from assetfs.sandbox.jdma.context import Switches
from assetfs.sandbox.jdma.disk import Disk, Rights
from assetfs.sandbox.jdma.stages import BatchStage, Stage
from assetfs.sandbox.store import Blobs

LONGEST_REASON = 1024


@dataclass
class Books:
    """The database as the workers write it, a statement at a time, with the disk and the tape beside it."""

    db: sqlite3.Connection
    disk: Disk
    blobs: Blobs
    switches: Switches

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self.db.execute(query, values).fetchall()

    def batch(self, request: sqlite3.Row) -> sqlite3.Row:
        """The batch of a request."""
        row: sqlite3.Row = self.db.execute("SELECT * FROM batch WHERE id = ?", (request["batch_id"],)).fetchone()
        return row

    def update(self, table: str, number: int, **values: Any) -> None:
        """Change some columns of one row."""
        pairs = ", ".join(f"{name} = ?" for name in values)
        self.db.execute(f"UPDATE {table} SET {pairs} WHERE id = ?", (*values.values(), number))

    def come(self, request: sqlite3.Row, stage: Stage, **values: Any) -> None:
        """A request comes to a stage."""
        self.update("request", request["id"], stage=stage, since=self.switches.seconds(), **values)

    def fail(self, request: sqlite3.Row, reason: str, **values: Any) -> None:
        """A request fails, and says why."""
        self.come(request, Stage.FAILED, failure=reason[:LONGEST_REASON], **values)

    def reach(self, batch: sqlite3.Row, stage: BatchStage, **values: Any) -> None:
        """A batch comes to a stage."""
        self.update("batch", batch["id"], stage=stage, **values)

    def unlock(self, batch: sqlite3.Row) -> None:
        """Give the folder of an upload back to its owner."""
        if batch["uid"] is not None and self.disk.sees(batch["common_path"]):
            self.disk.give(batch["common_path"], Rights(batch["uid"], batch["gid"], batch["mode"]))

    def size(self, batch: sqlite3.Row) -> int:
        """Bytes of a batch as its archives count them."""
        query = "SELECT coalesce(sum(size), 0) FROM archive WHERE batch_id = ?"
        return int(self.db.execute(query, (batch["id"],)).fetchone()[0])

    def charge(self, batch: sqlite3.Row, size: int) -> None:
        """Add to what a workspace has used of its quota."""
        query = "UPDATE quota SET used = max(0, used + ?) WHERE workspace = ? AND storage = ?"
        self.db.execute(query, (size, batch["workspace"], batch["storage"]))

    def waited(self, request: sqlite3.Row, seconds: float) -> bool:
        """Whether a request has been at its stage for so long."""
        return self.switches.seconds() - float(request["since"]) >= seconds
