"""What others changed (section 4.4): the server tells nobody, so it is asked again and again.

A round costs two requests while nothing happens: the sets, and one count of all assets per set with the newest change
of each. Where that moved, what was changed since the last round is read. Deletions leave no trace but in the counts:
a set that was listed, and has another number of assets than names are known of it, is to be listed again.

What we changed ourselves is known by its etag and is not told. And it is looked at once more, because the server may
have answered 200 and stored nothing (4.3); then the change is made again. The index is filled from the record after the
record was written: so of many changes one search tells which were stored, and the others are looked at in the record.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec
import trio

from assetfs.backends.sams.client import Client
from assetfs.backends.sams.nodes import ROOT, Nodes
from assetfs.backends.sams.wire import Asset, Set, stamp, time_ns
from assetfs.repository import Busy, Change, NotFound, RepositoryError

log = logging.getLogger("assetfs.sams")

MOST_SETS = 10_000
OVERLAP = 3
"""Seconds that a round looks back behind the newest change that is known: times have whole seconds."""
LONGEST, GRACE = 60.0, 5.0
"""Seconds for which a look is good at most, and that the next one may take."""
SOON = 1.0
"""Seconds until a change of ours is looked at."""

Edit = Callable[[Asset], Mapping[str, Any]]
"""What to send so that an asset becomes as wished; nothing when it is so."""


class _Count(msgspec.Struct, frozen=True):
    """One set in the count: how many assets, and the time of the newest change in milliseconds."""

    assets: int
    newest: float


class Watch:
    """One look after the other. `interval` is in seconds; `confirm` looks at a change of ours, and mends it."""

    def __init__(self, client: Client, nodes: Nodes, interval: float) -> None:
        self._client = client
        self._nodes = nodes
        self._interval = interval
        self._counts: dict[str, _Count] = {}
        self._sets: dict[str, Set] = {}
        self._unsure: dict[str, tuple[str, Edit]] = {}
        self._hurry = trio.Event()
        self._looked = -math.inf
        self.listening = False
        self.confirm: Callable[[str, str, Edit], Awaitable[Asset | None]] | None = None

    @property
    def current(self) -> bool:
        """Whether what others did a moment ago is known."""
        return self.listening and trio.current_time() - self._looked <= min(self._interval, LONGEST) + GRACE

    def unsure(self, asset: Asset, edit: Edit) -> None:
        """A change was answered with `asset`: look soon whether it was stored."""
        self._unsure[asset.id] = (asset.etag, edit)
        self._hurry.set()

    async def changes(self) -> AsyncIterator[Change]:
        """See `Repository.changes`."""
        try:
            self._sets, self._counts = await self._all_sets(), await self._count()
            self._client.records.unlist()
            self.listening, self._looked = True, trio.current_time()
            yield Change()
            while True:
                with trio.move_on_after(self._interval):
                    await self._hurry.wait()
                    await trio.sleep(SOON)
                async for change in self._confirm():
                    yield change
                begun = trio.current_time()
                async for change in self._round():
                    yield change
                self._looked = begun
        finally:
            self.listening = False

    async def _round(self) -> AsyncIterator[Change]:
        async for change in self._changed_sets():
            yield change
        before, self._counts = self._counts, await self._count()
        newest = max((one.newest for one in before.values()), default=0.0)
        recent = (
            self._client.server_time is None or newest / 1000 >= self._client.server_time - self._interval - OVERLAP
        )
        if recent or before != self._counts:
            async for change in self._changed_assets(newest):
                yield change
        for set_id in self._client.records.listed_sets():
            names, count = self._client.records.names(set_id), self._counts.get(set_id)
            if names is not None and len(names.by_id) != (count.assets if count is not None else 0):
                self._client.records.unlisted(set_id)
                yield Change(folder=f"s{set_id}", kind="removed")

    async def _all_sets(self) -> dict[str, Set]:
        return {one.id: one async for page in self._client.sets() for one in page}

    async def _changed_sets(self) -> AsyncIterator[Change]:
        before, self._sets = self._sets, await self._all_sets()
        if {one.id: one.etag for one in before.values()} == {one.id: one.etag for one in self._sets.values()}:
            return
        gone = before.keys() - self._sets.keys()
        for set_id in gone:
            self._nodes.sets.pop(set_id, None)
            self._client.records.unlisted(set_id)
        known = {one.id: self._nodes.sets.get(one.id) for one in self._sets.values()}
        self._nodes.sets.update(self._sets)
        if all(one is not None and one.etag == self._sets[one.id].etag for one in known.values()) and not gone:
            return  # our own doing
        yield Change(folder=ROOT)
        for set_id, one in known.items():
            if one is not None and one.etag != self._sets[set_id].etag:
                yield Change(node=f"s{set_id}", kind="metadata")
                if one.state != self._sets[set_id].state:
                    yield Change(folder=f"s{set_id}")  # what may be done with its files is different now

    async def _count(self) -> dict[str, _Count]:
        newest = {"newest": {"max": {"field": "_updated"}}}
        terms = {"terms": {"field": "set_id", "size": MOST_SETS}, "aggs": newest}
        found = (await self._client.search({"size": 0, "aggs": {"sets": terms}}, "watch")).counted["sets"].buckets
        return {one.key: _Count(one.doc_count, float(one.newest.get("value") or 0)) for one in found}

    async def _changed_assets(self, newest: float) -> AsyncIterator[Change]:
        begun, since = self._client.records.moment, stamp(math.floor(newest / 1000) - OVERLAP)
        async for page, _ in self._client.walk(
            {"range": {"_updated": {"gte": since}}}, ["_media_id"], "watch", note=False
        ):
            for asset in page:
                if not self._client.records.ours(asset.id, begun):  # else the next round tells
                    for change in self._told(asset):
                        yield change

    def _told(self, asset: Asset) -> list[Change]:
        """What the news of an asset mean."""
        records = self._client.records
        known = records.get(asset.id)
        if known is not None and (
            known.etag == asset.etag or (time_ns(known.updated) or 0) > (time_ns(asset.updated) or 0)
        ):
            return []
        records.note(asset, exact=False)
        records.news += 1
        node, folder = f"a{asset.id}", f"s{asset.set_id}"
        if known is None:
            return [Change(node=node, folder=folder, kind="created")]
        if known.set_id != asset.set_id:
            return [Change(folder=f"s{known.set_id}", kind="moved"), Change(node=node, folder=folder, kind="moved")]
        if known.filename != asset.filename:
            return [Change(node=node, folder=folder, kind="moved")]
        if known.media_id != asset.media_id:
            return [Change(node=node, folder=folder, kind="modified")]
        return [Change(node=node, kind="metadata")]

    async def _confirm(self) -> AsyncIterator[Change]:
        self._hurry = trio.Event()
        if len(self._unsure) > 1:
            for asset in await self._client.assets(list(self._unsure), "confirm"):
                if self._unsure.get(asset.id, ("",))[0] == asset.etag:
                    del self._unsure[asset.id]
        while self._unsure:
            asset_id, (etag, edit) = next(iter(self._unsure.items()))
            try:
                now = await self.confirm(asset_id, etag, edit) if self.confirm is not None else None
            except (NotFound, Busy):
                now = None  # somebody else has changed the same thing since: what they wrote is newer
            except RepositoryError as error:
                if error.transient:
                    raise
                log.error("%s: a change was answered and not stored, and cannot be made again: %s", asset_id, error)
                now = None
            if now is not None and now.etag != etag:
                yield Change(node=f"a{asset_id}", folder=f"s{now.set_id}", kind="modified")
            if self._unsure.get(asset_id, ("", edit))[0] == etag:
                del self._unsure[asset_id]
