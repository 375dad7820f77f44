"""Finding: sets, assets by what is asked, by tag, by time; and how many there are (section 4.4)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from cachetools import LRUCache

from assetfs.backends.sams import attributes
from assetfs.backends.sams.client import Client
from assetfs.backends.sams.nodes import Nodes
from assetfs.backends.sams.wire import Asset
from assetfs.repository import NotFound, Page

MOST_TAGS = 10_000
MOST_FOUND = 500
NAMES_PER_SEARCH = 10
"""Names may have any length; what is asked travels in the request line."""


class Finding:
    """Searches. `codes` are the codes of tags by their names, as far as they were asked for."""

    def __init__(self, client: Client, nodes: Nodes) -> None:
        self._client = client
        self._nodes = nodes
        self.codes: LRUCache[str, str] = LRUCache(MOST_TAGS)

    async def sets(self, where: Mapping[str, Any] | None = None) -> AsyncIterator[Page]:
        """All sets, or those that fit a MongoDB filter; each once."""
        seen: set[str] = set()
        async for page in self._client.sets(where):
            yield Page([self._nodes.set(one) for one in page if one.id not in seen])
            seen.update(one.id for one in page)

    async def search(self, query: str) -> AsyncIterator[Page]:
        """Sets with this text in their name, then assets that have all its words, or the tag."""
        async for page in self.sets({"name": {"$regex": f"(?i){re.escape(query)}"}}):
            yield page
        texts = [{"match": {name: {"query": query, "operator": "and"}}} for name in ("filename", "name", "description")]
        fits = {"bool": {"should": [*texts, {"term": {"tags.code": query}}, {"term": {"tags.name": query}}]}}
        found = await self._client.search({"query": fits, "size": MOST_FOUND, "sort": ["_score", "_media_id"]})
        yield await self._page(found.items)

    async def tags(self) -> Sequence[str]:
        """The codes of all tags."""
        source = {"size": 0, "aggs": {"tags": {"terms": {"field": "tags.code", "size": MOST_TAGS}}}}
        found = await self._client.search(source, "tags")
        return sorted(bucket.key for bucket in found.counted["tags"].buckets)

    async def tagged(self, tag: str) -> AsyncIterator[Page]:
        """The assets that have a tag of this code."""
        async for assets, total in self._client.walk({"term": {"tags.code": tag}}, ["_media_id"]):
            yield Page((await self._page(assets)).nodes, total)

    async def recent(self) -> Page:
        """The assets that were changed last."""
        source = {"query": {"match_all": {}}, "sort": [{"_updated": "desc"}, {"_media_id": "desc"}], "size": MOST_FOUND}
        return await self._page((await self._client.search(source, "recent")).items)

    async def _page(self, assets: Sequence[Asset]) -> Page:
        nodes = []
        for asset in assets:
            try:
                nodes.append(await self._nodes.described(asset))
            except NotFound:
                continue  # it has outlived its set
        return Page(nodes)

    async def totals(self, query: Mapping[str, Any]) -> tuple[int, int]:
        """How many assets fit, and their bytes."""
        counts = {"terms": {"field": "set_id", "size": MOST_TAGS}, "aggs": {"bytes": {"sum": {"field": "length"}}}}
        source = {"query": {"bool": {"filter": [query]}}, "size": 0, "aggs": {"sets": counts}}
        found = (await self._client.search(source, "totals")).counted["sets"].buckets
        return sum(one.doc_count for one in found), int(sum(one.bytes.get("value", 0) for one in found))

    async def learn_codes(self, names: Sequence[str], asset: Asset | None) -> None:
        """Find the codes of tags by their names, so that one tag does not become two; asked for once."""
        mine = attributes.tag_names(asset.tags or ()) if asset is not None else ()
        unknown = [name for name in names if name not in mine and name not in self.codes]
        for first in range(0, len(unknown), NAMES_PER_SEARCH):
            part = unknown[first : first + NAMES_PER_SEARCH]
            query = {"query": {"terms": {"tags.name": part}}, "size": len(part) * 10, "sort": [{"_media_id": "desc"}]}
            found = [tag for one in (await self._client.search(query, "tags")).items for tag in one.tags or ()]
            self.codes.update({name: name for name in part})
            self.codes.update({tag.name: tag.code for tag in reversed(found) if tag.name in part})
