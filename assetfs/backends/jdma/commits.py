"""Handing drafts over, and following them until their batch is on storage and is what was handed over (7.7).

Steps are in the draft's ledger before they are taken: the folder that the server is told, then the request. A request
without an answer is looked for by its folder, which is random and used once; it is sent again with the same folder,
which the server refuses if it has it. Nothing local is removed before the server's listing has been compared with what
was read here; the draft's own files then are the copies of the batch, where they are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import trio

from assetfs.backends.jdma import drafts
from assetfs.backends.jdma.attributes import check_label
from assetfs.backends.jdma.catalogue import Catalogue
from assetfs.backends.jdma.client import Client
from assetfs.backends.jdma.engine import Engine, readable
from assetfs.backends.jdma.errors import AlreadyTaken
from assetfs.backends.jdma.journal import Item, Journal, Manifest, Retrieval, State
from assetfs.backends.jdma.leftovers import Leftovers
from assetfs.backends.jdma.recalls import Recalls
from assetfs.backends.jdma.stage import Stage
from assetfs.backends.jdma.wire import FAILURES, Batch, BatchStage, Content, File, Request, RequestType
from assetfs.repository import (
    Draft,
    Ledger,
    NoSpace,
    NotFound,
    Offline,
    ProtocolViolation,
    Unavailable,
    ValueRejected,
)

log = logging.getLogger("assetfs.jdma")

LOOKS = 3
WORDS = {"put": RequestType.PUT, "migrate": RequestType.MIGRATE}


class Commits:
    """Drafts on their way. `storage` is where they go if the value does not say; `pause` seconds between two looks."""

    def __init__(
        self,
        client: Client,
        catalogue: Catalogue,
        stage: Stage,
        journal: Journal,
        engine: Engine,
        recalls: Recalls,
        leftovers: Leftovers,
        storage: str,
        *,
        pause: float,
    ) -> None:
        self._client = client
        self._catalogue = catalogue
        self._stage = stage
        self._journal = journal
        self._engine = engine
        self._recalls = recalls
        self._leftovers = leftovers
        self._storage = storage
        self._pause = pause
        self.unfinished: set[int] = set()
        """Batches that are still shown as drafts."""

    def load(self) -> None:
        """Which batches are drafts still. Blocks; call it in a thread."""
        self.unfinished = {one.batch for one in self._journal.manifests() if one.batch is not None}

    # ---- handing over ---------------------------------------------------------------------------------------------

    def wish(self, value: bytes) -> tuple[RequestType, str]:
        """What `user.jdma.commit` asks for: `put`, `migrate`, `put:objectstore`. Raises ValueRejected."""
        word, colon, storage = value.decode("utf-8", "replace").partition(":")
        kind = WORDS.get(word or "put")
        if kind is None or (colon and not storage.isidentifier()):
            raise ValueRejected("put or migrate, with a storage behind a colon if need be (put:objectstore)")
        return kind, storage or self._storage

    async def commit(self, draft: Draft, workspace: str, label: str, value: bytes, ledger: Ledger) -> None:
        """Hand a draft over; returns when the server has taken it. Raises ValueRejected, NameRejected, and what the
        server refuses."""
        kind, storage = self.wish(value)
        check_label(label)
        if ledger.state.get("batch") is not None:
            return
        if ledger.state.get("source") and await self._goes_on(draft, ledger):
            kind = RequestType[ledger.state["kind"]]
            label, storage = ledger.state["label"], ledger.state["storage"]
        else:
            await self._prepare(draft, label, kind, storage, ledger)
        source = str(ledger.state["source"])
        server_path = await trio.to_thread.run_sync(self._stage.server_path, self._stage.local / source)
        if len(server_path) > drafts.LONGEST_SOURCE:
            raise ValueRejected(f"{server_path} has more than {drafts.LONGEST_SOURCE} letters")
        request, batch = await self._send(kind, workspace, server_path, label, storage)
        manifest = await trio.to_thread.run_sync(self._journal.manifest, draft.key)
        assert manifest is not None
        manifest.batch = batch
        self.unfinished.add(batch)
        await trio.to_thread.run_sync(self._journal.save_manifest, manifest)
        await ledger.record(batch=batch, request=request)
        self._catalogue.stale()
        self._engine.hurry()

    async def _goes_on(self, draft: Draft, ledger: Ledger) -> bool:
        """Whether an earlier try is of the same content: the same folder is then handed over again."""
        source = str(ledger.state["source"])

        def same() -> bool:
            manifest = self._journal.manifest(draft.key)
            if manifest is None or manifest.source != source or not (self._stage.local / source).exists():
                return False
            return drafts.described(draft.path, draft.key).entries == manifest.entries

        return await trio.to_thread.run_sync(same)

    async def _prepare(self, draft: Draft, label: str, kind: RequestType, storage: str, ledger: Ledger) -> None:
        def prepare() -> tuple[str, str]:
            drafts.validate(draft.path, self._stage)
            earlier = self._journal.manifest(draft.key)
            manifest = drafts.described(draft.path, draft.key)
            with self._stage.new_source(label) as (place, handle):
                manifest.source = str(place.relative_to(self._stage.local))
                self._journal.save_manifest(manifest)
                drafts.clone(draft.path, handle, self._stage)
            return manifest.source, earlier.source if earlier is not None else ""

        try:
            source, earlier = await trio.to_thread.run_sync(prepare)
        except OSError as error:
            raise NoSpace(f"{self._stage.local} cannot take it: {error.strerror}") from None
        self._leftovers.leave(earlier)
        await ledger.record(source=source, kind=kind.name, label=label, storage=storage)

    async def _send(self, kind: RequestType, workspace: str, path: str, label: str, storage: str) -> tuple[int, int]:
        """Numbers of the request and of the batch. Sent twice at most, with one folder, so never taken twice."""
        for last in (False, True):
            try:
                posted = await self._client.put(kind, workspace, path, label, storage)
            except AlreadyTaken:
                found = await self._find(path, looks=LOOKS)
                if found is None:
                    raise ProtocolViolation("the server says that it has this folder, and does not list it") from None
                return found
            except Unavailable as reason:
                if isinstance(reason, Offline) or not reason.transient:
                    raise
                log.warning("no answer to a %s of %s: looking for it", kind.name, path)
                found = await self._find(path, looks=LOOKS)
                if found is not None:
                    return found
                if last:
                    raise
            else:
                return posted.request_id, posted.batch_id
        raise AssertionError("unreachable")

    async def _find(self, path: str, *, looks: int) -> tuple[int, int] | None:
        """The request for a folder."""
        for look in range(looks):
            if look:
                await trio.sleep(self._pause)
            for request in sorted(await self._client.requests_made(), key=lambda one: -one.id):
                if request.request_type not in (RequestType.PUT, RequestType.MIGRATE):
                    continue
                try:
                    if (await self._client.request(request.id)).filelist == [path]:
                        return request.id, request.batch
                except NotFound:
                    continue
        return None

    # ---- until it is there ----------------------------------------------------------------------------------------

    async def finish(self, draft: Draft, ledger: Ledger) -> Batch:
        """Wait for the end of an upload that was taken, and make the draft's files copies of the batch. Raises
        ValueRejected where it failed: the draft is then as it was."""
        number, request = int(ledger.state["batch"]), int(ledger.state["request"])
        if await trio.to_thread.run_sync(self._journal.has, f"draft-{draft.key}"):
            # It was through when the last daemon ended, but for the tidying up.
            await trio.to_thread.run_sync(self._clear, draft.key, str(ledger.state["source"]))
            self.unfinished.discard(number)
            return await self._catalogue.ask(number)
        self.unfinished.add(number)
        while True:
            ended = await self._engine.outcome(request, number)
            batch = await self._catalogue.ask_any(number)
            if ended is not None and ended.stage in FAILURES:
                await self._fail(draft, ledger, await self._reason(ended))
            if batch is None or batch.stage in (BatchStage.FAILED, BatchStage.DELETING, BatchStage.DELETED):
                await self._fail(draft, ledger, "the batch was given up or deleted on the server")
            elif batch.on_storage:
                break
            await trio.sleep(self._pause)
        content = await self._client.files(number)
        manifest = await trio.to_thread.run_sync(self._journal.manifest, draft.key)
        wrong = "the record of what was handed over is gone" if manifest is None else None
        if manifest is not None:
            source = await trio.to_thread.run_sync(self._server_source, str(ledger.state["source"]))
            wrong = drafts.difference(manifest, _relative(content, source))
        if manifest is None or wrong is not None:
            await self._fail(draft, ledger, f"what the server has is not what was handed over: {wrong}")
        else:
            await self._take_over(draft, ledger, manifest, content)
        self.unfinished.discard(number)
        await self._catalogue.settle(content)
        return batch

    def _server_source(self, source: str) -> str:
        return f"{self._stage.server}/{source}"

    async def _reason(self, request: Request) -> str:
        try:
            return readable((await self._client.request(request.id)).failure_reason or "") or "no reason given"
        except NotFound:
            return "no reason given"

    async def _fail(self, draft: Draft, ledger: Ledger, reason: str) -> None:
        """The draft can be changed and committed again. The failed batch is left for `user.jdma.delete`."""
        number, source = int(ledger.state["batch"]), str(ledger.state["source"])
        await trio.to_thread.run_sync(self._clear, draft.key, source)
        await ledger.record(batch=None, request=None, source=None)
        self.unfinished.discard(number)
        self._catalogue.stale()
        raise ValueRejected(f"the upload as batch {number} failed: {reason}")

    def _clear(self, key: str, source: str) -> None:
        """Remove a clone, which is put aside where the server keeps it locked, and the record of it."""
        self._stage.remove((self._stage.local / source).parent)
        self._journal.remove_manifest(key)

    async def _take_over(self, draft: Draft, ledger: Ledger, manifest: Manifest, content: Content) -> None:
        """The draft's files become copies of the batch, where they are."""
        number, source = int(ledger.state["batch"]), str(ledger.state["source"])
        common = self._server_source(source)
        files = _relative(content, common)
        record = Retrieval(
            key=f"draft-{draft.key}",
            batch=number,
            target=str(draft.path.relative_to(self._stage.local)),
            items=[Item(files[e.path].pk, files[e.path].path, e.size, e.path, e.seen) for e in manifest.entries],
            after=0,
            created=time.time(),
            state=State.DONE,
            common=common,
        )
        await self._engine.learn(number, common)
        await trio.to_thread.run_sync(self._journal.save, record)
        await trio.to_thread.run_sync(self._clear, draft.key, source)
        self._recalls.copies.take(record, time.time())

    async def abandon(self, state: Mapping[str, Any]) -> None:
        """A draft is gone: so is its clone, once it is sure that the server does not work on it. What the server has
        taken, it keeps."""
        source = str(state.get("source") or "")
        if not source or state.get("batch") is not None:
            return

        def forget() -> None:
            for manifest in self._journal.manifests():
                if manifest.source == source:
                    self._journal.remove_manifest(manifest.key)

        await trio.to_thread.run_sync(forget)
        self._leftovers.leave(source)
        self._engine.hurry()


def _relative(content: Content, source: str) -> dict[str, File]:
    """The files of a batch by their path below the folder that was uploaded; what is not below it by its whole path."""
    files = [file for archive in content.archives for file in archive.files]
    return {file.path.removeprefix(f"{source}/"): file for file in files}
