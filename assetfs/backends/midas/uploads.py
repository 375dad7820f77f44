"""Content on its way out (section 5).

A new file is an item under a name of its own until its bytes are there and verified; then it gets the wanted name. The
item's uuid is ours and is in the ledger first: with it, making the item twice makes it once.

    nothing -> uuid recorded -> item made -> token recorded -> bytes on the server -> renamed

New content is a new revision, which starts without metadata: the old one's is copied to it at once. What the ledger
has by then (the token, the revision that we started from) tells a later try how far this one came.

    nothing -> base and token recorded -> new revision -> metadata copied

A file is sent in one request, or goes on where the server says that it stopped. The server loses a last byte that is
the text `0` and comes alone behind whole pieces of 8192 (5.5): then the last two bytes go by themselves.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from assetfs.backends.midas.catalogue import Catalogue
from assetfs.backends.midas.client import Client
from assetfs.backends.midas.errors import Broke, Incomplete
from assetfs.backends.midas.nodes import PART, Nodes, held
from assetfs.backends.midas.tree import Tree
from assetfs.backends.midas.wire import EMPTY_MD5, Item, Value, number
from assetfs.repository import (
    Conflict,
    Forbidden,
    Kind,
    Ledger,
    Node,
    NotFound,
    ProtocolViolation,
    Source,
    Unsupported,
)

PIECE = 1 << 20
READ_SIZE = 8192
ITEM = "1"
"""What `resource.get` calls an item."""


class Uploads:
    """`upload`, `replace` and `abandon`."""

    def __init__(self, client: Client, nodes: Nodes, catalogue: Catalogue, tree: Tree) -> None:
        self._client = client
        self._nodes = nodes
        self._catalogue = catalogue
        self._tree = tree

    # ---- new files ------------------------------------------------------------------------------------------------

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        digest = await source.digest("md5")
        begun = "uuid" in ledger.state
        own = await self._begun(ledger) if begun else None
        if own is None or own.name != name:
            await self._tree.expect_free(folder, name)
        if not begun:
            await ledger.record(uuid=secrets.token_hex(16))
        uuid = ledger.state["uuid"]
        if own is None:
            made: Item = await self._client.call(
                "item.create", Item, name=PART + uuid, parentid=held(folder).folder, uuid=uuid
            )
            item_id = number(made.item_id)
        else:
            item_id = number(own.item_id)
        if own is None or not _has(own, digest, source.size):
            await self._fill(item_id, name, source, digest, ledger)
            own = await self._catalogue.item(item_id)
            if not _has(own, digest, source.size):
                raise ProtocolViolation(f"the server has other bytes than were sent: {len(own.files)} files")
        ledger.progress(source.size)
        if own.name != name:
            renamed: Item = await self._client.call("item.create", Item, uuid=uuid, name=name)
            own = msgspec.structs.replace(renamed, revisions=own.revisions)
        return self._nodes.item(own)

    async def _begun(self, ledger: Ledger) -> Item | None:
        """The item that an earlier try has made."""
        try:
            found = await self._client.call("resource.get", dict[str, str], uuid=ledger.state["uuid"])
        except NotFound:
            return None
        return await self._catalogue.item(number(found["id"])) if found["type"] == ITEM else None

    async def _fill(self, item_id: int, name: str, source: Source, digest: str, ledger: Ledger) -> None:
        """Bytes into the first revision: by reference where the server has them, else by sending them."""
        token = ledger.state.get("token")
        if token is not None and await self._deliver(token, name, source, ledger, begun=True, revision="head"):
            return
        try:
            token = await self._token(item_id, name, checksum=digest)
        except Broke:
            token = await self._token(item_id, name)
        if token:
            await ledger.record(token=token)
            await self._deliver(token, name, source, ledger, begun=False, revision="head")

    async def _token(self, item_id: int, name: str, **more: Any) -> str:
        made = await self._client.call("upload.generatetoken", dict[str, str], itemid=item_id, filename=name, **more)
        return str(made["token"])

    # ---- sending --------------------------------------------------------------------------------------------------

    async def _deliver(
        self, token: str, name: str, source: Source, ledger: Ledger, *, begun: bool, **params: str
    ) -> bool:
        """Send what the server does not have yet; `begun` says that it may have something. False: no such token."""
        start, size = 0, source.size
        if begun:
            found = await self._client.call("upload.getoffset", dict[str, str], uploadtoken=token)
            if found["offset"] == "":
                return False
            start = number(found["offset"])
        query = {"uploadtoken": token, "filename": name, "length": size, **params}
        if size and start >= size:
            start = size - 1  # the server asks for at least a request more, and ignores what is too much
        if await self._loses_the_last(source, start):
            if size - start == 1 and start == 0:
                await self._alone(query)
                return True
            if size - start > 2:
                try:
                    await self._put(query, source, start, size - 2, ledger)
                except Incomplete:
                    start = size - 2
        await self._put(query, source, start, size, ledger)
        return True

    async def _loses_the_last(self, source: Source, start: int) -> bool:
        """Whether the receiving loop would end before the last byte."""
        count = source.size - start
        return count % READ_SIZE == 1 and await source.read(source.size - 1, 1) == b"0"

    async def _put(self, query: Mapping[str, object], source: Source, start: int, stop: int, ledger: Ledger) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for at in range(start, stop, PIECE):
                piece = await source.read(at, min(PIECE, stop - at))
                yield piece
                ledger.progress(at + len(piece))

        await self._client.send(query, pieces if stop > start else b"", stop - start)

    async def _alone(self, query: Mapping[str, object]) -> None:
        """The file that is the one character 0: as a form it arrives."""
        await self._client.send_form({**query, "mode": "multipart", "file": "1"}, str(query["filename"]), b"0")

    # ---- new content ----------------------------------------------------------------------------------------------

    async def replace(self, node: Node, source: Source, ledger: Ledger) -> Node:
        mine = held(node)
        if not node.id.startswith("i") or node.kind is not Kind.FILE:
            raise Unsupported("Midas cannot replace one file of an item with several")
        digest = await source.digest("md5")
        item = await self._catalogue.item(mine.item, all_revisions=True)
        base = ledger.state.get("base")
        sent = base is not None and item.head is not None and str(item.head.revision) != base
        if not sent:
            if _checksum(item) != node.version or len(item.files) > 1:
                raise Conflict("somebody else has changed the file meanwhile", self._nodes.item(item))
            if digest == node.version:
                return self._nodes.item(item)
            base = await self._revise(item, source, ledger)
            item = await self._catalogue.item(mine.item)
        if not _has(item, digest, source.size):
            raise Conflict("somebody else has changed the file meanwhile", self._nodes.item(item))
        ledger.progress(source.size)
        if base and await self._copy_metadata(mine.item, base):
            item = await self._catalogue.item(mine.item)
        return self._nodes.item(item)

    async def _revise(self, item: Item, source: Source, ledger: Ledger) -> str:
        """Send a new revision. Returns the number of the one before; empty where there was none."""
        base = item.head.revision if item.head else ""
        name = item.files[0].name if item.files else item.name
        token = ledger.state.get("token")
        if token is None or not await self._deliver(token, name, source, ledger, begun=True):
            token = await self._token(number(item.item_id), name)
            await ledger.record(base=base, token=token)
            await self._deliver(token, name, source, ledger, begun=False)
        self._catalogue.forget(number(item.item_id))
        return base

    async def _copy_metadata(self, item_id: int, base: str) -> bool:
        """Give the newest revision what the one before was known by. False when that was nothing."""
        values = await self._client.call("item.getmetadata", list[Value], id=item_id, revision=base)
        if not values:
            return False
        rows = [
            {"element": one.element, "qualifier": one.qualifier, "type": number(one.metadatatype), "value": one.value}
            for one in values
        ]
        await self._client.rest(f"item/addmetadata/{item_id}", {"metadata": rows})
        return True

    # ---- giving up ------------------------------------------------------------------------------------------------

    async def abandon(self, state: Mapping[str, Any]) -> None:
        """Remove an item that never got its name."""
        if "uuid" not in state:
            return
        try:
            found = await self._client.call("resource.get", dict[str, str], uuid=state["uuid"])
            item = await self._catalogue.item(number(found["id"]))
            if item.name == PART + state["uuid"]:
                await self._client.call("item.delete", repeatable=False, id=item.item_id)
        except (NotFound, Forbidden):
            return


def _checksum(item: Item) -> str:
    return item.files[0].checksum if item.files else EMPTY_MD5


def _has(item: Item, digest: str, size: int) -> bool:
    """Whether the newest revision is just this content."""
    return len(item.files) == 1 and (item.files[0].checksum, number(item.files[0].sizebytes)) == (digest, size)
