"""New files (section 5).

One in a folder is an item under a name of its own until its bytes are there and verified; then it gets the wanted name.

    nothing -> name recorded -> item made, and its token -> both recorded -> bytes on the server -> renamed

One in an item of several files is there, under its name, when the server has it whole.

    nothing -> place recorded -> token recorded -> bytes on the server
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from assetfs.backends.midas.catalogue import Catalogue
from assetfs.backends.midas.client import Client
from assetfs.backends.midas.errors import Broke
from assetfs.backends.midas.nodes import PART, Nodes, held
from assetfs.backends.midas.sending import Sender
from assetfs.backends.midas.tree import Tree
from assetfs.backends.midas.wire import Bitstream, Item, Revision, number
from assetfs.repository import Conflict, Forbidden, Ledger, Node, NotFound, ProtocolViolation, Source


class Uploads:
    """`upload`, and `abandon` for it."""

    def __init__(self, client: Client, sender: Sender, nodes: Nodes, catalogue: Catalogue, tree: Tree) -> None:
        self._client = client
        self._sender = sender
        self._nodes = nodes
        self._catalogue = catalogue
        self._tree = tree

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        if held(folder).item:
            return await self._add(folder, name, source, ledger)
        digest = await source.digest("md5")
        begun = "part" in ledger.state
        own = await self._begun(ledger) if begun else None
        if own is None or own.name != name:
            await self._tree.expect_free(folder, name)
        if not begun:
            await ledger.record(part=PART + secrets.token_hex(16))
        if own is None:
            own = await self._make(folder, name, digest, source, ledger)
            if token := ledger.state["token"]:
                await self._sender.send(token, name, source, ledger, revision="head")
        elif not _is_just(own, digest, source.size):
            await self._go_on(number(own.item_id), name, source, digest, ledger)
            own = None
        if own is None:
            own = await self._catalogue.item(ledger.state["item"])
            if not _is_just(own, digest, source.size):
                raise ProtocolViolation(f"the server has other bytes than were sent: {len(own.files)} files")
        ledger.progress(source.size)
        if own.name != name:
            renamed: Item = await self._client.call("item.create", Item, uuid=own.uuid, name=name)
            own = msgspec.structs.replace(renamed, revisions=own.revisions)
            self._catalogue.forget(number(own.item_id))
        return self._nodes.item(own)

    async def _make(self, folder: Node, name: str, digest: str, source: Source, ledger: Ledger) -> Item | None:
        """Make the item, and get a token for its file: empty where the server has the bytes, and has put them in. Then
        that item is returned: what the server has found by this checksum has it, and need not be looked at."""
        part = ledger.state["part"]
        where: dict[str, Any] = {"folderid": held(folder).folder, "filename": name, "itemname": part}
        token: str | None = None
        try:
            token = await self._sender.token(**where, checksum=digest)
        except Broke:  # what has this checksum belongs to no item; ours may be there now, or not
            if await self._search(part) is None:
                token = await self._sender.token(**where)
        if token and token.count("/") == 2:
            await ledger.record(item=number(token.split("/")[1]), token=token)
            return None
        found = await self._search(part, folder)
        if found is None:
            raise ProtocolViolation("the server has not made the item that it was told to make")
        item_id = number(found.item_id)
        if token is None:
            token = await self._sender.token(itemid=item_id, filename=name)
        await ledger.record(item=item_id, token=token)
        return _with_file(found, name, digest) if not token and number(found.sizebytes) == source.size else None

    async def _go_on(self, item_id: int, name: str, source: Source, digest: str, ledger: Ledger) -> None:
        """Bytes for an item that an earlier try has made."""
        if await self._sender.resume(ledger.state.get("token"), name, source, ledger, revision="head"):
            return
        token = await self._sender.reference(item_id, name, digest)
        await ledger.record(item=item_id, token=token)
        if token:
            await self._sender.send(token, name, source, ledger, revision="head")

    async def _begun(self, ledger: Ledger) -> Item | None:
        """The item that an earlier try has made."""
        item_id = ledger.state.get("item") or await self._search_id(ledger.state["part"])
        if item_id is None:
            return None
        try:
            found = await self._catalogue.item(item_id)
        except NotFound:
            return None
        if "item" not in ledger.state:
            await ledger.record(item=item_id)
        return found

    async def _search(self, part: str, folder: Node | None = None) -> Item | None:
        """The item of a name that nothing else has."""
        where: dict[str, Any] = {"folderId": held(folder).folder} if folder is not None else {}
        method = "item.searchbynameandfolder" if folder is not None else "item.searchbyname"
        found = await self._client.call(method, dict[str, list[Item]], name=part, **where)
        return next((one for one in found.get("items", []) if one.name == part), None)

    async def _search_id(self, part: str) -> int | None:
        found = await self._search(part)
        return number(found.item_id) if found is not None else None

    # ---- into an item of several files ----------------------------------------------------------------------------

    async def _add(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        digest, item_id = await source.digest("md5"), held(folder).item
        begun = "into" in ledger.state
        there = _named(await self._catalogue.item(item_id), name)
        if there is not None and not (begun and there.checksum == digest):
            raise Conflict(f"the item has a file {name!r} already", self._nodes.bitstream(there, item_id))
        if there is None:
            if not begun:
                await ledger.record(into=item_id, file=name, digest=digest)
            await self._go_on(item_id, name, source, digest, ledger)
            self._catalogue.forget(item_id)
            there = _named(await self._catalogue.item(item_id), name)
        if there is None or (there.checksum, number(there.sizebytes)) != (digest, source.size):
            raise ProtocolViolation("the server has other bytes than were sent")
        ledger.progress(source.size)
        return self._nodes.bitstream(there, item_id)

    # ---- giving up ------------------------------------------------------------------------------------------------

    async def abandon(self, state: Mapping[str, Any]) -> None:
        """Remove an item that never got its name, or a file that nobody was told of."""
        try:
            if "into" in state:
                there = _named(await self._catalogue.item(state["into"]), state["file"])
                if there is not None and there.checksum == state["digest"]:
                    await self._client.call("bitstream.delete", repeatable=False, id=there.bitstream_id)
                    self._catalogue.forget(state["into"])
            elif "part" in state:
                item_id = state.get("item") or await self._search_id(state["part"])
                if item_id and (await self._catalogue.item(item_id)).name == state["part"]:
                    await self._client.call("item.delete", repeatable=False, id=item_id)
        except (NotFound, Forbidden):
            return


def _named(item: Item, name: str) -> Bitstream | None:
    return next((one for one in item.files if one.name == name), None)


def _is_just(item: Item, digest: str, size: int) -> bool:
    """Whether the newest revision is just this content."""
    return len(item.files) == 1 and (item.files[0].checksum, number(item.files[0].sizebytes)) == (digest, size)


def _with_file(item: Item, name: str, digest: str) -> Item:
    """An item with a revision of one file, whose number is not known."""
    file = Bitstream("0", name, "", item.sizebytes, digest, item.date_update)
    return msgspec.structs.replace(item, revisions=[Revision("0", "1", bitstreams=[file])])
