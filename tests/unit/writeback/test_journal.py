"""The journal: what was saved is there again, and what is damaged is left alone."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assetfs.repository import Availability, Kind, LocalContent, Node, Rights
from assetfs.writeback import journal as module
from assetfs.writeback.journal import Entry, HeldRename, Journal, JournalDamaged, Leftover
from assetfs.writeback.reserve import SIZE
from assetfs.writeback.states import State
from assetfs.writeback.writeback import plain
from tests.disks import fill, small_disk

NODE = Node(
    id="r7",
    kind=Kind.FILE,
    name="Été.txt",
    version="v1",
    digest="sha256:00",
    size=12,
    mtime_ns=5,
    rights=Rights.READ | Rights.ANNOTATE,
    availability=Availability.OFFLINE,
    local=LocalContent(Path("/root"), "a"),
    private={"only": "here"},
)
ENTRY = {
    "number": 3,
    "state": State.UPLOADING,
    "parent": "c2",
    "name": b"\xff.txt",
    "target": plain(NODE),
    "base": plain(NODE),
    "parent_node": Node(id="c2", kind=Kind.FOLDER, name="C", rights=Rights.NONE),
    "size": 1 << 40,
    "written": bytes(range(32)),
    "attributes": {"user.x": b"\0\xff"},
    "ledger": {"token": "t", "since": 1.5, "fresh": 7},
    "stale": [{"digest": "d"}],
    "error": "refused",
    "file": 9,
}


def same(found: Entry, wanted: Entry) -> bool:
    return all(getattr(found, name) == getattr(wanted, name) for name in Entry.__struct_fields__)


def test_a_row_comes_back_as_it_was_but_for_the_backends_own_part(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal")
    entry = Entry(**ENTRY)  # type: ignore[arg-type]
    first.save(entry)
    first.close()
    (found,) = Journal(tmp_path / "journal").entries()
    assert same(found, entry)
    assert found.target is not None
    assert found.target.private is None
    assert found.target.rights is not None
    assert found.target.rights == NODE.rights


@pytest.mark.parametrize("rights", [Rights.NONE, Rights.READ, Rights.READ | Rights.WRITE, Rights.ALL])
def test_every_combination_of_rights_is_kept(tmp_path: Path, rights: Rights) -> None:
    journal = Journal(tmp_path / "journal")
    journal.save(Entry(number=1, parent="c1", name=b"a", target=Node(id="r1", kind=Kind.FILE, name="a", rights=rights)))
    (found,) = journal.entries()
    assert found.target is not None
    assert found.target.rights == rights


def test_rows_survive_a_process_that_never_closed_the_journal(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal")
    for number in range(3):
        first.save(Entry(number=number, parent="c1", name=b"a"))
    first.remove(1)
    assert [entry.number for entry in Journal(tmp_path / "journal").entries()] == [0, 2]


def test_a_row_that_replaces_another_does_so_in_one_step(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.save(Entry(number=1, parent="c1", name=b"a"))
    with pytest.raises(OverflowError):
        journal.replace(1, Entry(number=1 << 64, parent="c1", name=b"a"))
    assert [entry.number for entry in journal.entries()] == [1]
    journal.replace(1, Entry(number=2, parent="c1", name=b"a"))
    assert [entry.number for entry in journal.entries()] == [2]


def test_a_removed_row_leaves_what_is_to_be_cleaned_up(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.save(Entry(number=1, parent="c1", name=b"a"))
    left = Leftover(parent="c1", name=b"a", ledger={"digest": "d"})
    journal.remove(1, [left])
    ((number, found),) = Journal(tmp_path / "journal").leftovers()
    assert found == left
    journal.removed(number)
    assert not journal.leftovers()


def test_a_held_rename_is_kept_until_it_is_released(tmp_path: Path) -> None:
    held = HeldRename(node=plain(NODE), folder=Node(id="c2", kind=Kind.FOLDER, name="C"), old=b"a", new=b"a~")
    Journal(tmp_path / "journal").hold(held)
    again = Journal(tmp_path / "journal")
    assert again.held() == [held]
    again.release("r7")
    assert again.held() == []


def test_sync_and_checkpoint_lose_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.save(Entry(number=1, parent="c1", name=b"a"))
    journal.sync()
    journal.checkpoint()
    journal.sync()
    journal.save(Entry(number=2, parent="c1", name=b"b"))
    assert [entry.number for entry in Journal(tmp_path / "journal").entries()] == [1, 2]


def test_only_the_newest_times_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMES_KEPT", 3)
    journal = Journal(tmp_path / "journal")
    for number in range(5):
        journal.remember_time(f"key {number}", number)
    journal.remember_time("key 0", 10)
    assert dict(Journal(tmp_path / "journal").times()) == {"key 3": 3, "key 4": 4, "key 0": 10}


def test_a_damaged_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(JournalDamaged):
        Journal(path)
    assert path.read_bytes() == b"this is no database" * 1000


def test_another_versions_journal_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "journal").close()
    with sqlite3.connect(tmp_path / "journal") as db:
        db.execute("UPDATE settings SET value = '99' WHERE name = 'version'")
    db.close()
    with pytest.raises(JournalDamaged, match="99"):
        Journal(tmp_path / "journal")


def test_the_journal_is_nobody_elses_business(tmp_path: Path) -> None:
    Journal(tmp_path / "journal")
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600


# ---- a full disk ----------------------------------------------------------------------------------------------------

LONG = {"user.long": bytes(60_000)}


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Journal]:
    """A journal with one row, on a disk that is full but for the reserve."""
    with small_disk(tmp_path / "disk", "6m") as disk, closing(Journal(disk / "journal")) as journal:
        journal.save(Entry(number=1, parent="c1", name=b"old"))
        fill(disk)
        yield journal


def names(journal: Journal) -> list[bytes]:
    return [entry.name for entry in journal.entries()]


def test_a_row_takes_the_place_of_another_with_the_room_of_the_reserve(full: Journal) -> None:
    full.replace(1, Entry(number=2, parent="c1", name=b"new", attributes=LONG))
    assert names(full) == [b"new"]
    assert full.reserve.spent


def test_a_row_goes_with_what_it_leaves_behind_by_the_room_of_the_reserve(full: Journal) -> None:
    full.remove(1, [Leftover(parent="c1", name=b"old", ledger={"token": "t" * 60_000})])
    assert names(full) == []
    assert len(full.leftovers()) == 1
    assert full.reserve.spent


def test_without_a_reserve_both_rows_stay_as_they_were_and_the_journal_goes_on(full: Journal) -> None:
    full.save(Entry(number=2, parent="c1", name=b"long", attributes=LONG))
    filler = fill(full.path.parent)
    with pytest.raises(OSError, match="full") as refused:
        full.replace(1, Entry(number=3, parent="c1", name=b"new", attributes={"user.long": bytes(SIZE)}))
    assert refused.value.errno == errno.ENOSPC
    assert names(full) == [b"old", b"long"]
    filler.unlink()
    full.replace(1, Entry(number=3, parent="c1", name=b"new", attributes=LONG))
    assert names(full) == [b"long", b"new"]


def test_the_room_of_the_log_is_used_again_before_the_reserve(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "6m") as disk, closing(Journal(disk / "journal")) as journal:
        journal.save(Entry(number=1, parent="c1", name=b"old"))
        for number in range(9):
            journal.save(Entry(number=2, parent="c1", name=b"long", attributes=LONG))
            if number == 4:
                journal.checkpoint()
        fill(disk)
        journal.replace(1, Entry(number=3, parent="c1", name=b"new"))
        assert names(journal) == [b"long", b"new"]
        assert not journal.reserve.spent
