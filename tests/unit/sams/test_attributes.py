"""Attributes of SAMS: documents out, changes in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from assetfs.backends.sams.attributes import asset_changes, of_asset, parsed, set_changes
from assetfs.backends.sams.wire import Asset, Set
from assetfs.repository import Forbidden, NotFound, Unsupported, ValueRejected

PREFIX = "user.sams."


def asset(**fields: Any) -> Asset:
    document = {
        "_id": "a" * 24,
        "_etag": "e",
        "_updated": "2026-11-21T05:13:08+0000",
        "_created": "2026-11-21T05:13:08+0000",
        "_media_id": "b" * 24,
        "set_id": "c" * 24,
        "filename": "a.jpg",
        "name": "A",
        "length": 3,
    }
    return msgspec.convert({**document, **fields}, Asset)


def folder(**fields: Any) -> Set:
    document = {"_id": "c" * 24, "_etag": "e", "_updated": "", "_created": "", "name": "s", "destination_name": "d"}
    return msgspec.convert({**document, **fields}, Set)


def changes(document: Asset, **wished: bytes | None) -> dict[str, Any]:
    named = {PREFIX + name.replace("__", "."): value for name, value in wished.items()}
    return asset_changes(document, parsed(named, of_set=False), new_extra=False)


def test_what_the_kernel_cannot_hold_is_left_out() -> None:
    shown = of_asset(asset(extra={"k" * 300: 1, "nul\0": 1, "long": "x" * 70_000, "gone": None, "fine": True}))
    assert {name for name in shown if ".extra." in name} == {f"{PREFIX}extra.fine"}


def test_only_what_changes_is_sent() -> None:
    document = asset(tags=[{"code": "a", "name": "A"}], description="d", extra={"n": 1})
    assert changes(document, name=b"A", description=b"d", tags=b"a", extra__n=b"1") == {}
    assert changes(document, name=b"B", tags=b"b\na") == {
        "name": "B",
        "tags": [{"code": "b", "name": "b"}, {"code": "a", "name": "A"}],
    }
    assert changes(document, description=None, tags=None) == {"description": "", "tags": []}
    assert changes(document, tag__a=b"Other") == {"tags": [{"code": "a", "name": "Other"}]}


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        ("text", b"7", "7"),
        (1, b"2.5", 2.5),
        (True, b"false", False),
        ({"a": 1}, b'{"b": 2}', {"b": 2}),
        ([1], b"[]", []),
        ("text", None, None),
    ],
)
def test_a_key_of_extra_keeps_its_type(old: object, value: bytes | None, new: object) -> None:
    assert changes(asset(extra={"k": old, "other": 1}), extra__k=value) == {"extra": {"k": new, "other": 1}}


@pytest.mark.parametrize(("old", "value"), [(1, b"true"), (True, b"1"), ([1], b"{}"), (1, b"one"), (None, b"new")])
def test_a_key_of_extra_takes_no_other_type(old: object, value: bytes) -> None:
    with pytest.raises(ValueRejected):
        changes(asset(extra={"k": old}), extra__k=value)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("length", b"3", Forbidden),
        ("sha1", None, Forbidden),
        ("state", None, Forbidden),
        ("state", b"open", ValueRejected),
        ("parent_id", b"zz", ValueRejected),
        ("description", b"\xff", ValueRejected),
        ("extra.a.b", b"x", ValueRejected),
        ("extra.$x", b"x", ValueRejected),
        ("nonsense", b"x", Unsupported),
        ("tag.", b"x", Unsupported),
        ("maximum_asset_size", b"3", Unsupported),
    ],
)
def test_what_cannot_be_is_refused_without_looking(name: str, value: bytes | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        parsed({PREFIX + name: value}, of_set=False)


@pytest.mark.parametrize("name", ["tag.b", "description", "extra.k", "tags"])
def test_nothing_is_removed_that_is_not_there(name: str) -> None:
    with pytest.raises(NotFound):
        asset_changes(asset(), parsed({PREFIX + name: None}, of_set=False), new_extra=True)


def test_the_destination_is_fixed_when_the_draft_is_over() -> None:
    wished = parsed({f"{PREFIX}destination_name": b"other"}, of_set=True)
    assert set_changes(folder(), wished) == {"destination_name": "other"}
    with pytest.raises(Forbidden):
        set_changes(folder(state="usable"), wished)
    assert set_changes(folder(state="usable", destination_name="other"), wished) == {}
