"""The parts of unfinished uploads: one folder per user, project and hash, as files named `<total>-<n>.part`.

Parts of several totals can lie side by side. A `.lock` in the folder says that a request is assembling; one that is
left over from a dead server makes every later chunk answer 202.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from assetfs.sandbox.store import PIECE


class Parts:
    """All unfinished uploads of one server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, user_id: int, project_id: int, digest: str) -> PartFolder:
        """The unfinished upload of one content by one user; nothing is created yet."""
        return PartFolder(self.folder / f"{user_id}-{project_id}-{digest}")


class PartFolder:
    """One unfinished upload. Its methods block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def exists(self) -> bool:
        """Whether anything of this upload is here."""
        return self.folder.is_dir()

    def names(self) -> list[str]:
        """The parts, sorted by name."""
        return sorted(path.name for path in self.folder.glob("*.part"))

    def locked(self) -> bool:
        """Whether a request is assembling, or was when the server died."""
        return (self.folder / ".lock").exists()

    def lock(self) -> bool:
        """Begin to assemble. False when another request has begun."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(self.folder / ".lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        return True

    def reserve(self, number: int, total: int) -> tuple[Path, Path]:
        """Where to write a part while it arrives, and what to rename it to when it is whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{total}-{number:0{len(str(total))}d}.part"
        return self.folder / f"{name}.{os.urandom(4).hex()}.uploading", self.folder / name

    def complete(self, total: int) -> bool:
        """Whether all parts of this total are here."""
        return len(self._paths(total)) == total

    def join(self, total: int, target: Path) -> tuple[str, int]:
        """Write the parts one after the other to a file. Returns its SHA-256 and size."""
        digest, size = hashlib.sha256(), 0
        with target.open("wb", buffering=0) as out:
            for piece in self._pieces(total):
                digest.update(piece)
                size += len(piece)
                out.write(piece)
        return digest.hexdigest(), size

    def discard(self) -> None:
        """Forget this upload, parts of other totals and the lock included."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _paths(self, total: int) -> list[Path]:
        return sorted(self.folder.glob(f"{total}-*.part"))

    def _pieces(self, total: int) -> Iterator[bytes]:
        for path in self._paths(total):
            with path.open("rb", buffering=0) as part:
                while piece := part.read(PIECE):
                    yield piece
