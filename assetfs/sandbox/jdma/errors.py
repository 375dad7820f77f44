"""How a request is refused: with a JSON object that repeats what was sent, or with the framework's page."""

from __future__ import annotations

from typing import Any

CRASH_PAGE = b"<!doctype html>\n<html><head><title>Server Error (500)</title></head><body>Server Error</body></html>\n"
MISSING_PAGE = b"<!doctype html>\n<html><head><title>Not Found</title></head><body>Not Found</body></html>\n"


class Refused(Exception):
    """An answer that is no success: `fields`, and the error, which is the reason phrase, too."""

    def __init__(self, error: str, status: int = 404, /, **fields: Any) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, Any] = {**fields, "error": error}


class Crash(Exception):
    """What the real server does not catch: a page with status 500."""


def speakable(error: object) -> bool:
    """Whether a text can be a reason phrase: Latin-1 without control characters."""
    return all(0x20 <= ord(letter) <= 0xFF and ord(letter) != 0x7F for letter in str(error))
