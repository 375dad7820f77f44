"""What a method has at hand while it runs: the database, its parameters, and who calls.

A `Call` lives for one request, inside one transaction. Who calls is found out when a method asks for it: some methods
never do, and take any token.
"""

from __future__ import annotations

import random
import sqlite3
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from assetfs.sandbox.midas.envelope import Params
from assetfs.sandbox.midas.errors import INVALID, METHOD, TOKEN, Refused
from assetfs.sandbox.store import Blobs
from assetfs.sandbox.switches import Switchboard

Fields = dict[str, Any]
Json = Any
LETTERS = string.ascii_letters + string.digits


@dataclass
class Switches(Switchboard):
    """Lasting behaviour that a test can change while the server runs. The defaults are what the real server does."""

    clock: float = 0.0  # seconds that the server's clock is ahead: tokens expire by it
    mfa: str = ""  # the code that a login must be completed with; none: a login gives a token at once
    modules: str = ""  # modules that are there besides api and mfa, with commas between them
    quota: int = 0  # bytes that each user may have in bitstreams; 0: the module is not there
    community_limit: int = 20  # public communities that somebody who is no administrator sees in the list
    fold_case: bool = False  # as MySQL: names are compared without regard to case
    check_renames: bool = False  # a rename to a taken name is refused
    keep_duplicates: bool = False  # a known checksum under a taken file name adds the file instead of nothing
    zero_text: bool = True  # a last piece that is the one character 0 is not received
    fresh_sizes: bool = False  # an item's size is computed again when a bitstream is deleted
    ranges_for_all: bool = False  # a Range header is honoured from every user agent, its end too
    warnings: bool = False  # as in development: a PHP warning in front of the JSON


@dataclass
class Session:
    """What a PHPSESSID stands for."""

    user_id: int | None = None
    expires: float = 0.0


@dataclass
class Call:
    """The surroundings of one call."""

    db: sqlite3.Connection
    switches: Switches
    params: Params
    verb: str = "POST"
    session: Session = field(default_factory=Session)
    base: str = ""
    lists: Mapping[str, Any] = field(default_factory=dict)  # of a JSON body: parameters that are no texts
    blobs: Blobs | None = None

    def stored(self) -> Blobs:
        """The bytes of the assetstore."""
        assert self.blobs is not None
        return self.blobs

    # Parameters

    def need(self, *names: str) -> list[str]:
        """Required parameters, in this order. Refused with the first that is missing."""
        for name in names:
            if name not in self.params:
                raise Refused(INVALID, f"Parameter {name} is not defined")
        return [self.params[name] for name in names]

    def id(self, name: str) -> int:
        """A required id. What is no number is an id that finds nothing."""
        (text,) = self.need(name)
        return int(text) if text.lstrip("-").isdigit() and len(text) < 19 else 0

    def post_only(self) -> None:
        """Refuse GET."""
        if self.verb != "POST":
            raise Refused(METHOD, "POST method required")

    # Who calls

    def user(self) -> sqlite3.Row | None:
        """The caller; None for an anonymous one. Refused when there is a token and it is not valid."""
        if "token" in self.params:
            found = self.by_token(self.params["token"])
            if found is None:
                raise Refused(TOKEN, "Invalid token")
            self.session.user_id, self.session.expires = found["user_id"], self.now() + SESSION_SECONDS
            return found
        return self.session_user() if "useSession" in self.params else None

    def by_token(self, token: str) -> sqlite3.Row | None:
        """The user that a token stands for, while it does."""
        query = "SELECT user.* FROM userapi JOIN user USING (user_id) WHERE token = ? AND expires > ?"
        return self.row(query, token, self.now())

    def session_user(self) -> sqlite3.Row | None:
        """The user of the request's cookie."""
        if self.session.user_id is None or self.session.expires <= self.now():
            return None
        return self.row("SELECT * FROM user WHERE user_id = ?", self.session.user_id)

    def now(self) -> float:
        """Seconds since the epoch by the server's clock."""
        return time.time() + self.switches.clock

    def stamp(self) -> str:
        """The time as the server writes it."""
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%d %H:%M:%S")

    # The database

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

    def get(self, table: str, row_id: int) -> sqlite3.Row | None:
        """A row by the table's own id."""
        return self.row(f"SELECT * FROM {table} WHERE {table}_id = ?", row_id)

    def insert(self, table: str, **values: Any) -> int:
        """Add a row. Returns its id."""
        marks = ", ".join("?" * len(values))
        query = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"
        return int(self.db.execute(query, tuple(values.values())).lastrowid or 0)

    def update(self, table: str, row_id: int, **values: Any) -> None:
        """Change some columns of one row."""
        pairs = ", ".join(f"{name} = ?" for name in values)
        self.db.execute(f"UPDATE {table} SET {pairs} WHERE {table}_id = ?", (*values.values(), row_id))

    def name_is(self, column: str = "name") -> str:
        """The SQL comparison of a name with a parameter, as the database's collation has it."""
        return f"{column} = ? COLLATE {'NOCASE' if self.switches.fold_case else 'BINARY'}"


SESSION_SECONDS = 20 * 60


def shown(row: sqlite3.Row, **changes: Any) -> Fields:
    """A row as an answer's fields: numbers are texts there, with some fields changed or added."""
    return {name: None if row[name] is None else str(row[name]) for name in row.keys()} | changes  # noqa: SIM118


def new_uuid() -> str:
    """32 hexadecimal digits."""
    return f"{random.getrandbits(128):032x}"


def random_text(length: int) -> str:
    """Letters and digits, as keys and tokens are made of."""
    return "".join(random.choices(LETTERS, k=length))
