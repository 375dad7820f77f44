"""The workers: six of them take turns, and each moves one request of each kind per turn by one stage.

Which request: the one of the lowest number that is at one of the worker's stages. One that does not get on there keeps
its place, and those behind it wait; only the monitor looks at all of them. What a stage does on disk is in the modules
of the three kinds; a stage that an order from outside holds up or lets fail is dealt with here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import trio

from assetfs.sandbox.jdma import dropping, recalling, uploading
from assetfs.sandbox.jdma.books import Books
from assetfs.sandbox.jdma.stages import UPLOADS, BatchStage, Kind, Stage

IDLE_SECONDS = 0.25  # between two passes when nothing moves

Act = Callable[[Books, sqlite3.Row], None]


@dataclass(frozen=True)
class Duty:
    """What one worker does with the requests of one kind, by their stage."""

    kinds: tuple[Kind, ...]
    acts: dict[Stage, Act]
    all: bool = False


DUTIES = (
    Duty(UPLOADS, {Stage.PUT_START: uploading.build, Stage.PUT_BUILDING: uploading.blocked}),
    Duty((Kind.GET,), {Stage.GET_START: recalling.lock}),
    Duty((Kind.DELETE,), {Stage.DELETE_START: dropping.lock}),
    Duty(UPLOADS, {Stage.PUT_PACKING: uploading.pack}),
    Duty((Kind.GET,), {Stage.GET_UNPACKING: recalling.unpack}),
    Duty(UPLOADS, {Stage.PUT_PENDING: uploading.transfer}),
    Duty(
        (Kind.GET,),
        {
            Stage.GET_PENDING: recalling.order,
            Stage.GETTING: recalling.fetch,
            Stage.GET_RESTORE: recalling.restore,
        },
    ),
    Duty((Kind.DELETE,), {Stage.DELETE_PENDING: dropping.order, Stage.DELETING: dropping.drop}),
    Duty(UPLOADS, {Stage.PUTTING: uploading.monitor}, all=True),
    Duty((Kind.GET,), {Stage.GETTING: recalling.monitor}, all=True),
    Duty((Kind.DELETE,), {Stage.DELETING: dropping.monitor}, all=True),
    Duty(UPLOADS, {Stage.VERIFY_PENDING: uploading.verify}, all=True),
    Duty(UPLOADS, {Stage.PUT_TIDY: uploading.tidy}),
    Duty(UPLOADS, {Stage.FAILED: uploading.settle}, all=True),
    Duty((Kind.GET,), {Stage.GET_TIDY: recalling.tidy}),
    Duty((Kind.DELETE,), {Stage.DELETE_TIDY: dropping.tidy}),
)


class Worker:
    """All workers of a server."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._woken = trio.Event()

    def wake(self) -> None:
        """There may be something to do."""
        self._woken.set()

    async def run(self) -> None:
        """Work for ever."""
        switches = self.books.switches
        while True:
            self._woken = trio.Event()
            moved = False
            if switches.passes:
                moved = await trio.to_thread.run_sync(self.work)
                switches.passes -= switches.passes > 0
            with trio.move_on_after(switches.pass_seconds if moved else IDLE_SECONDS):
                await self._woken.wait()

    def work(self) -> bool:
        """One pass. Returns whether anything moved."""
        before = self.books.db.total_changes
        for duty in DUTIES:
            for request in self._turn(duty):
                self._do(duty, request)
        dropping.sweep(self.books)
        return self.books.db.total_changes != before

    def _turn(self, duty: Duty) -> list[sqlite3.Row]:
        kinds, stages = ", ".join("?" * len(duty.kinds)), ", ".join("?" * len(duty.acts))
        query = f"SELECT * FROM request WHERE kind IN ({kinds}) AND stage IN ({stages}) AND NOT locked ORDER BY id"
        return self.books.rows(query + ("" if duty.all else " LIMIT 1"), *duty.kinds, *duty.acts)

    def _do(self, duty: Duty, request: sqlite3.Row) -> None:
        switches, stage = self.books.switches, Stage(request["stage"])
        if stage == switches.stuck_stage:
            return
        if stage == switches.failed_stage != Stage.FAILED:
            self._fail(request, stage, switches.failure)
            return
        try:
            duty.acts[stage](self.books, request)
        except OSError as error:
            self._fail(request, stage, str(error))

    def _fail(self, request: sqlite3.Row, stage: Stage, reason: str) -> None:
        """A stage that goes wrong. Where it is the comparing, the folder stays locked and the batch as it was."""
        self.books.fail(request, reason)
        if request["kind"] in UPLOADS and stage != Stage.VERIFY_PENDING:
            batch = self.books.batch(request)
            self.books.reach(batch, BatchStage.FAILED)
            self.books.update("request", request["id"], done=1)
