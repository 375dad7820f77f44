"""One folder in windows, without losing an entry between two of them (section 4.5).

The server cuts a window out of each of its two sorted lists, collections and resources, *before* it leaves out what
the credential may not read: a window may be short or empty although more follows. The only end is the count. Its sort
has no tie-break, so windows may overlap or leave a gap: entries are merged by id, and where their number does not
match the count although nothing is hidden, the folder is listed once more in one window.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from assetfs.backends.jama.wire import Items
from assetfs.repository import ProtocolViolation

log = logging.getLogger(__name__)

WINDOW = 2000
LIMIT = 5_000_000
"""Entries of one folder at most: a server is not trusted with our memory."""

Window = Callable[[int, int], Awaitable[Items]]


async def windows(window: Window, *, hidden: bool) -> AsyncIterator[Items]:
    """All entries, each once, in pieces. `window(from, to)` asks the server; `hidden`: it may leave some out."""
    collections: set[int] = set()
    resources: set[int] = set()

    def fresh(items: Items) -> Items:
        news = Items(
            [one for one in items.collections if one.id not in collections],
            [one for one in items.resources if one.id not in resources],
            items.collections_count,
            items.resources_count,
        )
        collections.update(one.id for one in news.collections)
        resources.update(one.id for one in news.resources)
        return news

    start = 0
    while True:
        items = await window(start, start + WINDOW)
        yield fresh(items)
        start += WINDOW
        if items.collections_count is None or items.resources_count is None:
            if not items.collections and not items.resources:
                return
        elif start >= max(items.collections_count, items.resources_count):
            break
        if start > LIMIT:
            raise ProtocolViolation(f"a folder of more than {LIMIT} entries")
    count = items.collections_count + items.resources_count
    if start > WINDOW and not hidden and len(collections) + len(resources) < count:
        log.info("windows of a listing had gaps; listing once more in one piece")
        again = max(items.collections_count, items.resources_count) + WINDOW
        yield fresh(await window(0, again))
