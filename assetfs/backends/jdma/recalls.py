"""Where each file is, who wants it, and what became of that (7.5, 7.6).

`Recalls` takes wishes and answers questions, at once and without I/O; `engine.py` does what they need. A file that
could not be brought stays failed for a while, with its reason; who asks explicitly tries again at once.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence

import msgspec
import trio

from assetfs.backends.jdma.copies import Copies
from assetfs.backends.jdma.journal import Retrieval, State
from assetfs.backends.jdma.tree import Row
from assetfs.backends.jdma.wants import Allowance, Wants
from assetfs.backends.jdma.wire import Batch
from assetfs.repository import Availability, NotHere, ProtocolViolation, RepositoryError

BACK_OFF = 600.0
"""Seconds after which a plain open asks again for what could not be brought."""


class Where(enum.Enum):
    """Where a file is, as `user.jdma.state` says it."""

    ONLINE = "online"
    OFFLINE = "offline"
    QUEUED = "queued"
    RECALLING = "recalling"
    FAILED = "failed"


AVAILABILITY = {
    Where.ONLINE: Availability.ONLINE,
    Where.OFFLINE: Availability.OFFLINE,
    Where.QUEUED: Availability.RECALLING,
    Where.RECALLING: Availability.RECALLING,
    Where.FAILED: Availability.FAILED,
}


class Failed(msgspec.Struct, frozen=True):
    """Why a file was not brought, and when that was."""

    error: RepositoryError
    at: float


class Recalls:
    """Wishes and states. Times are seconds of `clock`."""

    def __init__(
        self,
        wants: Wants,
        allowance: Allowance,
        copies: Copies,
        clock: Callable[[], float],
        *,
        foreign: bool,
        name: str,
    ) -> None:
        self.wants = wants
        self.copies = copies
        self.flying: dict[str, Retrieval] = {}
        """Retrievals that are on their way or being checked, by key."""
        self._allowance = allowance
        self._clock = clock
        self._foreign = foreign
        self._name = name
        self._taken: dict[int, set[int]] = {}
        """Files by batch that are about to be asked for."""
        self._flying: dict[int, str] = {}
        """Files that are on their way, by number."""
        self._failures: dict[int, Failed] = {}
        self._waiting: dict[int, trio.Event] = {}
        self.wished = trio.Event()
        """Set when there is something new to do."""

    # ---- questions ------------------------------------------------------------------------------------------------

    def where(self, batch: Batch, row: Row) -> Where:
        """Where a file is now."""
        pk = row.file.pk
        if row.file.size == 0 or pk in self.copies:
            return Where.ONLINE
        if pk in self._flying or pk in self._taken.get(batch.id, ()):
            return Where.RECALLING
        if pk in self.wants.queued(batch.id):
            return Where.QUEUED
        if pk in self._failures or not batch.on_storage:
            return Where.FAILED
        return Where.OFFLINE

    def failure(self, pk: int) -> RepositoryError | None:
        found = self._failures.get(pk)
        return found.error if found is not None else None

    def request(self, pk: int) -> int | None:
        """The request that a file is on its way by."""
        record = self.flying.get(self._flying.get(pk, ""))
        return record.request if record is not None else None

    def counts(self, batch: int, files: Iterable[int]) -> tuple[int, int]:
        """How many of these files are queued, and on their way."""
        queued, taken = self.wants.queued(batch), self._taken.get(batch, set())
        numbers = list(files)
        return sum(pk in queued for pk in numbers), sum(pk in self._flying or pk in taken for pk in numbers)

    def totals(self) -> tuple[int, int]:
        """How many files are queued, and on their way, of all batches."""
        return len(self.wants), len(self._flying) + sum(map(len, self._taken.values()))

    def busy(self) -> set[int]:
        """Batches that have a retrieval on its way, or about to be."""
        on_way = {r.batch for r in self.flying.values() if r.state in (State.SENDING, State.SENT)}
        return on_way | {batch for batch, files in self._taken.items() if files}

    def waited_for(self) -> list[int]:
        """Files that somebody waits for."""
        return list(self._waiting)

    # ---- wishes ---------------------------------------------------------------------------------------------------

    def wish(self, batch: Batch, rows: Sequence[Row], *, explicit: bool, along: Sequence[Row] = ()) -> list[int]:
        """Want files; those in `along` too, as far as they are allowed. Returns the numbers of those that were not
        wanted before. Raises why the first of `rows` cannot be had."""
        now = self._clock()
        absent = {row.file.pk: row for row in rows if self._may_ask(batch, row, now, explicit=explicit)}
        if not explicit and absent:
            if batch.user != self._name and not self._foreign:
                raise NotHere(f"the batch is {batch.user}'s: recall it by attribute, or set recall_foreign")
            wanted = len(absent)
            for row in along:
                if row.file.pk not in absent and self.where(batch, row) is Where.OFFLINE:
                    absent[row.file.pk] = row
            allowed = self._allowance.spend((row.file.size for row in absent.values()), now)
            if allowed < wanted:
                raise NotHere("too much was recalled by plain opens within an hour: recall it by attribute")
            absent = dict(list(absent.items())[:allowed])
        for pk in absent:
            self._failures.pop(pk, None)
        self.wants.add(batch.id, absent, now, explicit=explicit)
        if absent:
            self.wished.set()
        return list(absent)

    def _may_ask(self, batch: Batch, row: Row, now: float, *, explicit: bool) -> bool:
        """Whether a file is to be asked for; not if it is here or on its way. Raises why it cannot be had."""
        where = self.where(batch, row)
        if where is Where.OFFLINE:
            return True
        if where is not Where.FAILED:
            return False
        if not batch.on_storage:
            raise ProtocolViolation("the batch is not on storage, and may never come there")
        failed = self._failures[row.file.pk]
        if not explicit and now - failed.at < BACK_OFF:
            raise failed.error
        return True

    def cancel(self, batch: int, files: Iterable[int]) -> int:
        """Take back wishes that were not sent yet."""
        return self.wants.drop(batch, files)

    async def arrival(self, pk: int) -> None:
        """Wait until something becomes of a file."""
        await self._waiting.setdefault(pk, trio.Event()).wait()

    # ---- what becomes of them -------------------------------------------------------------------------------------

    def take(self, batch: int, most: int) -> list[int]:
        """Files to ask for now; they are on their way from here on."""
        taken = self.wants.take(batch, most)
        self._taken[batch] = set(taken)
        return taken

    def put_back(self, batch: int, files: Sequence[int], due: float) -> None:
        """The rest of what was taken cannot be asked for now, or need not be."""
        self._taken.pop(batch, None)
        if files:
            self.wants.put_back(batch, files, due)

    def flies(self, record: Retrieval) -> None:
        """The server has taken the request, or the files are here to be checked."""
        numbers = [item.pk for item in record.items]
        self._taken.get(record.batch, set()).difference_update(numbers)
        self.flying[record.key] = record
        self._flying.update(dict.fromkeys(numbers, record.key))

    def came(self, pk: int, error: RepositoryError | None) -> None:
        """A file is here, or will not come. Whoever waits for it is told."""
        self._flying.pop(pk, None)
        if error is not None:
            self._failures[pk] = Failed(error, self._clock())
        event = self._waiting.pop(pk, None)
        if event is not None:
            event.set()

    def refused(self, batch: int, files: Iterable[int], error: RepositoryError) -> None:
        """They cannot be asked for."""
        self._taken.pop(batch, None)
        for pk in files:
            self.came(pk, error)

    def landed(self, record: Retrieval) -> None:
        """Nothing more is to be expected of a retrieval."""
        self.flying.pop(record.key, None)
