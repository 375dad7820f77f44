"""Droppings, backups, and the names of those that lost a conflict."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.config.table import BACKUPS, LOCAL_ONLY
from assetfs.names import LIMIT
from assetfs.writeback.localnames import Patterns, conflict_name

DAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    "name",
    [b".a.txt.swp", b".~lock.report.odt#", b"4913", b".DS_Store", b"._scan.tif", b"Thumbs.db", b".scan.tif.x7Gq2P"],
)
def test_droppings_stay_here(name: bytes) -> None:
    assert Patterns(LOCAL_ONLY).fits(name)


@pytest.mark.parametrize("name", [b"scan.tif", b"4913.txt", b"a.swp.txt", b"Thumbs.dbx", b"\xff.jpg"])
def test_assets_do_not(name: bytes) -> None:
    assert not Patterns(LOCAL_ONLY).fits(name)


def test_backups_are_known_and_no_pattern_fits_nothing() -> None:
    assert Patterns(BACKUPS).fits(b"report.txt~")
    assert not Patterns(()).fits(b"")
    assert not Patterns(()).fits(b"a")


def test_the_loser_of_a_conflict_says_when_and_where() -> None:
    assert conflict_name(b"a.txt", "desk", DAY) == b"a (conflict 2026-11-21 desk).txt"
    assert conflict_name(b"a.txt", "desk", DAY, 2) == b"a (conflict 2026-11-21 desk 2).txt"


@given(st.text(min_size=1, max_size=300).map(str.encode), st.integers(1, 30))
def test_a_conflict_name_fits_and_no_letter_is_broken(name: bytes, number: int) -> None:
    made = conflict_name(name[:LIMIT].decode("utf-8", "ignore").encode() or b"a", "desk", DAY, number)
    assert len(made) <= LIMIT
    made.decode()
