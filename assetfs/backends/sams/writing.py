"""Content on its way out (section 5): one form per file, which is visible whole or not at all.

A new asset's id is ours and is written down before anything is sent, so that a repeated try finds what an earlier one
has made. A replacement goes out with the etag of the record that is known; its unknown outcome is told by the SHA-1
that the server has.

The server's check of an etag is no lock: a change can get lost behind a 200 (4.3). New content is taken for stored when
something that needs its etag has shown it: the removal of the renditions of the old content, or else a look.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from assetfs.backends.sams.client import Client
from assetfs.backends.sams.downloads import Downloads, breaks_headers
from assetfs.backends.sams.errors import IdTaken, Stale
from assetfs.backends.sams.locks import Locks
from assetfs.backends.sams.nodes import Nodes
from assetfs.backends.sams.wire import Asset, Set, new_id
from assetfs.repository import (
    Conflict,
    Ledger,
    NameRejected,
    Node,
    NotFound,
    ProtocolViolation,
    Source,
    TooLarge,
    Unavailable,
)

log = logging.getLogger("assetfs.sams")

TRIES = 5
"""How often a change is made again because somebody else changed the document meanwhile."""


class Writing:
    """Uploads and replacements."""

    def __init__(self, client: Client, nodes: Nodes, downloads: Downloads, locks: Locks) -> None:
        self._client = client
        self._nodes = nodes
        self._downloads = downloads
        self._locks = locks
        self._warned = False

    async def check_name(self, folder: Set, name: str) -> None:
        """Raise Conflict where the set has an asset of this name: the server would not mind (section 8). What the
        watch keeps current need not be asked for."""
        known = self._nodes.current_names(folder.id)
        if known is not None and not known.ids(name):
            return
        other = await self._client.named(folder.id, name)
        if other is not None:
            raise Conflict(f"there is a file {name} already", self._nodes.asset(other))

    async def upload(self, folder: Set, name: str, source: Source, ledger: Ledger) -> Node:
        """A new asset. See `Repository.upload`."""
        check_name(name)
        check_size(folder, source.size)
        if breaks_headers(name) and not self._warned:
            self._warned = True
            log.warning("SAMS itself cannot serve files with names such as %s: they are read from archives here", name)
        asset_id = str(ledger.state.get("asset", ""))
        made = await self._made(asset_id, source) if asset_id else None
        if made is not None:
            return await self._finished(made, source)
        asset_id = asset_id or new_id()
        await self.check_name(folder, name)
        await ledger.record(asset=asset_id)
        fields = {"_id": asset_id, "set_id": folder.id, "filename": name, "name": name}
        try:
            asset = await self._client.send("POST", "produce/assets", fields, source, ledger.progress, "upload")
        except IdTaken:
            taken = await self._made(asset_id, source)
            if taken is None:
                await ledger.record(asset=new_id())
                raise Unavailable("somebody else has an asset of this id: it is sent again under another") from None
            asset = taken
        except ProtocolViolation:
            await self._client.set(folder.id)  # a set that is gone is a crash of the server's code: say NotFound
            raise
        return await self._finished(asset, source)

    async def _made(self, asset_id: str, source: Source) -> Asset | None:
        """What an earlier try has made, if it has, and it is what was to be made."""
        try:
            asset = await self._client.asset(asset_id)
        except NotFound:
            return None
        return asset if await self._same(asset, source) else None

    async def _finished(self, asset: Asset, source: Source) -> Node:
        if asset.length != source.size:
            raise ProtocolViolation(f"the server has {asset.length} bytes of the {source.size} that were sent")
        self._nodes.digests[asset.media_id] = await source.digest("sha1")
        return await self._nodes.described(asset)

    async def replace(self, version: str | None, asset_id: str, source: Source, ledger: Ledger) -> Node:
        """New content for an asset that has `version`. See `Repository.replace`."""
        asset = None if ledger.state else self._client.records.get(asset_id)
        if asset is not None and asset.media_id != version:
            asset = None
        for _ in range(TRIES):
            asset = asset or await self._client.asset(asset_id)
            if asset.media_id != version:
                if await self._same(asset, source):  # an earlier try of ours, or somebody who did the same
                    return await self._finished(await self._without_renditions(asset), source)
                raise Conflict("the file has been replaced on the server", await self._nodes.described(asset))
            if self._nodes.digests.get(asset.media_id) == await source.digest("sha1"):
                return await self._nodes.described(asset)
            self._locks.check(asset)
            check_size(await self._nodes.home(asset.set_id), source.size)
            await ledger.record(replaces=version, of=asset_id, sha1=await source.digest("sha1"))
            try:
                answer = await self._send(asset, {}, source, ledger)
            except Stale:
                asset = None
                continue
            stored = await self._confirmed(answer)
            if stored is not None:
                return await self._finished(stored, source)
            asset = None
        raise Unavailable("somebody else keeps changing this asset")

    async def _send(self, asset: Asset, fields: Mapping[str, str], source: Source, ledger: Ledger) -> Asset:
        path = f"produce/assets/{asset.id}"
        return await self._client.send("PATCH", path, fields, source, ledger.progress, "replace", asset.etag)

    async def _confirmed(self, answer: Asset) -> Asset | None:
        """The record with the new content, or None where it got lost."""
        now = await self._without_renditions(answer)
        if now is answer:
            now = await self._client.asset(answer.id)
        return now if now.media_id == answer.media_id else None

    async def _same(self, asset: Asset, source: Source) -> bool:
        """Whether the server has these bytes already. It is asked only where the length is the same."""
        if asset.length != source.size:
            return False
        return await self._downloads.sha1(asset) == await source.digest("sha1")

    async def _without_renditions(self, asset: Asset) -> Asset:
        """Pictures of the old content would be served for the new one (11.3)."""
        for _ in range(TRIES):
            if not any(one.name == "original" and one.media_id != asset.media_id for one in asset.renditions or ()):
                return asset
            try:
                path = f"produce/assets/{asset.id}"
                return await self._client.change(path, asset.etag, {"renditions": []}, Asset, "clear renditions")
            except Stale:
                asset = await self._client.asset(asset.id)
        return asset

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        """Remove a new asset that is no longer wanted; finish a replacement that has been made, and return it."""
        try:
            if "asset" in state:
                await self._unmake(str(state["asset"]))
            elif "of" in state:
                asset = await self._client.asset(str(state["of"]))
                if asset.media_id != state["replaces"] and await self._downloads.sha1(asset) == state["sha1"]:
                    return await self._nodes.described(await self._without_renditions(asset))
        except NotFound:
            return None
        return None

    async def _unmake(self, asset_id: str) -> None:
        for _ in range(TRIES):
            asset = await self._client.asset(asset_id)
            try:
                await self._client.delete(f"produce/assets/{asset_id}", asset.etag, "abandon")
            except Stale:
                continue
            self._client.records.forget(asset_id)
            return


def check_name(name: str) -> None:
    """Raise NameRejected for what cannot be a file's name."""
    if not name:
        raise NameRejected("a file needs a name")


def check_size(folder: Set, size: int) -> None:
    """Raise TooLarge before anything is sent: the server looks at the size when it has all bytes."""
    if folder.maximum_asset_size and size > folder.maximum_asset_size:
        raise TooLarge(f"the set {folder.name} takes files of up to {folder.maximum_asset_size} bytes")
