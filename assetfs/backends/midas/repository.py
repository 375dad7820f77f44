"""Midas Server as a repository: the seam's methods in the words of the protocol (sections 8 and 9)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from assetfs.backends import Address
from assetfs.backends.midas import BESIDE, PRIVACY, REVISION, attributes
from assetfs.backends.midas.catalogue import Catalogue
from assetfs.backends.midas.client import Client
from assetfs.backends.midas.downloads import Downloads
from assetfs.backends.midas.editing import Editing
from assetfs.backends.midas.finding import Finding
from assetfs.backends.midas.hidden import Hidden, is_hidden, land
from assetfs.backends.midas.nodes import AUTO, COMMUNITIES, DIR, ROOT, SYMLINK, USERS, Nodes, held, parse, synthetic
from assetfs.backends.midas.places import Places
from assetfs.backends.midas.privileges import Privileges
from assetfs.backends.midas.revising import Habits, Revising
from assetfs.backends.midas.sending import Sender
from assetfs.backends.midas.spool import Forgetful, Spool
from assetfs.backends.midas.tree import Tree, check_name, file_of
from assetfs.backends.midas.uploads import Uploads
from assetfs.backends.midas.weblinks import WebLinks
from assetfs.backends.midas.wire import Bitstream, BitstreamInfo, Item, number
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
    Rights,
    Sink,
    Source,
    Unsupported,
    Usage,
    VersionChanged,
)
from assetfs.transport import Transport, TransportOptions

CAPABILITIES = Capabilities(
    measure=True,
    settles=True,
    create_folder=True,
    remove_folder=True,
    upload=True,
    replace=True,
    replace_keeps_id=True,
    rename=True,
    move=True,
    link=True,
    symlinks=True,
    remove=True,
    set_metadata=True,
    search=True,
    locate=True,
    hidden=True,
    aliases=attributes.ALIASES,
    writable=attributes.WRITABLE,
    lazy_attributes=attributes.LAZY,
)
READING = Capabilities(
    measure=True,
    settles=True,
    search=True,
    locate=True,
    hidden=True,
    aliases=attributes.ALIASES,
    lazy_attributes=attributes.LAZY,
)
"""Of somebody who has not logged in."""
VERBS = {"dicomextractor": attributes.DICOM, "thumbnailcreator": attributes.THUMBNAIL}
"""By the modules that do them."""


class Info(msgspec.Struct, frozen=True):
    """`info`, as far as we read it."""

    version: str = ""
    modules: list[str] = []


class MidasRepository(Repository):
    """One Midas Server seen as one user."""

    name = "midas"

    def __init__(self, address: Address, options: TransportOptions) -> None:
        self._base = address.base
        self._address = address
        self._transport = Transport(self._base, options, headers={})
        self._client = Client(self._transport, address)
        self._downloads = Downloads(self._client, options)
        self._sender = Sender(self._client)
        self.capabilities = Capabilities()
        self._nodes: Nodes
        self._catalogue: Catalogue
        self._tree: Tree
        self._hidden: Hidden
        self._places: Places
        self._finding: Finding
        self._uploads: Uploads
        self._revising: Revising
        self._web: WebLinks
        self._privileges: Privileges
        self._editing: Editing

    @property
    def requests(self) -> Mapping[str, int]:
        return self._transport.requests.by_label()

    # ---- life -----------------------------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        if not self._client.anonymous:
            if not self._address.secret:
                raise NotAuthenticated("Midas needs an API key or a password for this e-mail address")
            await self._client.log_in()
            self.lasting_secret = self._client.lasting
        info: Info = await self._client.call("info", Info)
        options, modules = self._address.options, frozenset(info.modules)
        zone = ZoneInfo(options.get("time_zone") or "UTC")
        links = options.get("links") or SYMLINK
        modes = options.get("chmod") == PRIVACY
        self._nodes = nodes = Nodes(self._base, zone, options.get("items") or AUTO, links, modes=modes)
        self._web = WebLinks(self._transport, self._base, links)
        self._catalogue = catalogue = Catalogue(self._client, zone, nodes)
        self._tree = tree = Tree(self._client, nodes, catalogue)
        self._hidden = Hidden(self._client, nodes, catalogue, tree, modules, self.stat)
        self._editing = Editing(self._client, catalogue, tree, self._hidden)
        self._places = Places(self._client, nodes, self._address.user or "")
        self._privileges = Privileges(self._client, self._places)
        self._finding = Finding(self._client, nodes, self._places, self._editing, modules, self.stat)
        self._uploads = Uploads(self._client, self._sender, nodes, catalogue, tree)
        habits = Habits(options.get("overwrite") or REVISION, options.get("conflict") or BESIDE)
        self._revising = Revising(self._client, self._sender, nodes, catalogue, self._downloads, habits)
        self.capabilities = msgspec.structs.replace(
            READING if self._client.anonymous else CAPABILITIES,
            verbs=frozenset(verb for module, verb in VERBS.items() if module in modules and not self._client.anonymous),
            chmod=modes and not self._client.anonymous,
            judges_conflicts=habits.conflict != BESIDE,
            usage="sizequota" in modules and not self._client.anonymous,
        )
        user = self._address.user or "nobody in particular"
        return Identity(server=f"Midas Server {info.version}", user=user, url=self._base)

    async def close(self) -> None:
        await self._transport.close()

    # ---- reading --------------------------------------------------------------------------------------------------

    async def root(self) -> Node:
        return synthetic(ROOT)

    async def children(self, folder: Node) -> AsyncIterator[Page]:
        nodes = await self._children(folder)
        yield Page(nodes, len(nodes))

    async def _children(self, folder: Node) -> Sequence[Node]:
        if folder.id == ROOT:
            return [synthetic(COMMUNITIES), synthetic(USERS)]
        if folder.id in (COMMUNITIES, USERS):
            return await self._places.children(folder)
        if is_hidden(folder.id):
            return await self._hidden.children(folder)
        if folder.id.startswith("i"):
            item = await self._catalogue.item(held(folder).item)
            return [self._nodes.bitstream(one, held(folder).item) for one in item.files]
        return await self._tree.nodes(folder, await self._tree.children(folder))

    async def stat(self, node: NodeId) -> Node:
        if node in (ROOT, COMMUNITIES, USERS):
            return synthetic(node)
        if is_hidden(node):
            return await self._hidden.stat(node)
        kind, ident = parse(node)
        if kind == "f":
            return await self._places.folder(ident)
        if kind == "i":
            return self._nodes.item(await self._catalogue.item(ident))
        info = await self._client.call("bitstream.get", BitstreamInfo, id=ident)
        return self._nodes.bitstream(info.plain(), number(info.item_id))

    async def hidden(self, folder: Node, name: str) -> Node:
        if folder.id in (COMMUNITIES, USERS):
            return await self._places.find(folder, name)
        return await self._hidden.find(folder, name)

    async def hidden_entries(self, folder: Node) -> Sequence[Node]:
        return self._hidden.shelves(folder)

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        content = await self._hidden.content(node) if is_hidden(node.id) else None
        if content is not None:
            await land(content, start, stop, sink)
            return
        if web := held(node).web:
            await self._web.fetch(web, start, stop, sink)
            return
        node = await self._settled(node)
        if (node.version or "").startswith("zip "):
            await self._downloads.fetch_zip(held(node).item, start, stop, sink)
        else:
            await self._downloads.fetch(held(node).id, node.size or 0, start, stop, sink)

    async def _settled(self, node: Node) -> Node:
        """A file as `stat` tells it, if it was listed only, or if the server had its bytes before it came."""
        if node.kind is not Kind.FILE or not node.id.startswith("i"):
            return node
        if node.version is not None and (held(node).id or not node.size):
            return node
        now = await self.stat(node.id)
        if node.version not in (None, now.version):
            raise VersionChanged("somebody else has changed the file meanwhile")
        return now

    async def measure(self, nodes: Sequence[Node]) -> Mapping[NodeId, int]:
        """Listings tell the sizes; this is for who has lost one."""
        by_id = {node.id: node for node in nodes if held(node).id}

        async def ask(node_id: str) -> int | None:
            try:
                info = await self._client.call("bitstream.get", BitstreamInfo, bulk=True, id=held(by_id[node_id]).id)
                return number(info.size)
            except (NotFound, Forbidden, ProtocolViolation):
                return None

        told = await self._catalogue.gather(ask, by_id)
        hidden = [node for node in nodes if is_hidden(node.id) and node.size is None]
        sizes = {node.id: node.size or 0 for node in nodes if node.id not in by_id and node not in hidden}
        sizes |= await self._hidden.sizes(hidden)
        return sizes | {node_id: size for node_id, size in told.items() if size is not None}

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        return await self._editing.metadata(nodes)

    async def attribute(self, node: Node, name: str) -> bytes | None:
        return await self._editing.attribute(node, name)

    async def locate(self, node: NodeId) -> Sequence[Sequence[Node]]:
        return await self._finding.locate(node)

    async def search(self, query: str) -> AsyncIterator[Page]:
        yield Page(await self._finding.search(query))

    async def usage(self) -> Usage:
        if not self.capabilities.usage:
            raise Unsupported("this Midas Server has no quotas")
        return await self._places.usage()

    # ---- writing --------------------------------------------------------------------------------------------------

    def admit(self, folder: Node, name: str, kind: Kind) -> None:
        if not self.capabilities.upload:
            raise Unsupported("nobody in particular can write nothing")
        if Rights.WRITE not in folder.rights:
            raise Forbidden("nothing can be added here")
        mine = held(folder)
        if kind is Kind.LINK and mine.item:
            raise Unsupported("there are no links in an item")
        if kind is not Kind.FOLDER and not mine.item and (mine.top or not mine.folder):
            raise Forbidden("files belong into Private, Public or a folder of theirs")
        if kind is Kind.FILE and mine.folder and self._nodes.items == DIR:
            raise Unsupported("with items=dir, files belong into items; items are made otherwise")
        if kind is Kind.FOLDER and mine.item:
            raise Unsupported("there are no folders in an item")
        check_name(name)

    async def expect_writable(self, node: Node) -> None:
        if not is_hidden(node.id) and node.private is not None:
            await self._privileges.expect_writable(node)

    async def set_others(self, node: Node, readable: bool) -> Node:
        self._changeable(node)
        if not self.capabilities.chmod:
            raise Unsupported("chmod=privacy is not set")
        await self._editing.set_metadata(node, {attributes.PRIVACY: b"Public" if readable else b"Private"})
        return msgspec.structs.replace(node, others=readable)

    async def create_folder(self, folder: Node, name: str) -> Node:
        self.admit(folder, name, Kind.FOLDER)
        if folder.id == COMMUNITIES:
            return await self._tree.create_community(name)
        return await self._tree.create_folder(folder, name)

    async def remove_folder(self, node: Node, folder: Node) -> None:
        self._changeable(node)
        await self._tree.remove_folder(node)

    def _changeable(self, *nodes: Node) -> None:
        if not self.capabilities.upload:
            raise Unsupported("nobody in particular can write nothing")
        if any(is_hidden(node.id) for node in nodes):
            raise Forbidden("what the server has made of something cannot be changed")

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        self.admit(folder, name, Kind.FILE)
        return await self._uploads.upload(folder, name, source, ledger)

    async def replace(self, node: Node, folder: Node, source: Source, ledger: Ledger) -> Node:
        self._changeable(node)
        return await self._revising.replace(node, source, ledger)

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        await self._uploads.abandon(state)
        return await self._revising.abandon(state)

    async def rename(self, node: Node, folder: Node, name: str, over: Node | None = None) -> Node:
        self._changeable(node, folder)
        if over is not None and node.kind is not Kind.FOLDER:
            return await self._into(node, folder, folder, over)
        return await self._tree.rename(node, folder, name, over)

    async def move(self, node: Node, source: Node, destination: Node, name: str, over: Node | None = None) -> Node:
        self._changeable(node, source, destination)
        if over is not None and node.kind is not Kind.FOLDER and not held(source).item and not held(destination).item:
            return await self._into(node, source, destination, over)
        return await self._tree.move(node, source, destination, name, over)

    async def _into(self, node: Node, source: Node, destination: Node, over: Node) -> Node:
        """The content of a file becomes the newest revision of another, and the file goes. A file that is in other
        folders too stays what it is, and takes the name; one of an item's several files as well."""
        if node.id == over.id:
            raise Conflict("both are one item", over)
        node, over = await self._settled(node), await self._settled(over)
        if node.id.startswith("b"):
            return await self._instead(node, source, over)
        if node.kind is not Kind.FILE or len(await self._editing.folders(held(node).item)) > 1:
            if (now := await self.stat(over.id)).version != over.version:
                raise Conflict("somebody else has changed the file meanwhile", now)
            moved = await self._tree.take(node, source, destination, over.name)
            await self._tree.unlink(over, destination)
            return moved
        with Spool(node) as spool:
            await spool.fill(self._downloads)
            new = await self._revising.replace(over, spool, Forgetful())
        await self._tree.remove(node, source)
        return new

    async def _instead(self, node: Node, folder: Node, over: Node) -> Node:
        """One of an item's files takes the place of another."""
        item_id = held(folder).item
        item: Item = await self._catalogue.item(item_id)
        file, old = file_of(item, node), file_of(item, over)
        edited: Bitstream = await self._client.call("bitstream.edit", Bitstream, id=file.bitstream_id, name=over.name)
        await self._client.call("bitstream.delete", repeatable=False, id=old.bitstream_id)
        self._catalogue.forget(item_id)
        return self._nodes.bitstream(edited, item_id)

    async def link(self, node: Node, folder: Node, name: str) -> Node:
        self._changeable(node, folder)
        if not held(folder).folder:
            raise Unsupported("a Midas item can be in folders only")
        return await self._tree.link(node, folder, name)

    async def symlink(self, folder: Node, name: str, target: str, to: Node | None) -> Node:
        self._changeable(folder)
        if self._nodes.links != SYMLINK:
            raise Unsupported("with this option links, there are no symbolic links")
        if urlsplit(target).scheme.lower() not in ("http", "https") or not urlsplit(target).netloc:
            raise Unsupported("a link on a Midas Server leads to a web address and nowhere else")
        self.admit(folder, name, Kind.LINK)
        return await self._tree.symlink(folder, name, target)

    async def remove(self, node: Node, folder: Node) -> None:
        self._changeable(node, folder)
        await self._tree.remove(node, folder)

    async def set_metadata(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        self._changeable()
        return await self._editing.set_metadata(node, changes)

    async def perform(self, node: Node, verb: str, value: bytes) -> None:
        if verb not in self.capabilities.verbs:
            raise Unsupported(f"this server has no {verb}")
        await self._editing.perform(node, verb, value)
