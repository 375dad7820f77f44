"""Holding back: a rename of an asset to a backup name (`f` to `f~`) waits a few seconds for what comes next.

vim, emacs and others save by moving the original away, writing a new file under the old name, and deleting the backup.
Sent as asked, that would make the new file a new asset without its history. So the rename is journaled and held:

    a new file takes the old name     it takes the identity too; the backup is a local copy of the old bytes
    the backup is renamed back        nothing has happened
    the backup is deleted             the asset is deleted
    nothing, for `hold` seconds       the rename goes to the server as it was asked
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import trio

from assetfs import names
from assetfs.repository import Node, NodeId, RepositoryError
from assetfs.writeback.journal import HeldRename
from assetfs.writeback.overlay import FOREVER

if TYPE_CHECKING:
    from assetfs.writeback.staging import Staged
    from assetfs.writeback.writeback import WriteBack

log = logging.getLogger("assetfs.writeback")


class Holding:
    """The renames that are held back now."""

    def __init__(self, owner: WriteBack, clock: Callable[[], float]) -> None:
        self._owner = owner
        self._clock = clock
        self._held: dict[NodeId, tuple[float, HeldRename]] = {}
        self._wake = trio.Event()

    def hold(self, node: Node, folder: Node, old: bytes, new: bytes) -> None:
        """Acknowledge a rename, and wait."""
        from assetfs.writeback.writeback import plain

        self._owner.journal.hold(HeldRename(node=plain(node), folder=plain(folder), old=old, new=new))
        self._show(HeldRename(node=node, folder=folder, old=old, new=new))

    def _show(self, held: HeldRename) -> None:
        self._held[held.node.id] = (self._clock() + self._owner.settings.hold, held)
        self._owner.overlay.vanish(held.folder.id, held.node.id, FOREVER)
        self._owner.overlay.appear(held.folder.id, held.new, held.node, FOREVER)
        self._wake.set()

    def recover(self) -> None:
        """What the last daemon held is held again, for a moment."""
        for held in self._owner.journal.held():
            self._show(held)

    async def refresh(self) -> None:
        """After a restart the backend's own part of a node has to be asked for anew. What cannot be asked now waits."""
        for id_, (due, held) in list(self._held.items()):
            try:
                if held.node.private is None:
                    now = await self._owner.repository.stat(id_)
                    node = msgspec.structs.replace(now, size=held.node.size)
                    held = HeldRename(node=node, folder=held.folder, old=held.old, new=held.new)
                    self._held[id_] = (due, held)
                    self._owner.overlay.appear(held.folder.id, held.new, node, FOREVER)
            except RepositoryError as error:
                log.warning("%s, which waits for its new name, cannot be asked for: %s", id_, error)

    def end(self, node: NodeId) -> HeldRename | None:
        """Stop holding a rename, whatever comes of it: the file is back under its old name."""
        entry = self._held.pop(node, None)
        if entry is None:
            return None
        held = entry[1]
        self._owner.overlay.vanish(held.folder.id, node, float("-inf"))
        self._owner.overlay.reappear(held.folder.id, node)
        self._owner.journal.release(node)
        return held

    def __len__(self) -> int:
        return len(self._held)

    def hurry(self) -> None:
        """Nobody wants to wait for what comes next: the renames may go to the server now."""
        now = self._clock()
        self._held = {node: (min(due, now), held) for node, (due, held) in self._held.items()}
        self._wake.set()

    def taken(self, folder: NodeId, name: bytes, staged: Staged) -> Node | None:
        """A new file takes a name. If a held rename left it, the file takes the identity, and the backup becomes a
        local copy; returns the node whose identity it is."""
        found = next((h for _, h in self._held.values() if h.folder.id == folder and h.old == name), None)
        if found is None:
            return None
        self.end(found.node.id)
        newer = self._owner.overlay.staged_for(found.node.id)
        if newer is not None:
            target = newer.entry.target
            self._owner.making.become_copy(newer, found.folder, found.new)
        else:
            assert found.node.size is not None  # whoever holds a rename has measured the file
            target = found.node
            newer = self._owner.making.copy_of(found.node, found.node.size, found.folder, found.new)
        self._owner.on_copied(found.node.id, newer)
        return target

    async def run(self) -> None:
        """Send what has waited long enough."""
        while True:
            now = self._clock()
            for node, (due, held) in list(self._held.items()):
                if due <= now:
                    await self._send(node, held)
            self._wake = trio.Event()
            soonest = min((due for due, _ in self._held.values()), default=now + 3600)
            with trio.move_on_after(max(soonest - self._clock(), 0.05)):
                await self._wake.wait()

    async def _send(self, id_: NodeId, held: HeldRename) -> None:
        repository = self._owner.repository
        try:
            node = held.node if held.node.private is not None else await repository.stat(id_)
            folder = held.folder if held.folder.private is not None else await repository.stat(held.folder.id)
            if id_ not in self._held:
                return
            renamed = await repository.rename(node, folder, names.decode(held.new))
        except RepositoryError as error:
            if error.transient:
                self._held[id_] = (self._clock() + 10.0, held)
                return
            self.end(id_)
            self._owner.accounts.undone(held, error)
            self._owner.on_refused(id_, f"it could not be renamed to {os.fsdecode(held.new)}: {error}")
            return
        if self.end(id_) is not None:
            self._owner.overlay.vanish(held.folder.id, id_, self._clock())
            self._owner.overlay.appear(held.folder.id, held.new, renamed, self._clock())
