"""Documents into nodes (section 8): sets are folders below the root, assets are files in them.

A node's id is a letter and the server's id: `s…` a set, `a…` an asset; `v…`, `i…` and `w…` are folders and files of
renditions, `t…`, `d…` and `l…` folders of tags and states and the links in them. Assets of sets that are not `usable`
cannot be changed, which shows in their rights; so the set of every asset has to be known.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping

from cachetools import LRUCache

from assetfs.backends.sams.client import Client
from assetfs.backends.sams.records import Names
from assetfs.backends.sams.wire import SECOND, Asset, Set, is_id, media_time_ns, time_ns
from assetfs.repository import Forbidden, Kind, Node, NodeId, NotFound, Rights

ROOT = "root"
HIDDEN = frozenset("viwtdl")
"""First letters of the ids of what is not listed."""
REMEMBERED = 100_000
"""Digests of contents that were seen: 200 bytes each."""


class Nodes:
    """Makes nodes, and remembers what is needed for that."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.sets: dict[str, Set] = {}
        self.digests: MutableMapping[str, str] = LRUCache(REMEMBERED)
        """SHA-1 by media id, as downloads and uploads told them."""
        self.unsettled: set[str] = set()
        """Media ids of assets that were described in the second in which they changed: they may change once more
        without a sign of it in their times (trap 23)."""
        self.watched: Callable[[], bool] = lambda: False
        """Whether what others do is noticed, so that names of a set that was listed are still those."""

    def current_names(self, set_id: str) -> Names | None:
        """The names in a set, where they are known and current."""
        return self._client.records.names(set_id) if self.watched() else None

    def root(self) -> Node:
        return Node(id=ROOT, kind=Kind.FOLDER, name="", rights=Rights.READ | Rights.WRITE)

    def set(self, document: Set) -> Node:
        """A folder."""
        self.sets[document.id] = document
        usable = document.state == "usable"
        return Node(
            id=f"s{document.id}",
            kind=Kind.FOLDER,
            name=document.name,
            label=document.id,
            mtime_ns=time_ns(document.updated),
            ctime_ns=time_ns(document.updated),
            birth_ns=time_ns(document.firstcreated or document.created),
            rights=Rights.ALL if usable else Rights.READ | Rights.ANNOTATE,
            private=document,
        )

    def asset(self, document: Asset) -> Node:
        """A file. The set that it is in must be known (`home`)."""
        folder = self.sets.get(document.set_id)
        changed = time_ns(document.updated) or 0
        now = self._client.server_time
        if now is None or now * SECOND <= changed:
            self.unsettled.add(document.media_id)
        else:
            self.unsettled.discard(document.media_id)
        digest = self.digests.get(document.media_id)
        public = document.links.public
        return Node(
            id=f"a{document.id}",
            kind=Kind.FILE,
            name=document.filename,
            label=document.id,
            size=document.length,
            version=document.media_id,
            digest=f"sha1:{digest}" if digest else None,
            mtime_ns=media_time_ns(document.media_id) or time_ns(document.versioncreated),
            ctime_ns=changed,
            birth_ns=time_ns(document.firstcreated or document.created),
            rights=Rights.ALL if folder is not None and folder.state == "usable" else Rights.READ,
            mime=document.mimetype,
            links=1,
            url=public.href if public is not None else None,
            private=document,
        )

    async def home(self, set_id: str) -> Set:
        """The set of an asset: asked for once. Raises NotFound for assets that outlived their set."""
        if set_id not in self.sets:
            self.sets[set_id] = await self._client.set(set_id)
        return self.sets[set_id]

    async def described(self, document: Asset) -> Node:
        """A file, with its set looked up where need be."""
        await self.home(document.set_id)
        return self.asset(document)


def number_of(node: NodeId, letter: str) -> str:
    """The server's id in a node's. Raises NotFound for what is no id of this kind."""
    if node[:1] in HIDDEN:
        raise Forbidden("what is in hidden folders is the server's own: it cannot be changed")
    if node[:1] != letter or not is_id(node[1:]):
        raise NotFound("there is no such node")
    return node[1:]
