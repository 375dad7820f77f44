"""Drafts: folders that exist only here until they are handed over as one unit.

A draft's files are real files in a real folder, so that everything works in them that works on a disk, and so that a
backend may hard-link or read them where they are. Beside it stands a record, which is written anew and renamed into
place at every change that counts; what the record says is what the next daemon goes on with.

    DRAFT        can be changed. `error` says why the last commit failed
    COMMITTING   `commit_draft` is at work, or its end is not known: nobody can change it
    TAKEN        the server has it and works on; `finish_draft` waits for the end
    (gone)       it is a node of the server

A commit whose answer was lost may have been carried out. So after a passing error with something in the ledger the
draft stays locked, and is committed again with that ledger, later each time, until there is a verdict.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import random
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import trio

from assetfs import names
from assetfs.repository import (
    Busy,
    Immutable,
    Kind,
    Node,
    NodeId,
    NotAuthenticated,
    NotEmpty,
    Repository,
    RepositoryError,
    Rights,
    Unavailable,
)
from assetfs.writeback.accounts import Account

log = logging.getLogger("assetfs.writeback")

DRAFT = "draft:"
"""How the ids of drafts (`draft:<key>`) and of what is in them (`draft:<key>/<file>`) begin."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0
"""Seconds between two tries of a commit whose outcome is not known: doubled each time, and some at random."""

LOOK = 1.0
"""Seconds between two looks for drafts that are to be committed because nobody touches them."""


def is_draft(node: NodeId) -> bool:
    """Whether an id is that of a draft, or of something in one."""
    return node.startswith(DRAFT)


class State(enum.Enum):
    DRAFT = "draft"
    COMMITTING = "committing"
    TAKEN = "taken"


class Record(msgspec.Struct, kw_only=True):
    """What survives of a draft beside its files."""

    key: str
    folder: NodeId
    """The folder that it is in."""
    name: bytes
    path: str
    given: bool
    """The backend has said where it lies; what becomes of its files there is the backend's business."""
    state: State = State.DRAFT
    attributes: dict[str, bytes] = {}
    ledger: dict[str, Any] = {}
    error: str = ""
    target: bytes = b""
    """The name under which it is being committed."""
    value: bytes = b""
    """Of the commit verb."""


class DraftFolder:
    """One draft; what backends know as `Draft`."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.writers = 0
        self.touched = 0.0
        """When it was changed last; seconds of the mount's clock."""
        self.refused_at = -1.0
        """`touched`, when an idle commit was refused: not again before it is changed."""
        self.decided = trio.Event()
        """Whoever asked for the commit need not wait any longer."""
        self.failure: RepositoryError | None = None

    @property
    def key(self) -> str:
        return self.record.key

    @property
    def id(self) -> NodeId:
        return DRAFT + self.record.key

    @property
    def name(self) -> str:
        return names.decode(self.record.name)

    @property
    def path(self) -> Path:
        return Path(self.record.path)

    @property
    def attributes(self) -> Mapping[str, bytes]:
        return self.record.attributes

    def attributes_of(self, relative: str) -> Mapping[str, bytes]:
        path = self.path / relative
        there = (name for name in os.listxattr(path, follow_symlinks=False) if name.startswith("user."))
        return {name: os.getxattr(path, name, follow_symlinks=False) for name in there}

    @property
    def state(self) -> str:
        """For people."""
        if self.record.state is State.DRAFT:
            return "failed" if self.record.error else "draft"
        return "uploading"

    def check_open(self) -> None:
        """Raises Immutable while it is being committed."""
        if self.record.state is not State.DRAFT:
            raise Immutable("it is being committed: nothing in it can be changed now")

    def node(self) -> Node:
        return Node(id=self.id, kind=Kind.FOLDER, name=self.name, label=f"draft{self.key}", rights=Rights.ALL)


class DraftLedger:
    """The ledger of a commit, in the draft's record."""

    def __init__(self, owner: Drafts, draft: DraftFolder) -> None:
        self._owner = owner
        self._draft = draft

    @property
    def state(self) -> Mapping[str, Any]:
        return self._draft.record.ledger

    async def record(self, **state: Any) -> None:
        self._draft.record.ledger = {**self._draft.record.ledger, **state}
        await self._owner.save(self._draft)

    def progress(self, sent: int) -> None:
        self._owner.sent[self._draft.key] = sent


class Drafts:
    """All drafts of a repository. `place` is a folder of ours, for records, and for files where the backend gives no
    place."""

    def __init__(self, repository: Repository, place: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._repository = repository
        self._records = place / "records"
        self._files = place / "files"
        self._clock = clock
        self._drafts: dict[str, DraftFolder] = {}
        self._placed: dict[NodeId, dict[bytes, DraftFolder]] = {}
        self._start: Callable[[DraftFolder], None] = lambda draft: None
        self.sent: dict[str, int] = {}
        self.on_committed: Callable[[DraftFolder, NodeId, Node], None] = lambda draft, folder, node: None
        """Called when a draft has become a node of a folder."""

    # ---- life -----------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Take over what the last daemon left. Blocks. Raises OSError."""
        for folder in (self._records, self._files):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._records.glob("*.draft")):
            try:
                record = msgspec.msgpack.decode(path.read_bytes(), type=Record)
            except msgspec.MsgspecError as damage:
                log.error("the draft %s cannot be read: %s; its files are left where they are", path, damage)
                continue
            draft = DraftFolder(record)
            if not draft.path.is_dir():
                self._find_again(draft)
            self._place(draft)
        for leftover in self._files.iterdir():
            if leftover.name not in self._drafts and not (self._records / f"{leftover.name}.draft").exists():
                shutil.rmtree(leftover, ignore_errors=True)

    def _find_again(self, draft: DraftFolder) -> None:
        """Its folder is not there: it was about to be made, or its disk is away."""
        try:
            draft.path.mkdir(mode=0o700)
        except OSError as error:
            draft.record.error = f"its files are not at {draft.path}: {error.strerror}"
            log.error("the draft %s: %s", draft.name, draft.record.error)

    async def run(self) -> None:
        """Commits go on, and begin by themselves where nobody touches a draft; a task of the mount."""
        async with trio.open_nursery() as nursery:
            self._start = lambda draft: nursery.start_soon(self._commit, draft)
            for draft in list(self._drafts.values()):
                if draft.record.state is not State.DRAFT:
                    self._start(draft)
            while True:
                await trio.sleep(LOOK)
                for draft in list(self._drafts.values()):
                    self._commit_if_idle(draft)

    def __iter__(self) -> Iterator[DraftFolder]:
        return iter(list(self._drafts.values()))

    def failed(self) -> list[Account]:
        """Those whose commit has failed, for people."""
        return [
            Account(
                number=int(draft.key, 16),
                place=f"{draft.record.folder}/{draft.name}",
                state="failed",
                size=0,
                sent=0,
                attempts=1,
                error=draft.record.error,
                node=None,
                staging_file=draft.record.path,
            )
            for draft in self._drafts.values()
            if draft.record.error and draft.record.state is State.DRAFT
        ]

    # ---- naming ---------------------------------------------------------------------------------------------------

    def find(self, folder: NodeId, name: bytes) -> DraftFolder | None:
        """The draft of that name in a folder."""
        return self._placed.get(folder, {}).get(name)

    def within(self, folder: NodeId) -> dict[bytes, DraftFolder]:
        """The drafts in a folder."""
        return self._placed.get(folder, {})

    def of(self, node: NodeId) -> DraftFolder | None:
        """The draft that an id belongs to."""
        return self._drafts.get(node.removeprefix(DRAFT).partition("/")[0])

    def _place(self, draft: DraftFolder) -> None:
        self._drafts[draft.key] = draft
        self._placed.setdefault(draft.record.folder, {})[draft.record.name] = draft

    def _lift(self, draft: DraftFolder) -> None:
        there = self._placed.get(draft.record.folder, {})
        if there.get(draft.record.name) is draft:
            del there[draft.record.name]

    async def make(self, folder: Node, name: bytes) -> DraftFolder:
        """A new draft. Raises OSError."""
        key = secrets.token_hex(4)
        home = self._repository.draft_home(folder)
        path = (home or self._files) / key
        draft = DraftFolder(Record(key=key, folder=folder.id, name=name, path=str(path), given=home is not None))
        await self.save(draft)
        await trio.to_thread.run_sync(lambda: path.mkdir(mode=0o755, parents=True))
        draft.touched = self._clock()
        self._place(draft)
        return draft

    async def rename(self, draft: DraftFolder, folder: Node, name: bytes) -> None:
        """Another name or place, and still a draft. Raises OSError."""
        draft.check_open()
        self._lift(draft)
        draft.record.folder, draft.record.name = folder.id, name
        self._place(draft)
        self.touch(draft)
        await self.save(draft)

    async def remove(self, draft: DraftFolder) -> None:
        """Somebody does not want it any more. Raises NotEmpty, OSError, and what the server says to the removal of what
        a commit may have left there."""
        draft.check_open()
        if draft.record.ledger:
            await self._repository.abandon(draft.record.ledger)
        try:
            await trio.to_thread.run_sync(draft.path.rmdir)
        except FileNotFoundError:
            pass
        except OSError:
            raise NotEmpty("files are in the draft") from None
        await self._forget(draft)

    async def _forget(self, draft: DraftFolder) -> None:
        self._lift(draft)
        self._drafts.pop(draft.key, None)
        self.sent.pop(draft.key, None)
        await trio.to_thread.run_sync(lambda: (self._records / f"{draft.key}.draft").unlink(missing_ok=True))

    def touch(self, draft: DraftFolder) -> None:
        """It is being changed. Raises Immutable."""
        draft.check_open()
        draft.touched = self._clock()

    async def save(self, draft: DraftFolder) -> None:
        """What the record says now survives the machine. Raises OSError."""
        content = msgspec.msgpack.encode(draft.record)
        await trio.to_thread.run_sync(self._write, self._records / f"{draft.key}.draft", content)

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        fresh = path.with_suffix(f".{secrets.token_hex(4)}")
        try:
            file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, content)
                os.fsync(file)
            finally:
                os.close(file)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    # ---- committing -----------------------------------------------------------------------------------------------

    async def commit(self, draft: DraftFolder, name: bytes, value: bytes) -> None:
        """Hand it over under a name, and wait until the server has it or has taken it. Raises Busy while somebody
        writes in it, and why it failed; the draft then stays. Who stops waiting does not stop the commit."""
        if draft.writers or draft.record.state is not State.DRAFT:
            raise Busy("files are open for writing" if draft.writers else "it is being committed already")
        record = draft.record
        record.state, record.target, record.value, record.error = State.COMMITTING, name, value, ""
        draft.decided, draft.failure = trio.Event(), None
        self._start(draft)
        await draft.decided.wait()
        if draft.failure is not None:
            raise draft.failure

    def _commit_if_idle(self, draft: DraftFolder) -> None:
        idle = self._repository.draft_idle(draft)
        quiet = self._clock() - draft.touched
        if idle is None or draft.record.state is not State.DRAFT or draft.writers or draft.touched == draft.refused_at:
            return
        if quiet >= idle:
            draft.refused_at = draft.touched
            draft.record.state, draft.record.target, draft.record.value = State.COMMITTING, draft.record.name, b""
            draft.decided, draft.failure = trio.Event(), None
            self._start(draft)

    async def _commit(self, draft: DraftFolder) -> None:
        """Until it is the server's, or a draft again."""
        wait = FIRST_WAIT
        while draft.record.state is not State.DRAFT:
            try:
                await self.save(draft)
                folder = await self._repository.stat(draft.record.folder)
                node = await self._step(draft, folder)
                if node is not None:
                    await self._done(draft, folder.id, node)
                    return
                continue
            except RepositoryError as error:
                failure = error
            except OSError as error:
                failure = Unavailable(f"{draft.path}: {error.strerror}")
            except Exception as bug:
                log.exception("the commit of %s failed", draft.name)
                failure = Unavailable(f"a fault of assetfs: {type(bug).__name__}")
            draft.failure, draft.record.error = failure, str(failure)
            passes = failure.transient or isinstance(failure, NotAuthenticated)
            unknown = passes and (draft.record.state is State.TAKEN or bool(draft.record.ledger))
            if not unknown:
                log.error("the draft %s stays here: %s", draft.name, failure)
                draft.record.state = State.DRAFT
            with contextlib.suppress(OSError):
                await self.save(draft)
            draft.decided.set()
            if unknown:
                log.warning("the commit of %s is tried again in %.0f s: %s", draft.name, wait, failure)
                await trio.sleep(wait * random.uniform(1.0, 1.5))
                wait = min(2 * wait, LONGEST_WAIT)

    async def _step(self, draft: DraftFolder, folder: Node) -> Node | None:
        """Commit, or wait for the end of what was committed; None when the server has taken it."""
        record, ledger = draft.record, DraftLedger(self, draft)
        target = names.decode(record.target)
        if record.state is State.TAKEN:
            return await self._repository.finish_draft(draft, folder, target, ledger)
        node = await self._repository.commit_draft(draft, folder, target, record.value, ledger)
        if node is None:
            record.state, record.error = State.TAKEN, ""
            await self.save(draft)
            draft.failure = None
            draft.decided.set()
        return node

    async def _done(self, draft: DraftFolder, folder: NodeId, node: Node) -> None:
        log.info("the draft %s is on the server as %s", draft.name, node.id)
        # Without a checkpoint between: nobody must look when it is a draft no more, and nothing else yet.
        self._lift(draft)
        self._drafts.pop(draft.key, None)
        self.on_committed(draft, folder, node)
        await self._forget(draft)
        draft.failure = None
        draft.decided.set()
        if not draft.record.given:
            await trio.to_thread.run_sync(lambda: shutil.rmtree(draft.path, ignore_errors=True))
