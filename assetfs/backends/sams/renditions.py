"""The hidden folder `.renditions` of a set: pictures in the sizes that the server has made already (section 8).

    photos/.renditions/thumbnail/a.jpg

A folder for each name (for renditions without one: `<width>x<height>` as they were asked for), files under the names of
their assets. Asking the server for a size that it has not makes one, and so changes the asset: so nothing is asked for
before the record has said that exactly this rendition will answer.
"""

from __future__ import annotations

from collections.abc import Iterable

from assetfs.backends.sams.client import Client
from assetfs.backends.sams.downloads import breaks_headers
from assetfs.backends.sams.nodes import number_of
from assetfs.backends.sams.wire import Asset, Params, Rendition, media_time_ns, time_ns
from assetfs.repository import Kind, Node, NodeId, NotFound, ProtocolViolation, Rights, Sink, VersionChanged
from assetfs.transport import Body, Head
from assetfs.transport.rules import closed_range

FOLDER = ".renditions"
ORIGINAL = "original"
"""The rendition that is the asset itself."""


def top(set_id: str) -> Node:
    """The folder `.renditions` of a set."""
    return Node(id=f"v{set_id}", kind=Kind.FOLDER, name=FOLDER, rights=Rights.READ)


def shelf(set_id: str, name: str) -> Node:
    """The folder of one size in it."""
    return Node(id=f"v{set_id}/{name}", kind=Kind.FOLDER, name=name, rights=Rights.READ)


def picture(asset: Asset, rendition: Rendition) -> Node:
    """The file of one rendition."""
    return Node(
        id=f"i{asset.id}/{rendition.media_id}",
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


def place(folder: NodeId) -> tuple[str, str]:
    """The set of a folder in here, and the size that it is for; empty for the top. Raises NotFound."""
    head, _, name = folder.partition("/")
    return number_of("s" + head[1:], "s"), name


def by_size(asset: Asset) -> dict[str, Rendition]:
    """The renditions of an asset that can be had, by the name of their folder; the first of a name."""
    found: dict[str, Rendition] = {}
    for one in asset.renditions or ():
        if one.name != ORIGINAL and one.length and not breaks_headers(one.filename) and answers(asset, one):
            found.setdefault(_folder_of(one), one)
    return found


def _folder_of(rendition: Rendition) -> str:
    params = rendition.params or Params()
    return rendition.name or f"{params.width or ''}x{params.height or ''}"


def answers(asset: Asset, rendition: Rendition) -> bool:
    """Whether the server, asked for the size of this rendition, answers with it and not with another: it takes the
    first that fits, and a side that was not asked for fits any (section 4.9)."""
    asked = rendition.params
    if asked is None or not (asked.width or asked.height):
        return False
    for one in asset.renditions or ():
        had = one.params or Params()
        sides = ((asked.width, had.width), (asked.height, had.height))
        fits = all(not wanted or wanted == there for wanted, there in sides)
        if fits and had.keep_proportions == asked.keep_proportions:
            return one.media_id == rendition.media_id
    return False


def names(assets: Iterable[Asset]) -> list[str]:
    """The sizes that there are."""
    return sorted({name for asset in assets for name in by_size(asset)})


class Renditions:
    """Looks up and fetches renditions; makes none."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def stat(self, node: NodeId) -> tuple[Asset, Node]:
        """The file of a rendition, and the asset that it is of, as they are now. Raises NotFound."""
        head, _, media_id = node.partition("/")
        asset = await self._client.asset(number_of("a" + head[1:], "a"))
        return asset, picture(asset, _of(asset, media_id))

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        """Deliver bytes of a rendition. Raises NotFound where it is gone (its asset has other content, say)."""
        asset, _ = await self.stat(node.id)
        rendition = _of(asset, node.version or "")
        params, size = rendition.params or Params(), rendition.length or 0
        if start >= size:
            sink.total(size)
            return
        standard = closed_range(start, min(stop, size))

        def interpret(head: Head) -> Body:
            body = standard(head)
            if body.total != size:
                raise VersionChanged(f"the rendition has {body.total} bytes now, and had {size}")
            return body

        sides = {"width": params.width, "height": params.height}
        asked = "&".join(f"{name}={value}" for name, value in sides.items() if value)
        path = f"consume/assets/images/{asset.id}?{asked}&keep_proportions={int(bool(params.keep_proportions))}"
        fetch = self._client.transport.fetch
        try:
            await fetch(path, start, min(stop, size), sink, label="rendition", interpret=interpret)
        except NotFound:
            await self.stat(node.id)
            raise ProtocolViolation("the server has the rendition on record and not its content") from None


def _of(asset: Asset, media_id: str) -> Rendition:
    found = next((one for one in by_size(asset).values() if one.media_id == media_id), None)
    if found is None:
        raise NotFound("the rendition is gone")
    return found
