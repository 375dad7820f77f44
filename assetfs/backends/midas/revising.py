"""New content for a file that is there (5.6).

It is a new revision, which starts with this file alone and without metadata: the item's other files are added to it by
reference, and the metadata of the one before is copied, at once. With `overwrite=replace` it goes into the revision
that is there, and the old file is deleted: metadata and other files stay by themselves, and history ends.

What the ledger has by then (the token, and the revision that we started from, by its id, for numbers shift) tells a
later try how far this one came.

    nothing -> base and token recorded -> bytes on the server -> files and metadata copied, or the old file deleted

What somebody else has saved meanwhile is never overwritten unseen: it is a Conflict, and the mount keeps ours beside
it; or, as the option `conflict` says, Busy; or ours becomes the revision behind theirs, which stays in the history. In
place there is none, and so no such choice.

The server has no comparison: whose revision is newest is looked at before the first byte, again before the last one
of a large file, and afterwards. Who was faster in between wins: our revision goes again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from assetfs.backends.midas import BESIDE, REPLACE, REVISION
from assetfs.backends.midas.catalogue import Catalogue
from assetfs.backends.midas.client import Client
from assetfs.backends.midas.downloads import Downloads
from assetfs.backends.midas.nodes import REFUSE, Nodes, held
from assetfs.backends.midas.sending import Sender
from assetfs.backends.midas.spool import Forgetful, Spool
from assetfs.backends.midas.tree import file_of
from assetfs.backends.midas.wire import EMPTY_MD5, LINK, Bitstream, Item, Revision, Value, number, read
from assetfs.repository import (
    Busy,
    Conflict,
    Forbidden,
    Kind,
    Ledger,
    Node,
    NotFound,
    Source,
    Unsupported,
)


class Habits(msgspec.Struct, frozen=True):
    """The options `overwrite` and `conflict`."""

    overwrite: str = REVISION
    conflict: str = BESIDE


class Revising:
    """`replace`, and `abandon` for it."""

    def __init__(
        self,
        client: Client,
        sender: Sender,
        nodes: Nodes,
        catalogue: Catalogue,
        downloads: Downloads,
        habits: Habits,
    ) -> None:
        self._client = client
        self._sender = sender
        self._nodes = nodes
        self._catalogue = catalogue
        self._downloads = downloads
        self._in_place = habits.overwrite == REPLACE
        self._habits = habits

    async def replace(self, node: Node, source: Source, ledger: Ledger) -> Node:
        """As the seam has it; a conflict becomes what the option says."""
        while True:
            try:
                return await self._replace(node, source, ledger)
            except Conflict as theirs:
                if self._habits.conflict == REFUSE:
                    raise Busy(str(theirs)) from theirs
                if self._habits.conflict != REVISION or self._in_place:
                    raise
                if theirs.node is None or theirs.node.kind is not Kind.FILE:
                    raise
                node = theirs.node
            await ledger.record(base=None, token=None)

    async def _replace(self, node: Node, source: Source, ledger: Ledger) -> Node:
        if (
            node.kind is not Kind.FILE
            or node.id[0] not in "ib"
            or held(node).web
            or (node.version or "").startswith("zip")
        ):
            raise Unsupported("this cannot get new content")
        item_id, digest = held(node).item, await source.digest("md5")
        item = await self._catalogue.item(item_id, all_revisions=True)
        again = ledger.state.get("base") is not None and _arrived(item, ledger.state) is not None
        if not again:
            current = self._unchanged(node, item, ledger.state.get("base"))
            if digest == node.version:
                return node
            facts = {
                "item": item_id,
                "base": _head_id(item),
                "known": [one.bitstream_id for one in item.files],
                "place": current.bitstream_id if current is not None else "",
                "name": current.name if current is not None else item.name,
                "digest": digest,
            }
            await self._send(item, source, ledger, facts)
            item = await self._catalogue.item(item_id, all_revisions=True)
        state = ledger.state
        new = _arrived(item, state)
        if new is None or new not in item.files:
            raise Conflict("somebody else has changed the file meanwhile", self._now(node, item, state["name"]))
        if not self._in_place and await self._taken_back(item, state["base"]):
            item = await self._catalogue.item(item_id)
            raise Conflict("somebody else has changed the file meanwhile", self._now(node, item, state["name"]))
        ledger.progress(source.size)
        item = await self._complete(item, state, new, again=again)
        self._catalogue.learn(_newest(item))
        return self._nodes.bitstream(new, item_id) if node.id.startswith("b") else self._nodes.item(_newest(item))

    def _now(self, node: Node, item: Item, name: str) -> Node | None:
        """What stands where the node was."""
        if not node.id.startswith("b"):
            return self._nodes.item(_newest(item))
        there = next((one for one in item.files if one.name == name), None)
        return self._nodes.bitstream(there, held(node).item) if there is not None else None

    def _unchanged(self, node: Node, item: Item, base: str | None) -> Bitstream | None:
        """The file of the newest revision that the node is; None for an item without any. Raises Conflict."""
        if base is not None and base != _head_id(item):
            raise Conflict("somebody else has changed the file meanwhile", self._now(node, item, node.name))
        if node.id.startswith("b"):
            with suppress(NotFound):
                return file_of(item, node)
        elif len(item.files) <= 1 and (item.files[0].checksum if item.files else EMPTY_MD5) == node.version:
            return item.files[0] if item.files else None
        raise Conflict("somebody else has changed the file meanwhile", self._now(node, item, node.name))

    async def _send(self, item: Item, source: Source, ledger: Ledger, facts: Mapping[str, Any]) -> None:
        item_id, name = number(item.item_id), facts["name"]
        params: dict[str, Any] = {"revision": "head"} if self._in_place else {}

        async def guard() -> None:
            now = await self._catalogue.item(item_id)
            if _head_id(now) != facts["base"]:
                raise Conflict("somebody else has changed the file meanwhile", self._nodes.item(now))

        if any(one.mimetype == LINK for one in item.files):
            raise Unsupported("an item with a link in it cannot get a new revision")
        if not await self._sender.resume(ledger.state.get("token"), name, source, ledger, guard, **params):
            token = await self._sender.token(itemid=item_id, filename=name)
            await ledger.record(token=token, **facts)
            await self._sender.send(token, name, source, ledger, guard, **params)
        self._catalogue.forget(item_id)

    async def _taken_back(self, item: Item, base: str) -> bool:
        """Whether our revision did not follow the one that it was made from, and is gone again. Where there is no page
        to take it back with, it stays: the one in between is in the history."""
        revisions = item.revisions or []
        if (revisions[-2].itemrevision_id if len(revisions) > 1 else "") == base:
            return False
        answer = await self._client.page(
            "item/deleteitemrevision", itemId=item.item_id, itemrevisionId=revisions[-1].itemrevision_id
        )
        self._catalogue.forget(number(item.item_id))
        return answer.status == 302

    # ---- what a new revision starts without -----------------------------------------------------------------------

    async def _complete(self, item: Item, state: Mapping[str, Any], new: Bitstream, *, again: bool) -> Item:
        """Metadata and other files of the revision before; the old file goes where it is the same revision. Idempotent;
        `again` says that an earlier try may have done some of it."""
        item_id, place = number(item.item_id), state["place"]
        if item.head is not None and item.head.itemrevision_id == state["base"]:
            if place in {one.bitstream_id for one in item.files}:
                await self._client.call("bitstream.delete", repeatable=False, id=place)
                item = await self._catalogue.item(item_id)
            return item
        old = next((one for one in item.revisions or () if one.itemrevision_id == state["base"]), None)
        if old is None:
            return item
        item = await self._copy_metadata(item, old, again=again)
        missing = [one for one in old.bitstreams if one.bitstream_id != place]
        for one in item.files:
            same = next((two for two in missing if (two.name, two.checksum) == (one.name, one.checksum)), None)
            if same is not None and one is not new:
                missing.remove(same)
        names = {one.name for one in item.files}
        for one in missing:
            await self._add(item_id, one, known=one.name not in names)
            names.add(one.name)
        return await self._catalogue.item(item_id) if missing else item

    async def _copy_metadata(self, item: Item, old: Revision, *, again: bool) -> Item:
        """What somebody has set since an earlier try stays."""
        values = await self._values(item, old.revision)
        if again and values:
            assert item.head is not None
            there = {(one.metadatatype, one.element, one.qualifier) for one in await self._values(item, None)}
            values = [one for one in values if (one.metadatatype, one.element, one.qualifier) not in there]
        if not values:
            return item
        rows = [
            {"element": one.element, "qualifier": one.qualifier, "type": number(one.metadatatype), "value": one.value}
            for one in values
        ]
        told = await self._client.rest(f"item/addmetadata/{item.item_id}", {"metadata": rows})
        changed = read(told, dict[str, Any], "item.addmetadata").get("date_update")
        return msgspec.structs.replace(item, date_update=str(changed or item.date_update))

    async def _values(self, item: Item, revision: str | None) -> list[Value]:
        which: dict[str, Any] = {"revision": revision} if revision is not None else {}
        found: list[Value] = await self._client.call("item.getmetadata", list[Value], id=item.item_id, **which)
        return found

    async def _add(self, item_id: int, file: Bitstream, *, known: bool) -> None:
        """One of the item's files again, by reference; with its bytes where the server does not find them for us, or
        has a file of that name, for which it would do nothing."""
        token = (
            await self._sender.reference(item_id, file.name, file.checksum)
            if known
            else await self._sender.token(itemid=item_id, filename=file.name)
        )
        if not token:
            return
        with Spool(self._nodes.bitstream(file, item_id)) as spool:
            await spool.fill(self._downloads)
            await self._sender.send(token, file.name, spool, Forgetful(), revision="head")

    # ---- giving up ------------------------------------------------------------------------------------------------

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        """Bytes that are there as the newest revision stay, and get what belongs to them."""
        if state.get("base") is None:
            return None
        try:
            item = await self._catalogue.item(state["item"], all_revisions=True)
            new = _arrived(item, state)
            if new is None or new not in item.files:
                return None
            item = await self._complete(item, state, new, again=True)
        except (NotFound, Forbidden):
            return None
        finally:
            self._catalogue.forget(state["item"])
        node = self._nodes.item(_newest(item))
        return self._nodes.bitstream(new, state["item"]) if node.kind is Kind.FOLDER else node


def _head_id(item: Item) -> str:
    return item.head.itemrevision_id if item.head else ""


def _newest(item: Item) -> Item:
    """The item with its newest revision alone."""
    return msgspec.structs.replace(item, revisions=item.revisions[-1:] if item.revisions else [])


def _arrived(item: Item, state: Mapping[str, Any]) -> Bitstream | None:
    """Our file where it has arrived: in the revision that it was made from, or a later one. The latest of several."""
    found: Bitstream | None = None
    since = state["base"] == ""
    for revision in item.revisions or ():
        since = since or revision.itemrevision_id == state["base"]
        for one in revision.bitstreams if since else ():
            mine = one.bitstream_id not in state["known"]
            if mine and (one.name, one.checksum) == (state["name"], state["digest"]):
                found = one
    return found
