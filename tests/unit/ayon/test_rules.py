"""The schema applied to values, refusals told apart, and who of our requests is asked about what."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from assetfs.backends.ayon import attributes, schema
from assetfs.backends.ayon.downloads import _judging, _Moved
from assetfs.backends.ayon.errors import Denied, Locked, Taken, query_refusal, refusal
from assetfs.backends.ayon.wire import File, Representation, Rule, Version
from assetfs.repository import (
    Fixed,
    NotAuthenticated,
    NotEmpty,
    NotFound,
    ProtocolViolation,
    RepositoryError,
    Unavailable,
    ValueRejected,
    VersionChanged,
)
from assetfs.transport import Head


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        (Rule(type="integer", gt=0), "12", 12),
        (Rule(type="float"), "25", 25.0),
        (Rule(type="boolean"), "True", True),
        (Rule(type="string", max_length=3), "abc", "abc"),
        (Rule(type="datetime"), "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        (Rule(type="list_of_strings"), "a\n b \n\na", ["a", "b"]),
        (Rule(type="list_of_strings"), '["a b", "c"]', ["a b", "c"]),
        (Rule(type="list_of_integers"), "[1, 2]", [1, 2]),
        (Rule(type="dict"), '{"a": 1}', {"a": 1}),
        (Rule(enum=[{"value": "high", "label": "High"}, "low"]), "low", "low"),
        (Rule(type="list_of_strings", enum=["a", "b"]), "b\na", ["b", "a"]),
    ],
)
def test_values_that_fit(rule: Rule, text: str, value: Any) -> None:
    assert schema.parse(rule, "x", text) == value


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule(type="integer"), "1.5"),
        (Rule(type="integer"), "true"),
        (Rule(type="integer"), "9" * 30),
        (Rule(type="integer", gt=0), "0"),
        (Rule(type="integer", ge=1), "0"),
        (Rule(type="integer", lt=5), "5"),
        (Rule(type="float", le=5), "5.1"),
        (Rule(type="float"), "nan"),
        (Rule(type="float"), "inf"),
        (Rule(type="float"), "fast"),
        (Rule(type="boolean"), "perhaps"),
        (Rule(max_length=2), "abc"),
        (Rule(min_length=2), "a"),
        (Rule(regex="^[a-z]+$"), "A"),
        (Rule(type="datetime"), "2026-01-02"),
        (Rule(type="datetime"), "2026-01-02T03:04:05"),
        (Rule(type="list_of_strings"), "[1]"),
        (Rule(type="list_of_strings", max_items=1), "a\nb"),
        (Rule(type="list_of_strings", enum=["a"]), "a\nc"),
        (Rule(type="list_of_integers"), "[true]"),
        (Rule(type="list_of_any"), "{}"),
        (Rule(type="dict"), "[]"),
        (Rule(type="dict"), "{"),
        (Rule(enum=[{"value": "high"}]), "low"),
    ],
)
def test_values_that_do_not(rule: Rule, text: str) -> None:
    with pytest.raises(ValueRejected, match="x"):
        schema.parse(rule, "x", text)


@pytest.mark.parametrize("values", [["a", "b"], ["x y"], ["[a"], ["a\nb"], [" a"], [""]])
def test_texts_come_back_as_they_were_shown(values: list[str]) -> None:
    assert schema.strings("x", schema.lines(values).decode()) == values


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"code": 400, "detail": "no", "errors": [{"loc": ["body", "name"], "msg": "bad"}]}, ValueRejected),
        (401, {"code": 401, "detail": "Session expired"}, NotAuthenticated),
        (403, {"code": 403, "detail": "Invalid login/password combination"}, NotAuthenticated),
        (403, {"code": 403, "detail": "Too many failed login attempts"}, NotAuthenticated),
        (403, {"code": 403, "detail": "Create access denied"}, Denied),
        (403, {"code": 403, "detail": "Cannot change name of a folder with published versions"}, Fixed),
        (404, {"code": 404, "detail": "Entity x not found"}, NotFound),
        (409, {"code": 409, "detail": "Folder with … already exists."}, Taken),
        (409, {"code": 409, "detail": "status 'Nope' is not present in table \"statuses\"."}, ValueRejected),
        (409, {"code": 409, "detail": "Unable to delete a folder with products or tasks."}, NotEmpty),
        (409, {"code": 409, "detail": "Entity is locked by another operation"}, Locked),
        (500, {"path": "x", "detail": "x", "error": "foreign-key-violation", "code": 409}, Taken),
        (500, {"status": 500, "detail": "KeyError: 'root'", "traceback": "…"}, Unavailable),
        (503, {"code": 503, "detail": "Rate limit exceeded. Try again later"}, Unavailable),
        (418, {"code": 418, "detail": "?"}, ProtocolViolation),
    ],
)
def test_refusals(status: int, body: dict[str, Any], error: type[RepositoryError]) -> None:
    found = refusal(status, msgspec.json.encode(body), "that")
    assert type(found) is error
    assert str(found)


def test_refusals_that_are_no_json() -> None:
    assert type(refusal(500, b"Internal Server Error", "that")) is Unavailable
    assert type(refusal(404, b"<html>", "that")) is NotFound
    assert type(query_refusal("Invalid cursor", {"status": 400}, "that")) is ValueRejected
    assert type(query_refusal("Cannot query field", {}, "that")) is ProtocolViolation


@pytest.mark.parametrize(
    ("status", "headers", "start"),
    [
        (206, {"content-range": "bytes 10-19/100", "content-length": "10"}, 10),
        (206, {"content-range": "bytes 10-14/100", "content-length": "5"}, 10),
        (200, {"content-range": "bytes 0-99/100", "content-length": "100"}, 0),
    ],
)
def test_answers_with_content(status: int, headers: dict[str, str], start: int) -> None:
    body = _judging(10, 20, 100)(Head(status, headers))
    assert (body.start, body.total) == (start, 100)


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (416, {"content-range": "*/5"}, VersionChanged),
        (416, {}, VersionChanged),
        (206, {"content-range": "bytes 10-19/99", "content-length": "10"}, VersionChanged),
        (200, {"content-length": "99"}, VersionChanged),
        (302, {"location": "https://elsewhere/"}, _Moved),
        (404, {}, NotFound),
    ],
)
def test_answers_with_other_content(status: int, headers: dict[str, str], error: type[RepositoryError]) -> None:
    with pytest.raises(error):
        _judging(10, 20, 100)(Head(status, headers))


@pytest.mark.parametrize(
    ("size", "count"), [("12", 12), (12, 12), (-5, None), ("x", None), (None, None), (1e300, None), ("0", 0)]
)
def test_sizes_are_whatever_somebody_wrote(size: Any, count: int | None) -> None:
    assert File(id="x", size=size).bytes == count


def test_addresses_of_entities() -> None:
    version = Version(id="1", product_id="p", version=-2, path="/assets/hero/modelMain/HERO")
    assert attributes.uri_of("version", "demo", version) == (
        "ayon+entity://demo/assets/hero?product=modelMain&version=v-02"
    )
    row = Representation(id="1", version_id="v", path="/assets/hero/modelMain/v001/abc")
    assert attributes.uri_of("representation", "demo", row) == (
        "ayon+entity://demo/assets/hero?product=modelMain&version=v001&representation=abc"
    )
    assert attributes.uri_of("representation", "demo", Representation(id="1", version_id="v")) is None
