"""A file of the server as the source of another: it comes down into a temporary file and goes up again.

For a rename over a file, which has to become that file's new revision: the server can refer to bytes that it has only
from the revision that is there (5.2), not from a new one.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from typing import Any

import trio

from assetfs.backends.midas.downloads import Downloads
from assetfs.backends.midas.nodes import held
from assetfs.repository import Node, ProtocolViolation

PIECE = 1 << 20


class Spool:
    """The content of a node in a temporary file without a name; a `Source`, and the sink that fills it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 closed by __exit__
        self._memory = bytearray(PIECE)
        self._reached = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    async def fill(self, downloads: Downloads) -> None:
        """Fetch it. Raises ProtocolViolation for bytes that do not fit their digest."""
        while self._reached < self.size:
            stop = min(self.size, self._reached + PIECE)
            start = self._reached
            await downloads.fetch(held(self._node).id, self.size, start, stop, self)
            if self._reached == start:
                break
            await trio.to_thread.run_sync(self._file.write, bytes(self._memory[: self._reached - start]))
        if f"md5:{await self.digest('md5')}" != self._node.digest:
            raise ProtocolViolation("the server delivers bytes that do not fit their digest")

    def lend(self, offset: int) -> memoryview:
        return memoryview(self._memory)[offset % PIECE :]

    def landed(self, offset: int, count: int) -> None:
        self._reached = offset + count

    def total(self, size: int) -> None:
        return None

    @property
    def size(self) -> int:
        return self._node.size or 0

    async def read(self, offset: int, count: int) -> bytes:
        def read() -> bytes:
            self._file.seek(offset)
            return self._file.read(count)

        return await trio.to_thread.run_sync(read)

    async def digest(self, algorithm: str) -> str:
        def digest() -> str:
            self._file.seek(0)
            return hashlib.file_digest(self._file, algorithm).hexdigest()

        return await trio.to_thread.run_sync(digest)


class Forgetful:
    """A ledger for a transfer that is not continued: what it holds goes with it."""

    def __init__(self) -> None:
        self._state: dict[str, Any] = {}

    @property
    def state(self) -> Mapping[str, Any]:
        return self._state

    async def record(self, **state: Any) -> None:
        self._state |= state

    def progress(self, sent: int) -> None:
        return None
