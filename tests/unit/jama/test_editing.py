"""From what is there to what is wanted: the calls between the two, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from assetfs.backends.jama.classic import ClassicDialect
from assetfs.backends.jama.client import Call
from assetfs.backends.jama.editing import Wanted, as_it_is, difference
from assetfs.backends.jama.wire import Field, Resource, Tag, Value

DIALECT = ClassicDialect(None)  # type: ignore[arg-type]
WORDS = st.lists(st.sampled_from("abcdef"), unique=True, max_size=5)


def resource(values: Sequence[str], tags: Sequence[str]) -> Resource:
    field = Field(7, "creator", 1, "Dublin_Core")
    metas = [Value(100 + number, field, value) for number, value in enumerate(values)]
    return Resource(1, "x", metas=metas, tags=[Tag(uid) for uid in tags])


def applied(record: Resource, calls: Sequence[Call[Any]]) -> Resource:
    """What the server would make of the calls, with its own rules: doubles and unknown ids are failures."""
    values = {value.id: value.value for value in record.metas or ()}
    tags = {tag.uid for tag in record.tags or ()}
    for call in calls:
        match call.method, call.params:
            case "add_meta_to_resource", [1, 7, text]:
                assert text not in values.values()
                values[max(values, default=100) + 1] = text
            case "remove_meta_from_resource", [1, number]:
                del values[number]
            case "change_resource_meta_value", [number, text]:
                assert text not in values.values()
                assert number in values
                values[number] = text
            case "add_tag_to_resource", [uid, 1]:
                tags.add(uid)
            case "remove_tag_from_resource", [uid, 1]:
                tags.remove(uid)
            case other:
                raise AssertionError(other)
    return resource(list(values.values()), sorted(tags))


def state(record: Resource) -> tuple[set[str], set[str]]:
    return {value.value for value in record.metas or ()}, {tag.uid for tag in record.tags or ()}


@given(WORDS, WORDS, WORDS, WORDS)
def test_the_difference_leads_there_and_back(
    old: list[str], old_tags: list[str], new: list[str], tags: list[str]
) -> None:
    before, wanted = resource(old, old_tags), Wanted({7: new}, tags)
    after = applied(before, difference(DIALECT, "resource", 1, before, wanted))
    assert state(after) == (set(new), set(tags))
    assert difference(DIALECT, "resource", 1, after, wanted) == []
    back = applied(after, difference(DIALECT, "resource", 1, after, as_it_is(before, wanted)))
    assert state(back) == (set(old), set(old_tags))


def test_one_value_for_another_is_one_change() -> None:
    (call,) = difference(DIALECT, "resource", 1, resource(["a", "b"], []), Wanted({7: ["a", "c"]}, None))
    assert (call.method, call.params) == ("change_resource_meta_value", [101, "c"])


def test_what_is_not_wanted_otherwise_stays() -> None:
    assert difference(DIALECT, "resource", 1, resource(["a"], ["T"]), Wanted({}, None)) == []
