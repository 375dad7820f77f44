"""Names: round trip, no collision, order independence, nothing that a file system cannot hold."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assetfs.names import LIMIT, Sibling, assign, decode, decorate, encode

texts = st.text(max_size=300) | st.text(alphabet="a%2F/.~\x00\n", max_size=12)


def siblings_of(names: list[tuple[str, bool]]) -> list[Sibling[int]]:
    return [Sibling(name, str(i), folder, False, i) for i, (name, folder) in enumerate(names, start=8)]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("plain.jpg", b"plain.jpg"),
        ("a/b", b"a%2Fb"),
        (".", b"%2E"),
        ("..", b"%2E%2E"),
        ("...", b"..."),
        ("nul\0", b"nul%00"),
        ("line\nbreak", b"line%0Abreak"),
        ("100%", b"100%"),
        ("100%ab", b"100%25ab"),
        ("100%zz", b"100%zz"),
        ("", b"untitled"),
        ("été", "été".encode()),
    ],
)
def test_what_a_file_system_cannot_hold_is_percent_encoded(raw: str, name: bytes) -> None:
    assert encode(raw) == name
    if raw:
        assert decode(name) == raw


@given(texts.filter(bool))
def test_encoding_is_reversible(raw: str) -> None:
    assert decode(encode(raw)) == raw


@given(st.characters(categories=["Cs"]))
def test_a_lone_surrogate_from_a_server_is_reversible_too(char: str) -> None:
    assert decode(encode("a" + char)) == "a" + char


@given(texts)
def test_an_encoded_name_never_leaves_its_folder(raw: str) -> None:
    name = encode(raw)
    assert name not in (b"", b".", b"..")
    assert not any(byte < 0x20 or byte in b"/\x7f" for byte in name)


@given(st.binary(min_size=1, max_size=40))
@example(b"\xed\xa0\x80")
def test_a_name_that_a_user_typed_is_found_again(typed: bytes) -> None:
    """What the kernel sends, decoded for the server and listed again, is the same name unless it held an escape."""
    if b"%" in typed or any(byte < 0x20 or byte in b"/\x7f" for byte in typed) or typed in (b".", b".."):
        return
    assert encode(decode(typed)) == typed


@given(st.lists(st.tuples(texts, st.booleans()), max_size=12), st.randoms())
def test_names_are_unique_fit_and_do_not_depend_on_order(names: list[tuple[str, bool]], random: object) -> None:
    siblings = siblings_of(names)
    shown = assign(siblings).shown
    assert sorted(shown.values()) == [s.node for s in siblings]
    assert all(0 < len(name) <= LIMIT for name in shown)
    shuffled = siblings[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert assign(shuffled).shown == shown


@given(st.lists(st.tuples(texts, st.booleans()), max_size=12))
def test_every_sibling_answers_to_its_shown_name(names: list[tuple[str, bool]]) -> None:
    assigned = assign(siblings_of(names))
    for name, node in assigned.shown.items():
        assert assigned.resolve(name) == node


def test_the_folder_then_the_lowest_label_keeps_the_plain_name() -> None:
    files = [Sibling("a.txt", label, False, False, label) for label in ("10", "9", "100")]
    shown = assign([*files, Sibling("a.txt", "77", True, False, "folder")]).shown
    assert shown == {b"a.txt": "folder", b"a~9.txt": "9", b"a~10.txt": "10", b"a~100.txt": "100"}


def test_every_member_also_answers_to_its_decorated_name() -> None:
    names = assign([Sibling("a.txt", "9", False, False, "nine"), Sibling("a.txt", "10", False, False, "ten")])
    assert names.resolve(b"a~9.txt") == "nine"
    assert names.resolve(b"a~10.txt") == "ten"
    assert names.resolve(b"a~11.txt") is None
    single = assign([Sibling("b.txt", "9", False, False, "nine")])
    assert single.resolve(b"b~9.txt") == "nine"
    assert single.resolve(b"b.txt~") is None


def test_a_real_name_wins_over_a_decorated_one() -> None:
    shown = assign(
        [
            Sibling("a.txt", "1", False, False, 1),
            Sibling("a.txt", "2", False, False, 2),
            Sibling("a~2.txt", "3", False, False, 3),
        ]
    ).shown
    assert shown == {b"a.txt": 1, b"a~2.txt": 3, b"a~~2.txt": 2}


def test_a_folder_and_a_file_of_one_number_do_not_collide() -> None:
    crowd = [
        Sibling("x", "1", True, False, "folder 1"),
        Sibling("x", "2", True, False, "folder 2"),
        Sibling("x", "2", False, False, "file 2"),
    ]
    assert set(assign(crowd).shown) == {b"x", b"x~2", b"x~~2"}


def test_batches_of_one_label_are_all_decorated() -> None:
    crowd = [Sibling("run", label, True, True, label) for label in ("7", "9")]
    assert assign(crowd).shown == {b"run~7": "7", b"run~9": "9"}
    assert assign(crowd[:1]).shown == {b"run": "7"}


def test_a_long_name_is_cut_at_a_character_before_the_extension() -> None:
    name = decorate(("é" * 2000 + ".jpeg").encode(), "42")
    assert len(name) <= LIMIT
    assert name.endswith("é~42.jpeg".encode())
    assert decorate(b"a" * 251 + b"%2Fb", "1") == b"a" * 251 + b"~1"


def test_a_name_that_is_taken_goes_to_nobody() -> None:
    given_ = assign(siblings_of([("mine", True), ("mine", False), ("other", False)]), taken={b"mine"})
    assert list(given_.shown) == [b"other", b"mine~8", b"mine~9"]
    assert given_.resolve(b"mine") is None
    assert given_.resolve(b"mine~9") == 9
