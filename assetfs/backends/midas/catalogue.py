"""Items with their revisions, asked for one by one because the server has no other way, and remembered.

A listing says when an item was last changed, to the second. Details are kept for that date, and only if it was at
least three seconds old by the server's clock: a change in the same second would not show. Our own changes drop them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

import msgspec
import trio
from cachetools import LRUCache

from assetfs.backends.midas.client import Client
from assetfs.backends.midas.wire import Item, nanoseconds
from assetfs.repository import NotFound, RepositoryError

REMEMBERED = 50_000
"""Items; about 1 KB each."""
SETTLED_NS = 3_000_000_000
"""One second of the dates, one of the Date header that tells the server's clock, and one for the way."""


class Catalogue:
    """Details of items."""

    def __init__(self, client: Client, zone: tzinfo) -> None:
        self._client = client
        self._zone = zone
        self._latest: LRUCache[str, Item] = LRUCache(REMEMBERED)
        self._settled: LRUCache[tuple[str, str, str, str], Item] = LRUCache(REMEMBERED)

    async def item(self, item_id: int, *, all_revisions: bool = False, bulk: bool = False) -> Item:
        """An item as it is now, with its newest revision or all. Raises NotFound."""
        head: dict[str, Any] = {} if all_revisions else {"head": 1}
        record: Item = await self._client.call("item.get", Item, bulk=bulk, id=item_id, **head)
        self._latest[record.item_id] = record
        changed = nanoseconds(record.date_update, self._zone)
        now = time.time_ns() + int(self._client.ahead * 1e9)
        if changed is not None and not all_revisions and now - changed > SETTLED_NS:
            self._settled[_key(record)] = record
        return record

    async def details(self, listed: Sequence[Item]) -> list[Item]:
        """Items of a listing with their newest revisions, in its order; those that are gone meanwhile are left out."""
        found: dict[str, Item] = {}
        failure: RepositoryError | None = None

        async def ask(item_id: str, scope: trio.CancelScope) -> None:
            nonlocal failure
            async with self._client.details:
                try:
                    found[item_id] = await self.item(int(item_id), bulk=True)
                except NotFound:
                    return
                except RepositoryError as error:
                    failure = error
                    scope.cancel()

        async with trio.open_nursery() as nursery:
            for record in listed:
                known = self._settled.get(_key(record))
                if known is not None:
                    found[record.item_id] = msgspec.structs.replace(record, revisions=known.revisions)
                    self._latest[record.item_id] = found[record.item_id]
                else:
                    nursery.start_soon(ask, record.item_id, nursery.cancel_scope)
        if failure is not None:
            raise failure
        return [found[record.item_id] for record in listed if record.item_id in found]

    def latest(self, item_id: int) -> Item | None:
        """What was last heard of an item."""
        return self._latest.get(str(item_id))

    def forget(self, item_id: int) -> None:
        """We have changed it."""
        known = self._latest.pop(str(item_id), None)
        if known is not None:
            self._settled.pop(_key(known), None)


def _key(record: Item) -> tuple[str, str, str, str]:
    return record.item_id, record.date_update, record.name, record.description
