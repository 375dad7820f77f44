"""The numbers of the protocol. Those of requests are not in the order of time: 3 comes before 2."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What a request asks for."""

    PUT = 0
    GET = 1
    MIGRATE = 2
    DELETE = 3


class BatchStage(IntEnum):
    """Where a batch is."""

    ON_DISK = 0
    PUTTING = 1
    ON_STORAGE = 2
    FAILED = 3
    DELETING = 4
    DELETED = 5


class Stage(IntEnum):
    """Where a request is."""

    PUT_START = 0
    PUT_BUILDING = 1
    PUT_PENDING = 2
    PUT_PACKING = 3
    PUTTING = 4
    VERIFY_PENDING = 5
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


UPLOADS = (Kind.PUT, Kind.MIGRATE)
FIRST = {
    Kind.PUT: Stage.PUT_START,
    Kind.MIGRATE: Stage.PUT_START,
    Kind.GET: Stage.GET_START,
    Kind.DELETE: Stage.DELETE_START,
}
FAILURES = (Stage.FAILED, Stage.FAILED_COMPLETED)
