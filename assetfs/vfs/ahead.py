"""Ahead: who walks through a tree (`find`, `grep -r`, `rsync`) is about to ask for the folders that follow.

A walk goes depth first, in the order of the listings. So when a folder is asked for and the one before it on its level
has been listed already, those behind it on that level are next: its later siblings, then the children of its parent's
later siblings as far as these have been listed. They are asked for together with it, where the repository can: it costs
no request more, and one for fifty if the walk goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from assetfs.repository import Node, NodeId

MOST = 50
"""Folders that are asked for together: what a repository then answers is some thousand entries."""


class Ahead:
    """What is known of levels. `listed` says whether a folder's listing is here, or on its way."""

    def __init__(self, listed: Callable[[NodeId], bool]) -> None:
        self._listed = listed
        self._folders: dict[NodeId, Sequence[Node]] = {}
        """The folders in each listed folder, in its order."""
        self._places: dict[NodeId, tuple[NodeId, int]] = {}
        """Where a folder is listed: in which, as the how manyth of its folders."""

    def learn(self, folder: NodeId, folders: Sequence[Node]) -> None:
        """The folders that a new listing has."""
        self.forget(folder)
        self._folders[folder] = folders
        self._places.update((node.id, (folder, index)) for index, node in enumerate(folders))

    def forget(self, folder: NodeId) -> None:
        """There is no listing of it any more."""
        for node in self._folders.pop(folder, ()):
            if self._places.get(node.id, ("", 0))[0] == folder:
                del self._places[node.id]

    def beside(self, folder: NodeId) -> list[Node]:
        """Folders to be listed together with one that is asked for; none where nobody seems to walk."""
        before = next(self._level(folder, -1), None)
        if before is None or not self._listed(before.id):
            return []
        return list(islice((node for node in self._level(folder, 1) if not self._listed(node.id)), MOST - 1))

    def _level(self, folder: NodeId, step: int) -> Iterator[Node]:
        """The other folders of its level, from it on forwards (`step` 1) or backwards (-1): siblings, and children of
        the parent's siblings."""
        place = self._places.get(folder)
        if place is None:
            return
        parent, index = place
        yield from self._from(parent, index, step)
        above = self._places.get(parent)
        if above is None:
            return
        for uncle in self._from(*above, step):
            cousins = self._folders.get(uncle.id)
            if cousins is None:
                return
            yield from cousins[::step]

    def _from(self, parent: NodeId, index: int, step: int) -> Iterator[Node]:
        folders = self._folders[parent]
        stop = len(folders) if step > 0 else -1
        for at in range(index + step, stop, step):
            yield folders[at]
