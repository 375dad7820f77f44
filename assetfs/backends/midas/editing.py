"""Metadata: reading it, one request per item, and changing it (section 6).

All values of one change go in one typed batch over REST; removals one by one, because each names its type. What the
server made of it is read back: it filters descriptions as HTML. The calls that edit want the name, too, and take it for
a new one: it is asked for just before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assetfs.backends.midas import attributes
from assetfs.backends.midas.catalogue import Catalogue
from assetfs.backends.midas.client import Client
from assetfs.backends.midas.hidden import Hidden, is_hidden
from assetfs.backends.midas.nodes import held
from assetfs.backends.midas.tree import Tree, file_of
from assetfs.backends.midas.wire import Bitstream, BitstreamInfo, Community, Folder, Item, Value, number
from assetfs.repository import (
    Forbidden,
    Metadata,
    Node,
    NodeId,
    NotFound,
    Unsupported,
    ValueRejected,
)

SIMPLE = {
    attributes.DESCRIPTION: "description",
    attributes.PRIVACY: "privacy",
    attributes.CAN_JOIN: "canjoin",
}
"""Attributes that are fields of a record, by the parameter of the call that edits it."""
ITEM_ONLY = {attributes.MIME}


class Editing:
    """`metadata`, `attribute`, `set_metadata` and `perform`."""

    def __init__(self, client: Client, catalogue: Catalogue, tree: Tree, hidden: Hidden) -> None:
        self._client = client
        self._catalogue = catalogue
        self._tree = tree
        self._hidden = hidden

    # ---- reading --------------------------------------------------------------------------------------------------

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        by_id = {node.id: node for node in nodes}

        async def ask(node_id: str) -> Metadata | None:
            try:
                return await self._of(by_id[node_id])
            except (NotFound, Forbidden):
                return None

        told = await self._catalogue.gather(ask, by_id)
        return {node_id: found for node_id, found in told.items() if found is not None}

    async def _of(self, node: Node) -> Metadata:
        mine = held(node)
        if node.id[0] in "bo":
            return attributes.of_bitstream(node.id[1:], node.mime, node.url, old=node.id.startswith("o"))
        if is_hidden(node.id) or not (mine.item or mine.folder):
            return {}
        if mine.item:
            record = self._catalogue.latest(mine.item) or await self._catalogue.item(mine.item, bulk=True)
            return await self._of_item(record, node.url)
        if mine.community:
            found = await self._client.call("community.get", Community, bulk=True, id=mine.community)
            return attributes.of_community(found, node.url)
        return attributes.of_folder(await self._client.call("folder.get", Folder, bulk=True, id=mine.folder), node.url)

    async def _of_item(self, record: Item, url: str | None) -> Metadata:
        values: list[Value] = []
        if record.head or (record.revisions is None and number(record.sizebytes)):
            values = await self._client.call("item.getmetadata", list[Value], bulk=True, id=record.item_id)
        return attributes.of_item(record, values, url)

    async def attribute(self, node: Node, name: str) -> bytes | None:
        """One of those that listings leave out."""
        mine, short = held(node), name.removeprefix(attributes.PREFIX)
        if name not in attributes.LAZY:
            raise Unsupported(f"there is no {name}")
        if node.id[0] in "bo":
            known = {"md5": node.version, "size": str(node.size), "bitstream_id": node.id[1:]}.get(short)
            return known.encode() if known else None
        if not mine.item or is_hidden(node.id):
            return None
        if short == "folders":
            return ",".join(one.folder_id for one in await self.folders(mine.item)).encode() or None
        if short == "revisions":
            item = await self._catalogue.item(mine.item, all_revisions=True)
            return str(len(item.revisions or ())).encode()
        known_item = self._catalogue.latest(mine.item)
        if known_item is None or known_item.revisions is None:
            known_item = await self._catalogue.item(mine.item)
        return attributes.lazy(name, known_item).encode() or None

    async def folders(self, item_id: int) -> list[Folder]:
        """All folders that an item is in; the first alone where the credential may not change that one."""
        item = await self._catalogue.item(item_id)
        first = number(item.folder_id)
        try:
            return await self._tree.owners(item_id, first)
        except Forbidden:
            return [await self._client.call("folder.get", Folder, id=first)]

    # ---- changing -------------------------------------------------------------------------------------------------

    async def set_metadata(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        mine = held(node)
        texts = {name: attributes.check(name, value or b"") for name, value in changes.items() if value is not None}
        for name in changes:
            if name in attributes.READ_ONLY:
                raise Forbidden(f"{name} is the server's own")
            if name not in SIMPLE and name not in ITEM_ONLY:
                attributes.key_of(name)
        if node.id.startswith("b"):
            return await self._set_file(node, changes, texts)
        if is_hidden(node.id) or not (mine.item or mine.folder):
            raise Unsupported("Midas keeps nothing about this")
        if mine.folder and set(changes) - set(SIMPLE):
            raise Unsupported("Midas folders have a description and a privacy, and no metadata")
        if attributes.CAN_JOIN in changes and not mine.community:
            raise Unsupported("only communities can be joined")
        removed = [name for name, value in changes.items() if value is None]
        if removed:
            await self._check_removal(node, removed)
            texts |= dict.fromkeys((name for name in removed if name == attributes.DESCRIPTION), "")
        if mine.item:
            await self._edit_values(node, changes, texts)
        await self._edit(node, {SIMPLE[name]: text for name, text in texts.items() if name in SIMPLE})
        if mine.item:
            return await self._of_item(await self._catalogue.item(mine.item), node.url)
        return await self._of(node)

    async def _check_removal(self, node: Node, names: Sequence[str]) -> None:
        mine = held(node)
        if mine.item:
            present = await self._of_item(await self._catalogue.item(mine.item), node.url)
        else:
            present = await self._of(node)
        for name in names:
            if name in attributes.CHOICES or name in ITEM_ONLY:
                raise Forbidden(f"{name} can be changed, not removed")
            if name not in present:
                raise NotFound(f"there is no {name}")

    async def _set_file(self, node: Node, changes: Mapping[str, bytes | None], texts: Mapping[str, str]) -> Metadata:
        """One of an item's several files has a type, and nothing else."""
        if set(changes) - {attributes.MIME}:
            raise Unsupported("Midas keeps metadata of the whole item, and of its files the type only")
        if attributes.MIME not in texts:
            raise Forbidden(f"{attributes.MIME} can be changed, not removed")
        mime = texts[attributes.MIME]
        file = file_of(await self._catalogue.item(held(node).item), node)
        await self._client.call("bitstream.edit", Bitstream, id=file.bitstream_id, mimetype=mime)
        self._catalogue.forget(held(node).item)
        return attributes.of_bitstream(node.id[1:], mime, node.url, old=False)

    async def _edit(self, node: Node, fields: Mapping[str, Any]) -> None:
        """Description, privacy and joining."""
        mine = held(node)
        if not fields:
            return
        if mine.community:
            community: Community = await self._client.call("community.get", Community, id=mine.community)
            await self._client.call("community.create", uuid=community.uuid, name=community.name, **fields)
        elif mine.folder:
            record: Folder = await self._client.call("folder.get", Folder, id=mine.folder)
            await self._client.call("folder.create", uuid=mine.uuid, name=record.name, **fields)
        else:
            item = await self._catalogue.item(mine.item)
            await self._client.call("item.create", uuid=mine.uuid, name=item.name, **fields)
            self._catalogue.forget(mine.item)

    async def _edit_values(self, node: Node, changes: Mapping[str, bytes | None], texts: Mapping[str, str]) -> None:
        mine = held(node)
        values = [name for name in changes if name not in SIMPLE and name not in ITEM_ONLY]
        if attributes.MIME in texts:
            item = await self._catalogue.item(mine.item)
            if len(item.files) != 1:
                raise Unsupported("this item has no file of its own")
            bitstream = item.files[0].bitstream_id
            await self._client.call("bitstream.edit", Bitstream, id=bitstream, mimetype=texts[attributes.MIME])
        known = self._catalogue.latest(mine.item) if values else None
        if known is not None and known.revisions == []:
            raise Unsupported("an item without a file has no metadata")
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
        if values or attributes.MIME in texts:
            self._catalogue.forget(mine.item)

    # ---- verbs ----------------------------------------------------------------------------------------------------

    async def perform(self, node: Node, verb: str, value: bytes) -> None:
        """Have the server extract what a DICOM file says, or make a thumbnail."""
        mine = held(node)
        if verb not in (attributes.DICOM, attributes.THUMBNAIL) or not mine.item or is_hidden(node.id):
            raise Unsupported(f"this has no {verb}")
        if verb == attributes.DICOM:
            await self._client.call("dicomextractor.extract", repeatable=True, item=mine.item)
        else:
            await self._make_thumbnail(node, value.decode("utf-8", "replace").split())
        self._catalogue.forget(mine.item)

    async def _make_thumbnail(self, node: Node, words: Sequence[str]) -> None:
        mine = held(node)
        if not words or words == ["small"]:
            await self._client.call("thumbnailcreator.create.small.thumbnail", itemId=mine.item)
            return
        if words[0] != "big" or len(words) > 2 or not all(word.isdigit() for word in words[1:]):
            raise ValueRejected(f"{attributes.THUMBNAIL} takes small, big, or big and a width in pixels")
        if node.id.startswith("b"):
            file = (await self._client.call("bitstream.get", BitstreamInfo, id=node.id[1:])).id
        else:
            files = (await self._catalogue.item(mine.item)).files
            if not files:
                raise ValueRejected("an item without a file has no thumbnail")
            file = files[0].bitstream_id
        width: dict[str, Any] = {"width": words[1]} if words[1:] else {}
        made = await self._client.call(
            "thumbnailcreator.create.big.thumbnail", dict[str, Any], bitstreamId=file, itemId=mine.item, **width
        )
        self._hidden.big[mine.item] = str(made.get("itemthumbnail_id", ""))
