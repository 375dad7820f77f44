"""Transfers: bytes on their way in and out, and drafts, as the mount lends them to a backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class Sink(Protocol):
    """Where fetched bytes go: buffers that the caller lends, so that a socket can receive into them directly.

    Bytes arrive in order from the fetch's first byte. `lend(offset)` returns writable memory for the byte at `offset`
    of the file and those behind it; an empty view means that nothing more is wanted, and the fetch ends quietly.
    `landed(offset, count)` says that `count` bytes are now in the memory lent for `offset`: readers are woken at once.
    `total(size)` says the content's full size, as soon as a response head has told it.
    """

    def lend(self, offset: int) -> memoryview: ...
    def landed(self, offset: int, count: int) -> None: ...
    def total(self, size: int) -> None: ...


class Source(Protocol):
    """Content on its way out: a complete local file that does not change while it is being sent."""

    @property
    def size(self) -> int: ...

    async def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes at `offset` (fewer only at the end); read in a thread."""
        ...

    async def digest(self, algorithm: str) -> str:
        """Lower-case hex digest of the whole content; computed once, in a thread, and remembered."""
        ...


class Ledger(Protocol):
    """What a transfer of several steps has done so far, kept durably by the caller across crashes.

    A backend records a step *before* it does what cannot be repeated blindly, and reads `state` first when it starts.
    """

    @property
    def state(self) -> Mapping[str, Any]:
        """JSON values as last recorded; empty at the first try."""
        ...

    async def record(self, **state: Any) -> None:
        """Merge into the state; durable when it returns."""
        ...

    def progress(self, sent: int) -> None:
        """`sent` bytes of the content are on the server; not durable, for people who watch."""
        ...


class Draft(Protocol):
    """A local folder that is to become a node as one unit."""

    @property
    def key(self) -> str:
        """Made up by the mount, never used twice, the same after a restart; fit for a file name."""
        ...

    @property
    def name(self) -> str:
        """Its name in its folder now."""
        ...

    @property
    def path(self) -> Path:
        """Where its files are, under the names that they have in the mount. Only the mount changes anything here."""
        ...

    @property
    def attributes(self) -> Mapping[str, bytes]:
        """Attributes that were set on it: those that fit `capabilities.writable`, and any outside of
        `user.<backend>.` and `user.assetfs.`."""
        ...

    def attributes_of(self, relative: str) -> Mapping[str, bytes]:
        """The same, of an entry in it. Blocks for a moment. Raises OSError."""
        ...
