"""AYON as a repository: the seam's methods in the words of the protocol (section 8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import trio

from assetfs.backends import Address
from assetfs.backends.ayon import attributes, naming
from assetfs.backends.ayon.arranging import Arranging
from assetfs.backends.ayon.client import Client
from assetfs.backends.ayon.downloads import fetch_local
from assetfs.backends.ayon.editing import Editing
from assetfs.backends.ayon.events import follow
from assetfs.backends.ayon.ids import parse
from assetfs.backends.ayon.linking import Linking
from assetfs.backends.ayon.listing import Tree, root
from assetfs.backends.ayon.pictures import PLURAL, Pictures
from assetfs.backends.ayon.roots import mapping
from assetfs.backends.ayon.searching import search
from assetfs.backends.ayon.studio import Choices, Studio
from assetfs.backends.ayon.wire import Attributes, Info, Me
from assetfs.backends.ayon.writing import Writing
from assetfs.repository import (
    Availability,
    Capabilities,
    Change,
    Draft,
    Identity,
    Kind,
    Ledger,
    Metadata,
    NameRejected,
    Node,
    NodeId,
    NotFound,
    NotHere,
    Page,
    RecallPolicy,
    Repository,
    RepositoryError,
    Sink,
    Source,
    Unsupported,
    VersionChanged,
)
from assetfs.transport import TransportOptions

MEASURED_AT_ONCE = 6

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
    symlinks=True,
    drafts=True,
    set_metadata=True,
    hidden=True,
    search=True,
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
        self._arranging = Arranging(self._studio, self._linking, self._pictures)
        self._writing = Writing(self._studio, self._arranging, self._editing, self._pictures)
        self.capabilities = CAPABILITIES

    @property
    def requests(self) -> Mapping[str, int]:
        return self._client.requests()

    # ---- life -----------------------------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        await self._client.log_in()
        me = await self._client.get("api/users/me", Me, "whoami")
        info = await self._client.get("api/info", Info, "connect")
        self._client.version = info.release
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

    async def hidden_entries(self, folder: Node) -> Sequence[Node]:
        return self._tree.hidden_entries(folder)

    def hides(self, folder: Node, name: str) -> bool:
        return name in naming.THUMBNAILS and parse(folder.id).what in PLURAL

    async def stat(self, node: NodeId) -> Node:
        return await self._tree.stat(node)

    async def locate(self, node: NodeId) -> Sequence[Sequence[Node]]:
        return await self._tree.locate(node)

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        ref, of = parse(node.id), node.private
        if ref.what == "thumbnail":
            await self._pictures.fetch_thumbnail(node, start, stop, sink)
        elif of.stored:
            try:
                await self._studio.downloads.fetch(ref.project, of.stored, node.size, start, stop, sink)
            except NotFound:
                now = await self._tree.stat(node.id)
                if now.version != node.version:
                    raise VersionChanged("the file was replaced on the server") from None
                raise
        elif node.availability is Availability.ONLINE:
            await self._fetch_here(node, start, stop, sink)
        else:
            raise NotHere("the content is not available at this site")

    async def _fetch_here(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        """A file at a root, or what may stand in for it."""
        if node.local is not None:
            version = node.version if parse(node.id).what == "workfile" else None
            try:
                await fetch_local(node.local, version, start, stop, sink)
                return
            except NotHere:
                if not node.local.fetchable:
                    raise
        await self._pictures.fetch_instead(node, start, stop, sink)

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

    def search(self, query: str) -> AsyncIterator[Page]:
        return search(self._studio, query)

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

    def admit(self, folder: Node, name: str, kind: Kind) -> None:
        self._writing.admit(folder, name, kind)

    async def create_folder(self, folder: Node, name: str) -> Node:
        return await self._writing.create_folder(folder, name)

    async def remove_folder(self, node: Node, folder: Node) -> None:
        await self._arranging.remove_folder(node, folder)

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        return await self._writing.upload(folder, name, source, ledger)

    async def replace(self, node: Node, folder: Node, source: Source, ledger: Ledger) -> Node:
        return await self._writing.replace(node, source, ledger)

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        return await self._writing.abandon(state)

    async def rename(self, node: Node, folder: Node, name: str, over: Node | None = None) -> Node:
        return await self._writing.place(node, folder, folder, name, over)

    async def move(self, node: Node, source: Node, destination: Node, name: str, over: Node | None = None) -> Node:
        return await self._writing.place(node, source, destination, name, over)

    async def remove(self, node: Node, folder: Node) -> None:
        await self._writing.remove(node, folder)

    async def symlink(self, folder: Node, name: str, target: str, to: Node | None) -> Node:
        ref = parse(folder.id)
        if ref.what != "linkset":
            raise Unsupported("links are made in .links/<type>.out")
        return await self._linking.make(ref, name, to)

    # ---- drafts ---------------------------------------------------------------------------------------------------

    def drafts_in(self, folder: Node, name: str) -> bool:
        return self._writing.drafts_in(folder, name)

    def draft_commits(self, draft: Draft, name: str) -> bool:
        return self._writing.commits(draft, name)

    def admit_draft(self, draft: Draft, relative: str, kind: Kind) -> None:
        if kind is Kind.LINK:
            raise Unsupported("a version has no links")
        if relative.count("/") > (0 if kind is Kind.FOLDER else 1):
            raise NameRejected("a version has files, and folders of files: one level of them")

    async def commit_draft(self, draft: Draft, folder: Node, name: str, value: bytes, ledger: Ledger) -> Node:
        return await self._writing.commit(draft, folder, name, ledger)
