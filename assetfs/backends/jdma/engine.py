"""What goes on in the background: windows that end, requests that are polled, files that are checked.

One task of the mount runs `round` again and again (`changes` of the repository); each round waits until there is
something to do, does it, and returns what has changed. One list of requests serves everything that is on its way: every
`poll_min` seconds while something moves, twice as long each time while nothing does, `poll_max` at most.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import trio

from assetfs.backends.jdma.catalogue import Catalogue
from assetfs.backends.jdma.client import Client
from assetfs.backends.jdma.journal import Journal, Retrieval, State
from assetfs.backends.jdma.leftovers import Leftovers
from assetfs.backends.jdma.originals import Originals
from assetfs.backends.jdma.recalls import Recalls
from assetfs.backends.jdma.retrieving import Lost, Retrieving
from assetfs.backends.jdma.stage import Stage
from assetfs.backends.jdma.verifying import Verifying
from assetfs.backends.jdma.wire import COMPLETED, FAILURES, READABLE, Request, RequestType
from assetfs.repository import (
    NoSpace,
    NotFound,
    Offline,
    ProtocolViolation,
    RepositoryError,
    Unavailable,
)

log = logging.getLogger("assetfs.jdma")

LOOK = 60.0
"""Seconds between two looks at whether copies are still what they were."""


class Engine:
    """Does what wishes need. `parallel` retrievals at a time, one per batch; `limit` is the most bytes of copies, None
    where there is no limit."""

    def __init__(
        self,
        client: Client,
        catalogue: Catalogue,
        stage: Stage,
        journal: Journal,
        recalls: Recalls,
        retrieving: Retrieving,
        leftovers: Leftovers,
        originals: Originals,
        clock: Callable[[], float],
        *,
        parallel: int,
        limit: int | None,
        poll_min: float,
        poll_max: float,
    ) -> None:
        self._client = client
        self._catalogue = catalogue
        self._stage = stage
        self._journal = journal
        self._recalls = recalls
        self._retrieving = retrieving
        self._leftovers = leftovers
        self._originals = originals
        self._verifying = Verifying(stage, journal)
        self._clock = clock
        self._parallel = parallel
        self._limit = limit
        self._poll_min, self._poll_max = poll_min, poll_max
        self._interval = poll_min
        self._next_poll = float("inf")
        self._next_look = clock() + LOOK
        self._stages: dict[int, int] = {}
        self._watched: dict[int, tuple[int, trio.Event]] = {}
        self._ends: dict[int, Request | None] = {}
        self._unsure: list[Retrieval] = []
        """Intents that the last daemon left."""
        self._strays: dict[str, int] = {}
        """Folders in `get/` that no record is of, and their batches."""
        self._moved: dict[int, set[int]] = {}
        self.pins: set[int] = set()
        self.newest: dict[int, Request] = {}
        """The newest request of each batch, as it was listed last."""
        retrieving.on_listed = self._note
        catalogue.on_tree = self._batch_known

    # ---- at the start ---------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Take over what the last daemon left. Blocks; call it in a thread, before anything else."""
        self._leftovers.load()
        self.pins = self._journal.pins()
        self._retrieving.bases = self._journal.bases()
        strays = self._stage.targets()
        for record in self._journal.retrievals():
            if record.original and not self._originals.wanted:
                self._journal.remove(record)
                continue
            if record.request is not None:
                self._retrieving.known.add(record.request)
            if record.state is State.SENDING:
                self._unsure.append(record)
            elif record.state in (State.SENT, State.ARRIVED):
                self._recalls.flies(record)
                self._next_poll = self._clock()
            self._recalls.copies.take(record, record.created)
            if record.state in (State.DONE, State.FAILED) and record.key not in self._recalls.copies.records():
                self._clean(record)
            strays.pop(record.target.removeprefix("get/"), None)
        self._strays = strays

    def _clean(self, record: Retrieval) -> None:
        """Nothing of a retrieval is of use any more. Blocks."""
        if record.stray or record.original or self._stage.remove(self._stage.local / record.target):
            self._journal.remove(record)

    # ---- requests that others wait for ----------------------------------------------------------------------------

    async def outcome(self, number: int, batch: int) -> Request | None:
        """Wait until a request has come to its end, or its batch is being deleted, which leaves a request where it is;
        None when the server has forgotten it."""
        _, ended = self._watched.setdefault(number, (batch, trio.Event()))
        self.hurry()
        await ended.wait()
        return self._ends.get(number)

    def hurry(self) -> None:
        """Something has begun: look soon."""
        self._interval = self._poll_min
        self._next_poll = min(self._next_poll, self._clock() + self._interval)
        self._recalls.wished.set()

    # ---- the round ------------------------------------------------------------------------------------------------

    async def round(self) -> dict[int, set[int]]:
        """Wait for something to do, and do it. Returns the files whose state has changed, by batch."""
        with trio.move_on_at(self._next_time() + trio.current_time() - self._clock()):
            await self._recalls.wished.wait()
        self._recalls.wished = trio.Event()
        try:
            await self._reconcile()
            if self._clock() >= self._next_poll:
                await self._poll()
            while (batch := self._sendable()) is not None:
                await self._send(batch)
            await self._leftovers.settle()
        except (RepositoryError, OSError) as reason:
            log.warning("recalls do not go on now: %s", reason)
            self._next_poll = self._clock() + self._poll_max
            self._leftovers.due = max(self._leftovers.due, self._next_poll)
        await self._adopt()
        for record in [r for r in self._recalls.flying.values() if r.state is State.ARRIVED]:
            await self._check(record)
        if self._clock() >= self._next_look:
            await self._look()
        moved, self._moved = self._moved, {}
        return moved

    def _next_time(self) -> float:
        now = self._clock()
        if any(record.state is State.ARRIVED for record in self._recalls.flying.values()):
            return now
        times = [self._next_poll, self._next_look, self._leftovers.due]
        if self._unsure and self._next_poll == float("inf"):
            return now
        if len(busy := self._recalls.busy()) < self._parallel:
            times.append(self._recalls.wants.next_time(busy))
        return min(times)

    async def learn(self, batch: int, base: str) -> None:
        """Which folder a batch was made of is known."""
        await self._retrieving.learn(batch, base)

    def moved(self, batch: int, *files: int) -> None:
        """The state of files has changed."""
        self._moved.setdefault(batch, set()).update(files)

    async def _reconcile(self) -> None:
        """Find out what came of intents without an answer, before anything else is sent."""
        while self._unsure:
            record = self._unsure[0]
            try:
                await self._retrieving.find(record)
            except Lost:
                self._recalls.wants.add(record.batch, (item.pk for item in record.items), self._clock(), explicit=True)
            except (NotFound, ProtocolViolation) as reason:
                log.warning("batch %d: %s", record.batch, reason)
                await self._retrieving.forget(record)
            else:
                self._recalls.flies(record)
                self.hurry()
            self._unsure.pop(0)

    # ---- sending --------------------------------------------------------------------------------------------------

    def _sendable(self) -> int | None:
        busy = self._recalls.busy()
        return self._recalls.wants.due(self._clock(), busy) if len(busy) < self._parallel else None

    async def _send(self, number: int) -> None:
        taken = self._recalls.take(number, most=1_000_000)
        try:
            batch = await self._catalogue.batch(number)
            tree = await self._catalogue.tree(batch)
            rows = [tree.rows[pk] for pk in taken if pk in tree.rows and pk not in self._recalls.copies]
            here = await trio.to_thread.run_sync(self._originals.look, number, rows)
            if here is not None:
                self._recalls.flies(here)
                found = {item.pk for item in here.items}
                rows = [row for row in rows if row.file.pk not in found]
                taken = [row.file.pk for row in rows]
            part = self._retrieving.portion(tree, rows)
            if not part:
                self._recalls.put_back(number, [], 0)
                return
            if not await self._make_room(sum(row.file.size for row in part)):
                raise NoSpace(f"{self._stage.local} has no room for what is wanted")
            record = await self._retrieving.send(batch, tree, part)
        except (Offline, Unavailable) as reason:
            if not reason.transient:
                self._give_up(number, taken, reason)
                return
            log.warning("files of batch %d cannot be asked for now: %s", number, reason)
            self._recalls.put_back(
                number, taken, self._clock() + (self._poll_min if isinstance(reason, Lost) else self._poll_max)
            )
        except RepositoryError as reason:
            self._give_up(number, taken, reason)
        except OSError as reason:
            self._give_up(number, taken, NoSpace(f"{self._stage.local}: {reason.strerror}"))
        except BaseException:
            self._recalls.put_back(number, taken, self._clock())
            raise
        else:
            self._recalls.flies(record)
            self._recalls.put_back(number, [row.file.pk for row in rows[len(part) :]], self._clock())
            self.moved(number, *(row.file.pk for row in part))
            self.hurry()

    def _give_up(self, number: int, files: list[int], reason: RepositoryError) -> None:
        log.warning("files of batch %d cannot be brought: %s", number, reason)
        self._recalls.refused(number, files, reason)
        self.moved(number, *files)

    async def _make_room(self, size: int) -> bool:
        """Whether so many bytes may come, after the oldest copies have gone if need be."""
        copies = self._recalls.copies
        excess = copies.bytes + size - self._limit if self._limit is not None else 0
        if excess > 0:
            await self.evict(excess)
        if await trio.to_thread.run_sync(self._stage.has_room, size):
            return True
        free = await trio.to_thread.run_sync(self._stage.free)
        await self.evict(round(size * 1.05) - free)
        return await trio.to_thread.run_sync(self._stage.has_room, size)

    async def evict(self, size: int, only: set[int] | None = None) -> int:
        """Remove copies of so many bytes, the ones that were not used for longest first: never pinned ones, or open
        ones. `only` names the files that may go. Returns the bytes that went."""
        gone = 0
        for copy in self._recalls.copies.oldest(self.pins):
            if gone >= size:
                break
            if copy.pk not in only if only is not None else copy.original:
                continue
            if await trio.to_thread.run_sync(self._recalls.copies.remove, copy):
                self._recalls.copies.drop(copy.pk)
                gone += copy.size
                self.moved(copy.batch, copy.pk)
        if gone:
            await trio.to_thread.run_sync(self._forget_empty)
            self._recalls.wished.set()
        return gone

    def _forget_empty(self) -> None:
        kept = self._recalls.copies.records()
        for record in self._journal.retrievals():
            if record.state is State.DONE and record.key not in kept:
                self._clean(record)

    # ---- polling --------------------------------------------------------------------------------------------------

    def _note(self, requests: Sequence[Request]) -> None:
        for request in requests:
            newest = self.newest.get(request.batch)
            if newest is None or request.id >= newest.id:
                self.newest[request.batch] = request

    async def _poll(self) -> None:
        flying = [r for r in self._recalls.flying.values() if r.state is State.SENT]
        if not flying and not self._watched:
            self._next_poll = float("inf")
            return
        listed = {request.id: request for request in await self._retrieving.requests()}
        stages = {number: request.stage for number, request in listed.items()}
        moving, self._stages = stages != self._stages, stages
        for record in flying:
            assert record.request is not None
            await self._follow(record, listed.get(record.request))
        deleted = {one.batch for one in listed.values() if one.request_type == RequestType.DELETE}
        for number, (batch, _) in list(self._watched.items()):
            self._watch(number, listed.get(number), deleted=batch in deleted)
        self._interval = self._poll_min if moving else min(2 * self._interval, self._poll_max)
        self._next_poll = self._clock() + self._interval

    async def _follow(self, record: Retrieval, request: Request | None) -> None:
        """One retrieval, as the server sees it. One that it has forgotten is over: the disk tells what came of it."""
        if request is None or request.stage in READABLE:
            record.step(State.ARRIVED)
        elif request.stage in FAILURES:
            record.failure = await self._reason(request.id)
            record.step(State.FAILED)
            self._end(record)
        else:
            return
        await trio.to_thread.run_sync(self._journal.save, record)

    async def _reason(self, number: int) -> str:
        try:
            said = (await self._client.request(number)).failure_reason or ""
        except NotFound:
            said = ""
        return readable(said) or "the server does not say why"

    def _end(self, record: Retrieval) -> None:
        """Tell everybody who waits for a file of a retrieval that failed."""
        self._recalls.landed(record)
        for item in record.items:
            if item.seen is None:
                self._recalls.came(item.pk, ProtocolViolation(f"it could not be brought: {record.failure}"))
        self.moved(record.batch, *(item.pk for item in record.items))

    def _watch(self, number: int, request: Request | None, *, deleted: bool) -> None:
        if request is None or deleted or request.stage in FAILURES or request.stage in COMPLETED:
            self._ends[number] = request
            self._watched.pop(number)[1].set()

    # ---- checking -------------------------------------------------------------------------------------------------

    async def _check(self, record: Retrieval) -> None:
        """Look at what a retrieval brought, for a while."""
        try:
            tree = await self._catalogue.tree(await self._catalogue.batch(record.batch))
            files = {item.pk: tree.rows[item.pk].file for item in record.items if item.pk in tree.rows}
        except NotFound:
            files = {}
        first = self._recalls.waited_for()
        checked = await trio.to_thread.run_sync(self._verifying.part, record, files, first)
        self._recalls.copies.take(record, self._clock())
        for item in record.items if record.state is not State.ARRIVED else checked:
            error = ProtocolViolation(item.failure or record.failure) if item.seen is None else None
            if error is not None:
                log.warning("batch %d, %s: %s", record.batch, item.path, error)
            self._recalls.came(item.pk, None if record.stray or record.original else error)
        if record.original and (others := [item.pk for item in checked if item.seen is None]):
            self._originals.refuse(others)
            self._recalls.wants.add(record.batch, others, self._clock(), explicit=True)
        self.moved(record.batch, *(item.pk for item in checked))
        if record.state is not State.ARRIVED:
            self._recalls.landed(record)

    def _batch_known(self) -> None:
        if self._strays:
            self._recalls.wished.set()

    async def _adopt(self) -> None:
        """Check folders that a lost journal has left, once somebody has listed their batch."""
        for name, batch in list(self._strays.items()):
            tree = self._catalogue.known(batch)
            if tree is not None:
                del self._strays[name]
                record = await trio.to_thread.run_sync(self._verifying.stray, name, tree)
                if record is not None:
                    self._recalls.flies(record)

    async def _look(self) -> None:
        """Drop copies from the index that are gone, or look different."""
        self._next_look = self._clock() + LOOK
        copies = self._recalls.copies
        for copy in copies.oldest(()):
            if not await trio.to_thread.run_sync(copies.is_there, copy):
                self.lost(copy.pk)

    def lost(self, pk: int) -> None:
        """A copy is not there any more, or is another one."""
        copy = self._recalls.copies.drop(pk)
        if copy is not None:
            log.warning("batch %d, %s: the copy on the shared disk is gone or changed", copy.batch, copy.relative)
            self.moved(copy.batch, pk)
            self._recalls.wished.set()


def readable(text: str) -> str:
    """A reason of the server as one line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:1024]
