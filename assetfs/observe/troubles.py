"""What went wrong lately: every warning and error of the log, for the status document and the metrics.

Nothing is dropped silently, so whatever is refused or lost has a log line; this keeps the last of them, and counts them
by the minute for an hour.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from datetime import UTC, datetime

import msgspec

HOUR = 3600
KEPT = 50


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """One log line."""

    at: str
    level: str
    about: str
    message: str


class Troubles(logging.Handler):
    """A handler of the log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.counts: Counter[str] = Counter()
        """Lines by level, since the start."""
        self._minutes: deque[tuple[int, Counter[str]]] = deque(maxlen=HOUR // 60)
        self._last: deque[tuple[float, Trouble]] = deque(maxlen=KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        self.counts[level] += 1
        minute = int(record.created) // 60
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append((minute, Counter()))
        self._minutes[-1][1][level] += 1
        self._last.append(
            (
                record.created,
                Trouble(
                    at=datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds"),
                    level=level,
                    about=record.name.removeprefix("assetfs."),
                    message=record.getMessage().splitlines()[0][:500],
                ),
            )
        )

    def last_hour(self) -> dict[str, int]:
        """How many warnings and errors there were."""
        oldest = int(time.time() - HOUR) // 60
        found: Counter[str] = Counter({"warning": 0, "error": 0})
        for minute, counts in self._minutes:
            if minute > oldest:
                found.update(counts)
        return dict(found)

    def recent(self) -> list[Trouble]:
        """The last ones of the hour, oldest first."""
        oldest = time.time() - HOUR
        return [trouble for at, trouble in self._last if at > oldest]


TROUBLES = Troubles()
"""Those of this process."""
