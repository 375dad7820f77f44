"""Settling: how a file's time in write-back ends, or begins anew under another name.

confirmed    the server has the content: the row goes, and what is known of the content goes to the caches
conflict     somebody else's content has the name: ours becomes a file of its own beside it
given up     deleted, discarded, replaced: what a broken transfer may have left on the server is a debt, which is
             kept in the journal until it is paid
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from assetfs.content.catalogue import key_of
from assetfs.repository import Conflict, Node, NotAuthenticated, Repository, RepositoryError
from assetfs.writeback.accounts import CONFLICT, place
from assetfs.writeback.localnames import conflict_name
from assetfs.writeback.states import Event

if TYPE_CHECKING:
    from assetfs.writeback.staging import Staged
    from assetfs.writeback.writeback import WriteBack

log = logging.getLogger("assetfs.writeback")

SEEDED = 256 << 20
"""A larger file is not copied into the content cache after its upload: it would push out too much."""


class Settling:
    """What the uploader reports, carried out."""

    def __init__(self, owner: WriteBack, repository: Repository) -> None:
        self._owner = owner
        self._repository = repository

    def settle(self, staged: Staged, node: Node) -> None:
        """The server has confirmed the content: the row goes, and the node is what the server says. Raises OSError
        when the journal cannot say so, and then nothing has changed."""
        owner, entry = self._owner, staged.entry
        was, folder = staged.id, entry.parent_node
        owner.strike(staged)
        try:
            owner.times.give(node, entry.mtime_ns)
        except OSError as error:
            log.warning("%s: its time is not kept: %s", was, error)
        if (key := key_of(node)) is not None:
            owner.store.catalogue.remember({key: staged.size})
        staged.gone = staged.confirmed = True
        now = owner.clock()
        if entry.target is not None:
            owner.overlay.untarget(staged, entry.target.id)
            if entry.target.id != node.id:
                owner.overlay.vanish(entry.parent, entry.target.id, now)
        else:
            owner.overlay.lift(entry.parent, entry.name)
        owner.overlay.appear(entry.parent, entry.name, node, now)
        log.info("%s is on the server as %s", was, node.id)
        owner.on_settled(was, node, folder)
        if 0 < staged.size <= SEEDED:
            owner.store.start(self._seed, node, staged.size, staged.duplicate())
        owner.release(staged)

    async def _seed(self, node: Node, size: int, file: int) -> None:
        """What was uploaded need not be downloaded to be read: it goes into the content cache."""
        try:
            await self._owner.store.seed(node, size, file)
        except (OSError, RepositoryError) as error:
            log.debug("%s does not go into the content cache: %s", node.id, error)
        finally:
            os.close(file)

    def keep_beside(self, staged: Staged, reason: Conflict) -> None:
        """Somebody else's content is under the name: ours is kept beside it, under a name that says so."""
        owner, entry = self._owner, staged.entry
        old, now = place(entry), owner.clock()
        if entry.target is not None:
            owner.overlay.untarget(staged, entry.target.id)
            if reason.node is None:
                owner.overlay.vanish(entry.parent, entry.target.id, now)
            entry.target = None
        else:
            owner.overlay.lift(entry.parent, entry.name)
        if reason.node is not None:
            owner.overlay.appear(entry.parent, entry.name, reason.node, now)
        host = socket.gethostname().split(".")[0]
        number = 1
        while owner.overlay.find(entry.parent, name := conflict_name(entry.name, host, date.today(), number)):
            number += 1
        entry.name, entry.ledger, entry.sent = name, {}, []
        owner.overlay.place(entry.parent, name, staged)
        staged.step(Event.PUT_OFF)
        entry.error = f"{CONFLICT}{reason}"
        owner.accounts.conflict(old, staged, str(reason))
        owner.keep(staged)
        owner.on_conflict(staged, reason.node)
        owner.uploader.queue(staged)

    async def complete_copies(self, staged: Staged) -> None:
        """Before a node's content is replaced: local files that still need bytes of the old one fetch them."""
        target = staged.entry.target
        if target is None:
            return
        for other in list(self._owner.files.values()):
            if other is not staged and other.entry.base is not None and other.entry.base.id == target.id:
                await other.complete()
                self._owner.save(other)
                self._owner.release(other)

    # ---- debts --------------------------------------------------------------------------------------------------

    def owe(self, state: dict[str, Any]) -> None:
        """A transfer that nobody continues may have left something on the server."""
        self._owner.store.start(self._pay, self._owner.journal.owe(state), state)

    def recover(self) -> None:
        """Debts that the last daemon left."""
        for number, state in self._owner.journal.debts():
            self._owner.store.start(self._pay, number, state)

    async def _pay(self, number: int, state: dict[str, Any]) -> None:
        """Now, or as soon as the server answers, or with the next mount."""
        wait = 1.0
        while True:
            try:
                await self._repository.abandon(state)
            except RepositoryError as error:
                if error.transient or isinstance(error, NotAuthenticated):
                    await trio.sleep(wait)
                    wait = min(2 * wait, 300.0)
                    continue
                log.warning("what a broken upload has left on the server stays there: %s", error)
            except Exception:
                log.exception("what a broken upload has left on the server stays there")
            break
        with contextlib.suppress(OSError):  # paid twice is paid
            self._owner.journal.paid(number)


async def delete(path: Path) -> None:
    """In a thread: a large file takes a while to go."""
    try:
        await trio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))
    except OSError as error:
        log.warning("%s cannot be deleted: %s", path, error.strerror)
