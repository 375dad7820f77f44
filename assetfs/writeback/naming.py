"""Naming: other names for files that were written here, and what becomes of the identity of those that give way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from assetfs.repository import Kind, Node
from assetfs.writeback.staging import Staged
from assetfs.writeback.states import Event, State

if TYPE_CHECKING:
    from assetfs.writeback.writeback import WriteBack


class Naming:
    """What names the files of a write-back."""

    def __init__(self, owner: WriteBack) -> None:
        self._owner = owner

    def rename(self, staged: Staged, folder: Node, name: bytes, over: Node | Staged | None) -> None:
        """Give a file of ours another name. `over` has it now: its identity, if it has one, is ours from then on."""
        entry = staged.entry
        self._owner.stop(staged)
        if entry.target is None:
            self._owner.overlay.lift(entry.parent, entry.name)
        older = over if isinstance(over, Staged) or over is None else self._owner.overlay.staged_for(over.id)
        target = over if isinstance(over, Node) else None
        if older is not None:
            target = older.entry.target  # whose edit was made from this version, if it is an asset's
            self._owner.give_way(older)
            entry.stale += older.entry.stale
        entry.parent, entry.parent_node, entry.name = folder.id, folder, name
        if target is not None and target.kind is Kind.FILE:
            entry.target, entry.sent = target, older.entry.sent if older is not None else []
            self._owner.overlay.target(staged, target.id)
        else:
            self._owner.overlay.place(folder.id, name, staged)
        goes = self._owner.admission.goes_to_server(staged.entry)
        staged.step(Event.RENAMED if goes else Event.RENAMED_LOCAL)
        entry.error, entry.attempts = "", 0
        self._owner.save(staged, older)
        if older is not None:
            self._owner.release(older)
        if entry.state is State.QUEUED:
            staged.due = self._owner.clock() + self._owner.settings.delay
            self._owner.uploader.queue(staged)

    def follow(self, staged: Staged, node: Node, folder: Node, name: bytes) -> None:
        """The node whose new content this is has another name or place, or its old content went into another node."""
        entry = staged.entry
        old = entry.target
        assert old is not None
        entry.parent, entry.parent_node, entry.name = folder.id, folder, name
        entry.target = msgspec.structs.replace(node, version=old.version, digest=old.digest)
        if node.id != old.id:
            self._owner.stop(staged)
            self._owner.overlay.untarget(staged, old.id)
            self._owner.overlay.target(staged, node.id)
            if entry.base is not None and entry.base.id == old.id:
                entry.base = entry.target
            staged.step(Event.RENAMED)
            if entry.state is State.QUEUED:
                self._owner.uploader.queue(staged)
        if staged.saved >= 0:
            self._owner.save(staged)
