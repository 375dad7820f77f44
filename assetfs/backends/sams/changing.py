"""Changes of documents: made from what is known, and made again where somebody else was faster.

A change goes out with the etag of the document that it was made from. An old one costs a refusal (412), a look and a
second try, and never somebody else's work. A change of an asset can besides get lost behind a 200 (4.3): the watch
looks at it afterwards, or else this does.
"""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio

from assetfs.backends.sams.client import Client
from assetfs.backends.sams.errors import Stale
from assetfs.backends.sams.locks import Locks
from assetfs.backends.sams.nodes import Nodes
from assetfs.backends.sams.watch import Edit, Watch
from assetfs.backends.sams.wire import Asset, Set
from assetfs.repository import RepositoryError, Unavailable

log = logging.getLogger("assetfs.sams")

Document = TypeVar("Document", Asset, Set)

TRIES = 12
"""How often a change is made again: two who write at once refuse each other in turn."""

LINKED = frozenset(("state", "set_id"))
"""Fields that decide on the public link, which the answer to a change leaves out."""


class Changing:
    """PATCHes of sets and assets, one after the other for each asset."""

    def __init__(self, client: Client, nodes: Nodes, locks: Locks, watch: Watch) -> None:
        self._client = client
        self._nodes = nodes
        self._locks = locks
        self._watch = watch
        self._turns: dict[str, tuple[trio.Lock, int]] = {}
        watch.confirm = self.confirm

    async def set(self, set_id: str, decide: Callable[[Set], Mapping[str, Any]]) -> Set:
        """PATCH what `decide` says of a set."""

        async def send(document: Set, changes: Mapping[str, Any]) -> Set:
            return await self._client.change(f"admin/sets/{set_id}", document.etag, changes, Set, "change set")

        return await _changed(self._nodes.sets.get(set_id), lambda: self._client.set(set_id), decide, send)

    async def asset(self, asset_id: str, decide: Edit, *, exact: bool = False) -> Asset:
        """PATCH what `decide` says of an asset. It begins with the record that is known; `exact`: one that a search did
        not tell. Raises Busy where somebody has locked it."""

        def allowed(asset: Asset) -> Mapping[str, Any]:
            changes = decide(asset)
            if changes:
                self._locks.check(asset)
            return changes

        async def send(asset: Asset, changes: Mapping[str, Any]) -> Asset | None:
            path = f"produce/assets/{asset_id}"
            answer = await self._client.change(path, asset.etag, changes, Asset, "change")
            if self._watch.listening and not (answer.state == "public" and changes.keys() & LINKED):
                self._watch.unsure(answer, decide)
                return answer
            now = await self._client.asset(asset_id)
            return now if now.etag == answer.etag else None

        async with self.turn(asset_id):
            known = self._client.records.get(asset_id, exact=exact)
            return await _changed(known, lambda: self._client.asset(asset_id), allowed, send)

    async def confirm(self, asset_id: str, etag: str, decide: Edit) -> Asset | None:
        """Look whether a change that was answered with `etag` was stored, and make it again where it was not. Returns
        the record; None where another change of ours went out since, which had the first one's etag."""
        async with self.turn(asset_id):
            records = self._client.records
            if not records.is_last(asset_id, etag):
                return None
            now = await self._client.asset(asset_id)
            if not records.is_last(asset_id, etag):
                return None
            if now.etag == etag or not decide(now):
                return now
        log.warning("%s: a change was answered and not stored: it is made again", asset_id)
        return await self.asset(asset_id, decide)

    @asynccontextmanager
    async def turn(self, asset_id: str) -> AsyncIterator[None]:
        """One change of an asset after the other: two at once would refuse each other."""
        lock, waiting = self._turns.get(asset_id, (trio.Lock(), 0))
        self._turns[asset_id] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._turns[asset_id]
            if waiting == 1:
                del self._turns[asset_id]
            else:
                self._turns[asset_id] = (lock, waiting - 1)


async def _changed(
    document: Document | None,
    read: Callable[[], Awaitable[Document]],
    decide: Callable[[Document], Mapping[str, Any]],
    send: Callable[[Document, Mapping[str, Any]], Awaitable[Document | None]],
) -> Document:
    """Read (where nothing is known), decide and send until it is done; `send` returns None where the change got lost.
    What `decide` refuses, or does not find necessary, counts only of a document that was just read."""
    asked = False
    for attempt in range(TRIES):
        if document is None:
            document, asked = await read(), True
        try:
            changes = decide(document)
        except RepositoryError:
            if asked:
                raise
            changes = {}
        if not changes:
            if asked:
                return document
            document = None  # what was known may be old
            continue
        try:
            done = await send(document, changes)
        except Stale:
            done = None
        if done is not None:
            return done
        document = None
        await _stand_back(attempt)
    raise Unavailable("somebody else keeps changing this")


async def _stand_back(attempt: int) -> None:
    """Let the other one through: a while by chance, longer each time, up to 0.3 s."""
    await trio.sleep(random.uniform(0, min(0.01 * 2**attempt, 0.3)))
