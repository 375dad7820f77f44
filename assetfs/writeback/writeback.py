"""Write-back: what was written here, from the first byte until the server has confirmed it.

This is what the file system talks to. It ties together the staging files (bytes), the journal (what survives), the
overlay (what is seen) and the uploader (what is owed). The rules:

- close and fsync return when the bytes are in the staging file and the row is in the journal;
- a row goes when the server has confirmed the content, or when somebody deleted or discarded the file; never before;
- whatever is in the journal is seen in its folder, also after a restart and while the server is away.

What happens between two checkpoints is atomic.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import trio

from assetfs.content.store import ContentStore
from assetfs.observe.enduring import enduring
from assetfs.repository import Node, NodeId, Repository
from assetfs.writeback.accounts import Accounts, place
from assetfs.writeback.admission import Admission
from assetfs.writeback.holding import Holding
from assetfs.writeback.journal import Journal, Leftover
from assetfs.writeback.leftovers import Leftovers, leftovers_of
from assetfs.writeback.making import Making
from assetfs.writeback.naming import Naming
from assetfs.writeback.overlay import FOREVER, Overlay
from assetfs.writeback.recovery import recover
from assetfs.writeback.settling import Settling, delete
from assetfs.writeback.staging import Staged, is_local
from assetfs.writeback.states import Event, State
from assetfs.writeback.times import Times
from assetfs.writeback.uploader import Uploader

log = logging.getLogger("assetfs.writeback")

CHECKPOINT_EVERY = 10.0
"""Seconds between two checkpoints of the journal: a log of ten busy seconds is a few megabytes."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the mount's options say about writing. Durations in seconds."""

    delay: float = 2.0
    through: bool = False
    fsync_server: bool = False
    uploads: int = 4
    local_only: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    hold: float = 3.0
    """How long a rename to a backup name waits for what comes next."""


def plain(node: Node) -> Node:
    """A node without the backend's own part, which does not survive a restart."""
    return msgspec.structs.replace(node, private=None, local=None)


class WriteBack:
    """Everything that was written here. `folder` holds the staging files; `journal` is open and ours alone."""

    def __init__(
        self,
        repository: Repository,
        store: ContentStore,
        journal: Journal,
        folder: Path,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.repository = repository
        self.store = store
        self.journal = journal
        self.settings = settings
        self.overlay = Overlay()
        self.files: dict[int, Staged] = {}
        self.times = Times(journal)
        self.clock = clock
        self.admission = Admission(repository, settings.local_only, settings.backups)
        self.accounts = Accounts(self)
        self.settling = Settling(self)
        self.uploader = Uploader(self, repository, clock, settings.uploads)
        self.leftovers = Leftovers(journal, repository)
        self.holding = Holding(self, clock)
        self.making = Making(self)
        self.naming = Naming(self)
        self.on_settled: Callable[[NodeId, Node, Node | None], None] = lambda was, node, folder: None
        """Called when the server has confirmed: the id that it had here, the node, its folder."""
        self.on_conflict: Callable[[Staged, Node | None], None] = lambda staged, node: None
        """Called when a file of ours was pushed aside: it, and what has its name now."""
        self.on_refused: Callable[[NodeId, str], None] = lambda node, reason: None
        """Called when the server has a file and refuses an attribute of it."""
        self.on_copied: Callable[[NodeId, Staged], None] = lambda was, copy: None
        """Called when the bytes of a node are a local copy's, and its identity goes to another file."""
        self.folder = folder
        self._next = 1

    # ---- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """The background work, as a task of the mount."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(enduring, self.uploader.run)
            nursery.start_soon(enduring, self.holding.run)
            nursery.start_soon(enduring, self.leftovers.run)
            while True:
                await trio.sleep(CHECKPOINT_EVERY)
                await trio.to_thread.run_sync(self.journal.checkpoint)
                await trio.to_thread.run_sync(self.journal.reserve.refill)

    def recover(self) -> None:
        """Take over what the last daemon left. Raises JournalDamaged, OSError."""
        self._next = recover(self, self.folder)

    async def drain(self, seconds: float) -> None:
        """Wait until nothing that can be sent is owed any more; what is left after that stays in the journal."""
        for staged in self.accounts.owed():
            self.written(staged)  # the mount is gone: whoever had it open writes no more
        with trio.move_on_after(seconds):
            while waiting := [s for s in self.accounts.owed() if s.entry.state in (State.QUEUED, State.UPLOADING)]:
                self.hurry()
                if self.uploader.unreachable:
                    break
                await waiting[0].ended()
        if left := self.accounts.owed():
            log.warning("%d files are still owed to the server; the next mount goes on with them", len(left))

    def close(self) -> None:
        """Let go of all files; what is owed stays in the journal."""
        for staged in self.files.values():
            staged.close()
        self.journal.close()

    def number(self) -> int:
        """A number that no file has, for a row or a staging file."""
        number, self._next = self._next, self._next + 1
        return number

    # ---- changing -----------------------------------------------------------------------------------------------

    def touch(self, staged: Staged) -> None:
        """Somebody is about to change the content: an upload of the old one is stopped."""
        if staged.entry.state is not State.DIRTY:
            self.stop(staged)
            staged.step(Event.WRITTEN)

    async def write(self, staged: Staged, offset: int, data: bytes) -> int:
        """Put bytes where they belong; returns how many. Raises OSError (no space, read-only)."""
        self.journal.reserve.check()
        self.touch(staged)
        return await staged.write(offset, data)

    def stop(self, staged: Staged) -> None:
        """Stop a transfer; what it may have left on the server is abandoned before the next one."""
        if staged.upload is not None:
            staged.upload.cancel()
        if staged.entry.ledger:
            staged.entry.stale.append(staged.entry.ledger)
            staged.entry.ledger = {}

    def keep(self, staged: Staged) -> None:
        """`save` for those who have nobody to tell that it failed: the row is then an older one, which is as true."""
        try:
            self.save(staged)
        except OSError as error:
            log.error("%s: %s", place(staged.entry), error)

    def save(self, staged: Staged, instead_of: Staged | None = None) -> None:
        """What the file is now survives this process. `instead_of` is a file whose row goes in the same moment."""
        if staged.gone:
            return
        entry = staged.snapshot()
        kept = entry.target, entry.base, entry.parent_node
        entry.target, entry.base, entry.parent_node = (None if n is None else plain(n) for n in kept)
        try:
            if instead_of is None:
                self.journal.save(entry)
            else:
                self.journal.replace(instead_of.entry.number, entry)
        finally:
            entry.target, entry.base, entry.parent_node = kept
        staged.saved = staged.generation
        while staged.superseded:
            self.store.start(delete, staged.superseded.pop())

    async def truncate(self, staged: Staged, size: int) -> None:
        """Cut, or lengthen with zeros. What was acknowledged stays until the next acknowledgement: a content that
        begins anew gets a staging file of its own, and the journal knows of a cut before it is made."""
        if staged.saved >= 0 and size == 0 < staged.size:
            staged.entry.file = self.number()
            await staged.begin_anew(self.folder / str(staged.entry.file))
        elif staged.saved >= 0 and size < staged.size:
            staged.cut(size)
            self.save(staged)
        await staged.truncate(size)

    async def pause(self, staged: Staged) -> None:
        """Nothing of the file is on its way when this returns, and nothing starts before `resume`."""
        staged.due = FOREVER
        if staged.entry.state is State.UPLOADING:
            self.stop(staged)
            staged.step(Event.PUT_OFF)
        while staged.upload is not None:
            await staged.ended()

    def resume(self, staged: Staged) -> None:
        """The upload may go on."""
        if not staged.gone and staged.entry.state is State.QUEUED:
            staged.due = self.clock() + self.settings.delay
            self.uploader.queue(staged)

    async def sync(self, staged: Staged) -> None:
        """What the file is now survives the machine."""
        await staged.sync()
        self.save(staged)
        await trio.to_thread.run_sync(self.journal.sync)
        if self.settings.fsync_server:
            await self.deliver(staged)

    async def flush(self, staged: Staged) -> None:
        """close(2): acknowledged when this returns."""
        if staged.dirty and (staged.generation or staged.entry.target is None):
            self.save(staged)
        if self.settings.through and staged.entry.state is State.DIRTY:
            await self.deliver(staged)

    def written(self, staged: Staged) -> None:
        """The last writer has left: the upload's time begins to run."""
        if staged.gone or staged.entry.state is not State.DIRTY:
            return
        if staged.generation == 0 and staged.entry.target is not None and staged.saved < 0:
            self.forget(staged)  # opened for writing, and nothing was written
            return
        self._finish(staged)

    def _finish(self, staged: Staged) -> None:
        goes = self.admission.goes_to_server(staged.entry)
        staged.step(Event.CLOSED if goes else Event.CLOSED_LOCAL)
        staged.entry.attempts = 0
        staged.entry.error = ""
        self.keep(staged)
        if goes:
            staged.due = self.clock() + self.settings.delay
            self.uploader.queue(staged)

    async def deliver(self, staged: Staged) -> None:
        """Upload now, and wait for the server's verdict. Raises it."""
        if staged.entry.state is State.DIRTY:
            self._finish(staged)
        while not staged.gone and staged.entry.state in (State.QUEUED, State.UPLOADING):
            if staged.entry.state is State.QUEUED:
                staged.due = self.clock()
                self.uploader.queue(staged)
            await staged.ended()
            if staged.failure is not None:
                raise staged.failure

    def complete_time(self, staged: Staged, mtime_ns: int) -> None:
        """utimens: the time that the file shall have."""
        staged.entry.mtime_ns = mtime_ns
        if staged.saved >= 0:
            self.save(staged)

    # ---- naming -------------------------------------------------------------------------------------------------

    def give_way(self, staged: Staged) -> None:
        """The file is seen no more; its row is still there."""
        self.stop(staged)
        staged.gone = True
        if staged.entry.target is not None:
            self.overlay.untarget(staged, staged.entry.target.id)
        else:
            self.overlay.lift(staged.entry.parent, staged.entry.name)

    def forget(self, staged: Staged) -> None:
        """Nothing is owed for this file any more: deleted, discarded, or replaced by another. Raises OSError."""
        if staged.gone:
            return
        self.give_way(staged)
        try:
            self.strike(staged, leftovers_of(staged.entry))
        finally:
            self.release(staged)

    def strike(self, staged: Staged, leftovers: Sequence[Leftover] = ()) -> None:
        """Take a file's row out of the journal. Where even that has no room, the staging file makes some: a row whose
        file is cut short counts for nothing. Raises OSError."""
        if staged.saved < 0 and not leftovers:
            return
        try:
            self.journal.remove(staged.entry.number, leftovers)
        except OSError as error:
            if error.errno != errno.ENOSPC or staged.handles or not staged.size:
                raise
            os.truncate(staged.path, 0)
            self.journal.remove(staged.entry.number, leftovers)
        if leftovers:
            self.leftovers.wake()

    def release(self, staged: Staged) -> None:
        """Close the staging file once nobody uses it; delete it when nothing is owed for it."""
        if staged.handles or staged.upload is not None:
            return
        staged.close()
        if staged.gone and self.files.pop(staged.entry.number, None) is not None:
            for path in (staged.path, *staged.superseded):
                self.store.start(delete, path)
            self.accounts.sent.pop(staged.entry.number, None)

    # ---- what people see ----------------------------------------------------------------------------------------

    def view(self, node: Node) -> Node:
        """A node as it is here: with its new content's size and time, or with the time that somebody gave it."""
        staged = self.of(node.id)
        if staged is not None:
            return staged.node()
        return node

    def of(self, node: NodeId) -> Staged | None:
        """What was written here of a node, by any of its ids."""
        if is_local(node):
            return self.files.get(int(node.rsplit(":", 1)[1]))
        return self.overlay.staged_for(node)

    def hurry(self) -> None:
        """Every upload and every rename that waits may go now."""
        self.uploader.hurry(self.clock())
        self.holding.hurry()


__all__ = ["Settings", "WriteBack"]
