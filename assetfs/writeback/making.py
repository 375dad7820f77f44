"""Making: files that begin here, new ones and new contents of what the server has. Nothing is copied: bytes that nobody
wrote are fetched when somebody wants them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from assetfs.repository import Node, Unsupported
from assetfs.writeback.journal import Entry
from assetfs.writeback.staging import Staged
from assetfs.writeback.states import Event

if TYPE_CHECKING:
    from assetfs.writeback.writeback import WriteBack


class Making:
    """What makes the files of a write-back."""

    def __init__(self, owner: WriteBack) -> None:
        self._owner = owner

    def create(self, folder: Node, name: bytes) -> Staged:
        """A new file, open nowhere yet. Raises what `admit` raises, OSError."""
        self._owner.admission.check(folder, name)
        staged = self._new(folder, name)
        target = self._owner.holding.taken(folder.id, name, staged)
        if target is not None:
            staged.entry.target = target
            self._owner.overlay.target(staged, target.id)
        else:
            self._owner.overlay.place(folder.id, name, staged)
        return staged

    def _new(self, folder: Node, name: bytes, *, is_folder: bool = False) -> Staged:
        entry = Entry(
            number=self._owner.number(),
            parent=folder.id,
            parent_node=folder,
            name=name,
            folder=is_folder,
            mtime_ns=time.time_ns(),
        )
        staged = Staged(entry, self._owner.folder / str(entry.number), self._owner.store)
        staged.create()
        self._owner.files[entry.number] = staged
        return staged

    def create_folder(self, folder: Node, name: bytes) -> Staged:
        """A folder that exists here only."""
        staged = self._new(folder, name, is_folder=True)
        staged.step(Event.CLOSED_LOCAL)
        self._owner.save(staged)
        self._owner.overlay.place(folder.id, name, staged)
        return staged

    def stage(self, node: Node, folder: Node | None, name: bytes, size: int) -> Staged:
        """The new content of a file that the server has. Nothing is copied. Raises Unsupported, OSError."""
        staged = self._owner.overlay.staged_for(node.id)
        if staged is not None:
            return staged
        if not self._owner.repository.capabilities.replace:
            raise Unsupported("this repository cannot replace content")
        staged = self._new(folder if folder is not None else node, name)
        entry = staged.entry
        entry.target = entry.base = node
        entry.parent_node = folder
        entry.size = entry.base_limit = size
        entry.mtime_ns = self._owner.times.of(node) or node.mtime_ns or entry.mtime_ns
        self._owner.overlay.target(staged, node.id)
        return staged

    def stage_unnamed(self, node: Node, size: int) -> Staged:
        """What is written to a file that is open and has no name any more: nobody will want it but who has it open."""
        staged = self._new(node, b"")
        staged.gone = True
        staged.entry.base = node
        staged.entry.size = staged.entry.base_limit = size
        return staged

    def become_copy(self, staged: Staged, folder: Node, name: bytes) -> None:
        """What was new content of a node is a local file of its own from now on."""
        entry = staged.entry
        assert entry.target is not None
        self._owner.stop(staged)
        self._owner.overlay.untarget(staged, entry.target.id)
        entry.target = None
        entry.parent, entry.parent_node, entry.name = folder.id, folder, name
        entry.sent = []
        self._owner.overlay.place(folder.id, name, staged)
        staged.step(Event.RENAMED_LOCAL)
        self._owner.save(staged)

    def copy_of(self, node: Node, size: int, folder: Node, name: bytes) -> Staged:
        """A local file with a node's bytes, which are fetched when somebody wants them."""
        copy = self._new(folder, name)
        copy.entry.base = node
        copy.entry.size = copy.entry.base_limit = size
        copy.entry.mtime_ns = self._owner.times.of(node) or node.mtime_ns or copy.entry.mtime_ns
        copy.step(Event.CLOSED_LOCAL)
        self._owner.overlay.place(folder.id, name, copy)
        self._owner.save(copy)
        return copy
