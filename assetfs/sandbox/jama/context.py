"""What a method has at hand while it runs: the database, who calls, and the server's settings.

A `Call` lives for one RPC call or one upload or download, inside one transaction. Rights are looked up once per
project.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from assetfs.sandbox.jama.access import Access
from assetfs.sandbox.jama.errors import NO_PROJECT, WRONG_ARGUMENT, Refused
from assetfs.sandbox.jama.profiles import Profile
from assetfs.sandbox.switches import Switchboard

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BIGGEST = 2**63 - 1  # what SQLite takes for an integer


@dataclass
class Switches(Switchboard):
    """Lasting behaviour that a test can change while the server runs."""

    site: str = "http://canary.invalid/"  # what `urls` are built from: never the endpoint
    public_urls: bool = False  # download_public and serve answer, and are in `urls`
    serialised: bool = False  # as SQLite: calls wait for each other, delays included, and fail with 500 after 5 s
    body_416: bool = False  # an old server's 416: with the whole file as its body
    product_join: bool = False  # a listing takes 3.3 µs per (child x member) of each collection in it
    stale_lock: bool = False  # uploads find the lock of a server that died while assembling


@dataclass(frozen=True)
class User:
    """A row of `user`; its flags are 0 or 1."""

    id: int
    username: str
    first_name: str
    last_name: str
    email: str
    is_staff: bool
    is_superuser: bool
    is_active: bool


@dataclass
class Call:
    """The surroundings of one call."""

    db: sqlite3.Connection
    user: User
    profile: Profile
    switches: Switches
    parts: Any = None  # the folder of unfinished uploads (uploads.Parts)
    _access: dict[int, Access] = field(default_factory=dict)

    def access(self, project_id: int) -> Access:
        """The user's rights in a project."""
        if project_id not in self._access:
            self._access[project_id] = Access(self.db, self.user.id, project_id)
        return self._access[project_id]

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a query."""
        row: sqlite3.Row | None = self.db.execute(query, values).fetchone()
        return row

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self.db.execute(query, values).fetchall()

    def scalar(self, query: str, *values: Any) -> Any:
        """The first column of the first row; None when there is none."""
        row = self.row(query, *values)
        return None if row is None else row[0]

    def insert(self, query: str, *values: Any) -> int:
        """Run an INSERT. Returns the new row's id."""
        return int(self.db.execute(query, values).lastrowid or 0)

    def project(self, project_id: object) -> sqlite3.Row:
        """The project with this id; refused when there is none."""
        row = self.row("SELECT * FROM project WHERE id = ?", as_id(project_id))
        if row is None:
            raise Refused(NO_PROJECT)
        return row


_last = 0


def now() -> int:
    """The time in microseconds; never the same twice, so that an order by time is an order of events."""
    global _last
    _last = max(_last + 1, time.time_ns() // 1000)
    return _last


def iso(microseconds: int | None) -> str | None:
    """A stored time as the wire has it: UTC, the fraction missing when it is zero."""
    return None if microseconds is None else (EPOCH + timedelta(microseconds=microseconds)).isoformat()


def as_id(value: object) -> int:
    """An id as the server takes it: numbers, and texts that are numbers. None finds nothing; anything else is 400."""
    if value is None:
        return -1
    if not isinstance(value, (int, float, str)):
        raise TypeError(f"an id must be a number, not {value!r}")
    number = int(value)
    return number if -BIGGEST <= number <= BIGGEST else -1


def as_text(value: object) -> str:
    """A value as the database stores it: anything becomes its Python text."""
    return value if isinstance(value, str) else str(value)


def window(limit_from: object, limit_to: object) -> tuple[int, int]:
    """Slice bounds. Refused when they are no numbers, negative or the wrong way round."""
    try:
        start, stop = int(limit_from), int(limit_to)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise Refused(WRONG_ARGUMENT) from None
    if start < 0 or stop < start:
        raise Refused(WRONG_ARGUMENT)
    return start, stop


def id_list(ids: Iterable[int]) -> str:
    """Ids as one SQL parameter, for `IN (SELECT value FROM json_each(?))`: no limit on their number."""
    return json.dumps(list(ids))
