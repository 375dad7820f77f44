"""Names, ids, paths and templates: nothing of this asks a server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.backends.ayon import naming, nodes, planning, queries, roots, templates
from assetfs.backends.ayon.ids import Ref, is_name, parse
from assetfs.backends.ayon.wire import Version, time_ns
from assetfs.repository import NotFound, ValueRejected

ID = "0123456789abcdef0123456789abcdef"


@given(st.text(min_size=1), st.text(min_size=1))
def test_every_key_of_an_id_comes_back(one: str, two: str) -> None:
    ref = Ref("file", "demo", (one, two))
    assert parse(ref.node) == ref


@pytest.mark.parametrize("node", ["", "x", "root.x", "folder.demo", "folder..x", "folder.demo.x", "nonsense.demo.x"])
def test_what_is_no_id_is_not_found(node: str) -> None:
    with pytest.raises(NotFound):
        parse(node)


def test_ids_have_no_slash_and_no_space() -> None:
    assert parse(f"folder.demo.{ID}").id == ID
    assert Ref("file", "demo", (ID, "../a b")).node == f"file.demo.{ID}.%2E%2E%2Fa%20b"


@pytest.mark.parametrize("name", ["a", "_", "a.b-c", "0x", "A_1"])
def test_names_that_the_server_takes(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "a-", "a.", ".a", "a b", "ä", "a/b", "@a", "a~b", "a\n"])
def test_names_that_it_does_not(name: str) -> None:
    assert not is_name(name)


@given(st.text(), st.sampled_from(["abc", "exr"]))
def test_a_file_always_has_a_name(path: str, representation: str) -> None:
    name = naming.file_name(path, representation)
    assert name not in ("", ".", "..", *naming.RESERVED)
    assert "\0" not in name
    assert "/" not in name
    assert "\\" not in name


def version(number: int, *, done: bool = False, active: bool = True) -> Version:
    return Version(id=str(number), product_id="p", version=number, is_latest_done=done, active=active)


def test_links_of_a_product() -> None:
    versions = [version(0), version(2, done=True), version(10), version(11, active=False), version(-2)]
    found = {name: naming.version_name(one) for name, one in naming.pointers(versions).items()}
    assert found == {"hero": "@hero", "latest": "v010", "approved": "v002"}
    assert naming.pointers([version(3, active=False)]) == {}
    assert naming.version_name(version(1234)) == "v1234"


@pytest.mark.parametrize(
    ("name", "draft"), [("next.draft", True), ("v004.draft", True), ("v004", False), ("x.draft", False)]
)
def test_what_is_a_draft(name: str, draft: bool) -> None:
    assert naming.is_draft(name) is draft


# ---- roots --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("{root[work]}/a/b.exr", ("a", "b.exr")),
        ("{root[work]}\\a\\\\.\\b.exr", ("a", "b.exr")),
        ("{root[work]}/a//./b.exr", ("a", "b.exr")),
    ],
)
def test_paths_below_a_root(path: str, parts: tuple[str, ...]) -> None:
    assert roots.rooted(path) == ("work", parts)


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "{root[work]}", "{root[work]}/", "{root[work]}/../x", "{root[work]}/a/../../x",
     "{root[work]}\\..\\x", "{root[work]}x", "{root[work]}/a\0b", "x{root[work]}/a", "{root[]}/a", "C:\\a"],
)  # fmt: skip
def test_paths_that_are_never_opened(path: str) -> None:
    assert roots.rooted(path) is None


@given(st.text(alphabet="{}[]rootwk./\\\0ab"))
def test_no_path_leads_out_of_its_root(text: str) -> None:
    found = roots.rooted("{root[work]}/" + text)
    if found is not None:
        joined = os.path.normpath(os.path.join("/mnt/work", *found.parts))
        assert joined.startswith("/mnt/work/")


def test_only_regular_files_inside_are_found(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "deep").mkdir(parents=True)
    outside.mkdir()
    for place in (root / "deep" / "a", outside / "a"):
        place.write_bytes(b"123")
    (root / "inside").symlink_to(root / "deep")
    (root / "out").symlink_to(outside)
    (root / "link").symlink_to(root / "deep" / "a")
    os.mkfifo(root / "fifo")
    found = roots.find(root, ("inside", "a"))
    assert found is not None
    assert (found.size, found.content.relative) == (3, "deep/a")
    os.close(roots.open_below(found.content))
    for parts in (("out", "a"), ("link",), ("fifo",), ("deep",), ("none",)):
        assert roots.find(root, parts) is None


def test_the_option_root_map() -> None:
    assert roots.mapping("work=/mnt/a, render=/mnt/b") == {"work": Path("/mnt/a"), "render": Path("/mnt/b")}
    assert roots.mapping(None) == {}
    for text in ("work", "work=relative", "=/mnt"):
        with pytest.raises(ValueError, match="root_map"):
            roots.mapping(text)


def test_roots_that_a_server_may_not_name() -> None:
    assert roots.usable({"a": "/", "b": "x", "c": None, "d": "/mnt/d", "e": "/a\0b"}) == {"d": Path("/mnt/d")}


# ---- templates ----------------------------------------------------------------------------------------------------

COMMON = {"version_padding": 3, "version": "v{version:0>{@version_padding}}", "frame": "{frame:0>4}"}
VALUES = {"project": {"name": "demo", "code": "dmo"}, "folder": {"name": "hero"}, "hierarchy": "", "version": 7}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{root[work]}/{project[name]}/{folder[name]}/{@version}", "{root[work]}/demo/hero/v007"),
        ("{project[code]}_{@version}<_{output}><.{@frame}>.abc", "dmo_v007.abc"),
        ("a<b{project[code]}>", "abdmo"),
    ],
)
def test_templates_are_filled(template: str, text: str) -> None:
    assert templates.fill(template, VALUES, COMMON) == text


def test_a_template_that_needs_what_is_not_there_gives_way_to_the_fallback() -> None:
    anatomy = {"common": COMMON, "publish": {"default": {"directory": "{root[work]}/{nosuch}"}}}
    assert templates.folder_of(anatomy, "publish", VALUES, "{root[work]}/x/{hierarchy}/y") == "{root[work]}/x/y"
    for directory in ("{root[work]}/../x", "/etc/{folder[name]}", "{root[work]}/{nosuch}"):
        with pytest.raises(templates.Missing):
            templates.folder_of({"publish": {"default": {"directory": directory}}}, "publish", VALUES, directory)


# ---- drafts -------------------------------------------------------------------------------------------------------


def test_what_a_draft_becomes() -> None:
    entries = {
        "hero.abc": None,
        "hero.1001.exr": None,
        "hero.1002.exr": None,
        "matte.1001.exr": None,
        "other.abc": None,
        "noext": None,
        "textures": ("a.png", "b.png"),
    }
    found = {piece.name: piece.files for piece in planning.plan(dict(entries))}
    assert found == {
        "textures": ("textures/a.png", "textures/b.png"),
        "exr": ("hero.1001.exr", "hero.1002.exr"),
        "abc": ("hero.abc",),
        "matte.1001_exr": ("matte.1001.exr",),
        "noext": ("noext",),
        "other_abc": ("other.abc",),
    }


@given(st.dictionaries(st.text(min_size=1, alphabet="aAbB.1ä -"), st.none(), min_size=1))
def test_names_of_representations_are_good_and_different(entries: dict[str, None]) -> None:
    pieces = planning.plan(dict(entries))
    assert all(is_name(piece.name) for piece in pieces)
    assert len({piece.name.lower() for piece in pieces}) == len(pieces)
    assert sorted(file for piece in pieces for file in piece.files) == sorted(entries)


@pytest.mark.parametrize("entries", [{}, {"-x": ("a",)}, {"x": ()}, {"X": ("a",), "x": ("b",)}, {".review": None}])
def test_what_cannot_be_published(entries: dict[str, tuple[str, ...] | None]) -> None:
    with pytest.raises(ValueRejected):
        planning.plan(entries)


# ---- the wire -----------------------------------------------------------------------------------------------------


def test_own_attributes_are_asked_for_before_all() -> None:
    """The server spoils them in the other order."""
    for fields in queries.DESCRIBED.values():
        if "ownAttrib" in fields:
            assert fields.index("ownAttrib") < fields.index("allAttrib")


def test_no_list_asks_for_names_of_files() -> None:
    """One that is null spoils the whole list."""
    for fields in (*queries.LISTED.values(), *queries.DESCRIBED.values()):
        assert "files{" not in fields or "name" not in fields.split("files{")[1].split("}")[0].split()


def test_listings_ask_for_data_only_where_it_says_whose_the_bytes_are() -> None:
    """It may be large. A representation's says whether its files are on the server."""
    assert {what for what, fields in queries.LISTED.items() if "data" in fields.split()} == {"representations"}


def test_lists_go_into_one_document_with_their_variables() -> None:
    asked = [
        queries.Ask("folders", {"parentIds": ["root"]}, "id", 10),
        queries.Ask("versions", {"productIds": [], "versions": [1]}, "id", 5, 'a"b'),
    ]
    body = queries.document("demo", asked)
    assert body["query"] == (
        "query($p:String!,$v0parentIds:[String!],$v1productIds:[String!],$v1versions:[Int!]){project(name:$p){"
        "folders(parentIds:$v0parentIds,first:10){edges{node{id}}pageInfo{hasNextPage endCursor}} "
        'versions(productIds:$v1productIds,versions:$v1versions,first:5,after:"a\\"b")'
        "{edges{node{id}}pageInfo{hasNextPage endCursor}}}}"
    )
    assert body["variables"] == {"p": "demo", "v0parentIds": ["root"], "v1productIds": [], "v1versions": [1]}


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2026-11-21T05:23:00+00:00", 1795238580_000_000_000),
        ("2026-11-21T05:23:00.123456+00:00", 1795238580_123_456_000),
        ("2026-11-21T06:23:00+01:00", 1795238580_000_000_000),
        ("2026-11-21T05:23:00", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_times(text: str | None, nanoseconds: int | None) -> None:
    assert time_ns(text) == nanoseconds


def test_names_that_went_through_a_header() -> None:
    assert nodes.mended("é.mov".encode().decode("latin-1")) == "é.mov"
    assert nodes.mended("é.mov") == "é.mov"
