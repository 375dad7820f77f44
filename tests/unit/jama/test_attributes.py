"""Attribute names and values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.backends.jama import attributes
from assetfs.backends.jama.wire import Collection, Field, Resource, Tag, Value
from assetfs.repository import ValueRejected

NAMES = {
    ("Dublin_Core", "title"): "user.jama.meta.Dublin_Core.title",
    ("ExifTool", "File:FileSize"): "user.jama.meta.ExifTool.File:FileSize",
    ("Perso", "Note: 1/2"): "user.jama.meta.Perso.Note: 1/2",
    ("a.b", "c.d"): "user.jama.meta.a%2Eb.c.d",
    ("50%", "x=y\0"): "user.jama.meta.50%25.x%3Dy%00",
}
TITLES = st.text(min_size=1, max_size=40)


@pytest.mark.parametrize(("field_set", "title"), NAMES)
def test_names_of_fields(field_set: str, title: str) -> None:
    name = attributes.attribute_name(Field(1, title, 1, field_set))
    assert name == NAMES[field_set, title]
    assert attributes.titles(name) == (field_set, title)


@given(field_set=TITLES, title=TITLES)
def test_names_of_fields_come_back(field_set: str, title: str) -> None:
    name = attributes.attribute_name(Field(1, title, 1, field_set))
    if len(name.encode("utf-8", "surrogatepass")) < attributes.NAME_LIMIT:
        assert attributes.titles(name) == (field_set, title)
    assert "\0" not in name
    assert "=" not in name


@given(title=st.text(min_size=60, max_size=300), number=st.integers(1, 10**9))
def test_long_names_are_cut_and_keep_their_id(title: str, number: int) -> None:
    name = attributes.attribute_name(Field(number, title, 1, "Set"))
    assert len(name.encode("utf-8", "surrogatepass")) <= attributes.NAME_LIMIT
    if name.endswith(f"~{number}"):
        assert len(name) > 100 or not title.isascii()


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)))
def test_values_are_split_as_they_are_joined(values: list[str]) -> None:
    wanted = list(dict.fromkeys(text.strip() for text in values))
    if not wanted or not all(wanted) or any(attributes.SEPARATOR in f"\n{text}\n" for text in wanted):
        return
    assert attributes.values_of("x", attributes.joined(values)) == wanted


@pytest.mark.parametrize("raw", [b"", b"  ", b"a\n--\n", b"a\n--\n \n--\nb", b"\xff", b"a\0b", "\u00a0".encode()])
def test_values_that_the_server_would_choke_on(raw: bytes) -> None:
    with pytest.raises(ValueRejected):
        attributes.values_of("x", raw)


TAGS = {b"": [], b"a": ["a"], b"b\na\n": ["a", "b"], b" a \nb": ["a", "b"], b"a\na": ["a"]}


@pytest.mark.parametrize("raw", TAGS)
def test_tags_are_lines(raw: bytes) -> None:
    assert attributes.tags_of("x", raw) == TAGS[raw]


@pytest.mark.parametrize("raw", [b"\n", b"a\n\nb", b" ", b"\xff", b"a\0"])
def test_tags_that_are_none(raw: bytes) -> None:
    with pytest.raises(ValueRejected):
        attributes.tags_of("x", raw)


def test_what_is_known_about_a_resource() -> None:
    exif = Field(9, "File:FileSize", 2, "ExifTool")
    creator = Field(2, "creator", 1, "Dublin_Core")
    record = Resource(
        28,
        "m",
        original_name="m.txt",
        type="text/plain",
        hash="ab",
        metas=[Value(5, creator, "B"), Value(3, creator, "A"), Value(1, exif, "12")],
        urls={"download": "http://h/d", "serve": "http://h/s"},
        tags=[Tag("Z"), Tag("A"), Tag("two\nlines")],
        width=3,
    )
    found = attributes.of_resource(record)
    assert found["user.jama.meta.Dublin_Core.creator"].value == b"A\n--\nB"
    assert found["user.jama.meta.Dublin_Core.creator"].writable
    assert not found["user.jama.meta.ExifTool.File:FileSize"].writable
    assert found["user.jama.tags"].value == b"A\nZ"
    assert found["user.jama.width"].value == b"3"
    assert "user.jama.height" not in found
    assert found["user.jama.url.download"].value == b"http://h/d"
    assert "user.jama.url.serve" not in found
    assert "user.jama.url.serve" in attributes.of_resource(record, bearer_urls=True)


def test_a_resource_without_a_file() -> None:
    found = attributes.of_resource(Resource(1, "ghost"))
    assert found["user.jama.id"].value == b"1"
    assert "user.jama.sha256" not in found


def test_what_is_known_about_a_collection() -> None:
    found = attributes.of_collection(Collection(2, "c", public_access=True))
    assert found["user.jama.public"].value == b"true"
    assert found["user.jama.object_type"].value == b"collection"
