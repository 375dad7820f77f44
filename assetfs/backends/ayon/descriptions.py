"""All that is known of entities, ahead of whoever goes through them (section 9).

Listings ask for little, because descriptions are large. Whoever asks for one gets that one; whoever asks for another
one within ten seconds gets those of the next thousand of its sort that were listed, in the same request. Kept, like
listings, while the event stream is followed, and dropped by what it tells.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from cachetools import LRUCache

from assetfs.backends.ayon.catalogue import KEPT
from assetfs.backends.ayon.levels import WALKING

AHEAD = 1000
REMEMBERED = 20_000
"""Some 3 kB each."""

Rows = Mapping[str, Mapping[str, Any]]
"""Rows by type and id."""


class Descriptions:
    """The descriptions of one project's entities. `ask` is the request; `listed` gives the ids of a type that are
    known, in their order; `ahead` is how many are asked for at once."""

    def __init__(
        self,
        ask: Callable[[Mapping[str, list[str]]], Awaitable[Rows]],
        listed: Callable[[str], Iterable[str]],
        followed: Callable[[], bool],
        ahead: int = AHEAD,
    ) -> None:
        self._ask = ask
        self._listed = listed
        self._followed = followed
        self._ahead = ahead
        self._known: LRUCache[str, tuple[float, Any]] = LRUCache(REMEMBERED)
        self._dropped: LRUCache[str, float] = LRUCache(REMEMBERED)
        self._missed: dict[str, float] = {}
        self._cleared = float("-inf")

    async def rows(self, wanted: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
        """Descriptions by type and id, those that are gone left out: one request for all that are missing."""
        begun = time.monotonic()
        missing = {what: [id_ for id_ in ids if self._fresh(id_, begun) is None] for what, ids in wanted.items()}
        missing = {what: ids for what, ids in missing.items() if ids}
        found: Rows = {}
        if missing:
            if self._followed():
                for what, ids in missing.items():
                    if begun - self._missed.get(what, float("-inf")) <= WALKING:
                        ids += self._next(what, ids, begun)
                    self._missed[what] = begun
            found = await self._ask(missing)
            for rows in found.values():
                for id_, row in rows.items():
                    if self._followed() and max(self._cleared, self._dropped.get(id_, self._cleared)) < begun:
                        self._known[id_] = (begun, row)
        told: dict[str, dict[str, Any]] = {}
        for what, ids in wanted.items():
            rows_ = {id_: found.get(what, {}).get(id_) or self._fresh(id_, begun) for id_ in ids}
            told[what] = {id_: row for id_, row in rows_.items() if row is not None}
        return told

    def _fresh(self, id_: str, now: float) -> Any:
        found = self._known.get(id_)
        return found[1] if found is not None and now - found[0] <= KEPT and self._followed() else None

    def _next(self, what: str, ids: list[str], now: float) -> list[str]:
        """Those that are listed behind the first one, and those before it if there is room left."""
        listed = list(self._listed(what))
        at = listed.index(ids[0]) + 1 if ids[0] in listed else 0
        asked = set(ids)
        rest = (one for one in listed[at:] + listed[:at] if one not in asked and self._fresh(one, now) is None)
        return [one for one, _ in zip(rest, range(self._ahead - len(ids)), strict=False)]

    def drop(self, id_: str) -> None:
        """An entity changed."""
        self._known.pop(id_, None)
        self._dropped[id_] = time.monotonic()

    def clear(self) -> None:
        """Anything may have changed: values are inherited from folders and the project."""
        self._known.clear()
        self._cleared = time.monotonic()
