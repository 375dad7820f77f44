"""What there is: batches, which change, and their files, which never do once a batch is on storage (8.1, 9).

Batches are listed whole and kept for `ttl`. The files of a batch on storage are asked for once in the life of a stage:
they stay in memory and in the journal. Where most batches are not known yet, the files of all are asked for at once, so
that `find` over everything costs two requests; where that is more than an answer may hold, one batch at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import msgspec
import trio
from cachetools import LRUCache

from assetfs.backends.jdma.client import Client
from assetfs.backends.jdma.journal import Journal
from assetfs.backends.jdma.tree import Tree
from assetfs.backends.jdma.wire import Batch, BatchStage, Content
from assetfs.repository import Forbidden, NotFound, ProtocolViolation

log = logging.getLogger("assetfs.jdma")

KEPT = 2_000_000
"""Files of batches in memory, some 600 bytes each; the others are read from the journal again."""
PROBED = 300.0
"""Seconds for which it is known whether there is a workspace of some name."""
LONGEST_WORKSPACE = 1024
SMALL = 2_000
"""Files from which a tree is made in a thread."""


class Catalogue:
    """Batches and their trees. `workspaces` are shown even where nothing is known of them; with `everybody` (scope =
    workspace) the batches of all members of these are listed, else one's own."""

    def __init__(
        self,
        client: Client,
        journal: Journal | None,
        workspaces: Sequence[str],
        clock: Callable[[], float],
        *,
        everybody: bool,
        ttl: float,
    ) -> None:
        self._client = client
        self._journal = journal
        self._configured = tuple(workspaces)
        self._everybody = everybody
        self._clock = clock
        self._ttl = ttl
        self._batches: dict[int, Batch] = {}
        self._listed = float("-inf")
        self._outdated = float("-inf")
        """Lists that were begun before are not to be believed."""
        self._listing = trio.Lock()
        self._probed: dict[str, tuple[float, bool]] = {}
        """When a name was asked for, and whether there is such a workspace."""
        self._trees: LRUCache[int, Tree] = LRUCache(KEPT, getsizeof=lambda tree: len(tree.rows) + 1)
        self._unsettled: dict[int, tuple[float, Tree]] = {}
        """Trees of batches that are not on storage, for a while."""
        self._reading = trio.Lock()
        self._too_much = False
        self.on_tree: Callable[[], None] = lambda: None
        """Called when the files of one more batch are known."""

    # ---- batches --------------------------------------------------------------------------------------------------

    async def batches(self, *, newer_than: float | None = None) -> dict[int, Batch]:
        """All batches by number, the deleted ones left out; at most `ttl` old, or listed after `newer_than`."""
        limit = newer_than if newer_than is not None else self._clock() - self._ttl
        if self._listed < limit:
            async with self._listing:
                if self._listed < limit:
                    await self._list()
        return self._batches

    async def _list(self) -> None:
        begun = self._clock()
        found: list[Batch] = []
        if not self._everybody:
            found = await self._client.batches()
        else:
            for workspace in self._configured:
                found += await self._client.batches(workspace)
        listed = {one.id: one for one in found if one.stage != BatchStage.DELETED}
        believed = begun >= self._outdated
        self._batches = listed if believed else listed | self._batches
        self._listed = begun if believed else float("-inf")

    async def batch(self, number: int) -> Batch:
        """One batch, as it was listed last. Raises NotFound."""
        found = (await self.batches()).get(number)
        if found is None:
            raise NotFound(f"there is no batch {number}")
        return found

    async def ask(self, number: int) -> Batch:
        """One batch, as it is now, with what lists leave out: costs a request. Raises NotFound, also where it is
        deleted."""
        found = await self._client.batch(number)
        if found.stage == BatchStage.DELETED:
            self._batches.pop(number, None)
            self._outdated = self._clock()
            raise NotFound(f"the batch {number} is deleted")
        self._learned(found)
        return found

    async def ask_any(self, number: int) -> Batch | None:
        """The same; None where there is none any more."""
        try:
            return await self.ask(number)
        except NotFound:
            return None

    def relabelled(self, number: int, label: str) -> Batch:
        """We gave it another label ourselves. Raises NotFound."""
        if number not in self._batches:
            raise NotFound(f"there is no batch {number}")
        self._learned(msgspec.structs.replace(self._batches[number], label=label))
        return self._batches[number]

    def _learned(self, batch: Batch) -> None:
        """One batch is known better than any list that is on its way now will say."""
        self._batches[batch.id], self._outdated = batch, self._clock()

    def stale(self) -> None:
        """The next who asks gets a new list, and not one that is on its way."""
        self._listed, self._outdated = float("-inf"), self._clock()

    async def has(self, workspace: str) -> bool:
        """Whether there is such a workspace; asked for once in a while where it is none that we show. Raises Forbidden
        where everybody's batches are wanted, and we are no member."""
        if workspace in await self.workspaces():
            return True
        if len(workspace) > LONGEST_WORKSPACE or not workspace.isprintable():
            return False
        at, there = self._probed.get(workspace, (float("-inf"), False))
        if self._clock() - at <= PROBED:
            return there
        try:
            await self._client.batches(workspace, everybodys=self._everybody)
        except NotFound:
            there = False
        else:
            there = True
            if self._everybody:
                self._configured = (*self._configured, workspace)
                self.stale()
        self._probed[workspace] = (self._clock(), there)
        return there

    async def workspaces(self) -> list[str]:
        """Their names: the configured ones, and those that batches are in."""
        seen = dict.fromkeys(self._configured)
        if not self._everybody:
            seen.update(dict.fromkeys(sorted({one.workspace for one in (await self.batches()).values()})))
        return list(seen)

    # ---- files ----------------------------------------------------------------------------------------------------

    def known(self, number: int) -> Tree | None:
        """The tree of a batch, where that costs nothing."""
        tree: Tree | None = self._trees.get(number)
        return tree if tree is not None else self._unsettled.get(number, (0.0, None))[1]

    async def recorded(self, number: int) -> Tree | None:
        """The tree of a batch, where that costs no request."""
        tree = self.known(number)
        content = await self._kept(number) if tree is None else None
        return tree if content is None else await _made(content)

    async def tree(self, batch: Batch) -> Tree:
        """The files of a batch. Raises NotFound, Forbidden."""
        if (tree := self._fresh(batch)) is not None:
            return tree
        async with self._reading:
            if (tree := self._fresh(batch)) is not None:
                return tree
            if not batch.on_storage:
                content = await self._client.files(batch.id)
                tree = await _made(content)
                self._unsettled[batch.id] = (self._clock(), tree)
                return tree
            content_kept = await self._kept(batch.id)
            if content_kept is None:
                if await self._most_missing(batch):
                    await self._read_all(batch)
                if (tree := self._fresh(batch)) is not None:
                    return tree
                content_kept = await self._kept(batch.id) or await self._read_one(batch.id)
            return await self._settle(content_kept)

    def _fresh(self, batch: Batch) -> Tree | None:
        tree: Tree | None = self._trees.get(batch.id)
        if tree is not None or batch.on_storage:
            return tree
        at, unsettled = self._unsettled.get(batch.id, (float("-inf"), None))
        return unsettled if self._clock() - at <= self._ttl else None

    async def _kept(self, number: int) -> Content | None:
        if self._journal is None:
            return None
        return await trio.to_thread.run_sync(self._journal.listing, number)

    async def _most_missing(self, batch: Batch) -> bool:
        """Whether asking for everything is worth it: several batches, and most of them not known."""
        if self._too_much:
            return False
        others = [one.id for one in self._batches.values() if one.on_storage]
        missing = await trio.to_thread.run_sync(self._missing, others)
        return len(missing) > 1 and 2 * len(missing) > len(others)

    def _missing(self, numbers: Iterable[int]) -> list[int]:
        listed = self._journal.listed if self._journal is not None else lambda number: False
        return [number for number in numbers if number not in self._trees and not listed(number)]

    async def _read_all(self, batch: Batch) -> None:
        try:
            found = await self._client.all_files(batch.workspace if self._everybody else None)
        except (ProtocolViolation, Forbidden) as reason:
            log.info("the files of all batches cannot be had at once: %s", reason)
            self._too_much = True
            return
        for content in found:
            listed = self._batches.get(content.id)
            if listed is not None and listed.on_storage and content.id not in self._trees:
                await self._keep(content)
                await self._settle(content)

    async def _read_one(self, number: int) -> Content:
        content = await self._client.files(number)
        await self._keep(content)
        return content

    async def _keep(self, content: Content) -> None:
        if self._journal is not None:
            try:
                await trio.to_thread.run_sync(self._journal.save_listing, content)
            except OSError as error:
                log.warning("the listing of batch %d cannot be kept: %s", content.id, error.strerror)

    async def _settle(self, content: Content) -> Tree:
        tree = await _made(content)
        self._unsettled.pop(content.id, None)
        with suppress(ValueError):  # more files than are kept for all batches together
            self._trees[content.id] = tree
        self.on_tree()
        return tree

    async def settle(self, content: Content) -> Tree:
        """Files of a batch that has just come on storage."""
        await self._keep(content)
        return await self._settle(content)


async def _made(content: Content) -> Tree:
    files = sum(len(archive.files) for archive in content.archives)
    return await trio.to_thread.run_sync(Tree, content) if files > SMALL else Tree(content)
