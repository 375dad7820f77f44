"""What is sent to servers and how they answer: counts, durations, and how each server is now.

One table for the process, by server (`host:port`): the transport writes into it when a request has ended, the status
document and the metrics read it. A latency is that of an answer to a call, never of content, whose duration depends on
its size.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter, deque

from assetfs.observe.histogram import Histogram

RECENT = 100
"""Answers whose median is the latency now."""

_NO_ANSWER = frozenset({"offline", "timeout", "cut"})


class Server:
    """One server."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str]] = Counter()
        """By HTTP method, call and outcome."""
        self.durations: dict[str, Histogram] = {}
        """By pool: api, upload, content."""
        self.sent_bytes = 0
        self.received_bytes = 0
        self.trouble = ""
        """How it fails to answer at present: offline, timeout, cut; empty when it answers."""
        self._recent: deque[float] = deque(maxlen=RECENT)
        self.heard: float | None = None
        """Seconds since the epoch of its last answer."""

    def ended(self, method: str, call: str, pool: str, outcome: str, seconds: float) -> None:
        self.requests[method, call, outcome] += 1
        histogram = self.durations.get(pool)
        if histogram is None:
            histogram = self.durations[pool] = Histogram()
        histogram.observe(seconds)
        if outcome in _NO_ANSWER:
            self.trouble = outcome
        elif outcome.isdecimal():
            self.trouble = ""
            self.heard = time.time()
            if pool == "api":
                self._recent.append(seconds)

    @property
    def latency(self) -> float | None:
        """Seconds: the median of the last answers."""
        return statistics.median(self._recent) if self._recent else None


SERVERS: dict[str, Server] = {}


def server(name: str) -> Server:
    """The server `host:port`."""
    found = SERVERS.get(name)
    if found is None:
        found = SERVERS[name] = Server()
    return found
