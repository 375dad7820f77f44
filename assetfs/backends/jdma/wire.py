"""The documents of the protocol, as far as they are looked at (sections 3 and 4), and its numbers of stages.

Stage numbers are not in the order of time, and tell less than they seem to: a failed upload leaves its batch PUTTING,
a finished retrieval proves nothing. Who wants to know asks the request, and then the disk.
"""

from __future__ import annotations

import enum
import re
from datetime import datetime

import msgspec

_ADLER32 = re.compile(r"0x([0-9a-f]{1,8})")


class BatchStage(enum.IntEnum):
    """Where a batch is (7.1)."""

    ON_DISK = 0
    PUTTING = 1
    ON_STORAGE = 2
    FAILED = 3
    DELETING = 4
    DELETED = 5


class RequestType(enum.IntEnum):
    """What a request does to its batch."""

    PUT = 0
    GET = 1
    MIGRATE = 2
    DELETE = 3


class RequestStage(enum.IntEnum):
    """How far a request is (7.2)."""

    PUT_START = 0
    PUT_BUILDING = 1
    PUT_PENDING = 2
    PUT_PACKING = 3
    PUTTING = 4
    VERIFY_PENDING = 5
    VERIFY_GETTING = 6
    VERIFYING = 7
    PUT_TIDY = 8
    PUT_COMPLETED = 9
    GET_START = 100
    GET_PENDING = 101
    GETTING = 102
    GET_UNPACKING = 103
    GET_RESTORE = 104
    GET_TIDY = 105
    GET_COMPLETED = 106
    DELETE_START = 200
    DELETE_PENDING = 201
    DELETING = 202
    DELETE_TIDY = 203
    DELETE_COMPLETED = 204
    FAILED = 1000
    FAILED_COMPLETED = 1001


READABLE = (RequestStage.GET_TIDY, RequestStage.GET_COMPLETED)
"""Stages of a retrieval in which its target is open again and holds what it will ever hold."""
COMPLETED = (RequestStage.PUT_COMPLETED, RequestStage.GET_COMPLETED, RequestStage.DELETE_COMPLETED)
FAILURES = (RequestStage.FAILED, RequestStage.FAILED_COMPLETED)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as the server knows them. There is no credential."""

    name: str
    email: str = ""
    notify: bool = True


class Batch(msgspec.Struct, frozen=True, kw_only=True, rename={"id": "migration_id"}):
    """One uploaded directory. `external_id` is only in the answer about one batch."""

    id: int
    user: str
    workspace: str
    stage: int
    storage: str
    label: str | None = None
    registered_date: str | None = None
    external_id: str | None = None

    @property
    def on_storage(self) -> bool:
        """From here on its files never change."""
        return self.stage == BatchStage.ON_STORAGE


class Batches(msgspec.Struct, frozen=True):
    """All of somebody's batches, or of a workspace."""

    migrations: list[Batch]


class Request(msgspec.Struct, frozen=True, kw_only=True, rename={"id": "request_id", "batch": "migration_id"}):
    """One request. `filelist` and `failure_reason` are only in the answer about one."""

    id: int
    request_type: int
    batch: int
    stage: int
    user: str = ""
    workspace: str = ""
    label: str | None = None
    filelist: list[str] | None = None
    failure_reason: str | None = None

    def __str__(self) -> str:
        return f"{self.id} {name_of(RequestType, self.request_type)} {name_of(RequestStage, self.stage)}"


class Requests(msgspec.Struct, frozen=True):
    """All of somebody's requests."""

    requests: list[Request]


class File(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"pk": "pk "}):
    """One file of a batch. The key of its number ends in a blank. `path` is where it came from: not to be trusted."""

    pk: int
    path: str
    size: int
    digest: str = ""
    digest_format: str = ""


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """The server's grouping of files inside a batch."""

    archive_id: str
    files: list[File] = []


class Content(msgspec.Struct, frozen=True, kw_only=True, rename={"id": "migration_id"}):
    """What is in one batch. Its stage is not in it."""

    id: int
    archives: list[Archive] = []


class Contents(msgspec.Struct, frozen=True):
    """The same of several batches."""

    migrations: list[Content]


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request that was taken. `filelist` holds relative names where files were asked for."""

    request_id: int
    batch_id: int
    stage: int = 0
    filelist: list[str] | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The server's own refusals. The text may repeat credentials in clear."""

    error: str


def name_of(kind: type[enum.IntEnum], number: int) -> str:
    """The name of a stage or type; the number where a newer server has one that we do not know."""
    try:
        return kind(number).name
    except ValueError:
        return str(number)


def time_ns(text: str | None) -> int | None:
    """A date of the server in nanoseconds since the epoch; None for what is none."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return round(moment.timestamp() * 1_000_000) * 1000 if moment else None


def adler32(digest: str) -> int | None:
    """The number of an ADLER32 digest, which is not padded with zeros; None for what is none."""
    found = _ADLER32.fullmatch(digest)
    return int(found[1], 16) if found else None
