"""Hidden folders of links to assets: by tag, and by state (section 8).

    photos/.tags/election/a.jpg      the assets of a set that have a tag
    photos/.state/draft/a.jpg        the assets of a set in a state
    .tags/election/a.jpg             the assets of all sets that have a tag

The folder's id is a letter for what it goes by and the set's id (none for all sets), then the value: `t<set>/election`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from assetfs.backends.sams.attributes import ASSET_STATES
from assetfs.backends.sams.client import Client
from assetfs.backends.sams.wire import Asset, is_id
from assetfs.repository import Kind, Node, NodeId, NotFound, Rights

MOST_VALUES = 10_000


class By(msgspec.Struct, frozen=True):
    """What a folder goes by: its name, the field of the index, and the values if they are always the same."""

    name: str
    field: str
    values: tuple[str, ...] = ()


BY = {"t": By(".tags", "tags.code"), "d": By(".state", "state", ASSET_STATES)}
LINK = "l"


class Place(msgspec.Struct, frozen=True):
    """A folder here: what it goes by, the set (empty: all), and the value (empty: the folder of all values)."""

    letter: str
    set_id: str
    value: str = ""

    @property
    def id(self) -> NodeId:
        return f"{self.letter}{self.set_id}" + (f"/{self.value}" if self.value else "")

    def node(self) -> Node:
        """The folder."""
        return Node(id=self.id, kind=Kind.FOLDER, name=self.value or BY[self.letter].name, rights=Rights.READ)

    def query(self) -> dict[str, Any]:
        """What finds the assets in it."""
        fits = [{"term": {"set_id": self.set_id}}] if self.set_id else []
        fits += [{"term": {BY[self.letter].field: self.value}}] if self.value else []
        return {"bool": {"filter": fits}} if fits else {"match_all": {}}

    def link(self, asset: Asset) -> Node:
        """The entry of an asset."""
        return Node(
            id=f"{LINK}{asset.id}@{self.id}",
            kind=Kind.LINK,
            name=asset.filename,
            label=asset.id,
            rights=Rights.READ,
            leads_to=f"a{asset.id}",
        )


def place_of(folder: NodeId) -> Place:
    """The place that a folder's id names. Raises NotFound."""
    head, _, value = folder.partition("/")
    letter, set_id = head[:1], head[1:]
    if letter not in BY or not (is_id(set_id) or (letter == "t" and not set_id)):
        raise NotFound("there is no such folder")
    if value and BY[letter].values and value not in BY[letter].values:
        raise NotFound("there is no such state")
    return Place(letter, set_id, value)


async def stat(client: Client, node: NodeId) -> Node:
    """A folder or a link, as it is now. Raises NotFound."""
    if node[:1] != LINK:
        place = place_of(node)
        if place.set_id:
            await client.set(place.set_id)
        return place.node()
    asset_id, _, folder = node[1:].partition("@")
    place, asset = place_of(folder), await client.asset(asset_id)
    value = {tag.code for tag in asset.tags or ()} if place.letter == "t" else {asset.state}
    if place.set_id not in ("", asset.set_id) or place.value not in value:
        raise NotFound("the asset is not there any more")
    return place.link(asset)


async def children(client: Client, folder: NodeId) -> list[Node]:
    """Folders of the values that there are, or the links in one of them."""
    place = place_of(folder)
    if place.value:
        return [place.link(asset) async for page, _ in client.walk(place.query(), ["_media_id"]) for asset in page]
    values = BY[place.letter].values
    if not values:
        terms = {"terms": {"field": BY[place.letter].field, "size": MOST_VALUES}}
        found = await client.search({"query": place.query(), "size": 0, "aggs": {"values": terms}}, "tags")
        values = tuple(sorted(bucket.key for bucket in found.counted["values"].buckets if bucket.key))
    return [Place(place.letter, place.set_id, value).node() for value in values]
