"""Committing: a draft is handed over, until there is a verdict.

A commit whose answer was lost may have been carried out. So after a passing error with something in the ledger the
draft stays locked, and is committed again with that ledger, later each time, until there is a verdict.
"""

from __future__ import annotations

import contextlib
import logging
import random
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from assetfs import names
from assetfs.repository import (
    Busy,
    Node,
    NodeId,
    NotAuthenticated,
    Repository,
    RepositoryError,
    Unavailable,
    ValueRejected,
)
from assetfs.writeback.draft import DraftFolder, State, bytes_in

if TYPE_CHECKING:
    from assetfs.writeback.drafts import Drafts

log = logging.getLogger("assetfs.writeback")

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0
"""Seconds between two tries of a commit whose outcome is not known: doubled each time, and some at random."""

LOOK = 1.0
"""Seconds between two looks for drafts that are to be committed because nobody touches them."""


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
        await self._owner.save(self._draft.record)

    def progress(self, sent: int) -> None:
        return  # nobody watches the parts of a draft


class Committing:
    """The commits of a repository's drafts. `clock` is the mount's."""

    def __init__(self, owner: Drafts, repository: Repository, clock: Callable[[], float]) -> None:
        self._owner = owner
        self._repository = repository
        self._clock = clock
        self._start: Callable[[DraftFolder], None] = lambda draft: None
        self.on_committed: Callable[[DraftFolder, NodeId, Node], None] = lambda draft, folder, node: None
        """Called when a draft has become a node of a folder."""

    async def run(self) -> None:
        """Commits go on, and begin by themselves where nobody touches a draft; a task of the mount."""
        async with trio.open_nursery() as nursery:
            self._start = lambda draft: nursery.start_soon(self._commit, draft)
            for draft in self._owner:
                if draft.record.state is not State.DRAFT:
                    self._start(draft)
            while True:
                await trio.sleep(LOOK)
                for draft in self._owner:
                    self._commit_if_idle(draft)

    def begin(self, draft: DraftFolder, name: bytes, value: bytes) -> None:
        """Hand it over under a name. Raises Busy while somebody writes in it, or it is being handed over."""
        if draft.writers or draft.record.state is not State.DRAFT:
            raise Busy("files are open for writing" if draft.writers else "it is being committed already")
        record = draft.record
        record.state, record.target, record.value, record.error = State.COMMITTING, name, value, ""
        draft.decided, draft.failure = trio.Event(), None
        self._start(draft)

    async def commit(self, draft: DraftFolder, name: bytes, value: bytes) -> None:
        """`begin`, and wait until the server has it or has taken it. Raises Busy, and why it failed; the draft then
        stays. Who stops waiting does not stop the commit."""
        self.begin(draft, name, value)
        await draft.decided.wait()
        if draft.failure is not None:
            raise draft.failure

    def retry(self, draft: DraftFolder) -> None:
        """Try once more what failed last. Raises Busy, and ValueRejected where nothing was tried."""
        if not draft.record.target:
            raise ValueRejected("it was never committed")
        self.begin(draft, draft.record.target, draft.record.value)

    def _commit_if_idle(self, draft: DraftFolder) -> None:
        idle = self._repository.draft_idle(draft)
        quiet = self._clock() - draft.touched
        if idle is None or draft.record.state is not State.DRAFT or draft.writers or draft.touched == draft.refused_at:
            return
        if quiet >= idle:
            draft.refused_at = draft.touched
            self.begin(draft, draft.record.name, b"")

    async def _commit(self, draft: DraftFolder) -> None:
        """Until it is the server's, or a draft again."""
        wait = FIRST_WAIT
        while True:
            try:
                await self._owner.save(draft.record)
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
            if not passes or (draft.record.state is not State.TAKEN and not draft.record.ledger):
                await self._refused(draft)
                return
            with contextlib.suppress(OSError):
                await self._owner.save(draft.record)
            draft.decided.set()
            log.warning("the commit of %s is tried again in %.0f s: %s", draft.name, wait, failure)
            await trio.sleep(wait * random.uniform(1.0, 1.5))
            wait = min(2 * wait, LONGEST_WAIT)

    async def _refused(self, draft: DraftFolder) -> None:
        """It is a draft again."""
        log.error("the draft %s stays here: %s", draft.name, draft.record.error)
        size = await trio.to_thread.run_sync(bytes_in, draft.path)
        record = msgspec.structs.replace(draft.record, state=State.DRAFT, size=size)
        with contextlib.suppress(OSError):
            await self._owner.save(record)
        draft.record = record
        draft.decided.set()

    async def _step(self, draft: DraftFolder, folder: Node) -> Node | None:
        """Commit, or wait for the end of what was committed; None when the server has taken it."""
        record, ledger = draft.record, DraftLedger(self._owner, draft)
        target = names.decode(record.target)
        if record.state is State.TAKEN:
            return await self._repository.finish_draft(draft, folder, target, ledger)
        node = await self._repository.commit_draft(draft, folder, target, record.value, ledger)
        if node is None:
            record.state, record.error = State.TAKEN, ""
            await self._owner.save(draft.record)
            draft.failure = None
            draft.decided.set()
        return node

    async def _done(self, draft: DraftFolder, folder: NodeId, node: Node) -> None:
        log.info("the draft %s is on the server as %s", draft.name, node.id)
        # Without a checkpoint between: nobody must look when it is a draft no more, and nothing else yet.
        self._owner.lift(draft)
        self.on_committed(draft, folder, node)
        await self._owner.forget(draft)
        draft.failure = None
        draft.decided.set()
        if not draft.record.given:
            await trio.to_thread.run_sync(lambda: shutil.rmtree(draft.path, ignore_errors=True))
