"""Items with their revisions: what the server's listings leave out, in as few requests as it takes, and remembered.

A listing says of an item how large it is and when it was last changed, to the second, and not what it holds. Where
`bitstream.count` counts as many files in a folder as there are items with bytes, each of them has exactly one, and the
folder has cost two requests (8.3); their checksums are asked for when somebody opens them. Where it does not, or where
it would cost more, items are asked for one by one, eight at a time.

Details are kept for their date, and only if it was at least three seconds old by the server's clock: a change in the
same second would not show. An item that was asked for once is asked for again when it has changed, so that no listing
knows less than an earlier one. Our own changes drop what is known.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import tzinfo
from typing import Any, TypeVar

import msgspec
import trio
from cachetools import LRUCache, TTLCache

from assetfs.backends.midas.client import Client
from assetfs.backends.midas.errors import Broke
from assetfs.backends.midas.nodes import AUTO, DIR, Nodes, held
from assetfs.backends.midas.wire import Folder, Item, nanoseconds, number
from assetfs.repository import Forbidden, Node, NotFound, RepositoryError, ValueRejected

T = TypeVar("T")

REMEMBERED = 50_000
"""Items; about 1 KB each."""
COUNTED_SECONDS = 5.0
"""Who walks through a tree comes to a folder soon after it was counted for the one above it. A count that is older than
its listing settles no more than one that is younger: files and bytes both have to fit."""
SETTLED_NS = 3_000_000_000
"""One second of the dates, one of the Date header that tells the server's clock, and one for the way."""


class Catalogue:
    """Details of items."""

    def __init__(self, client: Client, zone: tzinfo, nodes: Nodes) -> None:
        self._client = client
        self._zone = zone
        self._nodes = nodes
        self._latest: LRUCache[str, Item] = LRUCache(REMEMBERED)
        self._settled: LRUCache[tuple[str, str, str, str], Item] = LRUCache(REMEMBERED)
        self._listed: LRUCache[str, Item] = LRUCache(REMEMBERED)
        self._single: LRUCache[tuple[str, str, str, str], bool] = LRUCache(REMEMBERED)
        """Items that were counted and had one file, at their date."""
        self._counted: TTLCache[str, tuple[int, int]] = TTLCache(REMEMBERED, COUNTED_SECONDS, trio.current_time)
        """What was counted below a folder, by its uuid."""

    async def item(self, item_id: int, *, all_revisions: bool = False, bulk: bool = False) -> Item:
        """An item as it is now, with its newest revision or all. Raises NotFound."""
        head: dict[str, Any] = {} if all_revisions else {"head": 1}
        record: Item = await self._client.call("item.get", Item, bulk=bulk, id=item_id, **head)
        self.learn(record)
        return record

    def learn(self, record: Item) -> None:
        """An item was told with its newest revision."""
        self._latest[record.item_id] = record
        if self._is_settled(record):
            self._settled[_key(record)] = record

    def _is_settled(self, record: Item) -> bool:
        """Whether a change that is not in the record would show in the item's date."""
        changed = nanoseconds(record.date_update, self._zone)
        now = time.time_ns() + int(self._client.ahead * 1e9)
        return changed is not None and now - changed > SETTLED_NS

    def latest(self, item_id: int) -> Item | None:
        """What was last heard of an item; without revisions where that was in a listing."""
        return self._latest.get(str(item_id)) or self._listed.get(str(item_id))

    def forget(self, item_id: int) -> None:
        """We have changed it."""
        self._counted.clear()
        self._listed.pop(str(item_id), None)
        known = self._latest.pop(str(item_id), None)
        if known is not None:
            self._settled.pop(_key(known), None)

    # ---- listings -------------------------------------------------------------------------------------------------

    async def nodes(self, listed: Sequence[Item], folder: Node, folders: Sequence[Folder]) -> list[Node]:
        """Nodes of a folder's items, in the listing's order; items that are gone meanwhile are left out."""
        if self._nodes.items == DIR:
            return [self._nodes.listed(record) for record in listed]
        self._listed.update((record.item_id, record) for record in listed)
        found = {record.item_id: known for record in listed if (known := self._known(record)) is not None}
        if self._nodes.items == AUTO:
            fresh = [one for one in listed if one.item_id not in found and one.item_id in self._latest]
            rest = [one for one in listed if one.item_id not in found and one.item_id not in self._latest]
            uuids = [held(folder).uuid, *(one.uuid for one in folders)]
            if held(folder).folder and len(rest) > sum(uuid not in self._counted for uuid in uuids):
                rest = await self._uncounted(rest, [*found.values()], fresh, uuids, found)
            await self._ask([*fresh, *rest], found)
        else:
            found = {one.item_id: found.get(one.item_id, one) for one in listed}
        return [
            self._nodes.item(known) if known.revisions is not None else self._nodes.listed(known)
            for record in listed
            if (known := found.get(record.item_id)) is not None
        ]

    def _known(self, record: Item) -> Item | None:
        known = self._settled.get(_key(record))
        if known is None:
            return record if _key(record) in self._single else None
        self._latest[record.item_id] = known
        return msgspec.structs.replace(record, revisions=known.revisions)

    async def _uncounted(
        self,
        rest: list[Item],
        known: list[Item],
        fresh: list[Item],
        uuids: list[str],
        found: dict[str, Item],
    ) -> list[Item]:
        """Settle items by counting below the first uuid, and not below the others: they go to `found`, those without
        bytes as what they are. Returns the rest."""
        counts = await self._counts(uuids)
        if counts is None:
            return rest
        await self._ask(fresh, found)
        known = [*known, *(found[one.item_id] for one in fresh if one.item_id in found)]
        files = counts[0][1] - sum(count for _, count in counts[1:])
        files -= sum(1 if one.revisions is None else len(one.files) for one in known)
        size = counts[0][0] - sum(bytes_ for bytes_, _ in counts[1:]) - sum(_bytes(one) for one in known)
        full = [one for one in rest if number(one.sizebytes)]
        empty = [one for one in rest if not number(one.sizebytes)]
        if files != len(full):  # files of no bytes are counted, too
            await self._ask(empty, found)
            files -= sum(len(found[one.item_id].files) for one in empty if one.item_id in found)
            empty = []
        if files != len(full) or size != sum(number(one.sizebytes) for one in full):
            return [*full, *empty]
        found |= {one.item_id: one for one in full}
        self._single.update((_key(one), True) for one in full if self._is_settled(one))
        found |= {one.item_id: msgspec.structs.replace(one, revisions=[]) for one in empty}
        return []

    async def _counts(self, uuids: list[str]) -> list[tuple[int, int]] | None:
        """Bytes and files below each; None where the server does not tell."""

        async def ask(uuid: str) -> tuple[int, int]:
            told = await self._client.call("bitstream.count", dict[str, str], bulk=True, uuid=uuid)
            return number(told.get("size", "")), number(told.get("count", ""))

        known = {uuid: counts for uuid in uuids if (counts := self._counted.get(uuid)) is not None}
        try:
            told = await self.gather(ask, [uuid for uuid in uuids if uuid not in known])
        except (NotFound, Forbidden, ValueRejected, Broke):
            return None
        self._counted.update(told)
        return [{**known, **told}[uuid] for uuid in uuids]

    async def _ask(self, records: Iterable[Item], found: dict[str, Item]) -> None:
        """Ask for items one by one, into `found`; those that are gone are left out."""

        async def ask(item_id: str) -> Item | None:
            try:
                return await self.item(int(item_id), bulk=True)
            except NotFound:
                return None

        told = await self.gather(ask, [record.item_id for record in records])
        found |= {item_id: record for item_id, record in told.items() if record is not None}

    async def gather(self, ask: Callable[[str], Awaitable[T]], keys: Iterable[str]) -> dict[str, T]:
        """Ask for each key, a few at a time. Raises what the first failure was."""
        told: dict[str, T] = {}
        failure: RepositoryError | None = None

        async def one(key: str) -> None:
            nonlocal failure
            async with self._client.details:
                try:
                    told[key] = await ask(key)
                except RepositoryError as error:
                    failure = failure or error
                    nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for key in keys:
                nursery.start_soon(one, key)
        if failure is not None:
            raise failure
        return told


def _bytes(record: Item) -> int:
    """What an item's files have together, as far as is known."""
    return sum(number(one.sizebytes) for one in record.files) if record.revisions else number(record.sizebytes)


def _key(record: Item) -> tuple[str, str, str, str]:
    return record.item_id, record.date_update, record.name, record.description
