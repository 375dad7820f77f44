"""Metadata: reading it, one request per item, and changing it (section 6).

All values of one change go in one typed batch over REST; removals one by one, because each names its type. What the
server made of it is read back: it filters descriptions as HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import trio

from assetfs.backends.midas import attributes
from assetfs.backends.midas.catalogue import Catalogue
from assetfs.backends.midas.client import Client
from assetfs.backends.midas.nodes import Nodes, held
from assetfs.backends.midas.wire import Bitstream, Folder, Item, Value
from assetfs.repository import Attribute, Forbidden, Metadata, Node, NodeId, NotFound, RepositoryError, Unsupported

SIMPLE = {attributes.DESCRIPTION: "description", attributes.PRIVACY: "privacy"}
"""Attributes that are fields of a folder or item, by the parameter of the call that edits it."""


class Editing:
    """`metadata` and `set_metadata`."""

    def __init__(self, client: Client, nodes: Nodes, catalogue: Catalogue) -> None:
        self._client = client
        self._nodes = nodes
        self._catalogue = catalogue

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        found: dict[NodeId, Metadata] = {}
        failure: RepositoryError | None = None

        async def ask(node: Node, scope: trio.CancelScope) -> None:
            nonlocal failure
            async with self._client.details:
                try:
                    found[node.id] = await self._of(node)
                except (NotFound, Forbidden):
                    return
                except RepositoryError as error:
                    failure = error
                    scope.cancel()

        async with trio.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(ask, node, nursery.cancel_scope)
        if failure is not None:
            raise failure
        return found

    async def _of(self, node: Node) -> Metadata:
        mine = held(node)
        if node.id.startswith("b"):
            mime = {attributes.MIME: Attribute(node.mime.encode())} if node.mime else {}
            return {f"{attributes.PREFIX}md5": Attribute((node.version or "").encode()), **mime}
        if mine.item:
            record = self._catalogue.latest(mine.item)
            if record is None:
                record = await self._catalogue.item(mine.item, bulk=True)
            return await self._of_item(record)
        if mine.folder:
            return attributes.of_folder(await self._client.call("folder.get", Folder, bulk=True, id=mine.folder))
        return {}

    async def _of_item(self, record: Item) -> Metadata:
        values: list[Value] = []
        if record.head:
            values = await self._client.call("item.getmetadata", list[Value], bulk=True, id=record.item_id)
        return attributes.of_item(record, values)

    async def set_metadata(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        mine = held(node)
        texts = {name: attributes.check(name, value or b"") for name, value in changes.items() if value is not None}
        for name in changes:
            if name in attributes.READ_ONLY:
                raise Forbidden(f"{name} is the server's own")
            if name not in SIMPLE and name != attributes.MIME:
                attributes.key_of(name)
        if node.id.startswith("b") or not (mine.item or mine.folder):
            raise Unsupported("Midas keeps nothing about this")
        if mine.folder and set(changes) - set(SIMPLE):
            raise Unsupported("Midas folders have a description and a privacy, and no metadata")
        present = await self._present(node)
        for name in (name for name, value in changes.items() if value is None):
            if name in (attributes.PRIVACY, attributes.MIME):
                raise Forbidden(f"{name} can be changed, not removed")
            if name not in present:
                raise NotFound(f"there is no {name}")
            if name == attributes.DESCRIPTION:
                texts[name] = ""
        if mine.item:
            await self._edit_values(node, changes, texts)
        await self._edit(node, {SIMPLE[name]: text for name, text in texts.items() if name in SIMPLE})
        return await self._present(node)

    async def _present(self, node: Node) -> Metadata:
        mine = held(node)
        if mine.item:
            return await self._of_item(await self._catalogue.item(mine.item))
        return await self._of(node)

    async def _edit(self, node: Node, fields: Mapping[str, Any]) -> None:
        """Description and privacy. The call wants the name, too: the one that is there now."""
        mine = held(node)
        if not fields:
            return
        if mine.folder:
            record: Folder = await self._client.call("folder.get", Folder, id=mine.folder)
            await self._client.call("folder.create", uuid=mine.uuid, name=record.name, **fields)
            return
        item = self._catalogue.latest(mine.item) or await self._catalogue.item(mine.item)
        await self._client.call("item.create", uuid=mine.uuid, name=item.name, **fields)
        self._catalogue.forget(mine.item)

    async def _edit_values(self, node: Node, changes: Mapping[str, bytes | None], texts: Mapping[str, str]) -> None:
        mine = held(node)
        item = self._catalogue.latest(mine.item) or await self._catalogue.item(mine.item)
        values = [name for name in changes if name not in SIMPLE and name != attributes.MIME]
        if values and item.head is None:
            raise Unsupported("an item without a file has no metadata")
        if attributes.MIME in texts:
            if len(item.files) != 1:
                raise Unsupported("this item has no file of its own")
            bitstream = item.files[0].bitstream_id
            mime = texts[attributes.MIME]
            await self._client.call("bitstream.edit", Bitstream, id=bitstream, mimetype=mime)
        keys = {name: attributes.key_of(name) for name in values}
        rows = [
            {"type": keys[name][0], "element": keys[name][1], "qualifier": keys[name][2], "value": texts[name]}
            for name in values
            if name in texts
        ]
        if rows:
            await self._client.rest(f"item/addmetadata/{mine.item}", {"metadata": rows})
        for name in (name for name in values if name not in texts):
            kind, element, qualifier = keys[name]
            await self._client.call(
                "item.deletemetadata", itemid=mine.item, element=element, qualifier=qualifier, type=kind
            )
