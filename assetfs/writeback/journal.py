"""The journal: the durable list of what is still owed to the server. One SQLite file (WAL) per repository.

A row is one file or local folder that was written here. It is saved when close or fsync acknowledge something, and at
every change of state; it goes only when the server has confirmed, or when somebody deleted or discarded the file.

A commit survives the death of this process at once (30 µs; no fsync). `sync` makes everything that was committed
survive the machine's death too: fsync of the write-ahead log. Checkpoints, which move the log into the database and
fsync both, run in a worker thread. A damaged journal is never overwritten: the mount fails, and says where it and the
staging files are.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from assetfs.repository import Node, NodeId, Rights
from assetfs.writeback.reserve import Reserve
from assetfs.writeback.states import State

log = logging.getLogger("assetfs.writeback")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (number INTEGER PRIMARY KEY, state TEXT NOT NULL, entry BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS renames (node TEXT PRIMARY KEY, held BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS leftovers (number INTEGER PRIMARY KEY AUTOINCREMENT, leftover BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS times (content TEXT NOT NULL UNIQUE, mtime_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
VERSION = "1"

_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EROFS,
}

Step = tuple[str, *tuple[object, ...]]
"""A statement and its values."""

_REMOVING = "DELETE FROM files WHERE number = ?"

TIMES_KEPT = 200_000
"""Modification times that are remembered by content, the newest: 30 MB in memory, and more files than anybody syncs."""


class Entry(msgspec.Struct, kw_only=True):
    """One row. Everything that the next daemon needs to go on."""

    number: int
    """`local:<number>` is the node's id while the server has none."""
    file: int = 0
    """Name of the staging file; 0 for `number`. It changes when the content begins anew."""
    state: State = State.DIRTY
    folder: bool = False
    parent: str
    """Id of the folder that it is in: a server's, or `local:<number>`."""
    name: bytes
    """As the mount shows it."""
    target: Node | None = None
    """The server's node whose content it is to become, as it was when this began; None for a new file."""
    base: Node | None = None
    """The node of whose version the bytes are that were not written."""
    parent_node: Node | None = None
    """The folder, as it was described last."""
    size: int = 0
    mtime_ns: int = 0
    base_limit: int = 0
    """Bytes below this that were not written are those of `base`; those above are zeros."""
    written: bytes = b""
    """`Ranges.pack` of what the staging file holds."""
    attributes: dict[str, bytes] = {}
    """Extended attributes to set once the server has it."""
    ledger: dict[str, Any] = {}
    """What the transfer has done so far."""
    stale: list[dict[str, Any]] = []
    """Ledgers of transfers of earlier contents, which may have left something on the server."""
    sent: list[str] = []
    """Digests of contents that were given to the server for `target`: if it has one of these, that is our own doing."""
    error: str = ""
    attempts: int = 0
    changed: float = 0.0
    """Seconds since the epoch: when it was last changed here."""


class HeldRename(msgspec.Struct, kw_only=True):
    """A rename to a backup name that waits for what comes next."""

    node: Node
    folder: Node
    old: bytes
    new: bytes


class Leftover(msgspec.Struct, kw_only=True):
    """What a transfer may have left on the server although nobody wants it any more."""

    parent: str
    name: bytes
    ledger: dict[str, Any]


class JournalDamaged(Exception):
    """The file is there and cannot be read."""


class Journal:
    """Opened once per repository, under the lock. All methods but `sync` and `checkpoint` take well under a
    millisecond and are called on the loop. A disk that is full or read-only is an OSError that says so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA wal_autocheckpoint=0")
            self._db.executescript(_SCHEMA)
            self._db.execute("INSERT OR IGNORE INTO settings VALUES ('version', ?)", (VERSION,))
            found = self._db.execute("SELECT value FROM settings WHERE name = 'version'").fetchone()[0]
            self._db.execute("DELETE FROM times WHERE rowid <= (SELECT max(rowid) FROM times) - ?", (TIMES_KEPT,))
            if self._db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise JournalDamaged(f"{path} is damaged")
        except sqlite3.DatabaseError as damage:
            self._db.close()
            raise JournalDamaged(f"{path}: {damage}") from None
        if found != VERSION:
            self._db.close()
            raise JournalDamaged(f"{path} was written by another version of assetfs ({found})")
        path.chmod(0o600)
        self.reserve = Reserve(path.with_name("reserve"))
        self._encode = msgspec.msgpack.Encoder(enc_hook=_encoded)
        self._decode = msgspec.msgpack.Decoder(Entry, dec_hook=_decoded)
        self._decode_leftover = msgspec.msgpack.Decoder(Leftover)
        self._decode_held = msgspec.msgpack.Decoder(HeldRename, dec_hook=_decoded)

    def entries(self) -> Iterator[Entry]:
        """All rows, oldest first."""
        for number, state, blob in self._db.execute("SELECT number, state, entry FROM files ORDER BY number"):
            yield self._entry(number, state, blob)

    def _entry(self, number: int, state: str, blob: bytes) -> Entry:
        return _row(self.path, self._decode, number, state, blob)

    def _change(self, *steps: Step) -> None:
        """Statements with their values, carried out all or none. On a full disk there may be room in the log once that
        is folded into the database, and then there is the reserve: after each they are begun anew."""
        remedies = iter((self._fold, self.reserve.give_up))
        while True:
            try:
                return self._carry_out(steps)
            except sqlite3.OperationalError as error:
                code = error.sqlite_errorcode & 0xFF
                if code != sqlite3.SQLITE_FULL or not any(remedy() for remedy in remedies):
                    raise OSError(_ERRNO.get(code, errno.EIO), f"the journal: {error}") from None

    def _carry_out(self, steps: Iterable[Step]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for statement, *values in steps:
                self._db.execute(statement, values)
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _fold(self) -> bool:
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(RESTART)")
        return True

    def save(self, entry: Entry) -> None:
        """Insert or update a row; it survives this process from here on."""
        self._change(self._saving(entry))

    def _saving(self, entry: Entry) -> Step:
        entry.changed = time.time()
        row = entry.number, entry.state.value, self._encode.encode(entry)
        return "INSERT OR REPLACE INTO files VALUES (?, ?, ?)", *row

    def remove(self, number: int, leftovers: Iterable[Leftover] = ()) -> None:
        """Nothing is owed for this file any more, but for the removal of what its transfers may have left."""
        owed = (("INSERT INTO leftovers (leftover) VALUES (?)", self._encode.encode(one)) for one in leftovers)
        self._change((_REMOVING, number), *owed)

    def replace(self, remove: int, entry: Entry) -> None:
        """Remove one row and save another, both or neither."""
        self._change((_REMOVING, remove), self._saving(entry))

    def leftovers(self) -> list[tuple[int, Leftover]]:
        """What is to be removed from the server, by number, oldest first."""
        rows = self._db.execute("SELECT number, leftover FROM leftovers ORDER BY number").fetchall()
        return [(number, self._decode_leftover.decode(blob)) for number, blob in rows]

    def removed(self, leftover: int) -> None:
        """A leftover is not there any more."""
        self._change(("DELETE FROM leftovers WHERE number = ?", leftover))

    def hold(self, held: HeldRename) -> None:
        """A rename was acknowledged, and is not with the server yet."""
        self._change(("INSERT OR REPLACE INTO renames VALUES (?, ?)", held.node.id, self._encode.encode(held)))

    def held(self) -> list[HeldRename]:
        return [self._decode_held.decode(blob) for (blob,) in self._db.execute("SELECT held FROM renames")]

    def release(self, node: NodeId) -> None:
        self._change(("DELETE FROM renames WHERE node = ?", node))

    def remember_time(self, content: str, mtime_ns: int) -> None:
        """The modification time that somebody gave to a content, by its key."""
        self._change(("INSERT OR REPLACE INTO times VALUES (?, ?)", content, mtime_ns))

    def times(self) -> Iterator[tuple[str, int]]:
        yield from self._db.execute("SELECT content, mtime_ns FROM times")

    def sync(self) -> None:
        """Everything that was committed survives the machine's death. Blocks; call it in a thread."""
        wal = f"{self.path}-wal"
        try:
            handle = os.open(wal, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(handle)
        finally:
            os.close(handle)

    def checkpoint(self) -> None:
        """Fold the log into the database. Blocks; call it in a thread. Uses a connection of its own."""
        other = sqlite3.connect(self.path, timeout=10)
        try:
            other.execute("PRAGMA wal_checkpoint(PASSIVE)")  # most of the work; writers go on meanwhile
            other.execute("PRAGMA wal_checkpoint(RESTART)")  # the rest; the log's room is used again
        except sqlite3.Error as error:
            log.warning("the journal's log cannot be folded into it now: %s", error)
        finally:
            other.close()

    def close(self) -> None:
        self._db.close()


def _row(path: Path, decoder: msgspec.msgpack.Decoder[Entry], number: int, state: str, blob: bytes) -> Entry:
    try:
        entry = decoder.decode(blob)
        entry.state = State(state)
    except (msgspec.MsgspecError, ValueError) as damage:
        raise JournalDamaged(f"{path}, row {number}: {damage}") from None
    entry.number = number
    return entry


def read(path: Path) -> list[Entry]:
    """All rows of a journal, oldest first, without a lock and without changing it; none where there is no journal.
    Raises JournalDamaged."""
    if not path.exists():
        return []
    decoder = msgspec.msgpack.Decoder(Entry, dec_hook=_decoded)
    db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        rows = db.execute("SELECT number, state, entry FROM files ORDER BY number").fetchall()
    except sqlite3.DatabaseError as damage:
        raise JournalDamaged(f"{path}: {damage}") from None
    finally:
        db.close()
    return [_row(path, decoder, *row) for row in rows]


def _encoded(value: object) -> object:
    """What msgspec does not know of a Node: paths, rights, and the backend's own part."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Rights):
        return value.value
    raise NotImplementedError(type(value).__name__)


def _decoded(kind: type, value: Any) -> object:
    return kind(value)
