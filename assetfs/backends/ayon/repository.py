"""AYON as a repository: the seam's methods in the words of the protocol (section 8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import trio

from assetfs.backends import Address
from assetfs.backends.ayon import attributes
from assetfs.backends.ayon.client import Client
from assetfs.backends.ayon.downloads import fetch_local
from assetfs.backends.ayon.editing import Editing
from assetfs.backends.ayon.events import follow
from assetfs.backends.ayon.ids import parse
from assetfs.backends.ayon.linking import Linking
from assetfs.backends.ayon.listing import Tree, root
from assetfs.backends.ayon.pictures import Pictures
from assetfs.backends.ayon.roots import mapping
from assetfs.backends.ayon.studio import Choices, Studio
from assetfs.backends.ayon.wire import Attributes, Info, Me
from assetfs.repository import (
    Capabilities,
    Change,
    Identity,
    Metadata,
    Node,
    NodeId,
    NotFound,
    NotHere,
    Page,
    RecallPolicy,
    Repository,
    RepositoryError,
    Sink,
    Unsupported,
    VersionChanged,
)
from assetfs.transport import TransportOptions

MEASURED_AT_ONCE = 6

CAPABILITIES = Capabilities(
    measure=True,
    set_metadata=True,
    hidden=True,
    changes=True,
    locate=True,
    recall=True,
    recall_policy=RecallPolicy.MANUAL,
    lazy_attributes=attributes.LAZY,
    aliases=attributes.ALIASES,
    writable=attributes.WRITABLE,
)


class AyonRepository(Repository):
    """One AYON server seen with one credential."""

    name = "ayon"

    def __init__(self, address: Address, options: TransportOptions) -> None:
        given = {name: value for name, value in address.options.items() if name in Choices.__struct_fields__}
        given["root_map"] = mapping(given.get("root_map"))
        self._client = Client(address, options)
        self._studio = Studio(self._client, Choices(**given))
        self._pictures = Pictures(self._studio)
        self._linking = Linking(self._studio)
        self._tree = Tree(self._studio, self._linking, self._pictures)
        self._editing = Editing(self._studio, self._linking)
        self.capabilities = CAPABILITIES

    @property
    def requests(self) -> Mapping[str, int]:
        return self._client.requests()

    # ---- life -----------------------------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        await self._client.log_in()
        me = await self._client.get("api/users/me", Me, "whoami")
        info = await self._client.get("api/info", Info, "connect")
        schema = info.attributes
        if schema is None:
            schema = (await self._client.get("api/attributes", Attributes, "attributes")).attributes
        self._studio.schema = {one.name: one for one in schema}
        self._studio.user = me.name
        return Identity(server=f"AYON {info.version}", user=me.name, url=self._client.base)

    async def close(self) -> None:
        await self._client.close()

    # ---- reading --------------------------------------------------------------------------------------------------

    async def root(self) -> Node:
        return root()

    async def children(self, folder: Node) -> AsyncIterator[Page]:
        yield Page(await self._tree.children(folder))

    async def hidden(self, folder: Node, name: str) -> Node:
        return await self._tree.hidden(folder, name)

    async def stat(self, node: NodeId) -> Node:
        return await self._tree.stat(node)

    async def locate(self, node: NodeId) -> Sequence[Sequence[Node]]:
        return await self._tree.locate(node)

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        ref, of = parse(node.id), node.private
        if ref.what == "thumbnail":
            await self._pictures.fetch_thumbnail(node, start, stop, sink)
        elif node.local is not None:
            await fetch_local(node.local, node.version if ref.what == "workfile" else None, start, stop, sink)
        elif of.stored:
            try:
                await self._studio.downloads.fetch(ref.project, of.stored, node.size, start, stop, sink)
            except NotFound:
                now = await self._tree.stat(node.id)
                if now.version != node.version:
                    raise VersionChanged("the file was replaced on the server") from None
                raise
        else:
            raise NotHere("the content is not available at this site")

    async def measure(self, nodes: Sequence[Node]) -> Mapping[NodeId, int]:
        found: dict[NodeId, int] = {}
        limit = trio.CapacityLimiter(MEASURED_AT_ONCE)

        async def one(node: Node) -> None:
            try:
                parse(node.id)
                if node.size is not None:
                    found[node.id] = node.size
                elif node.private.stored:
                    async with limit:
                        found[node.id] = await self._pictures.size(node)
            except RepositoryError as error:
                if error.transient:
                    raise

        async with trio.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(one, node)
        return found

    async def recall(self, nodes: Sequence[Node], *, explicit: bool = False, along: Node | None = None) -> None:
        raise NotHere("the content is not available at this site")

    async def recalled(self, node: Node) -> Node:
        raise NotHere("the content is not available at this site")

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        return await self._editing.metadata(nodes)

    async def attribute(self, node: Node, name: str) -> bytes | None:
        if name not in attributes.LAZY:
            raise Unsupported(f"AYON has no attribute {name}")
        return await self._editing.attribute(node, name)

    def changes(self) -> AsyncIterator[Change]:
        return follow(self._studio)

    # ---- writing --------------------------------------------------------------------------------------------------

    async def set_metadata(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        return await self._editing.set(node, changes)

    def admit_metadata(self, changes: Mapping[str, bytes]) -> None:
        self._editing.admit(changes)
