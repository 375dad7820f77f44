"""The tree: listing it, and changing names and places in it (sections 4.3 and 8.2).

The server gives a taken name a number, or takes it twice, and never refuses it; and it deletes folders with all that
is in them. So the folder is looked at before every change.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from assetfs.backends.midas.catalogue import Catalogue
from assetfs.backends.midas.client import Client
from assetfs.backends.midas.errors import Broke
from assetfs.backends.midas.nodes import Nodes, held, is_part
from assetfs.backends.midas.wire import Children, Folder, Item, number
from assetfs.repository import (
    Conflict,
    Forbidden,
    Kind,
    NameRejected,
    Node,
    NotEmpty,
    NotFound,
    ProtocolViolation,
    RepositoryError,
    Unsupported,
)

LONGEST = 255
"""Characters of a name (3.6)."""


def check_name(name: str) -> None:
    """Raises NameRejected for what the server cannot keep."""
    if not name or "\0" in name:
        raise NameRejected("Midas keeps no name that is empty or has a NUL in it")
    if len(name) > LONGEST:
        raise NameRejected(f"Midas keeps names of up to {LONGEST} characters")
    if is_part(name):
        raise NameRejected("names of this form are those of uploads that are not complete")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise NameRejected("Midas keeps names in UTF-8 only") from None


class Tree:
    """Folders, and the places of what is in them."""

    def __init__(self, client: Client, nodes: Nodes, catalogue: Catalogue) -> None:
        self._client = client
        self._nodes = nodes
        self._catalogue = catalogue

    # ---- looking --------------------------------------------------------------------------------------------------

    async def children(self, folder: Node, *, sure: bool = True) -> Children:
        """What is in a folder, as the server lists it. Raises NotFound, Forbidden.

        Unless `sure`, a folder that may not be read looks empty: for callers that are told so by their next call.
        """
        folder_id = held(folder).folder
        try:
            found: Children = await self._client.call("folder.children", Children, id=folder_id)
        except Broke:
            await self._client.call("folder.get", Folder, id=folder_id)  # says whether it is gone
            raise ProtocolViolation("the server breaks at listing this folder") from None
        if sure and not found.folders and not found.items:
            await self._client.call("folder.get", Folder, id=folder_id)  # a forbidden one looks empty, too
        return found

    async def nodes(self, found: Children) -> Sequence[Node]:
        """Nodes of a listing, without uploads that are not complete."""
        items = await self._catalogue.details([item for item in found.items if not is_part(item.name)])
        return [*(self._nodes.folder(one) for one in found.folders), *(self._nodes.item(one) for one in items)]

    async def expect_free(self, folder: Node, name: str, *, but: Node | None = None) -> Children:
        """Raises Conflict where the folder has an entry of that name; `but` may have it. Returns what is there."""
        found = await self.children(folder, sure=False)
        taken: list[Folder | Item] = [*found.folders, *found.items]
        for one in taken:
            if one.name == name and (but is None or but.id != _node_id(one)):
                (node,) = await self.nodes(Children([one], []) if isinstance(one, Folder) else Children([], [one])) or (
                    None,
                )
                raise Conflict(f"the folder has an entry {name!r} already", node)
        return found

    # ---- changing -------------------------------------------------------------------------------------------------

    async def create_folder(self, folder: Node, name: str) -> Node:
        check_name(name)
        await self.expect_free(folder, name)
        made: Folder = await self._client.call(
            "folder.create", Folder, name=name, parentid=held(folder).folder, uuid=secrets.token_hex(16)
        )
        return self._nodes.folder(made)

    async def remove_folder(self, node: Node) -> None:
        """Uploads that are not complete are no entries: they go with the folder, as they would not find it."""
        mine = held(node)
        if mine.top:
            raise Forbidden("the root folder of a user or community is never removed")
        if not mine.folder:
            raise NotEmpty("an item with several files is no empty folder")
        found = await self.children(node)
        if found.folders or any(not is_part(item.name) for item in found.items):
            raise NotEmpty("the folder still has entries")
        await self._client.call("folder.delete", repeatable=False, id=mine.folder)

    async def rename(self, node: Node, folder: Node, name: str, over: Node | None) -> Node:
        check_name(name)
        self._movable(node)
        if node.name == name:
            return node
        await self._expect(folder, node, name, over)
        if over is not None:
            await self.remove_folder(over)
        return await self._rename(node, name)

    async def move(self, node: Node, source: Node, destination: Node, name: str, over: Node | None) -> Node:
        check_name(name)
        self._movable(node)
        if not held(destination).folder:
            raise Unsupported("files cannot be moved into an item")
        await self._expect(destination, node, name, over)
        if over is not None:
            await self.remove_folder(over)
        if node.id.startswith("f"):
            return await self._move_folder(node, destination, name)
        moved: Item = await self._client.call(
            "item.move",
            Item,
            id=held(node).item,
            srcfolderid=held(source).folder,
            dstfolderid=held(destination).folder,
        )
        self._catalogue.forget(held(node).item)
        if moved.name != name:
            return await self._rename(msgspec.structs.replace(node, name=moved.name), name, file_name=node.name)
        return self._nodes.item(await self._catalogue.item(held(node).item))

    async def _move_folder(self, node: Node, destination: Node, name: str) -> Node:
        if name != node.name:
            await self._rename(node, name)
        try:
            moved: Folder = await self._client.call(
                "folder.move", Folder, id=held(node).folder, dstfolderid=held(destination).folder
            )
        except RepositoryError:
            if name != node.name:
                await self._rename(node, node.name)
            raise
        return self._nodes.folder(moved)

    async def _expect(self, folder: Node, node: Node, name: str, over: Node | None) -> None:
        """Raises Conflict, NotFound or NotEmpty unless the name may be had."""
        if over is None:
            await self.expect_free(folder, name, but=node)
        elif over.kind is not Kind.FOLDER or node.kind is not Kind.FOLDER:
            raise Conflict(f"{name!r} is taken", over)

    def _movable(self, node: Node) -> None:
        if held(node).top or not (held(node).item or held(node).folder) or node.id.startswith("b"):
            raise Unsupported("Midas cannot rename or move this")

    async def _rename(self, node: Node, name: str, *, file_name: str | None = None) -> Node:
        mine = held(node)
        if node.id.startswith("f"):
            folder: Folder = await self._client.call("folder.create", Folder, uuid=mine.uuid, name=name)
            return self._nodes.folder(folder)
        item = await self._catalogue.item(mine.item)
        same = len(item.files) == 1 and item.files[0].name == (file_name or node.name)
        flags: dict[str, Any] = {"updatebitstream": 1} if same else {}
        await self._client.call("item.create", Item, uuid=mine.uuid, name=name, **flags)
        self._catalogue.forget(mine.item)
        return self._nodes.item(await self._catalogue.item(mine.item))

    async def remove(self, node: Node, folder: Node) -> None:
        """Take an item out of one folder: by the page for it, because the call would take it out of all."""
        mine = held(node)
        if node.id.startswith("b"):
            raise Unsupported("files of an item with several stay")
        found = await self.children(folder)
        if node.id not in {_node_id(one) for one in found.items}:
            raise NotFound(f"{node.name!r} is not in this folder any more")
        answer = await self._client.page("folder/removeitem", folderId=held(folder).folder, itemId=mine.item)
        self._catalogue.forget(mine.item)
        if not answer.startswith(b'["1"'):
            raise Forbidden("Midas lets only those who administrate an item remove it")


def _node_id(one: Folder | Item) -> str:
    return f"f{one.folder_id}" if isinstance(one, Folder) else f"i{number(one.item_id)}"
