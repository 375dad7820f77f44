"""The store room of every embedded server: one folder with a SQLite file per protocol and blobs named by their
SHA-256.

A blob is immutable and is stored once, however many assets have it: `blobs/ab/abcd…`. It comes into being by a
rename from `scratch/` (same file system), so that a reader never sees half of one. The folder is either kept
(`--data`) or a temporary one that the caller removes.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path

PIECE = 1 << 20  # how much is read or written at once; larger pieces gained nothing on loopback


class Blobs:
    """Immutable byte strings by digest. All methods block; call those that move bytes from a thread."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self.scratch = scratch
        scratch.mkdir(parents=True, exist_ok=True)
        for number in range(256):
            (folder / f"{number:02x}").mkdir(parents=True, exist_ok=True)

    def relative(self, digest: str) -> str:
        """The path of a blob below `folder`, as a web server in front of it would be given it."""
        return f"{digest[:2]}/{digest}"

    def path(self, digest: str) -> Path:
        """Where the blob with this digest is, or would be."""
        return self.folder / self.relative(digest)

    def adopt(self, file: Path, digest: str) -> None:
        """Make a finished file (on the same file system) the blob with this digest, which the caller has computed."""
        os.replace(file, self.path(digest))

    def write(self, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Store the concatenation of the pieces. Returns (SHA-256 in hex, size in bytes)."""
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self.scratch, delete=False) as out:
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                out.write(piece)
        self.adopt(Path(out.name), digest.hexdigest())
        return digest.hexdigest(), size

    def put(self, content: bytes) -> str:
        """Store a short content. Returns its digest.

        Written with bare system calls: a seed makes 100,000 of these, and pathlib costs more than the file system.
        """
        digest = hashlib.sha256(content).hexdigest()
        temporary = f"{self.scratch}/{digest}"
        descriptor = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)
        os.rename(temporary, f"{self.folder}/{digest[:2]}/{digest}")
        return digest


class Store:
    """One data folder: databases, blobs, and scratch space for what is not finished."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.blobs = Blobs(folder / "blobs", folder / "scratch")

    def open(self, name: str, schema: str, *, reader: bool = False) -> sqlite3.Connection:
        """Open `<name>.sqlite`, creating its tables. A `reader` sees committed rows while a writer is busy (WAL).

        Transactions are explicit (autocommit mode). The connection may go from thread to thread, one at a time.
        """
        db = sqlite3.connect(self.folder / f"{name}.sqlite", isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA case_sensitive_like=OFF")
        db.execute("PRAGMA cache_size=-65536")
        if reader:
            db.execute("PRAGMA query_only=ON")
        else:
            db.executescript(schema)
        return db
