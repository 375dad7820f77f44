"""Attributes of SAMS: documents out, changes in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from assetfs.backends.sams.attributes import of_asset, of_set
from assetfs.backends.sams.edits import Edit, parsed, set_changes
from assetfs.backends.sams.wire import Asset, Set
from assetfs.repository import Busy, Forbidden, NotFound, Unsupported, ValueRejected

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


def edit(**wished: bytes | None) -> Edit:
    named = {PREFIX + name.replace("__", "."): value for name, value in wished.items()}
    return Edit(parsed(named, of_set=False), {"Weather": "wx"}.get, new_extra=False)


def changes(document: Asset, **wished: bytes | None) -> dict[str, Any]:
    return edit(**wished)(document)


def test_what_the_kernel_cannot_hold_is_left_out() -> None:
    shown = of_asset(asset(extra={"k" * 300: 1, "nul\0": 1, "long": "x" * 70_000, "gone": None, "fine": True}))
    assert {name for name in shown if ".extra." in name} == {f"{PREFIX}extra.fine"}


def test_only_what_changes_is_sent() -> None:
    document = asset(tags=[{"code": "a", "name": "A"}], description="d", extra={"n": 1})
    assert changes(document, name=b"A", description=b"d", tag_names=b"A", extra__n=b"1") == {}
    assert changes(document, name=b"B", tag_names=b"Weather\nA") == {
        "name": "B",
        "tags": [{"code": "a", "name": "A"}, {"code": "wx", "name": "Weather"}],
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
        ("tags", b'[{"code": "a"}]', ValueRejected),
        ("extra", b"{}", Forbidden),
        ("nonsense", b"x", Unsupported),
        ("tag.", b"x", Unsupported),
        ("maximum_asset_size", b"3", Unsupported),
    ],
)
def test_what_cannot_be_is_refused_without_looking(name: str, value: bytes | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        parsed({PREFIX + name: value}, of_set=False)


@pytest.mark.parametrize("name", ["tag.b", "description", "extra.k", "tags", "tag_names"])
def test_nothing_is_removed_that_is_not_there(name: str) -> None:
    with pytest.raises(NotFound):
        changes(asset(), **{name.replace(".", "__"): None})


def test_the_destination_is_fixed_when_the_draft_is_over() -> None:
    wished = parsed({f"{PREFIX}destination_name": b"other"}, of_set=True)
    assert set_changes(folder(), wished) == {"destination_name": "other"}
    with pytest.raises(Forbidden):
        set_changes(folder(state="usable"), wished)
    assert set_changes(folder(state="usable", destination_name="other"), wished) == {}


def tagged(*codes: str, **fields: Any) -> Asset:
    return asset(tags=[{"code": code, "name": code.upper()} for code in codes], **fields)


def test_what_others_did_meanwhile_stays() -> None:
    wish = edit(tag_names=b"A\nC", description=b"mine")
    assert [tag["code"] for tag in wish(tagged("a", "b"))["tags"]] == ["a", "C"]
    assert [tag["code"] for tag in wish(tagged("a", "b", "d"))["tags"]] == ["a", "d", "C"]
    assert [tag["code"] for tag in wish(tagged("b"))["tags"]] == ["C"]
    key = edit(extra__k=b"1")
    assert key(asset(extra={"k": 0, "other": 1})) == {"extra": {"k": 1, "other": 1}}
    assert key(asset(extra={"k": 0, "other": 2, "more": 3})) == {"extra": {"k": 1, "other": 2, "more": 3}}


@pytest.mark.parametrize(
    ("wished", "before", "after"),
    [
        ({"description": b"mine"}, asset(description="old"), asset(description="theirs")),
        ({"tag__a": b"mine"}, tagged("a"), asset(tags=[{"code": "a", "name": "theirs"}])),
        ({"extra__k": b"mine"}, asset(extra={"k": "old"}), asset(extra={"k": "theirs"})),
    ],
)
def test_the_same_changed_by_both_is_refused_once(wished: dict[str, bytes], before: Asset, after: Asset) -> None:
    wish = edit(**wished)
    assert wish(before)
    with pytest.raises(Busy):
        wish(after)
    assert edit(**wished)(after)


def test_a_lock_shows_while_it_is_there() -> None:
    free = asset(lock_user="ines", lock_session="s")
    assert not [name for name in of_asset(free) if ".lock_" in name]
    held = asset(lock_user="ines", lock_session="s", lock_action="edit", lock_time="2026-11-21T05:13:08+0000")
    assert len([name for name in of_asset(held) if ".lock_" in name]) == 4


def test_too_many_keys_of_extra_are_shown_as_one() -> None:
    shown = of_asset(asset(extra={f"key {number:05} {'x' * 70}": 1 for number in range(800)}))
    assert f"{PREFIX}extra" not in shown, "69 KB of JSON are too much for one attribute"
    shown = of_asset(asset(extra={f"key {number:05} {'x' * 80}": 1 for number in range(600)}))
    assert not [name for name in shown if name.startswith(f"{PREFIX}extra.")]
    assert shown[f"{PREFIX}extra"].value.startswith(b'{"key 00000')


def test_where_the_content_of_a_set_is() -> None:
    assert of_set(folder(), "MongoGridFS")[f"{PREFIX}destination_provider"].value == b"MongoGridFS"
