"""Settling: how a file's time in write-back ends, or begins anew under another name.

confirmed    the server has the content: the row goes, and what is known of the content goes to the caches
conflict     somebody else's content has the name: ours becomes a file of its own beside it
overtaken    an earlier content of ours has reached the server after all: that is what the next one replaces
"""

from __future__ import annotations

import logging
import os
import socket
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from assetfs.content.catalogue import key_of
from assetfs.repository import Conflict, Node, RepositoryError
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

    def __init__(self, owner: WriteBack) -> None:
        self._owner = owner

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
        owner.stop(staged)
        host = socket.gethostname().split(".")[0]
        number = 1
        while owner.overlay.find(entry.parent, name := conflict_name(entry.name, host, date.today(), number)):
            number += 1
        entry.name, entry.sent = name, []
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
            if other is staged or other.gone or other.entry.base is None or other.entry.base.id != target.id:
                continue
            try:
                await other.complete()
            except RepositoryError as error:
                if error.transient:
                    raise
                log.error("%s stays incomplete, the original is not what it was: %s", place(other.entry), error)
                other.entry.error = str(error)
            self._owner.save(other)
            self._owner.release(other)

    def retarget(self, staged: Staged, node: Node) -> None:
        """An earlier content of ours has reached the server after all: that is the one to replace now."""
        owner, entry = self._owner, staged.entry
        assert entry.target is not None
        owner.overlay.untarget(staged, entry.target.id)
        if entry.target.id != node.id:
            owner.overlay.vanish(entry.parent, entry.target.id, owner.clock())
        entry.target = node
        owner.overlay.target(staged, node.id)


async def delete(path: Path) -> None:
    """In a thread: a large file takes a while to go."""
    try:
        await trio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))
    except OSError as error:
        log.warning("%s cannot be deleted: %s", path, error.strerror)
