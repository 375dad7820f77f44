"""Recovery: what the last daemon left in the journal becomes files again.

Every row is a file in its folder, readable at once, whether the server is there or not. A staging file without a row
was never acknowledged, and goes. A row whose staging file has lost bytes (the machine died before it wrote them) is
never sent: what is left of it stays to be looked at, exported or discarded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from assetfs.writeback.accounts import place
from assetfs.writeback.journal import Entry
from assetfs.writeback.ranges import Ranges
from assetfs.writeback.staging import Staged
from assetfs.writeback.states import AFTER_CRASH, Event, State

if TYPE_CHECKING:
    from assetfs.writeback.writeback import WriteBack

log = logging.getLogger("assetfs.writeback")


def recover(owner: WriteBack, folder: Path) -> int:
    """Take everything over; returns the first number that is free. Raises JournalDamaged, OSError."""
    entries = list(owner.journal.entries())
    for entry in entries:
        there, end = _sizes(entry, folder)
        if there is None:
            log.error("%s: its staging file is gone, and with it %d bytes", place(entry), end)
            owner.journal.remove(entry.number)
            continue
        entry.state = AFTER_CRASH[entry.state]
        if there < end:
            entry.error = f"its staging file was cut short: {there} bytes of {end} are left"
            log.error("%s stays here: %s", place(entry), entry.error)
            entry.state = State.FAILED
        staged = Staged(entry, _file(entry, folder), owner.store)
        staged.saved = staged.generation
        owner.files[entry.number] = staged
        if entry.target is not None:
            owner.overlay.target(staged, entry.target.id)
        else:
            owner.overlay.place(entry.parent, entry.name, staged)
        if (
            entry.state is State.QUEUED
            and entry.target is None
            and owner.admission.keeps_here(entry.parent, entry.name)
        ):
            staged.step(Event.RENAMED_LOCAL)  # it was open, so nobody had asked yet where it goes
            owner.save(staged)
        if entry.state is State.QUEUED:
            owner.uploader.queue(staged)
    kept = {staged.path for staged in owner.files.values()}
    numbers = [entry.number for entry in entries]
    for path in list(_staging_files(folder)):
        numbers.append(int(path.name))
        if path not in kept:
            path.unlink()
    owner.holding.recover()
    return max(numbers, default=0) + 1


def _staging_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.name.isdigit())


def _file(entry: Entry, folder: Path) -> Path:
    return folder / str(entry.file or entry.number)


def _sizes(entry: Entry, folder: Path) -> tuple[int | None, int]:
    """How many bytes a row's staging file has (None: there is none), and how many it should have."""
    if entry.folder:
        return 0, 0
    end = max((stop for _, stop in Ranges.unpack(entry.written)), default=0)
    try:
        return _file(entry, folder).stat().st_size, end
    except FileNotFoundError:
        return None, end
