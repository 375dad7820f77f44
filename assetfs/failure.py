"""Failures that people are told about: one line on stderr and an exit status.

Whatever ends a command derives from `Failure`, or becomes one at the edge of the program. The message is one line, says
what to do next where that is known, and holds no secret.
"""

from __future__ import annotations

import enum


class Status(enum.IntEnum):
    """Exit statuses of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    OWED = 5


class Failure(Exception):
    """A command ends with this line and this status."""

    status: int = Status.FAILED

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status
