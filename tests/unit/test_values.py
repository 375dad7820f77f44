"""Text to values: every parser takes what people write, and refuses the rest with a sentence."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.config import values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("4096", 4096),
        ("10G", 10 << 30),
        ("512MiB", 512 << 20),
        ("512 mib", 512 << 20),
        ("2GB", 2 * 10**9),
        ("1.5k", 1536),
        ("7B", 7),
        ("1T", 1 << 40),
    ],
)
def test_sizes_are_read_as_coreutils_reads_them(text: str, expected: int) -> None:
    assert values.size(text) == expected


@given(st.integers(0, 1 << 40), st.sampled_from(["", "K", "MiB", "G", "kb"]))
def test_every_whole_size_is_exact(number: int, unit: str) -> None:
    factor = {"": 1, "K": 1 << 10, "MiB": 1 << 20, "G": 1 << 30, "kb": 1000}[unit]
    if number * factor <= 1 << 62:
        assert values.size(f"{number}{unit}") == number * factor


@given(st.text(max_size=12))
def test_any_other_text_is_read_or_refused(text: str) -> None:
    for parser in (values.size, values.duration, values.amount, values.boolean, values.integer, values.number):
        with contextlib.suppress(ValueError):
            parser(text)  # type: ignore[operator]


@pytest.mark.parametrize("text", ["", "G", "-1", "10X", "1e9", "ten", "1 0", "9999999P", "0x10", "inf", "nan"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"a size is|larger"):
        values.size(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30", 30), ("30s", 30), ("5m", 300), ("250ms", 0.25), ("1h", 3600), ("2d", 172800), ("0", 0)],
)
def test_durations(text: str, expected: float) -> None:
    assert values.duration(text) == expected


def test_a_deadline_is_longer_than_nothing() -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        values.deadline("0s")


@pytest.mark.parametrize(("text", "expected"), [("5%", 0.05), ("100%", 1.0), ("0.5 %", 0.005), ("20G", 20 << 30)])
def test_a_part_of_the_disk_or_a_size(text: str, expected: float) -> None:
    assert values.amount(text) == expected


@pytest.mark.parametrize("text", ["101%", "%", "-1%", "5%%", "5G%"])
def test_what_is_no_part_of_a_disk(text: str) -> None:
    with pytest.raises(ValueError, match="0% to 100%"):
        values.amount(text)


@pytest.mark.parametrize(("text", "expected"), [("yes", True), ("On", True), ("1", True), ("FALSE", False)])
def test_yes_and_no(text: str, expected: bool) -> None:
    assert values.boolean(text) is expected


def test_umask_is_octal() -> None:
    assert values.umask("022") == 0o022
    with pytest.raises(ValueError, match="octal"):
        values.umask("088")


def test_users_and_groups_by_name_and_number() -> None:
    assert values.user("root") == 0 == values.group("root")
    assert values.user("1234") == 1234
    with pytest.raises(ValueError, match="no such user"):
        values.user("nobody-of-that-name")


@pytest.mark.parametrize("text", ["../up", "a/../b", "a/./b", "a\0b"])
def test_the_mounted_folder_is_inside(text: str) -> None:
    with pytest.raises(ValueError, match="top"):
        values.inner(text)


def test_the_mounted_folder_has_no_outer_slashes() -> None:
    assert values.inner("/Scans//2026/") == "Scans/2026"
