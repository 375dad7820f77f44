"""Midas Server as a repository: the seam's methods in the words of the protocol (sections 8 and 9)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlunsplit
from zoneinfo import ZoneInfo

import msgspec
import trio

from assetfs.backends import Address
from assetfs.backends.midas import attributes
from assetfs.backends.midas.catalogue import Catalogue
from assetfs.backends.midas.client import Client
from assetfs.backends.midas.downloads import Downloads
from assetfs.backends.midas.editing import Editing
from assetfs.backends.midas.nodes import COMMUNITIES, ROOT, USERS, Nodes, held, parse, synthetic
from assetfs.backends.midas.spool import Forgetful, Spool
from assetfs.backends.midas.tree import Tree, check_name
from assetfs.backends.midas.uploads import Uploads
from assetfs.backends.midas.wire import BitstreamInfo, Children, Community, Folder, Item, User, number
from assetfs.repository import (
    Capabilities,
    Conflict,
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
    RepositoryError,
    Rights,
    Sink,
    Source,
    Unsupported,
)
from assetfs.transport import Transport, TransportOptions

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
    locate=True,
    aliases=attributes.ALIASES,
    writable=attributes.WRITABLE,
)


class MidasRepository(Repository):
    """One Midas Server seen as one user."""

    name = "midas"

    def __init__(self, address: Address, options: TransportOptions) -> None:
        url = address.url
        self._base = urlunsplit((url.scheme, url.netloc, url.path.rstrip("/") + "/", "", ""))
        self._address = address
        self._options = options
        self._transport = Transport(self._base, options, headers={})
        self._client = Client(self._transport, address)
        self._zone = ZoneInfo(address.options.get("time_zone") or "UTC")
        self.capabilities = Capabilities()
        self._nodes: Nodes
        self._catalogue: Catalogue
        self._downloads: Downloads
        self._tree: Tree
        self._uploads: Uploads
        self._editing: Editing

    @property
    def requests(self) -> Mapping[str, int]:
        return self._transport.requests.by_label()

    # ---- life -----------------------------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        if not self._address.user or not self._address.secret:
            raise NotAuthenticated("Midas needs an e-mail address in the URL, and an API key or a password")
        await self._client.log_in()
        user = await self._client.call("user.get", User, email=self._address.user)
        version = await self._client.call("version", dict[str, str])
        self._nodes = Nodes(self._base, self._zone, user)
        self._catalogue = Catalogue(self._client, self._zone)
        self._downloads = Downloads(self._client, self._options)
        self._tree = Tree(self._client, self._nodes, self._catalogue)
        self._uploads = Uploads(self._client, self._nodes, self._catalogue, self._tree)
        self._editing = Editing(self._client, self._nodes, self._catalogue)
        self.capabilities = CAPABILITIES
        return Identity(server=f"Midas Server {version.get('version', '')}", user=user.email, url=self._base)

    async def close(self) -> None:
        await self._transport.close()

    # ---- reading --------------------------------------------------------------------------------------------------

    async def root(self) -> Node:
        return synthetic(ROOT)

    async def children(self, folder: Node) -> AsyncIterator[Page]:
        nodes = await self._children(folder)
        yield Page(nodes, len(nodes))

    async def _children(self, folder: Node) -> Sequence[Node]:
        match folder.id:
            case "root":
                return [synthetic(COMMUNITIES), synthetic(USERS)]
            case "users":
                return [self._nodes.folder(await self._folder(self._nodes.home))]
            case "communities":
                return await self._communities()
        if folder.id.startswith("i"):
            item = await self._catalogue.item(held(folder).item)
            return [self._nodes.bitstream(one, held(folder).item) for one in item.files]
        return await self._tree.nodes(await self._tree.children(folder))

    async def _communities(self) -> Sequence[Node]:
        found = await self._client.call("community.list", list[Community])
        self._nodes.note(found)
        nodes: list[Node] = []
        for one in found:
            try:
                nodes.append(self._nodes.folder(await self._folder(number(one.folder_id))))
            except (NotFound, Forbidden):
                continue  # a root folder that somebody has deleted breaks its community for good
        return nodes

    async def _folder(self, folder_id: int) -> Folder:
        record: Folder = await self._client.call("folder.get", Folder, id=folder_id)
        return record

    async def stat(self, node: NodeId) -> Node:
        if node in (ROOT, COMMUNITIES, USERS):
            return synthetic(node)
        kind, ident = parse(node)
        if kind == "f":
            record = await self._folder(ident)
            if record.parent_id == "-2" and ident not in self._nodes.communities:
                self._nodes.note(await self._client.call("community.list", list[Community]))
            return self._nodes.folder(record)
        if kind == "i":
            return self._nodes.item(await self._catalogue.item(ident))
        info = await self._client.call("bitstream.get", BitstreamInfo, id=ident)
        return self._nodes.bitstream(info.plain(), number(info.item_id))

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        await self._downloads.fetch(held(node).id, node.size or 0, start, stop, sink)

    async def measure(self, nodes: Sequence[Node]) -> Mapping[NodeId, int]:
        sizes: dict[NodeId, int] = {}
        failure: RepositoryError | None = None

        async def ask(node: Node, scope: trio.CancelScope) -> None:
            nonlocal failure
            async with self._client.details:
                try:
                    info = await self._client.call("bitstream.get", BitstreamInfo, bulk=True, id=held(node).id)
                    sizes[node.id] = number(info.size)
                except (NotFound, Forbidden, ProtocolViolation):
                    return
                except RepositoryError as error:
                    failure = error
                    scope.cancel()

        async with trio.open_nursery() as nursery:
            for node in nodes:
                if held(node).id:
                    nursery.start_soon(ask, node, nursery.cancel_scope)
                else:
                    sizes[node.id] = 0
        if failure is not None:
            raise failure
        return sizes

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        return await self._editing.metadata(nodes)

    async def locate(self, node: NodeId) -> Sequence[Sequence[Node]]:
        if node == ROOT:
            return []
        if node in (COMMUNITIES, USERS):
            return [[synthetic(node)]]
        kind, ident = parse(node)
        end = [await self.stat(node)]
        if kind == "b":
            ident = held(end[0]).item
            end.insert(0, await self.stat(f"i{ident}"))
        uuid = held(end[0]).uuid
        chain = await self._client.call("path.from.root", list[dict[str, Any]], uuid=uuid)
        above = [msgspec.convert(one, type=Folder) for one in chain if "folder_id" in one and "item_id" not in one]
        if above and above[0].parent_id == "-2" and not self._nodes.communities:
            self._nodes.note(await self._client.call("community.list", list[Community]))
        way = [self._nodes.folder(one) for one in above if f"f{one.folder_id}" != end[0].id]
        top = synthetic(COMMUNITIES if above and above[0].parent_id == "-2" else USERS)
        return [[top, *way, *end]]

    async def search(self, query: str) -> AsyncIterator[Page]:
        found = await self._client.call("resource.search", dict[str, Any], search=query, order="name")
        results = [one for one in found.get("results", []) if isinstance(one, dict)]
        folders = [msgspec.convert(one, type=Folder) for one in results if one.get("resultType") == "folder"]
        items = [msgspec.convert(one, type=Item) for one in results if one.get("resultType") == "item"]
        yield Page(await self._tree.nodes(Children(folders, items)))

    # ---- writing --------------------------------------------------------------------------------------------------

    def admit(self, folder: Node, name: str, kind: Kind) -> None:
        if kind is Kind.LINK:
            raise Unsupported("links are not made here")
        if Rights.WRITE not in folder.rights:
            raise Forbidden("nothing can be added here")
        if held(folder).folder in {self._nodes.home, *self._nodes.communities} and kind is Kind.FILE:
            raise Forbidden("files belong into Private, Public or a folder of theirs")
        check_name(name)

    async def create_folder(self, folder: Node, name: str) -> Node:
        self.admit(folder, name, Kind.FOLDER)
        return await self._tree.create_folder(folder, name)

    async def remove_folder(self, node: Node, folder: Node) -> None:
        await self._tree.remove_folder(node)

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        self.admit(folder, name, Kind.FILE)
        return await self._uploads.upload(folder, name, source, ledger)

    async def replace(self, node: Node, folder: Node, source: Source, ledger: Ledger) -> Node:
        return await self._uploads.replace(node, source, ledger)

    async def abandon(self, state: Mapping[str, Any]) -> None:
        await self._uploads.abandon(state)

    async def rename(self, node: Node, folder: Node, name: str, over: Node | None = None) -> Node:
        if over is not None and node.kind is over.kind is Kind.FILE:
            return await self._into(node, folder, over)
        return await self._tree.rename(node, folder, name, over)

    async def move(self, node: Node, source: Node, destination: Node, name: str, over: Node | None = None) -> Node:
        if over is not None and node.kind is over.kind is Kind.FILE:
            return await self._into(node, source, over)
        return await self._tree.move(node, source, destination, name, over)

    async def _into(self, node: Node, folder: Node, over: Node) -> Node:
        """The content of a file becomes the newest revision of another, and the file goes."""
        if node.id == over.id:
            raise Conflict("both are one item", over)
        with Spool(node) as spool:
            await spool.fill(self._downloads)
            new = await self._uploads.replace(over, spool, Forgetful())
        await self._tree.remove(node, folder)
        return new

    async def remove(self, node: Node, folder: Node) -> None:
        await self._tree.remove(node, folder)

    async def set_metadata(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        return await self._editing.set_metadata(node, changes)
