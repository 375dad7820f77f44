"""The tree of a batch: of whatever paths the server lists, only plain ones are shown, and none gets out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assetfs.backends.jdma.tree import Tree, ancestors, is_plain, packed, unpacked
from assetfs.backends.jdma.wire import Archive, Content, File


def listing(*paths: str) -> Content:
    files = [File(pk=n, path=path, size=n, digest="0x1", digest_format="ADLER32") for n, path in enumerate(paths, 1)]
    return Content(id=7, archives=[Archive(archive_id="archive_0000000001", files=files)])


def shown(tree: Tree) -> set[str]:
    return {row.relative for rows in tree.files.values() for row in rows}


def test_it_begins_where_all_paths_have_begun() -> None:
    tree = Tree(listing("/gws/demo/run/a.txt", "/gws/demo/run/sub/deep/b.txt", "/gws/demo/run/sub/c.txt"))
    assert tree.base == "/gws/demo/run"
    assert shown(tree) == {"a.txt", "sub/deep/b.txt", "sub/c.txt"}
    assert tree.folders == {"": ["sub"], "sub": ["sub/deep"], "sub/deep": []}


def test_a_single_folder_at_the_top_is_part_of_the_beginning() -> None:
    tree = Tree(listing("/gws/run/only/a", "/gws/run/only/b"))
    assert (tree.base, shown(tree)) == ("/gws/run/only", {"a", "b"})


def test_names_that_look_alike_are_no_common_folder() -> None:
    assert Tree(listing("/gws/two1/x", "/gws/two2/y")).base == "/gws"


def test_an_empty_batch_has_a_top() -> None:
    tree = Tree(Content(id=1))
    assert (tree.files, tree.folders, tree.skipped) == ({"": []}, {"": []}, 0)


def test_what_is_not_plain_is_counted_and_not_shown() -> None:
    hostile = ["relative", "/gws/../etc/passwd", "/gws//x", "/gws/./y", "/gws/nul\0", "/gws/" + "é" * 200, "/", "/gws/"]
    tree = Tree(listing("/gws/good", *hostile))
    assert (shown(tree), tree.skipped) == ({"good"}, len(hostile))


def test_of_two_rows_with_one_path_the_first_is_shown_and_a_folder_stands_before_a_file() -> None:
    tree = Tree(listing("/g/a", "/g/a", "/g/b", "/g/b/c"))
    assert shown(tree) == {"a", "b/c"}
    assert [row.file.pk for row in tree.files[""]] == [1]
    assert (set(tree.rows), tree.skipped) == ({1, 4}, 2)


def test_folders_above_are_named_once_and_not_above_the_top() -> None:
    paths = ["/gws/run/a/b/x", "/gws/run/a/y", "/gws/run/z"]
    assert ancestors(paths, "/gws/run") == ["/gws/run/a", "/gws/run/a/b"]
    assert ancestors(paths, "") == ["/gws", "/gws/run", "/gws/run/a", "/gws/run/a/b"]


PART = st.sampled_from(["a", "b", "gws", "..", ".", "", "x y", "é", "\0", "%2F"])
PATHS = st.lists(st.builds(lambda parts: "/" + "/".join(parts), st.lists(PART, max_size=5)), max_size=12)


@given(PATHS)
def test_nothing_is_lost_and_nothing_gets_out(paths: list[str]) -> None:
    tree = Tree(listing(*paths))
    assert len(tree.rows) + tree.skipped == len(paths)
    for row in tree.rows.values():
        parts = row.relative.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert f"{tree.base.rstrip('/')}/{row.relative}" == row.file.path
        assert is_plain(row.file.path)
        assert row.relative not in tree.folders
        assert "/".join(parts[:-1]) in tree.folders
    every = {path for folders in tree.folders.values() for path in folders}
    assert every == set(tree.folders) - {""}
    assert sorted(row.file.pk for row in tree.below("")) == sorted(tree.rows)


@given(PATHS)
def test_a_listing_is_kept_as_it_was(paths: list[str]) -> None:
    assert unpacked(packed(listing(*paths))) == listing(*paths)
