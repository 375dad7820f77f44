"""Locks (sections 4.10 and 7). The server enforces none: whoever honours them, does so himself.

    off       they are not looked at
    honour    what somebody else has locked, or we in another session (a browser), is not changed
    take      besides, an asset is locked while it is open for writing and until its new content is there

The session is the same after a restart, so that locks of a mount that died are known as ours. Nothing is ever forced.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
from urllib.parse import quote

import msgspec
import trio

from assetfs.backends.sams.client import Client
from assetfs.backends.sams.errors import AlreadyLocked, NotLocked
from assetfs.backends.sams.wire import Asset, Locked
from assetfs.repository import Busy, NotFound, RepositoryError

log = logging.getLogger("assetfs.sams")

ACTION = "edit"
LAST = 5.0
"""Seconds for giving back what is still held when the repository is closed."""


def session_of(endpoint: str, user: str) -> str:
    """One of this machine and account at this server."""
    told = f"{socket.gethostname()} {os.getuid()} {endpoint} {user}"
    return f"assetfs-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


class Locks:
    """Who holds what. `user` and `session` are ours."""

    def __init__(self, client: Client, mode: str, user: str | None, session: str) -> None:
        self._client = client
        self._mode = mode
        self._user = user or ""
        self._session = session
        self._who = f"?external_user_id={quote(self._user, safe='')}&external_session_id={quote(session, safe='')}"
        self._turn = trio.Lock()
        self.held: set[str] = set()

    @property
    def looking(self) -> bool:
        """Locks mean something."""
        return self._mode != "off"

    async def claim(self, asset_id: str) -> None:
        """Somebody is about to write an asset. Raises Busy where it is locked. A server that is away is not waited for.
        Without a user it takes no locks of ours."""
        try:
            if self._mode == "take" and self._user:
                await self.take(asset_id)
                return
            known = self._client.records.get(asset_id)
            if known is None or not self.may_change(known):
                self.check(await self._client.asset(asset_id))
        except RepositoryError as error:
            if not error.transient:
                raise
            log.warning("%s is written without a look at its lock: %s", asset_id, error)

    def check(self, asset: Asset) -> None:
        """Raise Busy where somebody else is editing the asset."""
        if not self.may_change(asset):
            raise Busy(f"the asset is locked by {asset.lock_user} ({asset.lock_action})")

    def may_change(self, asset: Asset) -> bool:
        """Whether the asset is free, or ours."""
        return self._mode == "off" or asset.lock_action is None or self._is_ours(asset)

    def _is_ours(self, asset: Asset) -> bool:
        return (asset.lock_user or "") == self._user and asset.lock_session == self._session

    async def take(self, asset_id: str) -> None:
        """Lock an asset. Raises Busy where somebody else has it, or we in another session."""
        async with self._turn:
            if asset_id in self.held:
                return
            asset = self._client.records.get(asset_id) or await self._client.asset(asset_id)
            try:
                await self._send(asset, "lock", {"lock_action": ACTION})
            except AlreadyLocked:
                self.check(await self._client.asset(asset_id))
            self.held.add(asset_id)

    async def give_back(self, asset_id: str) -> None:
        """Unlock what we have locked, also in an earlier life; what is not locked any more, or gone, is no error."""
        async with self._turn:
            asset = self._client.records.get(asset_id)
            ours = asset is not None and asset.lock_action is not None and self._is_ours(asset)
            if asset_id not in self.held and not ours:
                return
            self.held.discard(asset_id)
            try:
                await self._send(asset or await self._client.asset(asset_id), "unlock", {})
            except (NotLocked, NotFound):
                return

    async def _send(self, asset: Asset, what: str, body: dict[str, str]) -> None:
        """The answer has the etag that the next change needs."""
        path = f"produce/assets/{what}/{asset.id}{self._who}"
        with self._client.records.change(asset.id):
            told = await self._client.patch(path, body, Locked, what)
            fresh = {name: getattr(told, name) for name in Locked.__struct_fields__ if name != "versioncreated"}
            records = self._client.records
            records.answered(asset.id, told.etag)
            known, exact = records.get(asset.id) or asset, records.get(asset.id, exact=True) is not None
            records.note(msgspec.structs.replace(known, **fresh), exact=exact)

    async def close(self) -> None:
        """Give back everything; what cannot be in time stays locked until somebody forces it."""
        with trio.move_on_after(LAST) as scope:
            scope.shield = True
            for asset_id in list(self.held):
                try:
                    await self.give_back(asset_id)
                except RepositoryError as error:
                    log.warning("the lock on %s stays: %s", asset_id, error)
