"""Jama as a repository: the seam's methods in the words of the protocol (sections 8 and 9).

Each method is short: it finds the calls (`dialect`), makes them (`client`) and turns the records into nodes (`nodes`)
or attributes. The longer ways have rooms of their own: `writing`, `replacing`, `arranging`, `editing`, `downloads`.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import trio
from cachetools import LRUCache

from assetfs.backends import Address
from assetfs.backends.jama import attributes, beside
from assetfs.backends.jama.arranging import Arranging
from assetfs.backends.jama.client import Client, settled
from assetfs.backends.jama.connecting import greet
from assetfs.backends.jama.dialect import Dialect
from assetfs.backends.jama.downloads import PROBES_IN_FLIGHT, Downloads
from assetfs.backends.jama.editing import Editing, parsed
from assetfs.backends.jama.names import check_collection_title
from assetfs.backends.jama.nodes import ROOT, Nodes, held, parent_id, parse
from assetfs.backends.jama.replacing import Replacing
from assetfs.backends.jama.types import FileTypes
from assetfs.backends.jama.uploads import Patience, Uploads
from assetfs.backends.jama.wire import Collection, Items, Resource
from assetfs.backends.jama.writing import Writing
from assetfs.repository import (
    Capabilities,
    Forbidden,
    Identity,
    Kind,
    Ledger,
    Listing,
    Metadata,
    Node,
    NodeId,
    NotAuthenticated,
    NotFound,
    Offline,
    Page,
    ProtocolViolation,
    Repository,
    RepositoryError,
    Rights,
    Sink,
    Source,
    Unavailable,
    VersionChanged,
)
from assetfs.transport import Transport, TransportOptions

BELIEVED = 5.0
"""Seconds for which the ranges of one content are taken to be of one version without a question."""

ANSWER = 5.0
"""Seconds that the question may hold a download: the server's database may be busy with one slow call."""

PIECE = 200
"""Nodes that are made between two checkpoints: well under a millisecond."""


class JamaRepository(Repository):
    """One Jama server seen with one API key."""

    name = "jama"

    def __init__(self, address: Address, options: TransportOptions, *, patience: Patience | None = None) -> None:
        self._endpoint = endpoint(address)
        self._address = address
        self._patience = patience
        self._transport = Transport(self._endpoint, options, headers=_credential(address))
        self._client = Client(self._transport)
        self.capabilities = Capabilities()
        self._dialect: Dialect
        self._nodes: Nodes
        self._downloads: Downloads
        self._arranging: Arranging
        self._writing: Writing
        self._replacing: Replacing
        self._editing: Editing
        self._types: FileTypes
        self._believed: LRUCache[tuple[NodeId, str | None], float] = LRUCache(1000)

    @property
    def requests(self) -> Mapping[str, int]:
        return self._transport.requests.by_label()

    # ---- life -----------------------------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        if not self._address.secret:
            raise NotAuthenticated("Jama needs an API key, and none is given")
        asked = self._address.options
        dialect, welcome = await greet(self._client, asked.get("dialect") or "auto", asked.get("project"))
        self._dialect, self._types = dialect, welcome.types
        self._nodes = Nodes(welcome.scopes, keep_urls=dialect.by_url)
        self._downloads = Downloads(self._client, self._endpoint, by_url=dialect.by_url)
        self._arranging = Arranging(dialect, self._nodes)
        uploads = Uploads(self._client, dialect.limits, first=dialect.first_chunk, patience=self._patience)
        self._writing = Writing(dialect, self._nodes, welcome.types, self._arranging, uploads)
        self._replacing = Replacing(self._writing)
        self._editing = Editing(
            dialect,
            create_fields=bool(asked.get("create_fields")),
            bearer_urls=bool(asked.get("public_urls")),
        )
        self.capabilities = _capabilities(dialect)
        return Identity(server=welcome.server, user=welcome.user, url=self._endpoint)

    async def close(self) -> None:
        await self._client.close()

    # ---- reading --------------------------------------------------------------------------------------------------

    async def root(self) -> Node:
        scopes = list(self._nodes.scopes.values())
        if self._address.options.get("project") and len(scopes) == 1 and not self._dialect.single_scope:
            return self._nodes.project(scopes[0])
        return self._nodes.root(Rights.READ | Rights.WRITE if self._dialect.single_scope else Rights.READ)

    async def children(self, folder: Node) -> AsyncIterator[Page]:
        if folder.id == ROOT and not self._dialect.single_scope:
            projects = [self._nodes.project(scope) for scope in self._nodes.scopes.values()]
            yield Page(projects, len(projects))
            return
        mine = held(folder)
        scope = self._nodes.scope(mine.project)
        if folder.id.startswith("p") and scope.limited:
            entries = await self._dialect.entries(scope.id)
            yield Page([self._nodes.collection(entry) for entry in entries], len(entries))
            return
        listing = self._dialect.listing(mine.project, parent_id(folder), hidden=not scope.grants.uniform)
        async for items in listing:
            yield await self._page(items, folder)

    async def _page(self, items: Items, folder: Node | None = None) -> Page:
        special = held(folder).special if folder is not None else None
        nodes: list[Node] = []
        records: list[Collection | Resource] = [*items.collections, *items.resources]
        for record in records:
            if len(nodes) % PIECE == PIECE - 1:
                await trio.lowlevel.checkpoint()
            make: Any = self._nodes.collection if isinstance(record, Collection) else self._nodes.resource
            try:
                nodes.append(make(record, special))
            except NotFound:
                raise ProtocolViolation(f"a listing with something of project {record.project_id} in it") from None
        total = None
        if items.collections_count is not None and items.resources_count is not None:
            total = items.collections_count + items.resources_count
        return Page(nodes, total)

    def listings(self, folders: Sequence[Node]) -> AsyncIterator[Listing]:
        return self._listings(folders) if self.capabilities.listings else super().listings(folders)

    async def _listings(self, folders: Sequence[Node]) -> AsyncIterator[Listing]:
        for folder, items in await beside.listed(self._dialect, folders):
            yield Listing(folder, (await self._page(items, folder)).nodes)

    async def stat(self, node: NodeId) -> Node:
        if node == ROOT:
            return self._nodes.root(Rights.READ | Rights.WRITE if self._dialect.single_scope else Rights.READ)
        kind, number = parse(node)
        if kind == "r":
            return self._nodes.resource(await self._client.call(self._dialect.resource(number)))
        if kind == "p":
            scope = self._nodes.scope(number)
            if scope.limited:
                await self._dialect.entries(number)
                return self._nodes.project(scope)
            number = scope.root
        return self._nodes.collection(await self._client.call(self._dialect.collection(number)))

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        mine = held(node)
        if node.version is None:
            sink.total(0)
            return
        await self._same_version(node)
        await self._downloads.fetch(mine.id, node.size, start, stop, sink, mine.urls)

    async def _same_version(self, node: Node) -> None:
        """Ask now and then, between the ranges of one content, whether it is still the one: no answer to a range says
        so, and new content often has the old one's size (a page that was scanned again). Raises VersionChanged."""
        if trio.current_time() - self._believed.setdefault((node.id, node.version), trio.current_time()) <= BELIEVED:
            return
        self._believed[node.id, node.version] = trio.current_time()
        with trio.move_on_after(ANSWER):
            try:
                now = await self.stat(node.id)
            except (NotFound, Forbidden, Offline, Unavailable):
                return  # what is deleted can still be downloaded; for the rest the download itself answers
            if now.version != node.version:
                raise VersionChanged(f"{node.id} was replaced on the server")

    async def measure(self, nodes: Sequence[Node]) -> Mapping[NodeId, int]:
        sizes: dict[NodeId, int] = {}
        waiting = iter(nodes)
        failure: RepositoryError | None = None

        async def probe(scope: trio.CancelScope) -> None:
            nonlocal failure
            for node in waiting:
                try:
                    sizes[node.id] = 0 if node.version is None else await self._size(node)
                except (NotFound, Forbidden, ProtocolViolation):
                    continue  # one that is broken on the server must not hide the others
                except RepositoryError as error:
                    failure = error
                    scope.cancel()

        async with trio.open_nursery() as nursery:
            for _ in range(min(PROBES_IN_FLIGHT, len(nodes))):
                nursery.start_soon(probe, nursery.cancel_scope)
        if failure is not None:
            raise failure
        return sizes

    async def _size(self, node: Node) -> int:
        mine = held(node)
        return await self._downloads.measure(mine.id, mine.urls)

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        asked = [node for node in nodes if held(node).id]
        found: dict[NodeId, Metadata] = {node.id: {} for node in nodes if not held(node).id}
        outcomes = await self._client.many([self._editing.read(node) for node in asked]) if asked else []
        for node, outcome in zip(asked, outcomes, strict=True):
            if isinstance(outcome, NotFound | Forbidden):
                continue
            found[node.id] = self._editing.attributes(settled(outcome))
        return found

    async def attribute(self, node: Node, name: str) -> bytes | None:
        if name != attributes.COLLECTIONS:
            return await super().attribute(node, name)
        if node.kind is not Kind.FILE:
            return None
        ways = await self.locate(node.id)
        paths = sorted("/".join(part.name for part in way[:-1]) for way in ways)
        return "\n".join(paths).encode("utf-8", "surrogatepass") if paths else None

    async def locate(self, node: NodeId) -> Sequence[Sequence[Node]]:
        if node == ROOT:
            return []
        kind, number = parse(node)
        if kind == "r":
            record, chains = await self._client.many([self._dialect.resource(number), self._dialect.chains(number)])
            end = self._nodes.resource(settled(record))
            return [[*self._way(chain), end] for chain in settled(chains)]
        if kind == "p":
            return [self._under_root([self._nodes.project(self._nodes.scope(number))])]
        chain = await self._client.call(self._dialect.chain(number))
        return [self._way(chain)]

    def _way(self, chain: Sequence[Collection]) -> list[Node]:
        """Nodes of a chain that begins at the root collection, or as far up as we may see."""
        way: list[Node] = []
        special = None
        for record in chain:
            way.append(self._nodes.collection(record, special))
            special = held(way[-1]).special
        if way and not self._dialect.single_scope and not way[0].id.startswith("p"):
            way.insert(0, self._nodes.project(self._nodes.scope(held(way[0]).project)))
        return self._under_root(way)

    def _under_root(self, way: list[Node]) -> list[Node]:
        """Without the project, where it is the mount's root."""
        if way and way[0].id.startswith("p") and self._address.options.get("project"):
            return way[1:]
        return way

    # ---- finding --------------------------------------------------------------------------------------------------

    async def search(self, query: str) -> AsyncIterator[Page]:
        for project in self._nodes.scopes:
            async for items in self._dialect.searching(project, query):
                yield await self._page(items)

    async def tags(self) -> Sequence[str]:
        outcomes = await self._client.many([self._dialect.tags(project) for project in self._nodes.scopes])
        return sorted({tag.uid for outcome in outcomes for tag in settled(outcome)})

    async def tagged(self, tag: str) -> AsyncIterator[Page]:
        for project in self._nodes.scopes:
            async for items in self._dialect.tagged(project, tag):
                yield await self._page(items)

    # ---- writing --------------------------------------------------------------------------------------------------

    def admit(self, folder: Node, name: str, kind: Kind) -> None:
        self._arranging.check_place(folder, kind)
        if Rights.WRITE not in folder.rights:
            raise Forbidden("this API key may not change this collection")
        if kind is Kind.FOLDER:
            check_collection_title(name)
        else:
            self._writing.admit(folder, name)

    async def create_folder(self, folder: Node, name: str) -> Node:
        return await self._arranging.create_folder(folder, name)

    async def remove_folder(self, node: Node, folder: Node) -> None:
        await self._arranging.remove_folder(node)

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        return await self._writing.upload(folder, name, source, ledger)

    async def replace(self, node: Node, folder: Node, source: Source, ledger: Ledger) -> Node:
        return await self._replacing.replace(node, folder, source, ledger)

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        return await self._writing.abandon(state)

    async def rename(self, node: Node, folder: Node, name: str, over: Node | None = None) -> Node:
        return await self._arranging.rename(node, folder, name, over)

    async def move(self, node: Node, source: Node, destination: Node, name: str, over: Node | None = None) -> Node:
        return await self._arranging.move(node, source, destination, name, over)

    async def link(self, node: Node, folder: Node, name: str) -> Node:
        return await self._arranging.link(node, folder, name)

    async def remove(self, node: Node, folder: Node) -> None:
        await self._arranging.remove(node, folder)

    def admit_metadata(self, changes: Mapping[str, bytes]) -> None:
        parsed(changes)

    async def set_metadata(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        return await self._editing.set_metadata(node, changes)


def endpoint(address: Address) -> str:
    """The endpoint's URL, with its final slash: without it the server redirects, and the POST becomes a GET."""
    return address.base if address.url.path.strip("/") else f"{address.base}rpc/"


def _credential(address: Address) -> dict[str, str]:
    """An API key; with a user's name in the URL, that user's password (section 2)."""
    if address.user:
        pair = base64.b64encode(f"{address.user}:{address.secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {"X-Api-Key": address.secret}


def _capabilities(dialect: Dialect) -> Capabilities:
    return Capabilities(
        listings=dialect.client.batches,
        measure=True,
        create_folder=True,
        remove_folder=True,
        upload=True,
        replace=True,
        replace_keeps_id=dialect.keeps_ids,
        rename=True,
        move=True,
        link=True,
        remove=True,
        set_metadata=True,
        search=True,
        tags=True,
        locate=True,
        unique_content=True,
        max_file_size=dialect.limits.max_file,
        lazy_attributes=frozenset({attributes.COLLECTIONS}),
        aliases=attributes.ALIASES,
        writable=attributes.WRITABLE,
    )
