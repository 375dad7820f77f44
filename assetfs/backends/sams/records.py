"""The documents of assets as they were last seen: what a change is made from, and the etag that it needs.

A change is sent with the etag of a record, so that an old one costs a refusal (412) and a second try, and never
somebody else's work. The index remembers keys of `extra` that were removed: what a search told is not `exact`.

Of sets that were listed to their end, the names are kept too, so that a new name need not be asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from cachetools import LRUCache

from assetfs.backends.sams.wire import Asset

KEPT = 200_000
"""Records of assets, most of them shared with listings: rm -r of a large set asks for none of them again."""


class Names:
    """What is in one set: names by id, and ids by name."""

    def __init__(self) -> None:
        self.by_id: dict[str, str] = {}
        self._ids: dict[str, set[str]] = {}

    def add(self, asset_id: str, name: str) -> None:
        self.drop(asset_id)
        self.by_id[asset_id] = name
        self._ids.setdefault(name, set()).add(asset_id)

    def drop(self, asset_id: str) -> None:
        name = self.by_id.pop(asset_id, None)
        if name is not None:
            ids = self._ids[name]
            ids.discard(asset_id)
            if not ids:
                del self._ids[name]

    def ids(self, name: str) -> frozenset[str]:
        """The assets of this name."""
        return frozenset(self._ids.get(name, ()))


class Records:
    """What was last seen of assets, and of the names in sets."""

    def __init__(self) -> None:
        self._known: LRUCache[str, tuple[Asset, bool, int]] = LRUCache(KEPT)
        self._underway: Counter[str] = Counter()
        self._answers: LRUCache[str, str] = LRUCache(KEPT)
        self.moment = 0
        """Goes on with every document that is noted."""
        self.news = 0
        """Goes on when something was changed, by us or by others: what was listed before may be old."""
        self._names: dict[str, Names] = {}

    def note(self, asset: Asset, *, exact: bool) -> Asset:
        """Remember a document; one that is older than what is known is not. Returns it, or the exact one of the same
        etag; with the public link of the one before where an answer to a change leaves that out."""
        before = self._known.get(asset.id)
        if before is not None:
            old, was_exact, _ = before
            if asset.updated < old.updated:
                return asset
            if was_exact and not exact and asset.etag == old.etag:
                return old
            if exact and asset.links.public is None and (asset.state, asset.set_id) == (old.state, old.set_id):
                asset = msgspec.structs.replace(asset, links=old.links)
            if asset.set_id != old.set_id and old.set_id in self._names:
                self._names[old.set_id].drop(asset.id)
        self.moment += 1
        self._known[asset.id] = (asset, exact, self.moment)
        if asset.set_id in self._names:
            self._names[asset.set_id].add(asset.id, asset.filename)
        return asset

    def get(self, asset_id: str, *, exact: bool = False) -> Asset | None:
        """The last document, if it is known (and is known exactly)."""
        found = self._known.get(asset_id)
        return found[0] if found is not None and (found[1] or not exact) else None

    @contextmanager
    def change(self, asset_id: str) -> Iterator[None]:
        """While we change an asset, what others see of it may be our own doing."""
        self._underway[asset_id] += 1
        try:
            yield
        finally:
            self._underway[asset_id] -= 1
            self._underway += Counter()  # those at 0 go
            self.news += 1

    def answered(self, asset_id: str, etag: str) -> None:
        """The server has answered a change of ours with this etag."""
        self._answers[asset_id] = etag

    def is_last(self, asset_id: str, etag: str) -> bool:
        """Whether the change that was answered so is our last one of the asset, and no other is on its way."""
        return asset_id not in self._underway and self._answers.get(asset_id) == etag

    def ours(self, asset_id: str, since: int) -> bool:
        """Whether we are changing an asset, or have learned something of it after the moment `since`."""
        known = self._known.get(asset_id)
        return asset_id in self._underway or (known is not None and known[2] > since)

    def forget(self, asset_id: str) -> None:
        """The asset is gone."""
        self.news += 1
        found = self._known.pop(asset_id, None)
        for names in [self._names.get(found[0].set_id)] if found else list(self._names.values()):
            if names is not None:
                names.drop(asset_id)

    def names(self, set_id: str) -> Names | None:
        """The names in a set, if it was listed to its end since something unknown happened in it."""
        return self._names.get(set_id)

    def listed(self, set_id: str, names: Names) -> None:
        """A set was listed to its end."""
        self._names[set_id] = names

    def listed_sets(self) -> list[str]:
        """The sets whose names are known."""
        return list(self._names)

    def unlist(self) -> None:
        """Nobody watched for a while: nothing is known of what is in sets."""
        self.news += 1
        self._names.clear()

    def unlisted(self, set_id: str) -> None:
        """What is in a set is not known any more."""
        self.news += 1
        self._names.pop(set_id, None)
