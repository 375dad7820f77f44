"""The server's refusals in the words of the seam, as a table (8.4).

It answers 404 to nearly everything, so the text decides; what a text may repeat (credentials, in clear) never gets into
an error of ours: an error says what was asked for, and quotes only texts that are known to be harmless.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from assetfs.backends.jdma.wire import Refusal
from assetfs.repository import (
    Busy,
    Conflict,
    Fixed,
    Forbidden,
    Immutable,
    NotAuthenticated,
    NotEmpty,
    NotFound,
    NotOnline,
    ProtocolViolation,
    QuotaExceeded,
    RepositoryError,
    Unavailable,
    Unsupported,
    ValueRejected,
)


class NotInitialised(NotAuthenticated):
    """The server does not know this user yet."""


class AlreadyTaken(Conflict):
    """The server has a request for this directory: an earlier try has worked (section 5)."""


class Unchangeable(Immutable, Unsupported):
    """JDMA never changes a batch."""


class Undeletable(Fixed, Unsupported):
    """JDMA deletes whole batches only, and we do by `user.jdma.delete` only."""


class Full(NotEmpty, Undeletable):
    """The same, of a batch that has files."""


class StageUnseen(Unavailable):
    """The server does not see the shared disk where we say it is."""

    transient = False


class BackEndAway(NotOnline):
    """The storage behind the server does not answer, or refuses the credentials."""


Make = Callable[[str], RepositoryError]

TEXTS: tuple[tuple[str, Make, str], ...] = (
    ("User None not initialised", ProtocolViolation, "it was not told who asks"),
    ("not initialised yet", NotInitialised, "the user is not known to it: run `jdma init` once"),
    ("does not have permission", Forbidden, "this user is not a member of the workspace"),
    ("does not have write permissions", Forbidden, "this user may not write to the workspace, or not to this storage"),
    ("does not have write permission to the directory", Forbidden, "it may not write to our folder on the shared disk"),
    ("cannot edit this batch", Forbidden, "the batch is somebody else's"),
    ("insufficient quota", QuotaExceeded, "the quota of the workspace is used up"),
    ("Batch stage is: FAILED", NotFound, "the batch has failed, and is not on storage"),
    ("Batch stage is: DELET", NotFound, "the batch is deleted, or about to be"),
    ("Batch stage is:", Busy, "the batch is not on storage yet"),
    ("Duplicate GET request", Busy, "the same request was made before"),
    ("Duplicate DELETE request", Busy, "its deletion was asked for before"),
    ("'list' object has no attribute 'first'", AlreadyTaken, "it has such a request already"),
    ("Parent of target path", StageUnseen, "it does not see our folder on the shared disk: check stage_server"),
    (" not connecting.", BackEndAway, "the storage behind it does not answer"),
    ("External storage: ", ValueRejected, "it has no such storage, or not for this workspace: see storage="),
    ("'error'", BackEndAway, "the storage is not reachable, or refuses the credentials"),
    ("Required credentials", ValueRejected, "the storage needs credentials: see credentials_file"),
    ("Batch not found", NotFound, "there is no such batch"),
    ("Request not found", NotFound, "there is no such request"),
    ("Workspace", NotFound, "there is no such workspace"),
    ("No workspace", ProtocolViolation, "it was not told which workspace"),
    ("Requested file list contains zero files", ProtocolViolation, "it does not find these files in the batch"),
)
"""Part of the server's text; what it becomes; the same for people. The first that fits counts."""
_UNSEEN = ("Path ", " does not exist")
STATUSES: dict[int, Make] = {403: Forbidden, 404: ValueRejected, 405: Unsupported}


def refusal(status: int, content: bytes, doing: str) -> RepositoryError:
    """The error for an answer that is no success. `doing` is what was asked for, for people."""
    try:
        said = msgspec.json.decode(content, type=Refusal).error
    except msgspec.DecodeError:
        said = ""
    if status < 500:
        if said.startswith(_UNSEEN[0]) and _UNSEEN[1] in said:
            return StageUnseen(
                f"JDMA refused {doing}: it does not see our folder on the shared disk: check stage_server"
            )
        for part, make, words in TEXTS:
            if part in said:
                return make(f"JDMA refused {doing}: {words}")
        if said and status in STATUSES:
            return STATUSES[status](f"JDMA refused {doing} ({status})")
        return ProtocolViolation(f"status {status} ({doing}): is this a JDMA server?")
    return Unavailable(f"JDMA failed at {doing} ({status})")
