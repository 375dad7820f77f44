"""Write-back: what was written here, from the first byte until the server has confirmed it.

This is what the file system talks to. It ties together the staging files (bytes), the journal (what survives), the
overlay (what is seen) and the uploader (what is owed). The rules:

- close and fsync return when the bytes are in the staging file and the row is in the journal;
- a row goes when the server has confirmed the content, or when somebody deleted or discarded the file; never before;
- whatever is in the journal is seen in its folder, also after a restart and while the server is away.

What happens between two checkpoints is atomic.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import msgspec
import trio

from assetfs import names
from assetfs.content.catalogue import key_of
from assetfs.content.store import ContentStore
from assetfs.repository import (
    Conflict,
    Kind,
    Node,
    NodeId,
    Repository,
    RepositoryError,
    Unsupported,
    ValueRejected,
)
from assetfs.writeback.holding import Holding
from assetfs.writeback.journal import Entry, Journal
from assetfs.writeback.leftovers import Leftovers
from assetfs.writeback.localnames import Patterns, conflict_name
from assetfs.writeback.overlay import FOREVER, Overlay
from assetfs.writeback.staging import Staged, is_local
from assetfs.writeback.states import AFTER_CRASH, Event, State
from assetfs.writeback.uploader import Uploader

log = logging.getLogger("assetfs.writeback")

CHECKPOINT_EVERY = 10.0
"""Seconds between two checkpoints of the journal: a log of ten busy seconds is a few megabytes."""

TEMPORARY = Patterns(("*.??????", "*~", "~$*", "*.tmp*", "*.new", "*.swp", "*.lock"))
"""Names that programs give to a file that they will rename: kept here if the server would refuse their type."""


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
        self.sent: dict[int, int] = {}
        """Bytes on the server of what is being uploaded."""
        self.times: dict[str, int] = dict(journal.times())
        self.uploader = Uploader(self, repository, clock, settings.uploads)
        self.leftovers = Leftovers(journal, repository)
        self.holding = Holding(self, clock)
        self.on_settled: Callable[[NodeId, Node, Node | None], None] = lambda was, node, folder: None
        """Called when the server has confirmed: the id that it had here, the node, its folder."""
        self._folder = folder
        self._clock = clock
        self._local = Patterns(settings.local_only)
        self._backups = Patterns(settings.backups)
        self._next = 1

    # ---- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """The background work, as a task of the mount."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.uploader.run)
            nursery.start_soon(self.holding.run)
            nursery.start_soon(self.leftovers.run)
            while True:
                await trio.sleep(CHECKPOINT_EVERY)
                await trio.to_thread.run_sync(self.journal.checkpoint)

    def recover(self) -> None:
        """Take over what the last daemon left: every row becomes a file again, every orphan of staging goes."""
        kept: set[str] = set()
        for entry in self.journal.entries():
            entry.state = AFTER_CRASH[entry.state]
            staged = self._adopt(entry)
            if entry.state is State.QUEUED and entry.target is None and self.keeps_here(entry.parent, entry.name):
                staged.step(Event.RENAMED_LOCAL)  # it was open, so nobody had asked yet where it goes
                self.save(staged)
            kept.add(staged.path.name)
            if entry.state is State.QUEUED:
                self.uploader.queue(staged)
        self._next = max([0, *(int(path.name) for path in self._staging_files())], default=0) + 1
        self._next = max(self._next, *(number + 1 for number in self.files), 1)
        for path in self._staging_files():
            if path.name not in kept:
                path.unlink()  # was never acknowledged
        self.holding.recover()

    def _adopt(self, entry: Entry) -> Staged:
        staged = Staged(entry, self._folder / str(entry.file or entry.number), self.store)
        staged.saved = staged.generation
        if not entry.folder:
            staged.open()
        self.files[entry.number] = staged
        if entry.target is not None:
            self.overlay.target(staged, entry.target.id)
        else:
            self.overlay.place(entry.parent, entry.name, staged)
        return staged

    def _staging_files(self) -> Iterator[Path]:
        return (path for path in self._folder.iterdir() if path.name.isdigit())

    async def drain(self, seconds: float) -> None:
        """Wait until nothing that can be sent is owed any more; what is left after that stays in the journal."""
        with trio.move_on_after(seconds):
            while waiting := [s for s in self.owed() if s.entry.state in (State.QUEUED, State.UPLOADING)]:
                self.hurry()
                if self.uploader.unreachable:
                    break
                await waiting[0].ended()
        if left := self.owed():
            log.warning("%d files are still owed to the server; the next mount goes on with them", len(left))

    def close(self) -> None:
        """Let go of all files; what is owed stays in the journal."""
        for staged in self.files.values():
            staged.close()
        self.journal.close()

    # ---- making -------------------------------------------------------------------------------------------------

    def keeps_here(self, folder: NodeId, name: bytes) -> bool:
        """Whether a name in a folder never goes to the server."""
        return is_local(folder) or self._local.fits(name)

    def is_backup(self, name: bytes) -> bool:
        return self._backups.fits(name)

    def create(self, folder: Node, name: bytes) -> Staged:
        """A new file, open nowhere yet. Raises what `admit` raises, OSError."""
        self.check(folder, name)
        staged = self._new(folder, name)
        target = self.holding.taken(folder.id, name, staged)
        if target is not None:
            staged.entry.target = target
            self.overlay.target(staged, target.id)
        else:
            self.overlay.place(folder.id, name, staged)
        return staged

    def check(self, folder: Node, name: bytes) -> None:
        """Whether a file of that name may be made there; raises what `admit` raises where it may not."""
        if self.keeps_here(folder.id, name):
            return
        try:
            if not self.repository.capabilities.upload:
                raise Unsupported("this repository takes no new files")
            self.repository.admit(folder, names.decode(name), Kind.FILE)
        except Unsupported:
            if not TEMPORARY.fits(name):
                raise

    def _goes_to_server(self, staged: Staged) -> bool:
        """Whether a file's name, as it is now, is one that the server would take."""
        entry = staged.entry
        if entry.target is not None:
            return True
        if self.keeps_here(entry.parent, entry.name) or entry.parent_node is None:
            return False
        if entry.parent_node.private is None:
            return True  # not known until the server answers
        try:
            self.repository.admit(entry.parent_node, names.decode(entry.name), Kind.FILE)
        except Unsupported:
            return False
        return True

    def _new(self, folder: Node, name: bytes, *, is_folder: bool = False) -> Staged:
        entry = Entry(
            number=self._next,
            parent=folder.id,
            parent_node=folder,
            name=name,
            folder=is_folder,
            mtime_ns=time.time_ns(),
        )
        staged = Staged(entry, self._folder / str(entry.number), self.store)
        staged.open()
        self._next += 1
        self.files[entry.number] = staged
        return staged

    def create_folder(self, folder: Node, name: bytes) -> Staged:
        """A folder that exists here only."""
        staged = self._new(folder, name, is_folder=True)
        staged.step(Event.CLOSED_LOCAL)
        self.save(staged)
        self.overlay.place(folder.id, name, staged)
        return staged

    def stage(self, node: Node, folder: Node | None, name: bytes, size: int) -> Staged:
        """The new content of a file that the server has. Nothing is copied. Raises Unsupported, OSError."""
        staged = self.overlay.staged_for(node.id)
        if staged is not None:
            return staged
        if not self.repository.capabilities.replace:
            raise Unsupported("this repository cannot replace content")
        staged = self._new(folder if folder is not None else node, name)
        entry = staged.entry
        entry.target = entry.base = node
        entry.parent_node = folder
        entry.size = entry.base_limit = size
        entry.mtime_ns = self.time_of(node) or node.mtime_ns or entry.mtime_ns
        self.overlay.target(staged, node.id)
        return staged

    # ---- changing -----------------------------------------------------------------------------------------------

    def touch(self, staged: Staged) -> None:
        """Somebody is about to change the content: an upload of the old one is stopped."""
        if staged.entry.state is not State.DIRTY:
            self._stop(staged)
            staged.step(Event.WRITTEN)

    def _stop(self, staged: Staged) -> None:
        """Stop a transfer; what it may have left on the server is abandoned before the next one."""
        if staged.upload is not None:
            staged.upload.cancel()
        if staged.entry.ledger:
            staged.entry.stale.append(staged.entry.ledger)
            staged.entry.ledger = {}

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
            self.store.start(self._delete, staged.superseded.pop())

    def truncate(self, staged: Staged, size: int) -> None:
        """Cut, or lengthen with zeros. What was acknowledged stays until the next acknowledgement: a content that
        begins anew gets a staging file of its own, and the journal knows of a cut before it is made."""
        if staged.saved >= 0 and size == 0 < staged.size:
            staged.entry.file = self._next
            self._next += 1
            staged.begin_anew(self._folder / str(staged.entry.file))
        elif staged.saved >= 0 and size < staged.size:
            staged.cut(size)
            self.save(staged)
        staged.truncate(size)

    async def sync(self, staged: Staged) -> None:
        """What the file is now survives the machine."""
        await trio.to_thread.run_sync(staged.sync)
        self.save(staged)
        await trio.to_thread.run_sync(self.journal.sync)
        if self.settings.fsync_server:
            await self.deliver(staged)

    async def flush(self, staged: Staged) -> None:
        """close(2): acknowledged when this returns."""
        if staged.dirty:
            self.save(staged)
        if self.settings.through and staged.entry.state is State.DIRTY:
            await self.deliver(staged)

    async def pause(self, staged: Staged) -> None:
        """Nothing of the file is on its way when this returns, and nothing starts before `resume`."""
        staged.due = FOREVER
        if staged.entry.state is State.UPLOADING:
            self._stop(staged)
            staged.step(Event.PUT_OFF)
        while staged.upload is not None:
            await staged.ended()

    def resume(self, staged: Staged) -> None:
        """The upload may go on."""
        if not staged.gone and staged.entry.state is State.QUEUED:
            staged.due = self._clock() + self.settings.delay
            self.uploader.queue(staged)

    def written(self, staged: Staged) -> None:
        """The last writer has left: the upload's time begins to run."""
        if staged.gone or staged.entry.state is not State.DIRTY:
            return
        if staged.generation == 0 and staged.entry.target is not None and staged.saved < 0:
            self.forget(staged)  # opened for writing, and nothing was written
            return
        self._finish(staged)

    def _finish(self, staged: Staged) -> None:
        goes = self._goes_to_server(staged)
        staged.step(Event.CLOSED if goes else Event.CLOSED_LOCAL)
        staged.entry.attempts = 0
        staged.entry.error = ""
        self.save(staged)
        if goes:
            staged.due = self._clock() + self.settings.delay
            self.uploader.queue(staged)

    async def deliver(self, staged: Staged) -> None:
        """Upload now, and wait for the server's verdict. Raises it."""
        if staged.entry.state is State.DIRTY:
            self._finish(staged)
        while not staged.gone and staged.entry.state in (State.QUEUED, State.UPLOADING):
            if staged.entry.state is State.QUEUED:
                staged.due = self._clock()
                self.uploader.queue(staged)
            await staged.ended()
            if staged.failure is not None:
                raise staged.failure

    def complete_time(self, staged: Staged, mtime_ns: int) -> None:
        """utimens: the time that the file shall have."""
        staged.entry.mtime_ns = mtime_ns
        staged.entry.own_time = True
        if staged.saved >= 0:
            self.save(staged)

    # ---- naming -------------------------------------------------------------------------------------------------

    def rename(self, staged: Staged, folder: Node, name: bytes, over: Node | Staged | None) -> None:
        """Give a file of ours another name. `over` has it now: its identity, if it has one, is ours from then on."""
        entry = staged.entry
        self._stop(staged)
        if entry.target is None:
            self.overlay.lift(entry.parent, entry.name)
        older = over if isinstance(over, Staged) or over is None else self.overlay.staged_for(over.id)
        target = over if isinstance(over, Node) else None
        if older is not None:
            target = older.entry.target
            self._give_way(older)
            entry.stale += older.entry.stale
        entry.parent, entry.parent_node, entry.name = folder.id, folder, name
        if target is not None and target.kind is Kind.FILE:
            entry.target = target
            self.overlay.target(staged, target.id)
        else:
            self.overlay.place(folder.id, name, staged)
        goes = self._goes_to_server(staged)
        staged.step(Event.RENAMED if goes else Event.RENAMED_LOCAL)
        entry.error, entry.attempts = "", 0
        self.save(staged, older)
        if older is not None:
            self.release(older)
        if entry.state is State.QUEUED:
            staged.due = self._clock() + self.settings.delay
            self.uploader.queue(staged)

    def _give_way(self, staged: Staged) -> None:
        """The file is seen no more; its row is still there."""
        self._stop(staged)
        staged.gone = True
        if staged.entry.target is not None:
            self.overlay.untarget(staged, staged.entry.target.id)
        else:
            self.overlay.lift(staged.entry.parent, staged.entry.name)

    def forget(self, staged: Staged) -> None:
        """Nothing is owed for this file any more: deleted, discarded, or replaced by another."""
        if staged.gone:
            return
        self._give_way(staged)
        self.leftovers.leave(staged)
        self.release(staged)

    def release(self, staged: Staged) -> None:
        """Close the staging file once nobody has it open."""
        if staged.gone and staged.handles == 0:
            staged.close()
            for path in (staged.path, *staged.superseded):
                self.store.start(self._delete, path)
            self.files.pop(staged.entry.number, None)
            self.sent.pop(staged.entry.number, None)

    async def _delete(self, path: Path) -> None:
        """In a thread: a large file takes a while to go."""
        try:
            await trio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))
        except OSError as error:
            log.warning("%s cannot be deleted: %s", path, error.strerror)

    # ---- what the uploader reports ------------------------------------------------------------------------------

    async def settle(self, staged: Staged, node: Node) -> None:
        """The server has confirmed the content: the row goes, and the node is what the server says."""
        entry = staged.entry
        was = staged.id
        folder = entry.parent_node
        if (key := key_of(node)) is not None:
            self.times[key] = entry.mtime_ns
            self.journal.remember_time(key, entry.mtime_ns)
            self.store.catalogue.remember({key: staged.size})
        staged.gone = True
        self.journal.remove(entry.number)
        if entry.target is not None:
            self.overlay.untarget(staged, entry.target.id)
            if entry.target.id != node.id:
                self.overlay.vanish(entry.parent, entry.target.id, self._clock())
        else:
            self.overlay.lift(entry.parent, entry.name)
        self.overlay.appear(entry.parent, entry.name, node, self._clock())
        log.info("%s is on the server as %s", was, node.id)
        self.on_settled(was, node, folder)
        self.release(staged)

    def retarget(self, staged: Staged, node: Node) -> None:
        """An earlier content of ours has reached the server after all: that is the one to replace now."""
        entry = staged.entry
        assert entry.target is not None
        self.overlay.untarget(staged, entry.target.id)
        if entry.target.id != node.id:
            self.overlay.vanish(entry.parent, entry.target.id, self._clock())
        entry.target = node
        self.overlay.target(staged, node.id)

    def keep_beside(self, staged: Staged, reason: Conflict) -> None:
        """Somebody else's content is under the name: ours is kept beside it, under a name that says so."""
        entry = staged.entry
        old = self.place(staged)
        if entry.target is not None:
            self.overlay.untarget(staged, entry.target.id)
            entry.target = None
        else:
            self.overlay.lift(entry.parent, entry.name)
        host = socket.gethostname().split(".")[0]
        number = 1
        while self.overlay.find(entry.parent, name := conflict_name(entry.name, host, date.today(), number)):
            number += 1
        self._stop(staged)
        entry.name = name
        self.overlay.place(entry.parent, name, staged)
        staged.step(Event.PUT_OFF)
        entry.error = f"conflict: {reason}"
        self.save(staged)
        log.error("conflict: %s: %s; ours is kept as %s", old, reason, os.fsdecode(name))
        self.uploader.queue(staged)

    async def complete_copies(self, staged: Staged) -> None:
        """Before a node's content is replaced: local files that still need bytes of the old one fetch them."""
        target = staged.entry.target
        if target is None:
            return
        for other in list(self.files.values()):
            if other is staged or other.gone or other.entry.base is None or other.entry.base.id != target.id:
                continue
            try:
                await other.complete()
            except RepositoryError as error:
                if error.transient:
                    raise
                log.error("%s stays incomplete, the original is not what it was: %s", self.place(other), error)
                other.entry.error = str(error)
            self.save(other)

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

    def time_of(self, node: Node) -> int | None:
        """The modification time that was accepted for exactly this content."""
        key = key_of(node)
        return self.times.get(key) if key is not None else None

    def set_time(self, node: Node, mtime_ns: int) -> None:
        """utimens on a file that the server has: accepted, and remembered with the content."""
        if (key := key_of(node)) is not None:
            self.times[key] = mtime_ns
            self.journal.remember_time(key, mtime_ns)

    def place(self, staged: Staged) -> str:
        """For people: the name, and the folder's."""
        folder = staged.entry.parent_node
        return f"{folder.name if folder else staged.entry.parent}/{os.fsdecode(staged.entry.name)}"

    def account(self, staged: Staged) -> dict[str, object]:
        """One owed file, for the status document and for people."""
        entry = staged.entry
        return {
            "number": entry.number,
            "place": self.place(staged),
            "state": "conflict" if entry.error.startswith("conflict") else entry.state.value,
            "size": staged.size,
            "sent": self.sent.get(entry.number, 0),
            "attempts": entry.attempts,
            "error": entry.error,
            "node": entry.target.id if entry.target is not None else None,
            "staging_file": str(staged.path),
        }

    def _chosen(self, which: str) -> list[Staged]:
        """The owed files that a command means: a number, or `all` that have failed. Raises ValueRejected."""
        owed = self.owed()
        if which == "all":
            return [s for s in owed if s.entry.state is State.FAILED]
        chosen = [s for s in owed if str(s.entry.number) == which]
        if not chosen:
            raise ValueRejected(f"there is no upload {which!r}: give its number, or all")
        return chosen

    def hurry(self) -> None:
        """Every upload and every rename that waits may go now."""
        self.uploader.hurry(self._clock())
        self.holding.hurry()

    def retry(self, which: str) -> None:
        """Try failed uploads again."""
        for staged in self._chosen(which):
            if staged.entry.state in (State.FAILED, State.QUEUED):
                staged.step(Event.RETRIED)
                staged.entry.error, staged.entry.attempts, staged.due = "", 0, 0.0
                self.save(staged)
                self.uploader.queue(staged)

    def discard(self, which: str) -> None:
        """Give up what was written here: a new file goes, a changed one is again what the server has."""
        for staged in self._chosen(which):
            log.warning("%s, %d bytes, is discarded as asked", self.place(staged), staged.size)
            self.forget(staged)

    def owed(self) -> list[Staged]:
        """What the server does not have yet, oldest first."""
        states = (State.DIRTY, State.QUEUED, State.UPLOADING, State.FAILED)
        return [s for s in self.files.values() if not s.gone and s.entry.state in states and not s.entry.folder]


__all__ = ["FOREVER", "Settings", "WriteBack"]
