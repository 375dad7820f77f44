"""Sets that are looked through one after the other are listed together (section 9: `find`).

Whoever lists a set soon after the one before it is going through all of them. Then one search brings this set and those
that come next, as many as have at most a page of assets together by the last count. The others' are kept for a moment.
What does not come out as it was counted is left to a listing of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import trio

from assetfs.backends.sams.client import IDS_PER_SEARCH, PAGE, Client
from assetfs.backends.sams.wire import Asset

SOON = 5.0
"""Seconds between two listings that belong to one walk, and for which what was brought is good."""


class Together:
    """Remembers who was listed last, and what came with it. `counts` tells how many assets a set had; empty where
    nobody knows."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.order: Sequence[str] = ()
        """The ids of the sets as they were listed."""
        self.counts: Mapping[str, int] = {}
        self._last: tuple[str, float] = ("", float("-inf"))
        self._brought: dict[str, tuple[float, list[Asset]]] = {}

    async def pages(self, set_id: str) -> AsyncIterator[tuple[list[Asset], int]]:
        """The assets of a set, in pages with the set's total."""
        brought = await self._assets(set_id)
        if brought is not None:
            yield brought, len(brought)
            return
        async for assets, total in self._client.walk({"term": {"set_id": set_id}}, ["_media_id"]):
            yield assets, total

    async def _assets(self, set_id: str) -> list[Asset] | None:
        """All assets of a set, or None where it has to be listed alone."""
        now = trio.current_time()
        last, self._last = self._last, (set_id, now)
        self._brought = {one: there for one, there in self._brought.items() if now - there[0] <= SOON}
        if set_id in self._brought:
            return self._brought.pop(set_id)[1]
        group = self._next(set_id, last, now)
        if len(group) < 2:
            return None
        source = {
            "query": {"bool": {"filter": [{"terms": {"set_id": group}}]}},
            "sort": [{"_media_id": "asc"}],
            "size": PAGE,
        }
        found = (await self._client.search(source, "listing together")).items
        if len(found) >= PAGE:
            return None
        for one in group:
            self._brought[one] = (now, [asset for asset in found if asset.set_id == one])
        return self._brought.pop(set_id)[1]

    def _next(self, set_id: str, last: tuple[str, float], now: float) -> list[str]:
        """This set and those behind it that fit into a page, if the one before it was listed a moment ago."""
        if set_id not in self.order or not self.counts or now - last[1] > SOON:
            return []
        at = self.order.index(set_id)
        if last[0] not in self.order[max(at - 2, 0) : at]:
            return []
        group: list[str] = []
        room = PAGE // 2  # some may have come since they were counted
        for one in self.order[at : at + IDS_PER_SEARCH // 2]:
            room -= self.counts.get(one, 0)
            if room < 0:
                break
            group.append(one)
        return group
