"""Names and places (section 8): sets made, renamed and removed; assets renamed, moved and removed.

Everything is one PATCH where the protocol has one. An asset goes to a set of another destination together with its
bytes, because without them it would lose its content from sight (4.7).
"""

from __future__ import annotations

import logging
import mmap
import tempfile
from collections.abc import Mapping
from hashlib import new
from typing import IO, Any

import trio

from assetfs.backends.sams.changing import Changing
from assetfs.backends.sams.client import Client
from assetfs.backends.sams.downloads import Downloads
from assetfs.backends.sams.errors import Stale
from assetfs.backends.sams.locks import Locks
from assetfs.backends.sams.nodes import Nodes
from assetfs.backends.sams.wire import Asset, Destinations, Set, new_id
from assetfs.backends.sams.writing import TRIES, Writing, check_name, check_size
from assetfs.repository import (
    Busy,
    Conflict,
    Fixed,
    Forbidden,
    NameRejected,
    Node,
    NotEmpty,
    RepositoryError,
    Unavailable,
)

log = logging.getLogger("assetfs.sams")


class Arranging:
    """Changes of the tree. `destination` is where new sets keep their content, if that was chosen."""

    def __init__(
        self,
        client: Client,
        nodes: Nodes,
        downloads: Downloads,
        writing: Writing,
        locks: Locks,
        changing: Changing,
        destination: str | None,
    ) -> None:
        self._client = client
        self._nodes = nodes
        self._downloads = downloads
        self._writing = writing
        self._locks = locks
        self._changing = changing
        self._destination = destination
        self._destinations: dict[str, str] | None = None

    # ---- sets -----------------------------------------------------------------------------------------------------

    async def create_set(self, name: str) -> Node:
        """A new, usable set. Raises Conflict, NameRejected, Unsupported where no destination is chosen."""
        check_set_name(name)
        document = {"_id": new_id(), "name": name, "state": "usable", "destination_name": await self._storage()}
        try:
            made = await self._client.make_set(document)
        except Unavailable:
            made = await self._client.set(document["_id"])  # raises NotFound where nothing was made
        return self._nodes.set(made)

    async def destinations(self) -> Mapping[str, str]:
        """What keeps the content of each destination, by name; asked for once."""
        if self._destinations is None:
            found = await self._client.get("admin/destinations", Destinations, "destinations")
            self._destinations = {item.id: item.provider for item in found.items}
        return self._destinations

    async def _storage(self) -> str:
        if self._destination is None:
            found = await self.destinations()
            if len(found) != 1:
                names = ", ".join(found)
                raise Fixed(f"the server has several destinations: choose one with destination= ({names})")
            self._destination = next(iter(found))
        return self._destination

    async def remove_set(self, set_id: str) -> None:
        """Remove a set without assets. One that is usable has to be disabled first, and is put back on failure: the
        server then refuses to delete it with assets in it. A draft would go with them, so they are counted."""
        for _ in range(TRIES):
            known = self._nodes.sets.pop(set_id, None)
            document = known or await self._client.set(set_id)
            path, was = f"admin/sets/{set_id}", document.state
            if was == "draft":
                count = {"query": {"term": {"set_id": set_id}}, "size": 0}
                if (await self._client.search(count, "count")).meta.total:
                    raise NotEmpty(f"the set {document.name} has assets")
            try:
                if was == "usable":
                    document = await self._client.change(path, document.etag, {"state": "disabled"}, Set, "disable set")
                await self._delete_set(document, was)
            except Stale:
                continue
            self._client.records.unlisted(set_id)
            return
        raise Unavailable("somebody else keeps changing this set")

    async def _delete_set(self, document: Set, was: str) -> None:
        path = f"admin/sets/{document.id}"
        try:
            await self._client.delete(path, document.etag, "remove set")
        except RepositoryError:
            if was == "usable":
                with trio.CancelScope(shield=True):
                    await self._client.change(path, document.etag, {"state": was}, Set, "enable set")
            raise

    async def rename_set(self, set_id: str, name: str, over: str | None) -> Node:
        """Another name for a set; an empty set `over` gives way."""
        check_set_name(name)
        if over is not None and over != set_id:
            await self.remove_set(over)
        return self._nodes.set(await self._changing.set(set_id, lambda document: _unless_same(document.name, name)))

    # ---- assets ---------------------------------------------------------------------------------------------------

    async def place(self, asset: Asset, target: Set, name: str, over: Node | None) -> Node:
        """An asset under another name, in this set or another. See `Repository.rename` and `move`."""
        check_name(name)
        if over is not None and over.id != f"a{asset.id}":
            return await self._give_content(asset, over)
        source = await self._nodes.home(asset.set_id)
        if target.state != "usable":
            raise Forbidden(f"the set {target.name} is not open for changes")
        if (target.id, name) != (asset.set_id, asset.filename):
            await self._check_free(asset, target, name)
        if target.destination_name != source.destination_name:
            return await self._carry(asset, target, name)
        check_size(target, asset.length)
        return await self._nodes.described(await self._changing.asset(asset.id, _Placing(target, name)))

    async def _check_free(self, asset: Asset, target: Set, name: str) -> None:
        try:
            await self._writing.check_name(target, name)
        except Conflict as conflict:
            if conflict.node is None or conflict.node.id != f"a{asset.id}":
                raise

    async def _give_content(self, asset: Asset, over: Node) -> Node:
        """The content goes into the asset that has the name, which stays what it is otherwise."""
        current = await self._client.asset(over.id[1:])
        if current.media_id != over.version:
            raise Conflict("the file has been replaced on the server", await self._nodes.described(current))
        with tempfile.TemporaryFile() as file:
            content = await self._downloaded(asset, file)
            node = await self._writing.replace(over.version, over.id[1:], content, _NoLedger())
        await self.remove_asset(asset.id)
        return node

    async def _carry(self, asset: Asset, target: Set, name: str) -> Node:
        """To another destination: record and bytes in one request."""
        check_size(target, asset.length)
        current = await self._client.asset(asset.id)
        self._locks.check(current)
        with tempfile.TemporaryFile() as file:
            content = await self._downloaded(current, file)
            fields = {key: str(value) for key, value in _Placing(target, name)(current).items()}
            # With an empty media id the old bytes are left alone: their id may not suit the new storage (4.7).
            fields["_media_id"] = ""
            path = f"produce/assets/{asset.id}"
            await self._client.send("PATCH", path, fields, content, lambda sent: None, "move", current.etag)
        now = await self._client.asset(asset.id)
        if now.set_id != target.id:
            raise Unavailable("the server lost the move")
        if now.renditions:
            now = await self._changing.asset(asset.id, lambda one: {"renditions": []} if one.renditions else {})
        return await self._nodes.described(now)

    async def _downloaded(self, asset: Asset, file: IO[bytes]) -> _Local:
        local = _Local(file, asset.length)
        if asset.length:
            await self._downloads.fetch(asset, 0, asset.length, local)
        return local

    async def remove_asset(self, asset_id: str) -> None:
        """Delete an asset. Raises NotFound: the server itself says nothing about what is not there."""
        async with self._changing.turn(asset_id):
            asset = self._client.records.get(asset_id)
            for _ in range(TRIES):
                asset = asset or await self._client.asset(asset_id)
                if not self._locks.may_change(asset):
                    asset = await self._client.asset(asset_id)
                    self._locks.check(asset)
                if (await self._nodes.home(asset.set_id)).state != "usable":
                    raise Forbidden("the set is not open for changes")
                try:
                    await self._client.delete(f"produce/assets/{asset_id}", asset.etag, "remove")
                except Stale:
                    asset = None
                    continue
                self._client.records.forget(asset_id)
                return
        raise Unavailable("somebody else keeps changing this asset")


def check_set_name(name: str) -> None:
    """Raise NameRejected for what cannot be a set's name."""
    if not name:
        raise NameRejected("a set needs a name")
    if "\0" in name:
        raise NameRejected("a name cannot hold a NUL")


def _unless_same(old: str, new_name: str) -> dict[str, Any]:
    return {} if old == new_name else {"name": new_name}


class _Placing:
    """The fields that change for another name or set. A title that was the file's name follows it. Where somebody else
    has taken the asset elsewhere meanwhile, it stays there."""

    def __init__(self, target: Set, name: str) -> None:
        self._target = target
        self._name = name
        self._from: tuple[str, str] | None = None

    def __call__(self, asset: Asset) -> dict[str, Any]:
        here, there = (asset.set_id, asset.filename), (self._target.id, self._name)
        self._from = self._from or here
        if here not in (self._from, there):
            raise Busy("somebody else has moved or renamed the file meanwhile")
        changes = {} if asset.set_id == self._target.id else {"set_id": self._target.id}
        if asset.filename != self._name:
            changes["filename"] = self._name
            if asset.name == asset.filename:
                changes["name"] = self._name
        return changes


class _NoLedger:
    """For transfers that are not continued: their source is on the server."""

    @property
    def state(self) -> Mapping[str, Any]:
        return {}

    async def record(self, **state: Any) -> None:
        return

    def progress(self, sent: int) -> None:
        return


class _Local:
    """A temporary file as a sink for a download, and then as the source of an upload."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.size = size
        self._file = file
        if size:
            file.truncate(size)
            self._memory = memoryview(mmap.mmap(file.fileno(), size))

    def lend(self, offset: int) -> memoryview:
        return self._memory[offset:]

    def landed(self, offset: int, count: int) -> None:
        return

    def total(self, size: int) -> None:
        return

    async def read(self, offset: int, count: int) -> bytes:
        return await trio.to_thread.run_sync(lambda: bytes(self._memory[offset : offset + count]))

    async def digest(self, algorithm: str) -> str:
        return await trio.to_thread.run_sync(lambda: new(algorithm, self._memory if self.size else b"").hexdigest())
