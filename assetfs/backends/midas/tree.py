"""The tree: listing it, and changing names and places in it (sections 4.3 and 8.2).

The server gives a taken name a number, or takes it twice, and never refuses it; and it deletes folders with all that
is in them. So the folder is looked at before every change. Whether it has an item of some name is one small question;
what folders it has is known by its whole listing only, which is remembered for a while: else the first thousand files
that are copied in would be listed again for each of the next thousand.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
import trio
from cachetools import LRUCache

from assetfs.backends.midas.catalogue import Catalogue
from assetfs.backends.midas.client import Client
from assetfs.backends.midas.errors import Broke
from assetfs.backends.midas.nodes import DIR, PART, Nodes, held, is_part
from assetfs.backends.midas.wire import Bitstream, Children, Community, Existing, Folder, Item, number
from assetfs.repository import (
    Conflict,
    CrossScope,
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
REMEMBERED = 60.0
"""Seconds for which a folder is taken to have no other folders than it was last listed with, when a file comes in. A
file beside a folder of its name is a twin, and nothing is lost."""
SCRATCH_SECONDS = 30.0
"""For a folder of a moment to go again, whatever else ends."""
FOLDERS = 1_000
"""That are remembered, with their names."""


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
        self._below: LRUCache[int, tuple[float, set[str]]] = LRUCache(FOLDERS)
        """When a folder was listed, and the names of the folders in it."""
        self._unlinked: LRUCache[tuple[int, int], bool] = LRUCache(FOLDERS)
        """Items that we have taken out of folders: the server says nothing else to who does it again."""

    # ---- looking --------------------------------------------------------------------------------------------------

    async def children(self, folder: Node, *, sure: bool = True) -> Children:
        """What is in a folder, as the server lists it. Raises NotFound, Forbidden.

        Unless `sure`, a folder that may not be read looks empty: for callers that are told so by their next call.
        """
        folder_id = held(folder).folder
        begun = trio.current_time()
        try:
            found: Children = await self._client.call("folder.children", Children, id=folder_id)
        except Broke:
            await self._client.call("folder.get", Folder, id=folder_id)  # says whether it is gone
            raise ProtocolViolation("the server breaks at listing this folder") from None
        if sure and not found.folders and not found.items:
            await self._client.call("folder.get", Folder, id=folder_id)  # a forbidden one looks empty, too
        self._below[folder_id] = begun, {one.name for one in found.folders}
        return found

    async def nodes(self, folder: Node, found: Children) -> Sequence[Node]:
        """Nodes of a folder's listing, without uploads that are not complete."""
        return [
            *(self._nodes.folder(one) for one in found.folders),
            *await self._catalogue.nodes([one for one in found.items if not is_part(one.name)], folder, found.folders),
        ]

    async def expect_free(self, folder: Node, name: str, *, but: str | None = None) -> bool:
        """Raises Conflict where the folder has an entry of that name, for a new file. `but` is an item that may have
        it; returns whether it has."""
        folder_id = held(folder).folder
        known = self._below.get(folder_id)
        if known is None or trio.current_time() - known[0] > REMEMBERED or name in known[1]:
            return await self._expect_unlisted(folder, name, but=but)
        told = await self._client.call("item.exists", Existing, parentid=folder_id, name=name)
        if not told.exists or told.item is None or told.item.name != name:
            return False  # or another spelling, on a server that takes them for the same
        if (there := _node_id(told.item)) != but:
            raise Conflict(f"the folder has an entry {name!r} already", await self.node(there))
        return True

    async def _expect_unlisted(self, folder: Node, name: str, *, but: str | None) -> bool:
        """The same by the folder's whole listing, for new folders, too."""
        found = await self.children(folder, sure=False)
        listed: list[Folder | Item] = [*found.folders, *found.items]
        there = next((_node_id(one) for one in listed if one.name == name and _node_id(one) != but), None)
        if there is not None:
            raise Conflict(f"the folder has an entry {name!r} already", await self.node(there))
        return any(_node_id(one) == but for one in found.items)

    async def node(self, node_id: str) -> Node | None:
        """A folder or item by its id; None when it has gone meanwhile."""
        try:
            if node_id.startswith("f"):
                return self._nodes.folder(await self._client.call("folder.get", Folder, id=node_id[1:]))
            return self._nodes.item(await self._catalogue.item(int(node_id[1:])))
        except NotFound:
            return None

    # ---- folders --------------------------------------------------------------------------------------------------

    async def create_folder(self, folder: Node, name: str) -> Node:
        """Folders of that name are the server's to refuse."""
        check_name(name)
        await self.expect_free(folder, name)
        made: Folder = await self._client.call(
            "folder.create", Folder, name=name, parentid=held(folder).folder, uuid=secrets.token_hex(16)
        )
        node = self._nodes.folder(made)
        self._below.get(held(folder).folder, (0.0, set()))[1].add(name)
        self._below[held(node).folder] = trio.current_time(), set()
        return node

    async def create_community(self, name: str) -> Node:
        """For administrators. The server gives a name a capital, unless it is told again."""
        check_name(name)
        uuid = secrets.token_hex(16)
        made: Community = await self._client.call("community.create", Community, name=name, uuid=uuid)
        if made.name != name:
            made = await self._client.call("community.create", Community, name=name, uuid=made.uuid)
        self._nodes.note([made])
        return self._nodes.folder(await self._client.call("folder.get", Folder, id=made.folder_id))

    async def remove_folder(self, node: Node) -> None:
        """Uploads that are not complete are no entries: they go with the folder, as they would not find it."""
        mine = held(node)
        if mine.item:
            await self._remove_empty_item(node)
            return
        if mine.top or not mine.folder:
            raise Forbidden("the root folder of a user or community is never removed")
        found = await self.children(node)
        if found.folders or any(not is_part(item.name) for item in found.items):
            raise NotEmpty("the folder still has entries")
        await self._client.call("folder.delete", repeatable=False, id=mine.folder)

    async def _remove_empty_item(self, node: Node) -> None:
        item = await self._catalogue.item(held(node).item)
        if item.files:
            raise NotEmpty("the item still has files")
        await self._client.call("item.delete", repeatable=False, id=item.item_id)
        self._catalogue.forget(held(node).item)

    # ---- names and places -----------------------------------------------------------------------------------------

    async def rename(self, node: Node, folder: Node, name: str, over: Node | None) -> Node:
        check_name(name)
        if node.name == name:
            return node
        if node.id.startswith("b"):
            return await self._rename_file(node, folder, name)
        if held(node).community:
            return await self._rename_community(node, name)
        self._movable(node)
        await self._expect(folder, node, name, over)
        if over is not None:
            await self.remove_folder(over)
        return await self._rename(node, name)

    async def move(self, node: Node, source: Node, destination: Node, name: str, over: Node | None) -> Node:
        check_name(name)
        if node.id.startswith("b") or held(source).item or held(destination).item:
            raise CrossScope("a file cannot be moved into an item of several files or out of it: copy it")
        self._movable(node)
        if not held(destination).folder:
            raise Unsupported("only communities can be made here")
        there = await self._expect(destination, node, name, over)
        if over is not None:
            await self.remove_folder(over)
        if node.id.startswith("f"):
            return await self._move_folder(node, destination, name)
        return await self._move_item(node, source, destination, name, there=there)

    async def take(self, node: Node, source: Node, destination: Node, name: str) -> Node:
        """Give a node a name that another entry has, which goes afterwards: nothing is looked at."""
        if held(source).folder == held(destination).folder:
            return await self._rename(node, name)
        there = node.id in {_node_id(one) for one in (await self.children(destination)).items}
        return await self._move_item(node, source, destination, name, there=there)

    async def _move_item(self, node: Node, source: Node, destination: Node, name: str, *, there: bool) -> Node:
        """The server renames what it finds a twin of: also an item that is `there` already, which is only taken out of
        the first folder."""
        item_id = held(node).item
        if there:
            await self.unlink(node, source)
            return await self._rename(node, name)
        moved: Item = await self._client.call(
            "item.move", Item, id=item_id, srcfolderid=held(source).folder, dstfolderid=held(destination).folder
        )
        self._catalogue.forget(item_id)
        if moved.name != name:
            return await self._rename(node, name)
        return self._nodes.edited(node, moved)

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

    async def _expect(self, folder: Node, node: Node, name: str, over: Node | None) -> bool:
        """Raises Conflict, NotFound or NotEmpty unless the name may be had. Returns whether the item is there."""
        if over is None:
            ask = self._expect_unlisted if node.id.startswith("f") else self.expect_free
            return await ask(folder, name, but=node.id)
        if over.kind is not Kind.FOLDER or node.kind is not Kind.FOLDER:
            raise Conflict(f"{name!r} is taken", over)
        return False

    def _movable(self, node: Node) -> None:
        if held(node).top or not (held(node).item or held(node).folder):
            raise Unsupported("Midas cannot rename or move this")

    async def _rename(self, node: Node, name: str) -> Node:
        """An item's one file is renamed with it where it has had its name."""
        mine = held(node)
        if node.id.startswith("f"):
            folder: Folder = await self._client.call("folder.create", Folder, uuid=mine.uuid, name=name)
            return self._nodes.folder(folder)
        if node.version is None and (node.kind is Kind.FILE or self._nodes.items == DIR):  # it was listed only
            node = self._nodes.item(await self._catalogue.item(mine.item))
        file = name if held(node).file == node.name else None
        flags: dict[str, Any] = {"updatebitstream": 1} if file is not None else {}
        renamed: Item = await self._client.call("item.create", Item, uuid=mine.uuid, name=name, **flags)
        self._catalogue.forget(mine.item)
        return self._nodes.edited(node, renamed, file=file)

    async def _rename_file(self, node: Node, folder: Node, name: str) -> Node:
        """One of an item's several files."""
        item = await self._catalogue.item(held(folder).item)
        file = file_of(item, node)
        if any(one.name == name for one in item.files):
            raise Conflict(f"the item has a file {name!r} already")
        edited: Bitstream = await self._client.call("bitstream.edit", Bitstream, id=file.bitstream_id, name=name)
        self._catalogue.forget(held(folder).item)
        return self._nodes.bitstream(edited, held(folder).item)

    async def _rename_community(self, node: Node, name: str) -> Node:
        """The server looks for twins at the making only."""
        try:
            taken: Community | None = await self._client.call("community.get", Community, name=name)
        except NotFound:
            taken = None
        if taken is not None and number(taken.community_id) != held(node).community and taken.name == name:
            raise Conflict(f"there is a community {name!r} already")
        made: Community = await self._client.call("community.create", Community, name=name, uuid=held(node).uuid)
        self._nodes.note([made])
        return msgspec.structs.replace(node, name=made.name)

    # ---- links and removal ----------------------------------------------------------------------------------------

    async def link(self, node: Node, folder: Node, name: str) -> Node:
        """One more folder for an item, which has one name in all of them."""
        if not held(node).item or node.id.startswith("b"):
            raise Unsupported("a Midas folder, or one of an item's files, has one place")
        if name != node.name:
            raise Unsupported("a Midas item has one name in all its folders")
        await self.expect_free(folder, name)
        shared: Item = await self._client.call("item.share", Item, id=held(node).item, dstfolderid=held(folder).folder)
        self._catalogue.forget(held(node).item)
        return msgspec.structs.replace(node, links=len(shared.owningfolders) or None)

    async def owners(self, item_id: int, folder: int) -> list[Folder]:
        """All folders that an item is in: sharing it into one of these (`folder`) changes nothing, and tells."""
        shared: Item = await self._client.call("item.share", Item, id=item_id, dstfolderid=folder)
        return shared.owningfolders

    async def symlink(self, folder: Node, name: str, url: str) -> Node:
        """A link item: one to a web address is all that the server has."""
        check_name(name)
        await self.expect_free(folder, name)
        made: Item = await self._client.call(
            "link.create", Item, repeatable=False, folderid=held(folder).folder, url=url, itemname=name
        )
        return self._nodes.item(await self._catalogue.item(number(made.item_id)))

    async def remove(self, node: Node, folder: Node) -> None:
        """Take an item out of one folder, or a file out of an item."""
        if node.id.startswith("b"):
            file = file_of(await self._catalogue.item(held(folder).item), node)
            await self._client.call("bitstream.delete", repeatable=False, id=file.bitstream_id)
            self._catalogue.forget(held(folder).item)
            return
        if (held(node).item, held(folder).folder) in self._unlinked:
            await self._expect_in(node, folder)
        await self.unlink(node, folder)

    async def unlink(self, node: Node, folder: Node) -> None:
        """The page for it does it, and nothing to an item that is elsewhere by now: the call would take the item out of
        all its folders. Where there are no pages, the item moves into a folder that is then deleted."""
        item_id, folder_id = held(node).item, held(folder).folder
        self._catalogue.forget(item_id)
        try:
            answer = await self._client.page("folder/removeitem", folderId=folder_id, itemId=item_id)
            done = json.loads(answer.content) if answer.status == 200 else None
        except (Broke, ValueError):
            done = None
        if isinstance(done, list) and done and done[0] == "1":
            self._unlinked[item_id, folder_id] = True
            return
        await self._expect_in(node, folder)
        if isinstance(done, list):
            raise Forbidden("Midas lets only those who administrate an item remove it")
        scratch: Folder = await self._client.call(
            "folder.create", Folder, name=PART + secrets.token_hex(16), parentid=folder_id
        )
        try:
            await self._client.call(
                "item.move", repeatable=False, id=item_id, srcfolderid=folder_id, dstfolderid=scratch.folder_id
            )
        finally:
            with trio.move_on_after(SCRATCH_SECONDS, shield=True):
                await self._client.call("folder.delete", repeatable=False, id=scratch.folder_id)

    async def _expect_in(self, node: Node, folder: Node) -> None:
        """Raises NotFound for an item that is gone, or not in this folder (any more)."""
        item = await self._catalogue.item(held(node).item)
        if number(item.folder_id) == held(folder).folder:  # that one is the first of all
            return
        found = await self.children(folder)
        if node.id not in {_node_id(one) for one in found.items}:
            raise NotFound(f"{node.name!r} is not in this folder any more")


def file_of(item: Item, node: Node) -> Bitstream:
    """The file of an item's newest revision that a node is: it has another number there when another of the item's
    files got new content. Raises NotFound, so that nobody touches an older revision."""
    for one in item.files:
        if one.bitstream_id == node.id[1:]:
            return one
    for one in item.files:
        if one.name == node.name and node.version in (one.checksum, None):
            return one
    raise NotFound(f"the item has no {node.name!r} any more")


def _node_id(one: Folder | Item) -> str:
    return f"f{one.folder_id}" if isinstance(one, Folder) else f"i{number(one.item_id)}"
