"""What is written down about every request: counts, its duration, one line (failures at `info`, others at `debug`).

A line has method, redacted URL, outcome, duration and an id that the server sees as `X-Request-Id`, so that both logs
can be laid side by side. Headers and bodies are never logged; the loggers of httpx and httpcore, which would do that,
are kept at warnings.
"""

from __future__ import annotations

import itertools
import logging
import secrets
from types import TracebackType
from typing import Self

import trio

from assetfs.observe.traffic import server
from assetfs.transport.redaction import shown
from assetfs.transport.retry import Failure
from assetfs.transport.types import Pool, RequestCounter

log = logging.getLogger("assetfs.transport")

for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


_FAILED = frozenset({"offline", "timeout", "cut", "failed"})
"""Outcomes that are worth a line where nobody asked for all of them; so are statuses of 500 and above."""


class Accounts:
    """The requests of one transport."""

    def __init__(self, counter: RequestCounter) -> None:
        self.counter = counter
        own = secrets.token_hex(4)
        self._ids = (f"{own}-{n}" for n in itertools.count(1))

    def received(self, url: str, count: int) -> None:
        """Bytes of an answer that was counted when it began."""
        self.counter.received_bytes += count
        server(url.partition("://")[2].partition("/")[0]).received_bytes += count

    def begin(self, label: str, method: str, url: str, pool: Pool) -> Entry:
        return Entry(self.counter, next(self._ids), label, method, url, pool)


class Entry:
    """One sent request, as a context: counted and logged once, when it is left."""

    def __init__(
        self,
        counter: RequestCounter,
        id: str,  # noqa: A002
        label: str,
        method: str,
        url: str,
        pool: Pool,
    ) -> None:
        self.id = id
        self.outcome = ""
        """Set by who read the answer; otherwise told from the exception."""
        self.under_way = True
        """False while it waits for a connection: who gives up then has sent nothing, and is not counted."""
        self._counter = counter
        self._label = label
        self._method = method
        self._url = url
        self._pool = pool
        self._server = server(url.partition("://")[2].partition("/")[0])
        self._begun = trio.current_time()
        self._deadline = trio.current_effective_deadline()

    def sent(self, count: int) -> None:
        self._counter.sent_bytes += count
        self._server.sent_bytes += count

    def received(self, count: int) -> None:
        self._counter.received_bytes += count
        self._server.received_bytes += count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if not self.under_way and isinstance(error, trio.Cancelled):
            return
        outcome = self._outcome(error)
        seconds = trio.current_time() - self._begun
        self._counter.add(self._label, outcome)
        self._server.ended(self._method, self._label, self._pool.value, outcome, seconds)
        level = logging.INFO if outcome in _FAILED or outcome.startswith("5") else logging.DEBUG
        if log.isEnabledFor(level):
            self._say(level, outcome, seconds)

    def _say(self, level: int, outcome: str, seconds: float) -> None:
        fields = {
            "request": self.id,
            "method": self._method,
            "url": shown(self._url),
            "outcome": outcome,
            "seconds": round(seconds, 4),
            "call": self._label,
        }
        log.log(
            level,
            "%s %s: %s in %.3f s (%s, %s)",
            *(self._method, fields["url"], outcome, seconds, self._label, self.id),
            extra={"fields": fields},
        )

    def _outcome(self, error: BaseException | None) -> str:
        match error:
            case Failure():
                return error.outcome
            case trio.Cancelled():
                return "timeout" if trio.current_time() >= self._deadline else "cancelled"
            case _:
                return self.outcome or "failed"
