"""Claims: what is open for writing, or has new content on its way, is kept from others where the repository can.

A claim is taken before a file is opened for writing, and given back when nobody writes to it any more and its content
is on the server, pushed aside or discarded. Files that the server does not have need none.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from assetfs.repository import Kind, Node, NodeId, RepositoryError
from assetfs.writeback.staging import is_local

if TYPE_CHECKING:
    from assetfs.vfs.filesystem import FileSystem

log = logging.getLogger("assetfs.vfs")


class Claims:
    """Takes and gives back."""

    def __init__(self, fs: FileSystem) -> None:
        self._fs = fs
        if fs.writeback is not None:
            fs.writeback.overlay.on_untarget = self.reconsider

    async def take(self, node: Node) -> None:
        """Claim a file that is about to be written. Raises Busy where somebody else has it."""
        if self._fs.repository.capabilities.claims and node.kind is Kind.FILE and not is_local(node.id):
            try:
                await self._fs.repository.claim(node)
            except RepositoryError:
                self.reconsider(node.id)
                raise

    def reconsider(self, node: NodeId) -> None:
        """Somebody has stopped writing, or a new content has come to its end."""
        if self._fs.repository.capabilities.claims and not is_local(node) and not self._is_written(node):
            self._fs.store.start(self._give_back, node)

    def _is_written(self, node: NodeId) -> bool:
        inode = self._fs.inodes.known(node, Kind.FILE)
        if inode is not None and any(handle.writing for handle in self._fs.handles.files_of(inode)):
            return True
        return self._fs.writeback is not None and self._fs.writeback.overlay.staged_for(node) is not None

    async def _give_back(self, node: NodeId) -> None:
        if self._is_written(node):
            return  # again, meanwhile
        try:
            await self._fs.repository.release(node)
        except RepositoryError as error:
            log.warning("%s stays claimed: %s", node, error)
