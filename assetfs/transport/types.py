"""What passes between a backend and the transport: plain data, no I/O."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from assetfs import __version__


class TransportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and trust. Durations in seconds, sizes in bytes. Defaults: PEERS section 2.4."""

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    """Longest silence while an answer is awaited or arriving."""
    deadline: float = 60.0
    """Longest time for one call in all, its repetitions included."""
    api_connections: int = 2
    content_connections: int = 16
    upload_connections: int = 4
    max_body: int = 64 << 20
    """Longest body of an API answer; a longer one is a ProtocolViolation."""
    ca_file: Path | None = None
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


class Response(msgspec.Struct, frozen=True):
    """A complete answer of an API call."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class RequestCounter:
    """How many requests were sent, by label and outcome (`200`, `offline`, `timeout`, `cut`). Repetitions count."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.sent_bytes = 0
        self.received_bytes = 0

    def add(self, label: str, outcome: str) -> None:
        self.counts[label, outcome] += 1

    def total(self, label: str | None = None) -> int:
        return sum(n for (name, _), n in self.counts.items() if label is None or name == label)
