"""The server's refusals in the words of the seam, as tables (section 4.11).

Statuses of 500 with a code of the server's own are mistakes of the request, not outages: they are not repeated.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from assetfs.backends.sams.wire import Refusal
from assetfs.repository import (
    Busy,
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


class Stale(Conflict):
    """Somebody changed the document since it was read (412): read it again."""


class IdTaken(Conflict):
    """A document with the id that was chosen is there: an earlier try has worked."""


class AlreadyLocked(Busy):
    """Somebody has locked the asset (08009)."""


class NotLocked(Conflict):
    """The asset is not locked (08010)."""


Make = Callable[[str], RepositoryError]

CODES: dict[str, Make] = {
    "03404": NotFound,
    "03409": IdTaken,
    "03412": Stale,
    "04001": ValueRejected,
    "04002": ValueRejected,
    "04003": NotAuthenticated,
    "05001": NotFound,
    "07001": Fixed,
    "07002": Fixed,
    "07003": Fixed,
    "07004": ValueRejected,
    "07005": NotEmpty,
    "07006": NotFound,
    "08002": NotFound,
    "08003": Forbidden,
    "08004": TooLarge,
    "08005": Forbidden,
    "08006": Forbidden,
    "08007": Busy,
    "08008": Busy,
    "08009": AlreadyLocked,
    "08010": NotLocked,
}
STATUSES: dict[int, Make] = {
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    412: Stale,
    413: TooLarge,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
"""For answers that are not the server's own (a proxy's, gunicorn's)."""


def refusal(status: int, content: bytes, doing: str) -> RepositoryError:
    """The error for an answer that is no success. `doing` is what was asked for, for people."""
    try:
        said = msgspec.json.decode(content, type=Refusal)
    except msgspec.DecodeError:
        make = STATUSES.get(status)
        text = f"status {status} ({doing})"
        if make is not None:
            return make(text)
        return Unavailable(text) if status >= 500 else ProtocolViolation(f"{text}: is this a SAMS server?")
    line = "".join(letter if letter.isprintable() else " " for letter in said.description)[:300]
    text = f"SAMS refused {doing}: {line or said.error}"
    if said.error == "04001":
        fields = ", ".join(f"{name} {complaint}" for name, complaint in said.errors.items())
        text = f"SAMS refused {doing}: {fields}"[:300]
        if said.errors.get("name") == ["unique"]:
            return Conflict(text)
    return CODES.get(said.error, ProtocolViolation)(text)
