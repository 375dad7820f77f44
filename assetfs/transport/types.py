"""What passes between a backend and the transport: plain data, no I/O."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import msgspec

from assetfs import __version__


class TransportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and trust. Durations in seconds, sizes in bytes."""

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    """Longest silence while an answer is awaited or arriving."""
    deadline: float = 60.0
    """Longest time for one call in all, its repetitions included."""
    api_connections: int = 2
    content_connections: int = 16
    upload_connections: int = 4
    upload_keep_alive: bool = False
    """Uploads reuse connections; only for servers that read a request's whole body before they answer. Otherwise they
    ask for `Connection: close`. A connection that saw a status of 400 or above is not reused in any case."""
    max_body: int = 64 << 20
    """Longest body of an API answer; a longer one is a ProtocolViolation."""
    ca_file: Path | None = None
    client_cert: Path | None = None
    """Our own certificate and its key, in one PEM file, for servers that want to see one."""
    allow_plaintext: bool = False
    """Plain http to other machines than this one."""
    user_agent: str = f"assetfs/{__version__}"


class Pool(enum.Enum):
    """Separate connection pools, so that a slow kind of work never starves another."""

    API = "api"
    UPLOAD = "upload"
    CONTENT = "content"


class Head(msgspec.Struct, frozen=True):
    """Status and headers of an answer whose body has not been read. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]


class Body(msgspec.Struct, frozen=True):
    """How to read the body of a content answer: `start` is the file offset of its first byte, `total` the whole size.

    Bytes before the wanted start are skipped; reading stops at the wanted end. `start` None: there is nothing to read.
    """

    start: int | None
    total: int | None = None


Interpret = Callable[[Head], Body]
"""Decides what a content answer is. Raises an error of `assetfs.repository` when it is none."""


Content = bytes | Callable[[], AsyncIterator[bytes]] | None
"""A request's body; a callable makes it anew for every repetition (its length goes into a Content-Length header,
or it is sent chunked)."""


class Response(msgspec.Struct, frozen=True):
    """A complete answer of an API call."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class RequestCounter:
    """How many requests were sent, by label and outcome. Repetitions count; so do tries that found no server.

    Outcomes: the status (`200`), `offline`, `timeout`, `cut`, `cancelled`, `failed` (no HTTP, too long, our own body
    could not be read). Bytes are bodies on the API side, and all that content connections received.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.sent_bytes = 0
        self.received_bytes = 0

    def add(self, label: str, outcome: str) -> None:
        self.counts[label, outcome] += 1

    def total(self, label: str | None = None) -> int:
        return sum(n for (name, _), n in self.counts.items() if label is None or name == label)

    def by_label(self) -> dict[str, int]:
        """Requests by label, whatever came of them."""
        found: Counter[str] = Counter()
        for (label, _), number in self.counts.items():
            found[label] += number
        return dict(found)
