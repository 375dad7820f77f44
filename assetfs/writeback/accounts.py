"""Accounts: what is owed to the server, as people see it, and what they can do about it.

A file that the server will not take stays readable in its place. It is here that somebody finds out why, tries it
again, or gives it up; its bytes are the staging file's, and can be copied from the mount as long as it is there.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from assetfs.writeback.journal import Entry, HeldRename, read
from assetfs.writeback.ranges import Ranges
from assetfs.writeback.states import Event, State

if TYPE_CHECKING:
    from assetfs.writeback.staging import Staged
    from assetfs.writeback.writeback import WriteBack

log = logging.getLogger("assetfs.writeback")

REMEMBERED = 100
"""Conflicts that are told one by one; older ones are in the log."""

OWED = (State.DIRTY, State.QUEUED, State.UPLOADING, State.FAILED)

CONFLICT = "conflict: "
"""How the reason of a file begins that somebody else's has pushed aside."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One owed file, or a draft that could not be committed. Sizes in bytes."""

    number: int
    place: str
    """Its folder's name and its own."""
    state: str
    size: int
    sent: int
    attempts: int
    error: str
    node: str | None
    """The asset whose new content it is."""
    staging_file: str
    """Where its bytes are: a file, or the folder of a draft."""
    missing: int = 0
    """Bytes that are not in the staging file, because they are still those of the asset."""
    folder: bool = False
    """A draft that could not be committed."""


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """A conflict: where it was, under which name ours is kept, and why."""

    place: str
    kept_as: str
    reason: str
    at: str


def place(entry: Entry) -> str:
    """For people: the folder's name, and the file's."""
    folder = entry.parent_node
    return f"{folder.name if folder else entry.parent}/{os.fsdecode(entry.name)}"


def state_of(entry: Entry) -> str:
    return "conflict" if entry.error.startswith(CONFLICT) else entry.state.value


def _account(entry: Entry, written: Ranges, path: Path, sent: int = 0) -> Account:
    return Account(
        number=entry.number,
        place=place(entry),
        state=state_of(entry),
        size=entry.size,
        sent=sent,
        attempts=entry.attempts,
        error=entry.error,
        node=entry.target.id if entry.target is not None else None,
        staging_file=str(path),
        missing=sum(stop - start for start, stop in written.missing(0, entry.base_limit)),
    )


def recorded(journal: Path, staging: Path) -> Iterator[Account]:
    """What a journal says is owed while no daemon has it. Raises JournalDamaged."""
    for entry in read(journal):
        if entry.state in OWED and not entry.folder:
            yield _account(entry, Ranges.unpack(entry.written), staging / str(entry.file or entry.number))


class Accounts:
    """What a mount owes now."""

    def __init__(self, owner: WriteBack) -> None:
        self._owner = owner
        self.conflicts: deque[Happened] = deque(maxlen=REMEMBERED)
        self.sent: dict[int, int] = {}
        """Bytes on the server of what is being uploaded."""

    def owed(self) -> list[Staged]:
        """What the server does not have yet, oldest first."""
        files = self._owner.files.values()
        return [s for s in files if not s.gone and s.entry.state in OWED and not s.entry.folder]

    def of(self, staged: Staged) -> Account:
        entry = staged.entry
        return _account(entry, staged.written, staged.path, self.sent.get(entry.number, 0))

    def conflict(self, old: str, staged: Staged, reason: str) -> None:
        """Somebody else's content has the name now; ours is kept beside it."""
        kept_as = os.fsdecode(staged.entry.name)
        log.error("conflict: %s: %s; ours is kept as %s", old, reason, kept_as)
        self._happened(old, kept_as, reason)

    def undone(self, held: HeldRename, error: Exception) -> None:
        """A rename that was held back turned out to be refused: the file has its old name again."""
        old, new = os.fsdecode(held.old), os.fsdecode(held.new)
        log.error("the rename of %s to %s was refused, it is undone: %s", old, new, error)
        self._happened(f"{held.folder.name}/{new}", old, f"the rename was refused, and is undone: {error}")

    def _happened(self, place: str, kept_as: str, reason: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.conflicts.append(Happened(place=place, kept_as=kept_as, reason=reason, at=now))

    def retry(self, staged: Staged) -> None:
        """Try an upload again that failed or waits."""
        if staged.entry.state in (State.FAILED, State.QUEUED):
            staged.step(Event.RETRIED)
            staged.entry.error, staged.entry.attempts, staged.due = "", 0, 0.0
            self._owner.save(staged)
            self._owner.uploader.queue(staged)

    def discard(self, staged: Staged) -> None:
        """Give up what was written here: a new file goes, a changed one is again what the server has."""
        log.warning("%s, %d bytes, is discarded as asked", place(staged.entry), staged.size)
        self._owner.forget(staged)
