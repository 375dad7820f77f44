"""Names that mean something to programs: droppings that no server wants, backups that are about to be replaced, and
the name under which the loser of a conflict is kept. Pure.
"""

from __future__ import annotations

import fnmatch
import re
from datetime import date

from assetfs.names import LIMIT, split


class Patterns:
    """Shell patterns over names in bytes, compiled once."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._match = re.compile("|".join(fnmatch.translate(p) for p in patterns) or r"(?!)").match

    def fits(self, name: bytes) -> bool:
        return self._match(name.decode("utf-8", "surrogateescape")) is not None


def conflict_name(name: bytes, host: str, day: date, number: int = 1) -> bytes:
    """`name (conflict 2026-11-21 host).ext`, numbered from the second on, cut to what a name may have."""
    stem, extension = split(name)
    counter = f" {number}" if number > 1 else ""
    tail = f" (conflict {day.isoformat()} {host}{counter})".encode() + extension
    end = min(len(stem), LIMIT - len(tail))
    while end and end < len(stem) and stem[end] & 0xC0 == 0x80:
        end -= 1
    return stem[:end] + tail
