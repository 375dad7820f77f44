"""Ids and refusals of SAMS."""

from __future__ import annotations

import json
import time

import pytest

from assetfs.backends.sams.downloads import breaks_headers
from assetfs.backends.sams.errors import Stale, refusal
from assetfs.backends.sams.wire import SECOND, is_id, media_time_ns, new_id, time_ns
from assetfs.repository import (
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    ProtocolViolation,
    TooLarge,
    Unavailable,
    ValueRejected,
)

MOMENT = 0x6B012864 * SECOND


def test_new_ids_are_ids_of_now_and_differ() -> None:
    made = {new_id() for _ in range(100)}
    assert len(made) == 100
    assert all(is_id(one) and abs((media_time_ns(one) or 0) / SECOND - time.time()) < 2 for one in made)


@pytest.mark.parametrize(
    ("media_id", "expected"),
    [
        ("6b01286478027cfeb320759f", MOMENT),
        ("two words-6b01286478027cfeb320759f.jpg", MOMENT),
        ("5a0000000000000000000001-6b01286478027cfeb320759f", MOMENT),
        ("nothing", None),
    ],
)
def test_a_media_id_says_when(media_id: str, expected: int | None) -> None:
    assert media_time_ns(media_id) == expected


def test_times() -> None:
    assert time_ns("1970-01-01T00:00:07+0000") == 7 * SECOND
    assert [time_ns(text) for text in (None, "", "soon")] == [None] * 3


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"error": "04003", "description": "x"}, NotAuthenticated),
        (412, {"error": "03412", "description": "x"}, Stale),
        (400, {"error": "04001", "errors": {"name": ["unique"]}}, Conflict),
        (400, {"error": "04001", "errors": {"name": ["required"]}}, ValueRejected),
        (400, {"error": "08003"}, Forbidden),
        (400, {"error": "08004"}, TooLarge),
        (404, {"error": "08002"}, NotFound),
        (500, {"error": "01001", "description": "'set_id'"}, ProtocolViolation),
        (400, {"_status": "ERR", "_issues": {}}, ProtocolViolation),
        (400, "<html>", ProtocolViolation),
        (413, "<html>", TooLarge),
        (502, "<html>", Unavailable),
        (500, "<html>", Unavailable),
        (405, {"error": "03405"}, ProtocolViolation),
    ],
)
def test_refusals(status: int, body: object, error: type[Exception]) -> None:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert type(refusal(status, content, "work")) is error


def test_refusals_are_one_line_for_people() -> None:
    said = refusal(400, b'{"error": "08003", "description": "no\\nway\\u0000"}', "upload")
    assert str(said) == "SAMS refused upload: no way "


@pytest.mark.parametrize(
    ("name", "breaks"), [("a.txt", False), ("é.txt", False), ("—.txt", True), ("a\n", True), ("\x7f", True)]
)
def test_names_that_break_headers(name: str, breaks: bool) -> None:
    assert breaks_headers(name) is breaks
