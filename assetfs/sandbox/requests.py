"""What the server was asked: a log that tests count requests in, from the server's side.

Every request becomes one `Entry` when it arrives and is completed when it ends, so a request that hangs is in the log
too. The log is bounded; the counters are not.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

KEPT = 100_000  # entries; the oldest go first, the counters stay exact


@dataclass
class Entry:
    """One request. `kind` is what the protocol calls its path; `calls` are the RPC methods in its body, in order."""

    number: int
    method: str
    path: str
    kind: str
    client: str
    headers: dict[str, str]
    calls: list[str] = field(default_factory=list)
    status: int | None = None
    received: int = 0
    sent: int = 0
    started: float = 0.0
    seconds: float | None = None
    fault: str | None = None


# Headers that tests look at. A credential is logged as "present" only, so that the log may be printed.
SHOWN = (
    *("range", "accept-encoding", "content-length", "connection", "user-agent", "x-request-id"),
    *("x-file-chunk", "x-collection-id"),
)
SECRET = ("x-api-key", "authorization", "cookie")


class RequestLog:
    """Entries since the last reset, and how often each kind and each RPC method was asked for."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.reset()

    def reset(self) -> None:
        """Forget everything; numbers go on."""
        self.entries: deque[Entry] = deque(maxlen=KEPT)
        self.kinds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.connections: set[str] = set()

    def begin(self, method: str, path: str, kind: str, client: str, headers: dict[str, str]) -> Entry:
        """Note a request that has just arrived."""
        shown = {name: value for name, value in headers.items() if name in SHOWN}
        shown.update({name: "present" for name in headers if name in SECRET})
        entry = Entry(next(self._numbers), method, path, kind, client, shown, started=time.time())
        self.entries.append(entry)
        self.kinds[f"{method} {kind}"] += 1
        self.connections.add(client)
        return entry

    def name_calls(self, entry: Entry, calls: list[str]) -> None:
        """Note the RPC methods that the request's body asks for."""
        entry.calls = calls
        self.calls.update(calls)

    def summary(self) -> dict[str, Any]:
        """Counts: requests in all, by "METHOD kind", RPC calls by method, and client connections seen."""
        return {
            "total": self.kinds.total(),
            "kinds": dict(self.kinds),
            "calls": dict(self.calls),
            "connections": len(self.connections),
            "sent": sum(entry.sent for entry in self.entries),
        }

    def listing(self) -> list[dict[str, Any]]:
        """All kept entries, oldest first."""
        return [asdict(entry) for entry in self.entries]
