"""What a link may say."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.vfs.errors import NotPermitted
from assetfs.vfs.links import harmless

GOOD = (("v003", 0), ("../a", 1), ("../../a/b.txt", 2), ("a/b/c", 0), ("a//b", 0), ("..", 1), ("é/..x", 0), ("./a", 0))
BAD = (("../a", 0), ("../../a", 1), ("a/../b", 5), ("/etc", 5), ("", 1), ("a\0b", 1), ("./../a", 0), ("x" * 5000, 1))


@pytest.mark.parametrize(("target", "depth"), sorted(GOOD))
def test_what_stays_inside_is_given_out(target: str, depth: int) -> None:
    assert harmless(target, depth) == target.encode()


@pytest.mark.parametrize(("target", "depth"), sorted(BAD))
def test_what_leaves_is_not(target: str, depth: int) -> None:
    with pytest.raises(NotPermitted):
        harmless(target, depth)


def test_without_knowing_where_it_is_no_link_goes_up() -> None:
    assert harmless("a/b", None) == b"a/b"
    with pytest.raises(NotPermitted):
        harmless("../a", None)


def test_urls_are_texts() -> None:
    assert harmless("https://example.org/a?b=..", 0) == b"https://example.org/a?b=.."
    for url in ("https://a/../../etc/passwd", "x://../../etc", "x://a/./../.."):
        with pytest.raises(NotPermitted):
            harmless(url, 3)


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "", "..."]), max_size=8), st.integers(0, 3))
def test_nothing_that_is_given_out_leaves_the_mount(parts: list[str], depth: int) -> None:
    target = "/".join(parts)
    try:
        harmless(target, depth)
    except NotPermitted:
        return
    folder = "/mount" + "/f" * depth
    assert posixpath.normpath(posixpath.join(folder, target)).startswith("/mount")
