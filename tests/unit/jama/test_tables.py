"""Refusals, rights, times, search terms: the small tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.backends.jama.errors import refusal, status_error
from assetfs.backends.jama.nodes import parse
from assetfs.backends.jama.queries import terms_of
from assetfs.backends.jama.rights import Grants
from assetfs.backends.jama.types import FileTypes
from assetfs.backends.jama.wire import FileType, Permission, Role, nanoseconds
from assetfs.repository import (
    Conflict,
    CrossScope,
    Forbidden,
    NotAuthenticated,
    NotFound,
    ProtocolViolation,
    RepositoryError,
    Rights,
    TooLarge,
    Unavailable,
    Unsupported,
    ValueRejected,
)

REFUSALS: dict[str, type[RepositoryError]] = {
    "no read access for root Projet Test": Forbidden,
    "no update access for x": Forbidden,
    "no project access for y": Forbidden,
    "no such collection": NotFound,
    "no such metadatas set": NotFound,
    "no such tag": NotFound,
    "no such method": Unsupported,
    "only for superusers": Forbidden,
    "wrong argument: order_by must be one of a, b": ValueRejected,
    "cant move root collection": Unsupported,
    "collection with same name already exists in parent collection": Conflict,
    "Can't move selection to itself": Unsupported,
    "Can't mix items from different collections": CrossScope,
    "can't modify exif": Forbidden,
    "something new": ProtocolViolation,
}


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals(text: str) -> None:
    error = refusal(text, "method")
    assert isinstance(error, REFUSALS[text])
    assert text in str(error)


def test_a_refusal_is_one_line() -> None:
    assert "\n" not in str(refusal("a\nb" * 1000, "method"))


STATUSES = {403: NotAuthenticated, 413: TooLarge, 429: Unavailable, 500: Unavailable, 404: ProtocolViolation}


@pytest.mark.parametrize("status", STATUSES)
def test_statuses(status: int) -> None:
    assert isinstance(status_error(status, "ping"), STATUSES[status])


def on(kind: str, pk: int | None = None, letters: str = "") -> Permission:
    return Permission(
        "",
        kind,
        pk,
        object_create="c" in letters,
        object_read="r" in letters,
        object_update="u" in letters,
        object_delete="d" in letters,
    )


def test_rights_of_a_writer() -> None:
    grants = Grants([Role("w", [on("resource", letters="crud"), on("collection", letters="crud")])])
    assert grants.file(1) == Rights.ALL
    assert grants.folder(1) == Rights.ALL
    assert grants.uniform


def test_rights_of_a_reader() -> None:
    grants = Grants([Role("r", [on("resource", letters="r"), on("collection", letters="r")])])
    assert grants.file(1) == grants.folder(1) == Rights.READ


def test_several_roles_add_up_in_either_form() -> None:
    grants = Grants(
        [
            Role("r", [on("resource", letters="r")]),
            Role("u", [Permission("resource.update"), Permission("resource.create")]),
        ]
    )
    assert grants.file(1) == Rights.ALL


def test_rights_on_one_collection_reach_down() -> None:
    grants = Grants([Role("l", [on("resource", letters="c"), on("collection"), on("collection", 7, "crud")])])
    assert grants.folder(3) == Rights.NONE
    assert grants.folder(7) == Rights.ALL
    inherited = grants.special("collection", 7)
    assert grants.folder(8, inherited) == Rights.ALL
    assert grants.file(9, inherited) == Rights.ALL
    assert grants.file(9) == Rights.NONE
    assert not grants.uniform


def test_without_roles_everything_may_be_tried() -> None:
    assert Grants().file(1) == Rights.ALL


TIMES = {
    "2026-11-21T05:09:06.800084+00:00": 1795237746800084000,
    "2026-11-21T05:09:06+00:00": 1795237746000000000,
    "1970-01-01T00:00:00.000001+00:00": 1000,
    "1969-12-31T23:59:59.999999+00:00": -1000,
    "nonsense": None,
    None: None,
}


@pytest.mark.parametrize("stamp", TIMES)
def test_times(stamp: str | None) -> None:
    assert nanoseconds(stamp) == TIMES[stamp]


QUERIES: dict[str, object] = {
    "night": None,
    "tag: x": None,
    "some title:night": None,
    "tag:PAINT": [{"tags": ["PAINT"]}],
    '-tag:DRAFT title:"by night"': [
        {"exclude_tags": ["DRAFT"]},
        {"property": "title", "term": "contains", "value": "by night"},
    ],
    "-title:x": [{"property": "title", "term": "does_not_contain", "value": "x"}],
}


@pytest.mark.parametrize("query", QUERIES)
def test_queries(query: str) -> None:
    assert terms_of(query) == QUERIES[query]


def test_too_many_terms() -> None:
    with pytest.raises(ValueRejected):
        terms_of(" ".join(f"tag:{n}" for n in range(11)))


@given(st.text())
def test_any_query_can_be_read(query: str) -> None:
    try:
        terms_of(query)
    except ValueRejected:
        assert query.count(":") > 10


def test_types() -> None:
    types = FileTypes([FileType("image/jpeg", ["jpeg", ".JPG"])])
    types.admit("a.JPG")
    types.admit("a.jpeg")
    assert types.mime("a.jpg") == "image/jpeg"
    for name in ("a.txt", "jpg", ".jpg", "a.jpg ", "a."):
        with pytest.raises(Unsupported):
            types.admit(name)
    FileTypes().admit("a.anything")


@pytest.mark.parametrize("node", ["", "root", "c0", "c-1", "x1", "c1 ", "c1\n", "c٣", "C1", "c" + "9" * 30])
def test_ids_that_are_none(node: str) -> None:
    with pytest.raises(NotFound):
        parse(node)


def test_ids() -> None:
    assert parse("r12") == ("r", 12)
