"""A whole subtree in few requests: level by level, many folders in one array of calls (section 9).

ceil(folders / batch) + depth requests. How many folders share an array follows from their counts, which their parent's
listing has told: an answer stays within some thousand entries. A folder of more than a window is listed by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from assetfs.backends.jama.dialect import Dialect, together
from assetfs.backends.jama.listing import WINDOW
from assetfs.backends.jama.nodes import held
from assetfs.backends.jama.wire import Items
from assetfs.repository import Kind, Listing, Node, NotFound, Page

ENTRIES_AT_ONCE = 20_000
"""About 12 MB of JSON."""


class Walking:
    """`children` lists one folder in windows, `page` turns records into nodes."""

    def __init__(
        self,
        dialect: Dialect,
        children: Callable[[Node], AsyncIterator[Page]],
        page: Callable[[Items, Node], Awaitable[Page]],
    ) -> None:
        self._dialect = dialect
        self._children = children
        self._page = page

    async def below(self, folder: Node) -> AsyncIterator[Listing]:
        """Listings of the folder and of all folders below it, each before its children. One that goes away meanwhile
        is left out."""
        level: Sequence[Node] = [folder]
        while level:
            next_level: list[Node] = []
            for group in _groups(level, self._dialect.client.max_batch):
                async for listing in self._together(group):
                    next_level += [node for node in listing.nodes if node.kind is Kind.FOLDER]
                    yield listing
            level = next_level

    async def _together(self, folders: Sequence[Node]) -> AsyncIterator[Listing]:
        if len(folders) == 1:
            yield await self._alone(folders[0])
            return
        calls = [self._dialect.whole(held(folder).project, held(folder).id) for folder in folders]
        outcomes = iter(await self._dialect.client.many([call for some in calls for call in some]))
        for folder, some in zip(folders, calls, strict=True):
            mine = [next(outcomes) for _ in some]
            if any(isinstance(outcome, NotFound) for outcome in mine):
                continue
            if any(_more_follows(outcome) for outcome in mine):
                yield await self._alone(folder)
            else:
                yield Listing(folder, (await self._page(together(mine), folder)).nodes)

    async def _alone(self, folder: Node) -> Listing:
        return Listing(folder, [node async for page in self._children(folder) for node in page.nodes])


def _more_follows(outcome: object) -> bool:
    return isinstance(outcome, Items) and max(outcome.collections_count or 0, outcome.resources_count or 0) > WINDOW


def _groups(folders: Sequence[Node], most: int) -> Iterator[list[Node]]:
    """Folders that share an array. Projects and large folders go alone."""
    group: list[Node] = []
    weight = 0
    for folder in folders:
        mine = held(folder).weight
        if folder.id[0] != "c" or mine > WINDOW:
            yield [folder]
            continue
        if group and (len(group) == most or weight + mine > ENTRIES_AT_ONCE):
            yield group
            group, weight = [], 0
        group.append(folder)
        weight += mine
    if group:
        yield group
