"""Titles and file names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.backends.jama.names import check_collection_title, extension, file_name, title_for
from assetfs.repository import NameRejected

ROWS = {
    ("Cherbourg by night", "cherbourg.jpg"): "Cherbourg by night.jpg",
    ("Cherbourg by night.JPG", "cherbourg.jpg"): "Cherbourg by night.JPG",
    ("letter.txt", "letter.txt"): "letter.txt",
    ("letter", "LETTER.TXT"): "letter.TXT",
    ("a.tar", "a.tar.gz"): "a.tar.gz",
    ("", "x.GZ"): ".GZ",
    ("..", "x.txt"): "...txt",
    ("a/b", "c/d.e/f"): "a/b",
    ("photo.jpeg", "photo.jpg"): "photo.jpeg.jpg",
    ("title", None): "title",
    ("title", ".txt"): "title",
    ("title", "x."): "title",
}


@pytest.mark.parametrize(("title", "original"), ROWS)
def test_a_file_name_is_the_title_with_the_uploaded_extension(title: str, original: str | None) -> None:
    assert file_name(title, original) == ROWS[title, original]


EXTENSIONS = {
    "a.txt": ".txt",
    "a.tar.GZ": ".GZ",
    ".txt": "",
    "a.": "",
    "a": "",
    "": "",
    "d.e/f": "",
    "d/.x": "",
    "a.b c": ".b c",
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_the_last_extension(name: str) -> None:
    assert extension(name) == EXTENSIONS[name]


def test_renaming_keeps_a_title_without_extension_so() -> None:
    assert title_for("Cherbourg by day.jpg", "Cherbourg by night", "c.jpg") == "Cherbourg by day"
    assert title_for("two.txt", "one.txt", "one.txt") == "two.txt"
    assert title_for("a.jpg.jpg", "night", "c.jpg") == "a.jpg.jpg"


@pytest.mark.parametrize("name", ["a.png", "a", "jpg", ""])
def test_the_extension_is_fixed(name: str) -> None:
    with pytest.raises(NameRejected):
        title_for(name, "night", "c.jpg")


@given(title=st.text(), original=st.text() | st.none(), new=st.text())
def test_a_title_leads_to_the_name_that_was_asked_for(title: str, original: str | None, new: str) -> None:
    wanted = file_name(new, original)
    assert file_name(title_for(wanted, title, original), original) == wanted


@given(title=st.text(), original=st.text() | st.none())
def test_renaming_to_its_own_name_changes_nothing(title: str, original: str | None) -> None:
    name = file_name(title, original)
    assert file_name(title_for(name, title, original), original) == name


@given(title=st.text(min_size=1).filter(lambda text: text.strip() == text and "\0" not in text))
def test_ordinary_collection_titles_pass(title: str) -> None:
    check_collection_title(title)
