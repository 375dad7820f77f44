"""One retrieval, from the intent to the answer (7.6, 7.8, section 5).

The intent is in the journal before the request is sent, and the answer before anybody is told. An answer that did not
come is looked for among the server's requests: one that is newer than all we knew, of the same batch, with the same
files. So a crash or a cut at any moment neither loses a request nor makes a second one.

A request is told by a name in it that the batch does not have: the server keeps such names, and ignores them. The
others are the paths exactly as the server lists them, with all folders above them; it cuts them to relative ones by its
own rule, and its answer betrays the folder that was uploaded. A whole batch is never asked for, and never folders
alone: the first restores links as root, the second stops all retrievals of that storage.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import trio

from assetfs.backends.jdma.client import Client
from assetfs.backends.jdma.journal import Item, Journal, Retrieval, State
from assetfs.backends.jdma.stage import Stage
from assetfs.backends.jdma.tree import Row, Tree, ancestors
from assetfs.backends.jdma.wire import Batch, Request, RequestType
from assetfs.repository import NotFound, Offline, ProtocolViolation, Unavailable

log = logging.getLogger("assetfs.jdma")

MOST = 50_000
"""Names in one request, folders included."""
LOOKS = 3
"""How often a request without an answer is looked for before it counts as lost."""


class Lost(Unavailable):
    """The server does not have the request."""


class Retrieving:
    """Sends retrievals, and finds out what came of those without an answer. `pause` is seconds between two looks."""

    def __init__(self, client: Client, stage: Stage, journal: Journal, *, pause: float) -> None:
        self._client = client
        self._stage = stage
        self._journal = journal
        self._pause = pause
        self.newest: int | None = None
        """The newest request of ours that was seen; None before the first look."""
        self.known: set[int] = set()
        """Requests that belong to records."""
        self.bases: dict[int, str] = {}
        """The folders that were uploaded, by batch, as far as answers betrayed them."""
        self.on_listed: Callable[[Sequence[Request]], None] = lambda requests: None

    async def requests(self) -> list[Request]:
        """All that the server remembers of ours."""
        found = await self._client.requests_made()
        self.newest = max([self.newest or 0, *(one.id for one in found)])
        self.on_listed(found)
        return found

    def portion(self, tree: Tree, rows: Sequence[Row]) -> list[Row]:
        """As many of the files as one request may name."""
        top = self.bases.get(tree.batch, "")
        while len(rows) > 1 and len(rows) + len(ancestors((row.file.path for row in rows), top)) >= MOST:
            rows = rows[: len(rows) * 3 // 4]
        return list(rows)

    async def send(self, batch: Batch, tree: Tree, rows: Sequence[Row]) -> Retrieval:
        """Have files brought; returns the record, in SENT. Raises what the server refuses, Offline (nothing was sent),
        Lost (the server has nothing of it). In all these cases no record is left."""
        if self.newest is None:
            await self.requests()
        target = await trio.to_thread.run_sync(self._stage.new_target, batch.id)
        record = Retrieval(
            key=target.name,
            batch=batch.id,
            target=f"get/{target.name}",
            items=[Item(row.file.pk, row.file.path, row.file.size) for row in rows],
            after=self.newest or 0,
            created=time.time(),
            top=self.bases.get(batch.id, ""),
            mark=f"{tree.base.rstrip('/')}/.assetfs-{target.name}",
        )
        names = names_of(record)
        server_path = await trio.to_thread.run_sync(self._stage.server_path, target)
        await trio.to_thread.run_sync(self._journal.save, record)
        try:
            posted = await self._client.get(batch.id, batch.storage, server_path, names)
        except Unavailable as reason:
            if isinstance(reason, Offline) or not reason.transient:
                await self.forget(record)
                raise
            log.warning("no answer to a GET of batch %d: looking for it", batch.id)
            await self.find(record)
        except Exception:
            await self.forget(record)
            raise
        else:
            await self._adopt(record, posted.request_id, names, posted.filelist)
        return record

    async def find(self, record: Retrieval) -> None:
        """Look for a request without an answer; the record is in SENT then. Raises Lost, and the record is gone."""
        for look in range(LOOKS):
            if look:
                await trio.sleep(self._pause)
            for request in await self.requests():
                fits = request.request_type == RequestType.GET and request.batch == record.batch
                if not fits or request.id <= record.after or request.id in self.known:
                    continue
                try:
                    filelist = (await self._client.request(request.id)).filelist
                except NotFound:
                    continue
                mark = record.mark.rpartition("/")[2]
                if filelist is not None and any(name.rpartition("/")[2] == mark for name in filelist):
                    await self._adopt(record, request.id, names_of(record), filelist)
                    return
        await self.forget(record)
        raise Lost(f"the server has no request for these files of batch {record.batch}")

    async def _adopt(
        self, record: Retrieval, request: int, names: Sequence[str], filelist: Sequence[str] | None
    ) -> None:
        """The server has it: learn where each file will lie, and write it down."""
        common = _common(names, filelist) if filelist is not None else None
        record.request = request
        self.known.add(request)
        self.newest = max(self.newest or 0, request)
        if common is None:
            record.failure = "the server answered with other files than were asked for"
            record.step(State.FAILED)
            await trio.to_thread.run_sync(self._journal.save, record)
            raise ProtocolViolation(record.failure)
        record.common = common
        await self.learn(record.batch, common)
        for item in record.items:
            item.relative = item.path[len(common) :].lstrip("/")
            if _cut(item.path, common) != item.relative:
                item.failure = "the server cannot bring a file whose path repeats that of its batch"
        record.step(State.SENT)
        await trio.to_thread.run_sync(self._journal.save, record)

    async def learn(self, batch: int, base: str) -> None:
        """Remember which folder a batch was made of."""
        if self.bases.get(batch) != base:
            self.bases[batch] = base
            await trio.to_thread.run_sync(self._journal.save_bases, dict(self.bases))

    async def forget(self, record: Retrieval) -> None:
        await trio.to_thread.run_sync(self._journal.remove, record)


def names_of(record: Retrieval) -> list[str]:
    """What a request names: the files, then every folder above them, then its mark. Never without a file."""
    paths = [item.path for item in record.items]
    assert paths
    return [*paths, *ancestors(paths, record.top), record.mark]


def _cut(path: str, common: str) -> str:
    """What the server makes of a path: it takes out the uploaded folder wherever it occurs, and one letter."""
    return path.replace(common, "")[1:] if common else path[1:]


def _common(names: Sequence[str], filelist: Sequence[str]) -> str | None:
    """The uploaded folder, from names as they were sent and as they came back; None where these are others."""
    if len(names) != len(filelist):
        return None
    found = [
        name.removesuffix(f"/{short}")
        for name, short in zip(names, filelist, strict=True)
        if name.endswith(f"/{short}")
    ]
    for common in sorted(set(found), key=len):
        if [_cut(name, common) for name in names] == list(filelist):
            return common
    return None
