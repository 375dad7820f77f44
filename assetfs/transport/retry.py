"""What is repeated, and when. Pure.

A request that failed before anything of it was sent may always be sent again; one that may have reached the server
only when the caller says that doing it twice does no harm. Waits grow (0.2, 1, 3 s) and are spread by jitter, so that
forty mounts do not come back to a restarted server in the same instant. A server that names a time (Retry-After) gets
it. No wait reaches beyond the call's deadline: the last error is raised at once instead.
"""

from __future__ import annotations

import email.utils
import enum
import random
import time
from collections.abc import Mapping

from assetfs.repository import Offline, RepositoryError, Unavailable

DELAYS = (0.2, 1.0, 3.0)
"""A lost packet, a worker that is being replaced, a service that restarts: about 4 s in all, as long as a person at
a file manager takes for slow rather than broken."""

OFFLINE_DELAYS = DELAYS[:2]
"""Where nobody listens, the fourth knock rarely helps, and `ls` waits for it."""

JITTER = (0.75, 1.25)


class Stage(enum.Enum):
    """How far a request had come when it failed."""

    UNTRUSTED = "untrusted"
    """The server's certificate was refused: it will be the next time, too."""
    CONNECTING = "connecting"
    """Nothing of the request was sent."""
    SENT = "sent"
    """The server may have acted on it; no byte of its answer came."""
    STALE = "stale"
    """As SENT, on a kept connection: most likely the server had closed it while it was idle."""
    ANSWERING = "answering"
    """Some of the answer came."""
    ANSWERED = "answered"
    """The answer itself says that another time may be better."""


class Failure(Exception):
    """One sent request that brought no usable answer: the error for the caller, and what repeating depends on."""

    def __init__(self, error: RepositoryError, outcome: str, stage: Stage) -> None:
        super().__init__(str(error))
        self.error = error
        self.outcome = outcome
        """As `RequestCounter` has it."""
        self.stage = stage


class Repetitions:
    """The waits of one call. `progress` forgives what has failed before."""

    def __init__(self, *, repeatable: bool) -> None:
        self._repeatable = repeatable
        self._failed = 0

    def progress(self) -> None:
        self._failed = 0

    def wait(self, error: RepositoryError, stage: Stage, remaining: float) -> float | None:
        """Seconds to wait before the next try, `remaining` being left until the deadline; None: give up."""
        if stage is Stage.UNTRUSTED or not error.transient:
            return None
        if not self._repeatable and stage is not Stage.CONNECTING:
            return None
        delays = OFFLINE_DELAYS if isinstance(error, Offline) else DELAYS
        if self._failed >= len(delays):
            return None
        delay = delays[self._failed] * random.uniform(*JITTER)
        if isinstance(error, Unavailable) and error.retry_after is not None:
            delay = max(delay, error.retry_after)
        self._failed += 1
        return delay if delay < remaining else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After header asks for: a number or an HTTP date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = email.utils.parsedate_to_datetime(value)
        return max(0.0, when.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
