"""SAMS as a repository: the seam's methods in the words of the protocol (sections 8 and 9).

The root has the sets, a set has its assets, and that is all the depth there is. A listing carries everything that is
known about its assets; they are walked through by media id, which is unique and has an order, so that a set may have
more than the ten thousand that a search shows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from assetfs.backends import Address
from assetfs.backends.sams import POLL, attributes, edits, renditions, shelves
from assetfs.backends.sams.arranging import Arranging, check_set_name
from assetfs.backends.sams.bundles import MOST
from assetfs.backends.sams.changing import Changing
from assetfs.backends.sams.client import Client
from assetfs.backends.sams.downloads import Downloads
from assetfs.backends.sams.finding import Finding
from assetfs.backends.sams.locks import Locks, session_of
from assetfs.backends.sams.nodes import HIDDEN, ROOT, Nodes, number_of
from assetfs.backends.sams.records import Names
from assetfs.backends.sams.renditions import Renditions
from assetfs.backends.sams.together import Together
from assetfs.backends.sams.watch import Watch
from assetfs.backends.sams.wire import Asset, Root, Set
from assetfs.backends.sams.writing import Writing, check_name
from assetfs.names import decode
from assetfs.repository import (
    Capabilities,
    Change,
    Fixed,
    Forbidden,
    Identity,
    Kind,
    Ledger,
    Metadata,
    Node,
    NodeId,
    NotAuthenticated,
    NotFound,
    Page,
    ProtocolViolation,
    Repository,
    Rights,
    Sink,
    Source,
    Unsupported,
    Usage,
)
from assetfs.transport import Transport, TransportOptions

RESOURCES = "consume/assets"
"""What every SAMS has among its resources."""

CAPABILITIES = Capabilities(
    measure=True,
    create_folder=True,
    remove_folder=True,
    upload=True,
    replace=True,
    replace_keeps_id=True,
    rename=True,
    move=True,
    remove=True,
    set_metadata=True,
    search=True,
    recent=True,
    tags=True,
    usage=True,
    hidden=True,
    locate=True,
    bundle=MOST,
    ranges=False,
    lazy_attributes=attributes.LAZY,
    aliases=attributes.ALIASES,
    writable=attributes.WRITABLE,
)


class SamsRepository(Repository):
    """One SAMS server seen with one API key, or none where the server is open."""

    name = "sams"

    def __init__(self, address: Address, options: TransportOptions) -> None:
        self._endpoint = address.base
        self._usable_key = address.secret[:1] not in tuple("Basic ")
        self._user = address.options.get("user_id") or address.user
        headers = {"Authorization": f"Basic {address.secret}"} if address.secret else {}
        self._client = Client(Transport(self._endpoint, options, headers=headers), self._user)
        self._nodes = Nodes(self._client)
        self._finding = Finding(self._client, self._nodes)
        self._downloads = Downloads(self._client, self._nodes)
        self._renditions = Renditions(self._client, self._downloads)
        self._creating = bool(address.options.get("create_renditions"))
        session = session_of(self._endpoint, self._user or "")
        self._locks = Locks(self._client, address.options.get("locks", "honour"), self._user, session)
        self._writing = Writing(self._client, self._nodes, self._downloads, self._locks)
        poll = float(address.options.get("poll", POLL))
        self._watch = Watch(self._client, self._nodes, poll)
        self._nodes.watched = lambda: self._watch.current
        self._together = Together(self._client)
        self._changing = Changing(self._client, self._nodes, self._locks, self._watch)
        self._arranging = Arranging(
            self._client,
            self._nodes,
            self._downloads,
            self._writing,
            self._locks,
            self._changing,
            address.options.get("destination"),
        )
        self._new_extra = bool(address.options.get("new_extra"))
        self.capabilities = msgspec.structs.replace(CAPABILITIES, changes=poll > 0, claims=self._locks.looking)

    @property
    def requests(self) -> Mapping[str, int]:
        return self._client.transport.requests.by_label()

    # ---- life -----------------------------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        try:
            root = await self._client.get("", Root, "connect")
        except NotAuthenticated:
            if not self._usable_key:
                raise NotAuthenticated(
                    "SAMS can never accept this API key: it begins with one of the letters of the word Basic"
                ) from None
            raise
        if RESOURCES not in (child.href for child in root.links.child):
            raise ProtocolViolation("this is no SAMS server: it has no assets among its resources")
        return Identity(server="SAMS", user=self._user or "API key", url=self._endpoint)

    async def close(self) -> None:
        self._downloads.spools.close()
        await self._locks.close()
        await self._client.close()

    # ---- reading --------------------------------------------------------------------------------------------------

    async def root(self) -> Node:
        return self._nodes.root()

    async def children(self, folder: Node) -> AsyncIterator[Page]:
        if folder.id == ROOT:
            order: list[str] = []
            async for page in self._finding.sets():
                order += [node.id[1:] for node in page.nodes]
                yield page
            self._together.listed(order)
            return
        if folder.id[:1] == "v":
            yield Page(await self._renditions.children(folder.id, creating=self._creating))
            return
        if folder.id[:1] in shelves.BY:
            yield Page(await shelves.children(self._client, folder.id))
            return
        set_id = number_of(folder.id, "s")
        names = Names()
        async for assets, total in self._together.pages(set_id):
            if assets:
                await self._nodes.home(set_id)
                for asset in assets:
                    names.add(asset.id, asset.filename)
                yield Page([self._nodes.asset(asset) for asset in assets], total)
        if not names.by_id and not (set_id in self._nodes.sets and self._together.current):
            self._nodes.set(await self._client.set(set_id))  # a search finds nothing in what is not there, too
        self._client.records.listed(set_id, names)

    async def hidden(self, folder: Node, name: str) -> Node:
        if folder.id[:1] == "v" and self._creating:
            set_id, size = renditions.place(folder.id)
            if size:
                return await self._renditions.find(set_id, size, decode(name.encode("utf-8", "surrogateescape")))
            if renditions.size_of(name) is not None:
                return renditions.shelf(set_id, name, creating=True)
        for node in self._hidden_in(folder.id):
            if node.name == name:
                return node
        raise NotFound(f"there is no {name}")

    async def hidden_entries(self, folder: Node) -> Sequence[Node]:
        return self._hidden_in(folder.id)

    def _hidden_in(self, folder: NodeId) -> list[Node]:
        if folder == ROOT:
            return [shelves.Place("t", "").node()]
        if folder[:1] != "s":
            return []
        found = [shelves.Place(letter, folder[1:]).node() for letter in shelves.BY]
        return [renditions.top(folder[1:], creating=self._creating), *found]

    async def stat(self, node: NodeId) -> Node:
        if node == ROOT:
            return self._nodes.root()
        if node[:1] in (renditions.MADE, renditions.WISHED):
            return await self._renditions.stat(node)
        if node[:1] in shelves.BY or node[:1] == shelves.LINK:
            return await shelves.stat(self._client, node)
        if node[:1] == "v":
            return await self._renditions.folder(node, creating=self._creating)
        if node[:1] == "s":
            return self._nodes.set(await self._client.set(number_of(node, "s")))
        return await self._nodes.described(await self._client.asset(number_of(node, "a")))

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        if node.id[:1] in (renditions.MADE, renditions.WISHED):
            await self._renditions.fetch(node, start, stop, sink)
            return
        await self._downloads.fetch(node.private, start, stop, sink)

    def expect(self, nodes: Sequence[Node]) -> None:
        self._downloads.bundles.expect(node.private for node in nodes if node.id[:1] == "a")

    async def measure(self, nodes: Sequence[Node]) -> Mapping[NodeId, int]:
        found = await self._client.assets(_asset_ids(nodes), "measure")
        return {f"a{asset.id}": asset.length for asset in found}

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        found: dict[NodeId, Metadata] = {node.id: {} for node in nodes if node.id == ROOT or node.id[:1] in HIDDEN}
        asked = _asset_ids(nodes)
        if len(asked) == 1:  # the record is exact, where the index remembers keys that were removed
            try:
                assets = [await self._client.asset(asked[0])]
            except NotFound:
                assets = []
        else:
            assets = await self._client.assets(asked, "metadata")
        found |= {f"a{asset.id}": attributes.of_asset(asset) for asset in assets}
        wanted = {node.id for node in nodes if node.id[:1] == "s"}
        if wanted:
            async for page in self._client.sets():
                found |= {f"s{one.id}": await self._of_set(one) for one in page if f"s{one.id}" in wanted}
        return found

    def described(self, node: Node) -> Metadata | None:
        """What the node itself says: all that a listing has told of it."""
        return attributes.of_asset(node.private) if isinstance(node.private, Asset) and node.id[:1] == "a" else None

    async def changes(self) -> AsyncIterator[Change]:
        async for change in self._watch.changes():
            yield change

    async def attribute(self, node: Node, name: str) -> bytes | None:
        if name not in attributes.LAZY:
            return await super().attribute(node, name)
        if name == attributes.SHA1:
            digest = await self._downloads.sha1(node.private) if node.kind is Kind.FILE else None
            return digest.encode() if digest else None
        if node.id[:1] != "s":
            return None
        count, size = await self._finding.totals({"term": {"set_id": node.id[1:]}})
        return b"%d" % (count if name == attributes.COUNT else size)

    async def usage(self) -> Usage:
        count, _ = await self._finding.totals({"match_all": {}})
        return Usage(files=count)

    async def locate(self, node: NodeId) -> Sequence[Sequence[Node]]:
        found = await self.stat(node)
        if node == ROOT:
            return []
        if node[:1] in HIDDEN:
            raise NotFound("what is hidden is not listed, so that no way leads to it")
        if isinstance(found.private, Set):
            return [[found]]
        return [[self._nodes.set(await self._nodes.home(found.private.set_id)), found]]

    # ---- finding --------------------------------------------------------------------------------------------------

    async def search(self, query: str) -> AsyncIterator[Page]:
        async for page in self._finding.search(query):
            yield page

    async def tags(self) -> Sequence[str]:
        return await self._finding.tags()

    async def tagged(self, tag: str) -> AsyncIterator[Page]:
        async for page in self._finding.tagged(tag):
            yield page

    async def recent(self) -> AsyncIterator[Page]:
        yield await self._finding.recent()

    # ---- writing --------------------------------------------------------------------------------------------------

    def admit(self, folder: Node, name: str, kind: Kind) -> None:
        if kind is Kind.LINK:
            raise Unsupported("SAMS has no links")
        if folder.id[:1] in HIDDEN:
            raise Forbidden("what is in hidden folders is the server's own")
        if folder.id == ROOT and kind is Kind.FILE:
            raise Unsupported("files are in sets")
        if folder.id != ROOT and kind is Kind.FOLDER:
            raise Fixed("sets are at the top: there are no folders in sets")
        if Rights.WRITE not in folder.rights:
            raise Forbidden("the set is not open for changes")
        (check_name if kind is Kind.FILE else check_set_name)(name)

    async def create_folder(self, folder: Node, name: str) -> Node:
        self.admit(folder, name, Kind.FOLDER)
        return await self._arranging.create_set(name)

    async def remove_folder(self, node: Node, folder: Node) -> None:
        await self._arranging.remove_set(number_of(node.id, "s"))

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        self.admit(folder, name, Kind.FILE)
        return await self._writing.upload(folder.private, name, source, ledger)

    async def replace(self, node: Node, folder: Node, source: Source, ledger: Ledger) -> Node:
        return await self._writing.replace(node.version, number_of(node.id, "a"), source, ledger)

    async def claim(self, node: Node) -> None:
        if not self.capabilities.claims:
            await super().claim(node)
        await self._locks.claim(number_of(node.id, "a"))

    async def release(self, node: NodeId) -> None:
        if not self.capabilities.claims:
            await super().release(node)
        if node[:1] == "a":
            await self._locks.give_back(node[1:])

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        return await self._writing.abandon(state)

    async def rename(self, node: Node, folder: Node, name: str, over: Node | None = None) -> Node:
        if node.kind is Kind.FOLDER:
            gone = None if over is None else number_of(over.id, "s")
            return await self._arranging.rename_set(number_of(node.id, "s"), name, gone)
        return await self.move(node, folder, folder, name, over)

    async def move(self, node: Node, source: Node, destination: Node, name: str, over: Node | None = None) -> Node:
        if node.kind is Kind.FOLDER or destination.id == ROOT:
            raise Unsupported("files are in sets, and sets are at the top: there are no folders in sets")
        number = number_of(node.id, "a")
        asset = self._client.records.get(number) or await self._client.asset(number)
        return await self._arranging.place(asset, destination.private, name, over)

    async def remove(self, node: Node, folder: Node) -> None:
        await self._arranging.remove_asset(number_of(node.id, "a"))

    def admit_metadata(self, changes: Mapping[str, bytes]) -> None:
        wished = edits.parsed(changes, of_set=False)
        edits.check_new_keys(wished, new_extra=self._new_extra)

    async def set_metadata(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        if node.id == ROOT:
            raise Unsupported("the root has no attributes")
        wished = edits.parsed(changes, of_set=node.kind is Kind.FOLDER)
        if node.kind is Kind.FOLDER:
            number = number_of(node.id, "s")
            document = await self._changing.set(number, lambda one: edits.set_changes(one, wished))
            self._nodes.sets[number] = document
            return await self._of_set(document)
        number = number_of(node.id, "a")
        edit = edits.Edit(wished, self._finding.codes.get, new_extra=self._new_extra)
        await self._finding.learn_codes(edit.new_names, self._client.records.get(number))
        asset = await self._changing.asset(number, edit, exact=edit.needs_exact)
        return attributes.of_asset(asset)

    async def _of_set(self, document: Set) -> Metadata:
        return attributes.of_set(document, (await self._arranging.destinations()).get(document.destination_name))


def _asset_ids(nodes: Sequence[Node]) -> list[str]:
    return [node.id[1:] for node in nodes if node.id[:1] == "a"]
