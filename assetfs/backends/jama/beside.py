"""Several folders in one array of calls (section 9), for whoever walks through a tree.

How many share an array follows from their counts, which their parent's listing has told: an answer stays within some
thousand entries. A project, and a folder of more than a window, is listed by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from assetfs.backends.jama.dialect import Dialect, together
from assetfs.backends.jama.listing import WINDOW
from assetfs.backends.jama.nodes import held
from assetfs.backends.jama.wire import Items
from assetfs.repository import Node, RepositoryError

ENTRIES_AT_ONCE = 5_000
"""About 3 MB of JSON, for which somebody waits who has asked for the first folder only."""


async def listed(dialect: Dialect, folders: Sequence[Node]) -> list[tuple[Node, Items]]:
    """Records of those of the folders that are well asked for with the first. Folders that are gone, refused, or larger
    than was thought are left out."""
    group = _group(folders)
    calls = [dialect.whole(held(folder).project, held(folder).id) for folder in group]
    outcomes = iter(await dialect.client.many([call for some in calls for call in some]))
    found = []
    for folder, some in zip(group, calls, strict=True):
        mine = [next(outcomes) for _ in some]
        if not any(isinstance(outcome, RepositoryError) or _more_follows(outcome) for outcome in mine):
            found.append((folder, together(mine)))
    return found


def _more_follows(outcome: object) -> bool:
    return isinstance(outcome, Items) and max(outcome.collections_count or 0, outcome.resources_count or 0) > WINDOW


def _group(folders: Sequence[Node]) -> list[Node]:
    """The first and those that go with it; none where it goes alone."""
    group: list[Node] = []
    weight = 0
    for folder in folders:
        mine = held(folder).weight
        if folder.id[0] != "c" or mine > WINDOW:
            if not group:
                break
            continue
        weight += mine
        if group and weight > ENTRIES_AT_ONCE:
            break
        group.append(folder)
    return group
