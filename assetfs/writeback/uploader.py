"""The uploader: what is owed goes to the server, in the order in which it was closed, a few at a time.

    due --> complete (fetch what was not written) --> send (upload or replace) --> attributes --> settled
              |                                          |
              +-- passing error: back into the queue, later each time, for ever
              +-- refused: FAILED, until somebody retries, exports or discards it
              +-- somebody else was faster: ours becomes a file of its own under a conflict name

While the server cannot be reached, one transfer at a time tries, and the others wait for it: a thousand owed files are
not a thousand knocks. A change to a file that is on its way cancels its transfer; what that may have left on the server
is abandoned before the next try.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from assetfs import names
from assetfs.repository import (
    Conflict,
    Node,
    NotAuthenticated,
    NotFound,
    Offline,
    Repository,
    RepositoryError,
    SameContent,
    Unavailable,
    Unsupported,
    VersionChanged,
)
from assetfs.writeback.accounts import place
from assetfs.writeback.journal import Entry
from assetfs.writeback.overlay import FOREVER
from assetfs.writeback.staging import Outgoing, Staged, is_local
from assetfs.writeback.states import Event, State

if TYPE_CHECKING:
    from assetfs.writeback.writeback import WriteBack

log = logging.getLogger("assetfs.writeback")

FIRST_WAIT = 1.0
LONGEST_WAIT = 300.0
"""Seconds between tries: doubled each time, with up to half as much again at random, so that a returning server does
not meet everybody at once."""

SENT = 8
"""Digests of contents of ours that a node may have: of the transfers that were broken off since the last settling."""

LONGEST_KNOCK = 30.0
"""Seconds between tries of a server that cannot be reached."""

_DONE = "assetfs_done"
"""In the ledger: the id of the node that has the content, once the server has said so."""


class Uploader:
    """`parallel` transfers at a time. `run` is a task of the mount."""

    def __init__(self, owner: WriteBack, repository: Repository, clock: Callable[[], float], parallel: int) -> None:
        self._owner = owner
        self._repository = repository
        self._clock = clock
        self.parallel = parallel
        self._queue: list[tuple[float, int, Staged]] = []
        """A heap by due time, then by the order of closing. An entry whose file is not QUEUED any more, or is due at
        another time, is passed over."""
        self._order = itertools.count()
        self._running = 0
        self.unreachable = False
        self._knocks = 0
        self._knock = 0.0
        """While it is unreachable: when the next try may be made, whosever it is."""
        self._wake = trio.Event()
        self.counts: Counter[str] = Counter()

    def queue(self, staged: Staged) -> None:
        """A file is QUEUED; `staged.due` says when it may go."""
        heapq.heappush(self._queue, (staged.due, next(self._order), staged))
        if self._queue[0][2] is staged:
            self.wake()

    def hurry(self, due: float) -> None:
        """Everything that waits may go at `due`, in the order in which it was closed."""
        waiting = [(order, staged) for _, order, staged in self._queue if staged.entry.state is State.QUEUED]
        for _, staged in waiting:
            staged.due = min(staged.due, due)
        self._queue = [(staged.due, order, staged) for order, staged in waiting]
        heapq.heapify(self._queue)
        self._knock = min(self._knock, due)
        self.wake()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Start what is due, for ever."""
        async with trio.open_nursery() as nursery:
            while True:
                self._wake = trio.Event()
                pause = self._start_due(nursery)
                with trio.move_on_after(pause):
                    await self._wake.wait()

    def _start_due(self, nursery: trio.Nursery) -> float:
        """Start transfers while there is room; returns the seconds until the next one is due."""
        now = self._clock()
        while self._queue:
            due, _, staged = self._queue[0]
            if staged.entry.state is not State.QUEUED or staged.gone or staged.due > due or staged.upload is not None:
                heapq.heappop(self._queue)  # a cancelled transfer that still unwinds queues its file when it has ended
            elif due > now:
                return min(due - now, LONGEST_WAIT)
            elif self.unreachable and now < self._knock:
                return self._knock - now
            elif self._running >= (1 if self.unreachable else self.parallel):
                break
            else:
                heapq.heappop(self._queue)
                self._running += 1
                staged.step(Event.STARTED)
                staged.upload = trio.CancelScope()
                nursery.start_soon(self._transfer, staged)
        return LONGEST_WAIT

    # ---- one transfer -------------------------------------------------------------------------------------------

    async def _transfer(self, staged: Staged) -> None:
        assert staged.upload is not None
        staged.failure = None
        generation = staged.generation
        try:
            with staged.upload:
                await trio.lowlevel.checkpoint_if_cancelled()
                self._owner.save(staged)
                await self._owner.settling.complete_copies(staged)
                await staged.complete()
                number = staged.entry.number
                with self._owner.store.transfers.under_way(
                    "upload", place(staged.entry), staged.size, lambda: self._owner.accounts.sent.get(number, 0)
                ):
                    node = await self._send(staged)
                if staged.generation == generation and staged.entry.state is State.UPLOADING:
                    self._owner.settling.settle(staged, node)
                    self.counts["uploaded"] += 1
                    self._reached()
        except RepositoryError as error:
            self._failed(staged, error)
        except OSError as error:
            self._failed(staged, Unavailable(f"the staging file: {error.strerror}"))
        except Exception as bug:
            log.exception("the upload of %s failed", staged.id)
            self._failed(staged, Unavailable(f"a fault of assetfs: {type(bug).__name__}"))
        finally:
            staged.upload = None
            self._running -= 1
            if staged.entry.state is State.UPLOADING and not staged.gone:
                staged.step(Event.PUT_OFF)  # cancelled, by us or with the mount
            if staged.entry.state is State.QUEUED and not staged.gone and staged.due < FOREVER:
                self.queue(staged)
            self._owner.release(staged)
            staged.end()
            self.wake()

    async def _send(self, staged: Staged) -> Node:
        """Upload or replace, and then the attributes. Every step is in the ledger before the next."""
        entry = staged.entry
        ledger = StagedLedger(self._owner, staged)
        await self._owner.leftovers.clear(entry.parent, entry.name)
        while entry.stale:
            arrived = await self._repository.abandon(entry.stale[0])
            if arrived is not None and entry.target is not None:
                self._owner.settling.retarget(staged, arrived)
            del entry.stale[0]
            self._owner.save(staged)
        if _DONE in entry.ledger:
            node = await self._repository.stat(entry.ledger[_DONE])
        else:
            node = await self._content(staged, ledger)
            if entry.attributes:
                await ledger.record(**{_DONE: node.id})
        sent: dict[str, bytes] = {}
        while (attributes := dict(entry.attributes)) != sent:  # somebody may set more meanwhile
            await self._attributes(node, entry, attributes)
            sent = attributes
        if sent:
            node = msgspec.structs.replace(await self._repository.stat(node.id), size=node.size)
        return node

    async def _attributes(self, node: Node, entry: Entry, attributes: dict[str, bytes]) -> None:
        """What was set before the upload. The content is there: what the server refuses of them is said, and counted,
        and does not hold it up."""
        try:
            await self._repository.set_metadata(node, attributes)
            return
        except RepositoryError as error:
            if _passes(error):
                raise
            if len(attributes) == 1:
                self._refused(node, entry, next(iter(attributes)), error)
                return
        for name, value in attributes.items():
            try:
                await self._repository.set_metadata(node, {name: value})
            except RepositoryError as error:
                if _passes(error):
                    raise
                self._refused(node, entry, name, error)

    def _refused(self, node: Node, entry: Entry, name: str, error: RepositoryError) -> None:
        self.counts["attributes_refused"] += 1
        log.error("%s is on the server, but not its attribute %s: %s", place(entry), name, error)
        self._owner.on_refused(node.id, str(error))

    async def _content(self, staged: Staged, ledger: StagedLedger) -> Node:
        entry = staged.entry
        folder = await self._current(entry.parent_node)
        if entry.target is None:
            return await self._repository.upload(folder, names.decode(entry.name), Outgoing(staged), ledger)
        while True:
            target, digest = await self._target(entry), None
            if target.digest is not None:
                algorithm, _, expected = target.digest.partition(":")
                digest = f"{algorithm}:{await staged.digest(algorithm)}"
                if not entry.ledger and digest == f"{algorithm}:{expected}":
                    return target
                if digest not in entry.sent:
                    entry.sent = [*entry.sent, digest][-SENT:]
            try:
                return await self._repository.replace(target, folder, Outgoing(staged), ledger)
            except Conflict as conflict:
                there = conflict.node
                if there is None or there.id != target.id or there.digest not in entry.sent or there.digest == digest:
                    raise
                entry.target = there  # what an earlier transfer of ours has left: broken off, and yet done

    async def _target(self, entry: Entry) -> Node:
        """The node that gets the content, with the version that this was made from. Raises Conflict."""
        target = entry.target
        assert target is not None
        if target.private is not None:
            return target
        now = await self._repository.stat(target.id)
        judged = self._repository.capabilities.judges_conflicts
        if entry.ledger or judged or now.version == target.version or now.digest in entry.sent:
            return msgspec.structs.replace(now, version=target.version, digest=target.digest)
        raise Conflict("somebody else has changed it meanwhile", now)

    async def _current(self, folder: Node | None) -> Node:
        """A folder as the backend wants it: after a restart its own part has to be asked for anew."""
        assert folder is not None
        if is_local(folder.id):
            raise NotFound("its folder exists here only")
        return folder if folder.private is not None else await self._repository.stat(folder.id)

    # ---- what went wrong ----------------------------------------------------------------------------------------

    def _failed(self, staged: Staged, error: RepositoryError) -> None:
        if staged.gone or staged.entry.state is not State.UPLOADING:
            return  # changed or deleted meanwhile: this try does not count any more
        # Without the frames that it came through: they know what was to be sent, and a file may wait for days.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        staged.failure = error
        entry = staged.entry
        entry.error = str(error)
        if not isinstance(error, Offline | NotAuthenticated):
            self._reached()
        if _passes(error):
            self._put_off(staged, error)
        elif isinstance(error, SameContent):
            self._same_content(staged, error)
        elif isinstance(error, Conflict):
            self.counts["conflicts"] += 1
            self._owner.settling.keep_beside(staged, error)
        elif isinstance(error, NotFound) and entry.target is not None:
            self.counts["conflicts"] += 1
            self._owner.settling.keep_beside(staged, Conflict("somebody else has deleted it meanwhile"))
        elif isinstance(error, Unsupported) and self._owner.admission.is_temporary(entry.name):
            staged.step(Event.KEPT)
            self._owner.keep(staged)
        else:
            self.counts["failed"] += 1
            what = "the original changed on the server" if isinstance(error, VersionChanged) else "it was refused"
            log.error("%s stays here, %s: %s", place(entry), what, error)
            staged.step(Event.REFUSED)
            self._owner.keep(staged)

    def _put_off(self, staged: Staged, error: RepositoryError) -> None:
        entry = staged.entry
        entry.attempts += 1
        wait = min(FIRST_WAIT * 2 ** min(entry.attempts - 1, 12), LONGEST_WAIT) * random.uniform(1.0, 1.5)
        if isinstance(error, Unavailable) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        if isinstance(error, Offline | NotAuthenticated):
            if not self.unreachable:
                log.warning("uploads wait: %s", error)
            self.unreachable = True
            self._knocks += 1
            self._knock = self._clock() + min(FIRST_WAIT * 2 ** min(self._knocks - 1, 12), LONGEST_KNOCK)
            wait = min(wait, LONGEST_KNOCK)
        else:
            log.warning("%s is put off for %.0f s: %s", place(entry), wait, error)
        staged.due = self._clock() + wait
        staged.step(Event.PUT_OFF)
        self._owner.keep(staged)

    def _reached(self) -> None:
        """The server answers: what was put off because it did not may go at once."""
        if self.unreachable:
            self.unreachable = False
            self._knocks = 0
            log.info("the server answers again: uploads go on")
            self.hurry(self._clock())

    def _same_content(self, staged: Staged, error: SameContent) -> None:
        """The server has these bytes already, under another name, and keeps them once."""
        if staged.size == 0:
            staged.step(Event.KEPT)
            staged.entry.error = f"an empty file is there already, and the server keeps one: {error}"
        else:
            self.counts["failed"] += 1
            log.error("%s stays here: %s", place(staged.entry), error)
            staged.step(Event.REFUSED)
        self._owner.keep(staged)


def _passes(error: RepositoryError) -> bool:
    """Whether another try, later, may succeed by itself; a credential may be renewed."""
    return error.transient or isinstance(error, NotAuthenticated)


class StagedLedger:
    """A transfer's ledger, in the journal row of its file."""

    def __init__(self, owner: WriteBack, staged: Staged) -> None:
        self._owner = owner
        self._staged = staged

    @property
    def state(self) -> dict[str, Any]:
        return self._staged.entry.ledger

    async def record(self, **state: Any) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()  # the content may be another one by now
        self._staged.entry.ledger = {**self._staged.entry.ledger, **state}
        self._owner.save(self._staged)
        await trio.lowlevel.checkpoint()

    def progress(self, sent: int) -> None:
        self._owner.accounts.sent[self._staged.entry.number] = sent
