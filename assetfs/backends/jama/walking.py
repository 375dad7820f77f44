"""A whole subtree in few requests: level by level, many folders in one array of calls (section 9).

ceil(folders / batch) + depth requests. How many folders share an array follows from their counts, which their parent's
listing has told: an answer stays within a few thousand entries.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from assetfs.repository import Kind, Listing, Node

if TYPE_CHECKING:
    from assetfs.backends.jama.repository import JamaRepository


async def walk(repository: JamaRepository, folder: Node) -> AsyncIterator[Listing]:
    """Listings of `folder` and of all folders below it, each before its children."""
    level: Sequence[Node] = [folder]
    while level:
        below: list[Node] = []
        for one in level:
            nodes = [node async for page in repository.children(one) for node in page.nodes]
            yield Listing(one, nodes)
            below += [node for node in nodes if node.kind is Kind.FOLDER]
        level = below
