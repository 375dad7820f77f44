"""Sets that are looked through one after the other are listed together (section 9: `find`).

Whoever lists the root and then its sets, or one set soon after others, is going through all of them. Then one search
goes through the assets of all sets in the order of the sets, a page at a time and only as far as it is asked for: a
page holds the listings of many small sets, and a large one takes as many pages as it needs. What a page has brought of
the sets behind is kept for a moment, until it is listed or until something has changed anywhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import trio

from assetfs.backends.sams.client import PAGE, Client
from assetfs.backends.sams.nodes import ROOT
from assetfs.backends.sams.wire import Asset

SOON = 10.0
"""Seconds between two listings that belong to one walk."""
GOOD = 30.0
"""Seconds for which what was brought is good, and sets that the root has listed are taken to be there."""
CLICKS = 2
"""Sets that somebody may open within a moment without going through all of them."""

ORDER = [{"set_id": "asc"}, {"_media_id": "asc"}]


class _Stretch:
    """A page of the search: all assets of the sets from `first` up to `last`, in which it ends (None: it was the last
    page). `moment` and `at` say when it was asked for."""

    def __init__(self, first: str, assets: Sequence[Asset], moment: int, at: float) -> None:
        self.moment, self.at = moment, at
        self._first = first
        self._last = assets[-1].set_id if len(assets) >= PAGE else None
        self.end = [assets[-1].set_id, assets[-1].media_id] if assets else []
        self._sets: dict[str, list[Asset]] = {}
        self._taken: set[str] = set()
        for asset in assets:
            self._sets.setdefault(asset.set_id, []).append(asset)

    def has(self, set_id: str) -> bool:
        """Whether a set, or its beginning, is in here and was not taken."""
        within = self._first <= set_id and (self._last is None or set_id <= self._last)
        return within and set_id not in self._taken

    def take(self, set_id: str) -> tuple[list[Asset], bool]:
        """What is in here of a set, once; and whether there may be more of it behind."""
        self._taken.add(set_id)
        return self._sets.pop(set_id, []), set_id == self._last


class Together:
    """Remembers who was listed a moment ago, and what came with it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._order: list[str] = []
        self._seen: dict[str, float] = {}
        self._stretches: list[_Stretch] = []

    def listed(self, order: Sequence[str]) -> None:
        """The root was listed: these sets, in this order."""
        self._order = list(order)
        self._seen[ROOT] = trio.current_time()

    @property
    def current(self) -> bool:
        """Whether the root was listed so lately that the sets which it has named are taken to be there."""
        return trio.current_time() - self._seen.get(ROOT, float("-inf")) <= GOOD

    async def pages(self, set_id: str) -> AsyncIterator[tuple[list[Asset], int | None]]:
        """The assets of a set, in pages, with the set's total where that is known."""
        now, moment = trio.current_time(), self._client.records.news
        walking = self._walking(set_id, now)
        self._stretches = [one for one in self._stretches if one.moment == moment and now - one.at <= GOOD]
        stretch = next((one for one in self._stretches if one.has(set_id)), None)
        if stretch is None and not walking:
            async for assets, total in self._client.walk({"term": {"set_id": set_id}}, ["_media_id"]):
                yield assets, total
            return
        if stretch is None:
            stretch = await self._next(set_id)
        assets, more = stretch.take(set_id)
        yield assets, None if more else len(assets)
        seen = {asset.id for asset in assets} if more else set()
        while more:
            stretch = await self._next(set_id, search_after=stretch.end)
            assets, more = stretch.take(set_id)
            yield [asset for asset in assets if asset.id not in seen], None
            seen.update(asset.id for asset in assets)

    def _walking(self, set_id: str, now: float) -> bool:
        """Whether whoever lists this set is going through all of them: the one before it in the root's order was
        listed a moment ago (or the root, before the first), or several others were."""
        root = self._seen.get(ROOT)
        recent = {one for one, at in self._seen.items() if now - at <= SOON} - {set_id}
        self._seen = {one: self._seen[one] for one in recent} | {set_id: now}
        if root is not None:
            self._seen[ROOT] = root
        if set_id not in self._order:
            return False
        at = self._order.index(set_id)
        before = self._order[at - 1] if at else ROOT
        return before in recent or len(recent - {ROOT}) >= CLICKS

    async def _next(self, first: str, **after: Any) -> _Stretch:
        """One page of all assets of this set and those behind it, or what comes `after`."""
        now, moment = trio.current_time(), self._client.records.news
        query = {"bool": {"filter": [{"range": {"set_id": {"gte": first}}}]}}
        source = {"query": query, "sort": ORDER, "size": PAGE, **after}
        found = (await self._client.search(source, "listing together")).items
        stretch = _Stretch(first, found, moment, now)
        self._stretches.append(stretch)
        return stretch
