"""What a check of `assetfs doctor` finds."""

from __future__ import annotations

import enum

import msgspec


class Level(enum.Enum):
    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing is broken."""
    BAD = "bad"
    """A mount fails, or will."""


MARKS = {Level.OK: ("  ok", "32"), Level.NOTE: ("note", "33"), Level.BAD: (" BAD", "31")}
"""For people, with the terminal's colour."""


class Finding(msgspec.Struct, frozen=True):
    """About what, how bad, what was found, and what to do about it."""

    about: str
    level: Level
    what: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        return {"about": self.about, "level": self.level.value, "what": self.what, "advice": self.advice}


def ok(about: str, what: str) -> Finding:
    return Finding(about, Level.OK, what)


def note(about: str, what: str, advice: str = "") -> Finding:
    return Finding(about, Level.NOTE, what, advice)


def bad(about: str, what: str, advice: str = "") -> Finding:
    return Finding(about, Level.BAD, what, advice)
