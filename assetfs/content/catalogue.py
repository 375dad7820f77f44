"""The catalogue: what was learned once about content and never changes. A small SQLite file per repository.

A digest's size is true for ever, on every server: it is asked for once, and remembered across mounts. Lookups for a
whole listing are one statement; new knowledge is written behind, in batches. A damaged file is set aside and begun
anew: everything in it can be learned again.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import trio
from cachetools import LRUCache

from assetfs.repository import Node

log = logging.getLogger("assetfs.content")

_SCHEMA = "CREATE TABLE IF NOT EXISTS sizes (digest TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID"
_REMEMBERED = 200_000
"""Sizes kept in memory: twice the largest folder that we promise to list; 30 MB when full."""
_BATCH = 500
"""Values in one statement; SQLite's own limit is 32766, and 500 is as fast."""


def key_of(node: Node) -> str | None:
    """What a node's size is remembered by: its digest, else its id and version; None when it has neither."""
    return node.digest or (f"{node.id}@{node.version}" if node.version else None)


class Catalogue:
    """Sizes by key (`key_of`). Safe to use from the loop; what blocks runs in threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: LRUCache[str, int | None] = LRUCache(_REMEMBERED)
        """None: it is not in the file either."""
        self._unsaved: dict[str, int] = {}
        self._database = self._open()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for attempt in (1, 2):
            connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=OFF")
                connection.execute(_SCHEMA)
                connection.execute("SELECT count(*) FROM (SELECT * FROM sizes LIMIT 1)")
            except sqlite3.DatabaseError as damage:
                connection.close()
                if attempt == 2:
                    raise
                log.warning("the catalogue %s is damaged (%s): begun anew", self._path.name, damage)
                for suffix in ("", "-wal", "-shm"):
                    with contextlib.suppress(OSError):
                        Path(f"{self._path}{suffix}").replace(f"{self._path}.damaged{suffix}")
            else:
                self._path.chmod(0o600)
                return connection
        raise AssertionError("unreachable")

    async def size(self, key: str | None) -> int | None:
        """The size of one content, if it was ever learned."""
        if key is None:
            return None
        return (await self.sizes([key])).get(key)

    def peek(self, key: str | None) -> int | None:
        """The same from memory only: for what `sizes` has asked about lately."""
        return None if key is None else self._known.get(key)

    async def sizes(self, keys: Iterable[str]) -> Mapping[str, int]:
        """The sizes that are known, of many contents at once."""
        found: dict[str, int] = {}
        asked: list[str] = []
        for key in keys:
            if key not in self._known:
                asked.append(key)
            elif (size := self._known[key]) is not None:
                found[key] = size
        if asked:
            read = await trio.to_thread.run_sync(self._read, asked)
            for key in asked:
                if self._known.get(key) is None:  # and nobody has learned it meanwhile
                    self._known[key] = read.get(key)
            found.update(read)
        return found

    def _read(self, digests: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        try:
            with self._lock:
                for at in range(0, len(digests), _BATCH):
                    batch = digests[at : at + _BATCH]
                    marks = ",".join("?" * len(batch))
                    found.update(
                        self._database.execute(f"SELECT digest, size FROM sizes WHERE digest IN ({marks})", batch)  # noqa: S608
                    )
        except sqlite3.Error as damage:
            log.warning("the catalogue cannot be read: %s", damage)
        return found

    def remember(self, sizes: Mapping[str, int]) -> None:
        """Learn sizes. They are known at once, and durable after the next `save`."""
        self._known.update(sizes)
        self._unsaved.update(sizes)

    async def save(self) -> None:
        """Write what was learned since the last time."""
        if self._unsaved:
            batch, self._unsaved = self._unsaved, {}
            await trio.to_thread.run_sync(self._write, batch)

    def _write(self, batch: dict[str, int]) -> None:
        try:
            with self._lock, self._database:
                self._database.execute("BEGIN")
                self._database.executemany("INSERT OR REPLACE INTO sizes VALUES (?, ?)", batch.items())
        except sqlite3.Error as damage:
            log.warning("the catalogue cannot be written: %s", damage)

    def close(self) -> None:
        """Write and close; blocks."""
        if self._unsaved:
            self._write(self._unsaved)
        self._database.close()
