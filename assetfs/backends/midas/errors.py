"""The server's refusals in the words of the seam, as tables (sections 2.4 and 13).

A refusal is HTTP 200 with a code and a message. `-151` says "absent or forbidden" with one text: where a call looks
something up it is NotFound, where it changes what was looked up before it is Forbidden.
"""

from __future__ import annotations

from collections.abc import Callable

from assetfs.repository import (
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    ProtocolViolation,
    QuotaExceeded,
    RepositoryError,
    TooLarge,
    Unavailable,
    Unsupported,
    ValueRejected,
)


class InvalidToken(NotAuthenticated):
    """The token has expired: another one is to be had."""


class Incomplete(Unavailable):
    """Not all bytes of an upload have arrived."""


class Broke(ProtocolViolation):
    """A PHP fatal error, which stands for many things: status 500 and a page of HTML."""


Make = Callable[[str], RepositoryError]

MESSAGES: tuple[tuple[str, str, Make], ...] = (
    ("-101", "Invalid token", InvalidToken),
    ("-101", "Server error. Requested method", Unsupported),
    ("-101", "", Forbidden),
    ("-105", "", Incomplete),
    ("-140", "", Unavailable),
    ("-141", "", Unavailable),
    ("-142", "", Unavailable),
    ("-143", "", Unavailable),
    ("-144", "", Unavailable),
    ("-150", "Login failed", NotAuthenticated),
    ("-150", "Unable to authenticate", NotAuthenticated),
    ("-150", "A folder already exists", Conflict),
    ("-150", "Unable to find revision", NotFound),
    ("-150", "Invalid parentid", NotFound),
    ("-150", "Parent doesn't exist", NotFound),
    ("-150", "Parent folder doesn't exist", NotFound),
    ("-150", "Invalid bitstream id", NotFound),
    ("-150", "No resource for the given UUID", NotFound),
    ("-150", "The bitstream does not exist", NotFound),
    ("-150", "", ValueRejected),
    ("-151", "Upload quota exceeded", QuotaExceeded),
    ("-151", "This community doesn't exist", NotFound),
    ("-151", "This folder doesn't exist", NotFound),
    ("-151", "This item doesn't exist or you don't have the", NotFound),
    ("-151", "This bitstream doesn't exist", NotFound),
    ("-151", "", Forbidden),
    ("-154", "", NotFound),
    ("-1", "Syntax error in query", ValueRejected),
    ("-1", "", Forbidden),
    ("404", "", NotFound),
    ("403", "", Forbidden),
    ("0", "This name is already used", Conflict),
    ("0", "Community already exists", Conflict),
    ("0", "Parent is a child of Folder", ValueRejected),
    ("0", "Folder == Parent", ValueRejected),
    ("0", "Error in param", NotFound),
    ("0", "Name cannot be empty", ValueRejected),
    ("0", "Please set a name", ValueRejected),
)
"""Code, beginning of the message, and the error that it becomes; the first row that fits."""


def refusal(code: str, message: str, doing: str) -> RepositoryError:
    """The error for a refused call. `doing` is the method's name, for people."""
    line = "".join(letter if letter.isprintable() else " " for letter in message)[:300]
    for known, beginning, make in MESSAGES:
        if code == known and message.startswith(beginning):
            return make(f"Midas refused {doing}: {line or 'without saying why'}")
    return ProtocolViolation(f"Midas refused {doing} in words that are not known: {code} {line}")


def status_error(status: int, doing: str) -> RepositoryError:
    """The error for an HTTP status of a call other than 200."""
    if status == 500:
        return Broke(f"the server failed with status 500 ({doing})")
    if status == 413:
        return TooLarge(f"the web server takes no body of this size ({doing})")
    if status in (401, 403):
        return NotAuthenticated(f"the web server asks for a login of its own ({doing})")
    if status >= 500 or status == 429:
        return Unavailable(f"the server cannot answer now: status {status} ({doing})")
    return ProtocolViolation(f"status {status} for {doing}: is the URL that of a Midas Server?")
