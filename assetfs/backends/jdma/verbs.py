"""What people ask for, by attribute or by opening a file: recall, evict, pin, delete; what is going on (section 6)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial

import trio

from assetfs.backends.jdma.attributes import DELETE, EVICT, EXTERNAL_ID, FAILURE, RECALL, REQUEST
from assetfs.backends.jdma.catalogue import Catalogue
from assetfs.backends.jdma.client import Client
from assetfs.backends.jdma.connecting import Disk
from assetfs.backends.jdma.engine import readable
from assetfs.backends.jdma.nodes import Place, place_of
from assetfs.backends.jdma.recalls import Where
from assetfs.backends.jdma.tree import TOP, Row
from assetfs.backends.jdma.wire import Batch, Request
from assetfs.repository import Change, Node, NodeId, NotFound, OutOfReach, Unsupported, ValueRejected


class Verbs:
    """Wishes, by node. `disk` None: there is no stage."""

    def __init__(self, client: Client, catalogue: Catalogue, disk: Disk | None) -> None:
        self._client = client
        self._catalogue = catalogue
        self._disk = disk

    # ---- recall ---------------------------------------------------------------------------------------------------

    async def recall(self, nodes: Sequence[Node], *, explicit: bool, along: NodeId | None) -> None:
        """Want the content of files; by batch, those that are wanted together go into one request."""
        wanted: dict[int, set[int]] = {}
        for node in nodes:
            place = place_of(node.id)
            if place.file is not None:
                wanted.setdefault(place.batch, set()).add(place.file)
        disk = self._with_disk()
        for number, files in wanted.items():
            batch = await self._catalogue.batch(number)
            tree = await self._catalogue.tree(batch)
            rows = [tree.rows[pk] for pk in sorted(files) if pk in tree.rows]
            beside = await self._rows(along, number) if along is not None and not explicit else []
            new = disk.recalls.wish(batch, rows, explicit=explicit, along=beside)
            if new:
                disk.engine.moved(number, *new)
                disk.engine.hurry()

    async def _rows(self, along: NodeId, number: int) -> list[Row]:
        """The files of a batch below a folder, which may be above the batch, too."""
        try:
            place = place_of(along)
        except NotFound:
            place = Place(number)
        if place.batch != number:
            return []
        tree = await self._catalogue.tree(await self._catalogue.batch(number))
        return tree.below(place.folder)

    async def arrived(self, node: NodeId) -> None:
        """Wait until a file is online. Raises why it is not to be had."""
        disk, place = self._with_disk(), place_of(node)
        assert place.file is not None
        while True:
            batch = await self._catalogue.batch(place.batch)
            row = (await self._catalogue.tree(batch)).rows.get(place.file)
            if row is None:
                raise NotFound("there is no such file in the batch")
            match disk.recalls.where(batch, row):
                case Where.ONLINE:
                    return
                case Where.FAILED:
                    raise disk.recalls.failure(place.file) or NotFound("the batch never came on storage")
                case Where.OFFLINE:
                    disk.recalls.wish(batch, [row], explicit=True)  # its copy went before anybody read it
                    disk.engine.hurry()
            await disk.recalls.arrival(place.file)

    def _with_disk(self) -> Disk:
        if self._disk is None:
            raise OutOfReach("there is no shared disk: name our folder on it with stage=")
        return self._disk

    # ---- what is going on -----------------------------------------------------------------------------------------

    async def changes(self, number: int, files: Iterable[int]) -> list[Change]:
        """What the mount should not believe any more, now that the state of files has changed."""
        try:
            tree = await self._catalogue.tree(await self._catalogue.batch(number))
        except NotFound:
            return [Change(node=f"b{number}", subtree=True)]
        folders, found = dict[str, None](), list[Change]()
        for pk in files:
            if pk in tree.rows:
                folders[tree.rows[pk].relative.rpartition("/")[0]] = None
                found.append(Change(node=f"b{number}f{pk}", kind="availability"))
        top = f"b{number}"
        listings = [Change(folder=f"{top}/{path}" if path else top, kind="availability") for path in folders]
        return [*listings, *found, Change(node=top, kind="metadata")]

    def newest(self, batch: int | None) -> Request | None:
        """The newest request of a batch, as it was listed last."""
        return self._disk.engine.newest.get(batch) if self._disk is not None and batch is not None else None

    async def attribute(self, node: NodeId, name: str) -> bytes | None:
        """One of those that are read by name only."""
        place = place_of(node)
        batch = await self._catalogue.batch(place.batch)
        match name:
            case _ if name == RECALL:
                if self._disk is None:
                    return None
                return _progress(*self._disk.recalls.counts(batch.id, await self._files(batch, place)))
            case _ if place.file is not None and self._disk is not None and name in (REQUEST, FAILURE):
                number, error = self._disk.recalls.request(place.file), self._disk.recalls.failure(place.file)
                found = str(error or "") if name == FAILURE else str(number or "")
                return found.encode() or None
            case _ if place.file is not None or place.folder != TOP:
                return None
            case _ if name == EXTERNAL_ID:
                external = batch.external_id or (await self._catalogue.ask(batch.id)).external_id
                return external.encode() if external else None
            case _ if name in (REQUEST, FAILURE):
                return await self._newest_request(batch, name)
        return None

    def progress(self) -> bytes | None:
        """How recalls go, of all batches together."""
        return _progress(*self._disk.recalls.totals()) if self._disk is not None else None

    async def _newest_request(self, batch: Batch, name: str) -> bytes | None:
        own = [one for one in await self._client.requests_made() if one.batch == batch.id]
        if not own:
            return None
        newest = max(own, key=lambda one: one.id)
        if name == REQUEST:
            return str(newest).encode()
        reason = readable((await self._client.request(newest.id)).failure_reason or "")
        return reason.encode() or None

    async def _files(self, batch: Batch, place: Place) -> list[int]:
        """The numbers of the files that a node is, or has below it."""
        if place.file is not None:
            return [place.file]
        tree = await self._catalogue.tree(batch)
        return [row.file.pk for row in tree.below(place.folder)]

    # ---- verbs ----------------------------------------------------------------------------------------------------

    async def perform(self, node: NodeId, verb: str, value: bytes) -> None:
        place = place_of(node)
        batch = await self._catalogue.batch(place.batch)
        match verb:
            case _ if verb == DELETE:
                await self._delete(batch, place, value)
            case _ if verb == EVICT:
                _expect(verb, value, b"1")
                files = set(await self._files(batch, place))
                await self._with_disk().engine.evict(1 << 62, only=files)
            case _ if verb == RECALL and value == b"":
                disk, files = self._with_disk(), set(await self._files(batch, place))
                if not disk.recalls.cancel(batch.id, files):
                    raise Unsupported("nothing of it is queued; what was sent cannot be called back")
                disk.engine.moved(batch.id, *files)
            case _ if verb == RECALL:
                _expect(verb, value, b"1", b"now")
                tree = await self._catalogue.tree(batch)
                await self.want(batch, [tree.rows[pk] for pk in await self._files(batch, place)])
            case _:
                raise Unsupported(f"{verb} is for folders that are not committed yet")

    async def want(self, batch: Batch, rows: Sequence[Row]) -> None:
        """An explicit wish for all of these that are not here."""
        disk = self._with_disk()
        new = disk.recalls.wish(batch, rows, explicit=True)
        disk.engine.moved(batch.id, *new)
        disk.engine.hurry()

    async def _delete(self, batch: Batch, place: Place, value: bytes) -> None:
        """Have a batch deleted, for ever: only by its own number."""
        if place.file is not None or place.folder != TOP:
            raise Unsupported("JDMA deletes whole batches only")
        if value != str(batch.id).encode():
            raise ValueRejected("to delete a batch for ever, the value is its number (user.jdma.id)")
        await self._client.delete(batch.id, batch.storage)
        self._catalogue.stale()

    async def pin(self, pk: int, pinned: bool) -> None:
        """Keep a file's copy whatever else goes, or not any more."""
        disk = self._with_disk()
        (disk.engine.pins.add if pinned else disk.engine.pins.discard)(pk)
        await trio.to_thread.run_sync(partial(disk.journal.save_pins, set(disk.engine.pins)))
        disk.recalls.copies.used(pk, time.time())


def _progress(queued: int, active: int) -> bytes:
    return (f"active {active}" if active else f"queued {queued}" if queued else "none").encode()


def _expect(verb: str, value: bytes, *allowed: bytes) -> None:
    if value not in allowed:
        raise ValueRejected(f"{verb} takes {' or '.join(one.decode() for one in allowed)}")
