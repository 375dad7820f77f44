"""Hidden nodes: they answer to their name, and are not listed (`.renditions`, `@products`).

The backend is asked for names that begin with `.` or `@`, and in open-ended folders for every name, once nothing that
is listed has it. Its answer, found or not, is remembered as long as a listing: editors and desktops look for droppings
of their own again and again. While the server is away, what it has said before goes on serving.
"""

from __future__ import annotations

from collections.abc import Callable

from cachetools import LRUCache

from assetfs import names
from assetfs.repository import Node, NodeId, NotFound, Repository, RepositoryError

KEPT = 2_000
"""Folders whose hidden names are remembered."""

NAMES = 1_000
"""Names in one of them; a folder with more is forgotten and begun anew."""


class Hidden:
    """Hidden nodes of one repository. `ttl` in seconds of the `clock`."""

    def __init__(self, repository: Repository, clock: Callable[[], float], ttl: float) -> None:
        self._repository = repository
        self._clock = clock
        self._ttl = ttl
        self._known: LRUCache[NodeId, dict[bytes, tuple[float, Node | None]]] = LRUCache(KEPT)

    def may_have(self, folder: Node, name: bytes) -> bool:
        """Whether the backend is to be asked for a name."""
        return self._repository.capabilities.hidden and (folder.open_ended or name[:1] in (b".", b"@"))

    async def find(self, folder: Node, name: bytes) -> tuple[Node, float] | None:
        """The hidden node of that name, and when it was asked for."""
        there = self._known.get(folder.id, {})
        asked, node = there.get(name, (float("-inf"), None))
        now = self._clock()
        if now - asked > self._ttl:
            try:
                node, asked = await self._repository.hidden(folder, names.decode(name)), now
            except NotFound:
                node, asked = None, now
            except RepositoryError as error:
                if not error.transient or name not in there:
                    raise
            self._remember(folder.id, name, asked, node)
        return (node, asked) if node is not None else None

    def _remember(self, folder: NodeId, name: bytes, asked: float, node: Node | None) -> None:
        there = self._known.get(folder)
        if there is None or len(there) >= NAMES:
            there = self._known[folder] = {}
        there[name] = (asked, node)

    async def entries(self, folder: Node) -> list[tuple[bytes, Node]]:
        """Those that are worth listing."""
        if not self._repository.capabilities.hidden:
            return []
        return [(names.encode(node.name), node) for node in await self._repository.hidden_entries(folder)]

    def expire(self, folder: NodeId | None = None) -> None:
        """What is known of a folder's hidden nodes (of all) is not to be believed any more."""
        for id_ in [folder] if folder is not None else list(self._known):
            for name, (_, node) in self._known.get(id_, {}).items():
                self._known[id_][name] = (float("-inf"), node)
