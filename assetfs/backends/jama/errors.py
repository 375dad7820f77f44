"""The server's refusals in the words of the seam, as tables.

A refusal inside a call is HTTP 200 with a plain string (section 4.2); everything else is an HTTP status. Texts are
matched whole or by their beginning, in the order of the table. A text that is not in it is a ProtocolViolation that
quotes it, so that it is seen and added.
"""

from __future__ import annotations

from collections.abc import Callable

from assetfs.repository import (
    Conflict,
    CrossScope,
    Forbidden,
    NotAuthenticated,
    NotFound,
    ProtocolViolation,
    RepositoryError,
    TooLarge,
    Unavailable,
    Unsupported,
    ValueRejected,
)


class NoSuchMethod(Unsupported):
    """The server is older than this call."""


class NoSuchTag(NotFound):
    """The tag has to be made before it can be attached."""


class NoUpdateAccess(Forbidden):
    """A right on something that is perhaps not the thing itself (a membership that this user cannot see)."""


Make = Callable[[str], RepositoryError]

REFUSALS: tuple[tuple[str, Make], ...] = (
    ("no update access for", NoUpdateAccess),
    ("no read access for", Forbidden),
    ("no create access for", Forbidden),
    ("no delete access for", Forbidden),
    ("no project access for", Forbidden),
    ("only for superusers", Forbidden),
    ("can't modify exif", Forbidden),
    ("no such tag", NoSuchTag),
    ("no such method", NoSuchMethod),
    ("no such collection", NotFound),
    ("no such resource", NotFound),
    ("no such project", NotFound),
    ("no such metadatas set", NotFound),
    ("no such metadata", NotFound),
    ("project has no such property", NotFound),
    ("collection with same name already exists", Conflict),
    ("cant rename root collection", Unsupported),
    ("cant move root collection", Unsupported),
    ("cant delete root collection", Unsupported),
    ("Can't move selection to itself", Unsupported),
    ("Can't mix items from different collections", CrossScope),
    ("can't mix metadata sets", ValueRejected),
    ("wrong argument", ValueRejected),
    ("empty metas list", ValueRejected),
    ("missing collection title", ValueRejected),
    ("path argument is missing", ValueRejected),
    ("project_id is not set", ValueRejected),
    ("Too many search terms", ValueRejected),
    ("invalid property key", ValueRejected),
    ("not a file", ValueRejected),
    ("not an image", ValueRejected),
    ("nothing to do", ValueRejected),
    ("Can't create image", ValueRejected),
)
"""Beginning of the text (any case) to the error that it becomes. Section 4.2, 14.9."""

DELETIONS: dict[str, str] = {
    "collection has descendants": "not empty",
    "collection has resources": "not empty",
    "does not exist": "gone",
}
"""What the `status` of `delete_collection` means; anything else goes with its `success`."""


def refusal(text: str, doing: str) -> RepositoryError:
    """The error for a refusal text. `doing` is the method's name, for people."""
    lowered = text.lower()
    line = "".join(letter if letter.isprintable() else " " for letter in text)[:300]
    for beginning, make in REFUSALS:
        if lowered.startswith(beginning.lower()):
            return make(f"Jama refused {doing}: {line}")
    return ProtocolViolation(f"Jama refused {doing} in words that are not known: {line}")


def _not_jama(status: int) -> Make:
    return lambda doing: ProtocolViolation(
        f"status {status} for {doing}: the URL is not the endpoint of a Jama server (it ends in /rpc/)"
    )


STATUSES: dict[int, Make] = {
    301: _not_jama(301),
    302: _not_jama(302),
    308: _not_jama(308),
    400: lambda doing: ProtocolViolation(
        f"status 400 for {doing}: a malformed call, or a host name that the server does not serve"
    ),
    403: lambda doing: NotAuthenticated(f"the API key is missing, wrong or deactivated ({doing})"),
    404: _not_jama(404),
    405: _not_jama(405),
    413: lambda doing: TooLarge(f"too large for the server ({doing})"),
    429: lambda doing: Unavailable(f"the server is busy ({doing})"),
}
"""HTTP statuses of a call other than 200. Section 4.1."""


def status_error(status: int, doing: str) -> RepositoryError:
    """The error for an HTTP status of a call."""
    make = STATUSES.get(status)
    if make is not None:
        return make(doing)
    if status >= 500:
        return Unavailable(f"the server failed with status {status} ({doing})")
    return ProtocolViolation(f"status {status} for {doing}, which the protocol does not have")
