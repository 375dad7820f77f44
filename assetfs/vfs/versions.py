"""Versions that a listing leaves out: asked for when somebody is about to open the file, once however many ask.

Some servers list sizes and dates without saying which bytes they are of. Such a node has a stamp, which changes with
its content; what `stat` says of a stamp is remembered until a listing says more.
"""

from __future__ import annotations

import trio
from cachetools import LRUCache

from assetfs.repository import Kind, Node, NodeId, Repository, RepositoryError

KEPT = 20_000
"""Nodes that were asked for one by one; about 1 KB each."""


def is_open(node: Node) -> bool:
    """Whether a node was listed without the version that it has."""
    return node.version is None and node.stamp is not None and node.kind is Kind.FILE


class Versions:
    """What is known of listed nodes by now."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._known: LRUCache[tuple[NodeId, str | None], Node] = LRUCache(KEPT)
        self._asked: dict[NodeId, _Asked] = {}

    def newest(self, node: Node) -> Node:
        """A node as it is known; as it was listed where nobody has asked. No I/O."""
        known: Node | None = self._known.get((node.id, node.stamp)) if is_open(node) else None
        return known or node

    def learn(self, node: Node) -> None:
        """We have changed it, and know what it is now."""
        if node.stamp is not None:
            self._known[node.id, node.stamp] = node

    async def of(self, node: Node) -> Node:
        """A node with its version. Raises what `stat` raises."""
        node = self.newest(node)
        if not is_open(node):
            return node
        asked = self._asked.get(node.id)
        if asked is not None:
            await asked.done.wait()
            if asked.node is None and asked.error is not None:
                raise asked.error
            return asked.node or await self.of(node)
        asked = self._asked[node.id] = _Asked()
        try:
            asked.node = await self._repository.stat(node.id)
            self.learn(asked.node)
            return asked.node
        except RepositoryError as error:
            asked.error = error
            raise
        finally:
            del self._asked[node.id]
            asked.done.set()


class _Asked:
    """One question, for all who wait for its answer."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.node: Node | None = None
        self.error: RepositoryError | None = None
