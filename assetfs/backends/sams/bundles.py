"""Many small files in one request (section 4.6): an archive of up to a hundred assets, stored and not compressed.

The mount says which files it is about to fetch (`expect`). The first of them that is fetched asks for an archive of
itself and of those that come after it; the fetches of the others take their bytes from there. A member's place follows
from the names and lengths before it, and its head and checksum are looked at. Archives name no versions: when one has
arrived, one search says which of its members are still what was asked for, because a media id never comes back.

Whatever does not fit is left to the ordinary download. Nobody waits for an archive that has failed.
"""

from __future__ import annotations

import logging
import re
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha1

import trio

from assetfs.backends.sams.client import Client
from assetfs.backends.sams.wire import Asset
from assetfs.repository import RepositoryError, VersionChanged
from assetfs.transport import Body, Head
from assetfs.transport.rules import closed_range

log = logging.getLogger("assetfs.sams")

MOST = 100
"""Assets in an archive: their ids are 25 bytes each in the request line."""
LARGEST = 32 << 20
"""Bytes of an archive: the server makes it in memory, and so do we."""
SMALL = 1 << 20
"""Bytes: a larger file is not worth waiting for others."""
EXPECTED = 1_000
KEPT = 2
"""Archives that are held until their members were fetched."""

_HEAD = struct.Struct("<4s2xHH4xIIIHH")
HEAD, ENTRY, END = 30, 46, 22
"""Bytes of a member's head, of its entry in the directory, and of the end, without names."""


def member_name(asset: Asset) -> bytes:
    """The name of an asset's member as it stands in the archive."""
    return asset.filename.partition("\0")[0].encode("utf-8", "surrogatepass")


_SHA1 = re.compile(r'(?:W/)?"?([0-9a-f]{40})"?')


def sha1_of(head: Head) -> str | None:
    """The SHA-1 that an answer announces of itself."""
    found = _SHA1.fullmatch(head.headers.get("etag", ""))
    return found[1] if found else None


class _Bundle:
    """One archive on its way, or here."""

    def __init__(self, assets: list[Asset]) -> None:
        self.assets = {asset.media_id: asset for asset in assets}
        self.places: dict[str, int] = {}
        self.size = END
        start = 0
        for asset in assets:
            name = len(member_name(asset))
            self.places[asset.media_id] = start + HEAD + name
            start += HEAD + name + asset.length
            self.size += HEAD + ENTRY + 2 * name + asset.length
        self.memory = bytearray(self.size)
        self.done = trio.Event()
        self.good: set[str] = set()
        """Media ids of the members that are complete, sound and current; they go when they were fetched."""

    def lend(self, offset: int) -> memoryview:
        return memoryview(self.memory)[offset:]

    def landed(self, offset: int, count: int) -> None:
        return

    def total(self, size: int) -> None:
        return

    def sound(self, announced: str | None) -> set[str]:
        """Media ids of the members that arrived well; none where the archive is not the one that was announced."""
        if announced is not None and sha1(self.memory, usedforsecurity=False).hexdigest() != announced:
            log.error("an archive does not fit the SHA-1 that the server gives")
            return set()
        return {one for one in self.assets if self._is_sound(one)}

    def _is_sound(self, media_id: str) -> bool:
        """Whether a member is where it should be, stored, of its length, and fits its checksum."""
        asset, place = self.assets[media_id], self.places[media_id]
        name = member_name(asset)
        head = _HEAD.unpack_from(self.memory, place - HEAD - len(name))
        content = memoryview(self.memory)[place : place + asset.length]
        expected = (b"PK\3\4", 0, zlib.crc32(content), asset.length, asset.length, len(name), 0)
        return (head[0], *head[2:]) == expected

    def take(self, media_id: str) -> bytes:
        """The bytes of a good member, once."""
        place = self.places[media_id]
        self.good.discard(media_id)
        return bytes(memoryview(self.memory)[place : place + self.assets[media_id].length])


class Bundles:
    """What is expected, and the archives that bring it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._expected: OrderedDict[str, Asset] = OrderedDict()
        self._coming: dict[str, _Bundle] = {}
        self._kept: list[_Bundle] = []

    def expect(self, assets: Iterable[Asset]) -> None:
        """These will be fetched soon, in this order."""
        for asset in assets:
            if 0 < asset.length <= SMALL and asset.media_id not in self._coming:
                self._expected[asset.media_id] = asset
        while len(self._expected) > EXPECTED:
            self._expected.popitem(last=False)

    async def content(self, asset: Asset) -> bytes | None:
        """The bytes of an asset, if an archive has brought them or can; None: download it. Raises VersionChanged."""
        bundle = self._coming.get(asset.media_id)
        if bundle is None:
            bundle = self._next(asset)
            if bundle is None:
                return None
            await self._bring(bundle)
        await bundle.done.wait()
        if asset.media_id not in bundle.good:
            return None
        content = bundle.take(asset.media_id)
        self._forget(bundle, asset.media_id)
        return content

    async def alone(self, asset: Asset) -> bytes | None:
        """The bytes of one asset by the way that needs no header with its name; None where they are not good."""
        bundle = _Bundle([asset])
        await self._bring(bundle)
        return bundle.take(asset.media_id) if bundle.good else None

    def _next(self, asset: Asset) -> _Bundle | None:
        """An archive that begins with an expected asset; None where nobody expects it, or nothing but it."""
        if self._expected.pop(asset.media_id, None) is None:
            return None
        assets, size = [asset], asset.length
        for media_id, other in list(self._expected.items()):
            if len(assets) == MOST or size + other.length > LARGEST:
                break
            del self._expected[media_id]
            assets.append(other)
            size += other.length
        if len(assets) == 1:
            return None
        bundle = _Bundle(assets)
        self._coming.update(dict.fromkeys(bundle.assets, bundle))
        self._kept.append(bundle)
        for old in self._kept[:-KEPT]:
            if old.done.is_set():
                self._drop(old)
        return bundle

    async def _bring(self, bundle: _Bundle) -> None:
        """Fetch an archive and see what of it is good. What goes wrong leaves its members to be downloaded."""
        standard = closed_range(0, bundle.size)
        announced: str | None = None

        def interpret(head: Head) -> Body:
            nonlocal announced
            body = standard(head)
            if body.total != bundle.size:
                raise VersionChanged(f"the archive has {body.total} bytes instead of {bundle.size}")
            announced = sha1_of(head)
            return body

        ids = ",".join(asset.id for asset in bundle.assets.values())
        path = f"consume/assets/compressed_binary/{ids}"
        try:
            await self._client.fetch(path, 0, bundle.size, bundle, label="bundle", interpret=interpret)
            sound = await trio.to_thread.run_sync(bundle.sound, announced)
            now = await self._client.assets([asset.id for asset in bundle.assets.values()], "bundle check")
            bundle.good = sound & {asset.media_id for asset in now}
        except RepositoryError as error:
            log.debug("an archive of %d assets is of no use: %s", len(bundle.assets), error)
        finally:
            bundle.done.set()
            for media_id in bundle.assets.keys() - bundle.good:
                self._forget(bundle, media_id)

    def _forget(self, bundle: _Bundle, media_id: str) -> None:
        if self._coming.get(media_id) is bundle:
            del self._coming[media_id]
        if bundle.done.is_set() and not bundle.good and bundle in self._kept:
            self._kept.remove(bundle)

    def _drop(self, bundle: _Bundle) -> None:
        for media_id in list(bundle.good):
            bundle.good.discard(media_id)
            self._forget(bundle, media_id)
