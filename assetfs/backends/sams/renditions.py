"""The hidden folder `.renditions` of a set: pictures in other sizes (section 8).

    photos/.renditions/thumbnail/a.jpg      by the name of a rendition
    photos/.renditions/640x640/a.jpg        by the sides that were asked for

Folders list what the server has made. Asking it for a size that it has not makes one, and so changes the asset: nothing
is asked for before the record has said that exactly this rendition will answer. Only where `create_renditions` is set,
a picture that is not listed answers to its name; it is made when it is opened, and never by looking.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from assetfs.backends.sams.client import Client
from assetfs.backends.sams.downloads import Downloads, breaks_headers
from assetfs.backends.sams.nodes import number_of
from assetfs.backends.sams.wire import Asset, Params, Rendition, media_time_ns, time_ns
from assetfs.repository import Kind, Node, NodeId, NotFound, ProtocolViolation, Rights, Sink, VersionChanged
from assetfs.transport import Body, Head
from assetfs.transport.rules import closed_range

FOLDER = ".renditions"
ORIGINAL = "original"
"""The rendition that is the asset itself."""
MADE, WISHED = "i", "w"
"""Letters of the files' ids: `i<asset>/<media id>`, and `w<asset>/<size>` for what is not made yet."""
_SIZE = re.compile(r"([1-9][0-9]{0,4})?x([1-9][0-9]{0,4})?")


def top(set_id: str, *, creating: bool) -> Node:
    """The folder `.renditions` of a set."""
    return Node(id=f"v{set_id}", kind=Kind.FOLDER, name=FOLDER, rights=Rights.READ, open_ended=creating)


def shelf(set_id: str, name: str, *, creating: bool) -> Node:
    """The folder of one size in it."""
    ended = not (creating and size_of(name) is not None)
    return Node(id=f"v{set_id}/{name}", kind=Kind.FOLDER, name=name, rights=Rights.READ, open_ended=not ended)


def size_of(name: str) -> tuple[int | None, int | None] | None:
    """Width and height that the name of a folder says, None for a side that it leaves open; None for other names."""
    found = _SIZE.fullmatch(name)
    if found is None or not (found[1] or found[2]):
        return None
    return (int(found[1]) if found[1] else None, int(found[2]) if found[2] else None)


def picture(asset: Asset, rendition: Rendition) -> Node:
    """The file of one rendition."""
    return Node(
        id=f"{MADE}{asset.id}/{rendition.media_id}",
        kind=Kind.FILE,
        name=asset.filename,
        label=asset.id,
        size=rendition.length,
        version=rendition.media_id,
        mtime_ns=media_time_ns(rendition.media_id) or time_ns(asset.versioncreated),
        rights=Rights.READ,
        mime=asset.mimetype,
        links=1,
        private=asset,
    )


def wished(asset: Asset, size: str) -> Node:
    """The file of a rendition that is made when it is opened; of the asset's content as it is now."""
    return Node(
        id=f"{WISHED}{asset.id}/{size}",
        kind=Kind.FILE,
        name=asset.filename,
        label=asset.id,
        size=None,
        measurable=False,
        version=asset.media_id,
        mtime_ns=media_time_ns(asset.media_id),
        rights=Rights.READ,
        mime=asset.mimetype,
        links=1,
        private=asset,
    )


def place(folder: NodeId) -> tuple[str, str]:
    """The set of a folder in here, and the size that it is for; empty for the top. Raises NotFound."""
    head, _, name = folder.partition("/")
    return number_of("s" + head[1:], "s"), name


def by_size(asset: Asset) -> dict[str, Rendition]:
    """The renditions of an asset that can be had, by the names of their folders; the first of a name."""
    found: dict[str, Rendition] = {}
    for one in asset.renditions or ():
        if one.length and (one.media_id == asset.media_id if one.name == ORIGINAL else answers(asset, one)):
            params = one.params or Params()
            for name in (one.name, f"{params.width or ''}x{params.height or ''}"):
                if name and name != "x":
                    found.setdefault(name, one)
    return found


def answers(asset: Asset, rendition: Rendition) -> bool:
    """Whether the server, asked for the size of this rendition, answers with it and not with another: it takes the
    first that fits, and a side that was not asked for fits any (section 4.9). And whether it can: names break."""
    asked = rendition.params
    if asked is None or not (asked.width or asked.height) or breaks_headers(rendition.filename):
        return False
    return _answering(asset, asked) == rendition.media_id


def _answering(asset: Asset, asked: Params) -> str | None:
    """The media id of what the server answers with; None: it makes one."""
    for one in asset.renditions or ():
        had = one.params or Params()
        sides = ((asked.width, had.width), (asked.height, had.height))
        fits = all(not wanted or wanted == there for wanted, there in sides)
        if fits and had.keep_proportions == asked.keep_proportions:
            return one.media_id
    return None


def names(assets: Iterable[Asset]) -> list[str]:
    """The sizes that there are."""
    return sorted({name for asset in assets for name in by_size(asset)})


class Renditions:
    """Looks up and fetches renditions; makes one where it is wished and opened."""

    def __init__(self, client: Client, downloads: Downloads) -> None:
        self._client = client
        self._downloads = downloads

    async def stat(self, node: NodeId) -> Node:
        """The file of a rendition as it is now. Raises NotFound."""
        head, _, which = node.partition("/")
        asset = await self._client.asset(number_of("a" + head[1:], "a"))
        return wished(asset, which) if head[:1] == WISHED else picture(asset, _of(asset, which))

    async def folder(self, node: NodeId, *, creating: bool) -> Node:
        """`.renditions`, or the folder of one size in it. Raises NotFound where the set is gone."""
        set_id, size = place(node)
        await self._client.set(set_id)
        return shelf(set_id, size, creating=creating) if size else top(set_id, creating=creating)

    async def children(self, folder: NodeId, *, creating: bool) -> list[Node]:
        """What is in `.renditions`, or in the folder of one size in it."""
        set_id, size = place(folder)
        pages = self._client.walk({"term": {"set_id": set_id}}, ["_media_id"])
        assets = [asset async for page, _ in pages for asset in page if asset.renditions]
        if not size:
            return [shelf(set_id, name, creating=creating) for name in names(assets)]
        found = [(asset, by_size(asset).get(size)) for asset in assets]
        return [picture(asset, one) for asset, one in found if one is not None]

    async def find(self, set_id: str, size: str, name: str) -> Node:
        """A picture that is not listed, by its name in the set. Raises NotFound."""
        stem, _, label = name.rpartition("~")
        asset = await self._client.named(set_id, name)
        if asset is None and stem and label[:24].isalnum():
            asset = await self._client.asset(label[:24])
            asset = asset if asset.set_id == set_id and asset.filename == stem + label[24:] else None
        if asset is None or not (asset.mimetype or "").startswith("image/") or breaks_headers(asset.filename):
            raise NotFound("there is no such picture")
        made = by_size(asset).get(size)
        return picture(asset, made) if made is not None else wished(asset, size)

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        """Deliver bytes of a rendition. Raises NotFound where it is gone (its asset has other content, say)."""
        head, _, which = node.id.partition("/")
        asset = await self._client.asset(number_of("a" + head[1:], "a"))
        if head[:1] == WISHED:
            if asset.media_id != node.version:
                raise VersionChanged("the picture was replaced on the server")
            width, height = size_of(which) or (None, None)
            await self._get(asset, Params(width, height, keep_proportions=True), None, start, stop, sink)
            return
        rendition = _of(asset, node.version or "")
        if rendition.media_id == asset.media_id:
            await self._downloads.fetch(asset, start, stop, sink)
        elif start >= (rendition.length or 0):
            sink.total(rendition.length or 0)
        else:
            await self._get(asset, rendition.params or Params(), rendition.length, start, stop, sink)

    async def _get(self, asset: Asset, params: Params, size: int | None, start: int, stop: int, sink: Sink) -> None:
        standard = closed_range(start, stop if size is None else min(stop, size))

        def interpret(head: Head) -> Body:
            body = standard(head)
            if size is not None and body.total != size:
                raise VersionChanged(f"the rendition has {body.total} bytes now, and had {size}")
            return body

        sides = {"width": params.width, "height": params.height}
        asked = "&".join(f"{name}={value}" for name, value in sides.items() if value)
        path = f"consume/assets/images/{asset.id}?{asked}&keep_proportions={int(bool(params.keep_proportions))}"
        try:
            await self._client.fetch(
                path, start, stop if size is None else min(stop, size), sink, label="rendition", interpret=interpret
            )
        except NotFound:
            await self._client.asset(asset.id)
            raise ProtocolViolation("the server has the rendition on record and not its content") from None


def _of(asset: Asset, media_id: str) -> Rendition:
    found = next((one for one in by_size(asset).values() if one.media_id == media_id), None)
    if found is None:
        raise NotFound("the rendition is gone")
    return found
