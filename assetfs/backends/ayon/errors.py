"""The server's refusals in the words of the seam (section 2.5).

There are five shapes of error bodies. A status of 500 may hold another code inside, which then is what counts: it is a
mistake of the request, and is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from assetfs.repository import (
    Conflict,
    Fixed,
    Forbidden,
    NotAuthenticated,
    NotEmpty,
    NotFound,
    ProtocolViolation,
    RepositoryError,
    TooLarge,
    Unavailable,
    ValueRejected,
)


class Taken(Conflict):
    """A row with this id, name or number is there (unique violation)."""


class Denied(Forbidden):
    """The server's own word: this user has not the right."""


class Locked(Unavailable):
    """Another operation holds the row; it never takes long."""


Make = Callable[[str], RepositoryError]

STATUSES: dict[int, Make] = {
    400: ValueRejected,
    401: NotAuthenticated,
    403: Denied,
    404: NotFound,
    409: Taken,
    413: TooLarge,
    415: ValueRejected,
    422: ValueRejected,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}

TEXTS: tuple[tuple[int, str, Make], ...] = (
    (409, "is not present in table", ValueRejected),
    (409, "Unable to delete", NotEmpty),
    (409, "locked", Locked),
    (403, "login attempts", NotAuthenticated),
    (403, "login/password", NotAuthenticated),
    (403, "with published versions", Fixed),
)
"""Statuses that mean several things, and the words that tell them apart."""


def refusal(status: int, content: bytes, doing: str) -> RepositoryError:
    """The error for an answer that is no success. `doing` is what was asked for, for people."""
    try:
        said: Any = msgspec.json.decode(content)
    except msgspec.DecodeError:
        said = None
    if not isinstance(said, dict):
        return _made(status, "", f"status {status} ({doing})")
    inner = said.get("code")
    if status == 500 and isinstance(inner, int) and 400 <= inner < 500:
        status = inner
    return _made(status, _line(said), f"AYON refused {doing}: {_line(said) or status}")


def query_refusal(message: str, extensions: dict[str, Any], doing: str) -> RepositoryError:
    """The error for a GraphQL query that was answered with errors."""
    status = extensions.get("status")
    text = f"AYON refused {doing}: {_printable(message)}"
    return _made(status, message, text) if isinstance(status, int) else ProtocolViolation(text)


def _made(status: int, line: str, text: str) -> RepositoryError:
    for told, words, make in TEXTS:
        if told == status and words in line:
            return make(text)
    make_ = STATUSES.get(status)
    if make_ is not None:
        return make_(text)
    return Unavailable(text) if status >= 500 else ProtocolViolation(text)


def _line(said: dict[str, Any]) -> str:
    detail = said.get("detail")
    parts = [detail] if isinstance(detail, str) else []
    for error in said.get("errors") or ():
        if isinstance(error, dict):
            where = ".".join(str(step) for step in error.get("loc") or ())
            parts.append(f"{where}: {error.get('msg', '')}")
    return _printable("; ".join(parts))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:300]
