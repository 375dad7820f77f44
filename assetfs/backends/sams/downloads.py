"""Content on its way in (section 4.6). The server knows no ranges: every answer begins at the start.

The only version that an answer names is the SHA-1 of its bytes; media ids are in the records. So an answer is held
against the SHA-1 where that is known. Where it is not, an answer is taken whose time and length are those of the record
that we have, unless the record was read in the very second of its last change. In doubt the record is read again: if it
still has the media id, that id had these bytes when they were announced, because a media id that was replaced never
comes back.

A name beyond Latin-1, or one with control characters, breaks its own download; the archive of one member does not.
"""

from __future__ import annotations

import logging
from email.utils import parsedate_to_datetime
from hashlib import sha1
from urllib.parse import quote

from assetfs.backends.sams.bundles import END, ENTRY, HEAD, LARGEST, SMALL, Bundles, member_name, sha1_of
from assetfs.backends.sams.client import Client
from assetfs.backends.sams.nodes import Nodes
from assetfs.backends.sams.spools import Spools
from assetfs.backends.sams.wire import Asset, time_ns
from assetfs.repository import NotFound, ProtocolViolation, Sink, VersionChanged
from assetfs.transport import Body, Head
from assetfs.transport.rules import closed_range

log = logging.getLogger("assetfs.sams")


class _Doubt(VersionChanged):
    """The answer may be of another version; `sha1` is what it says of itself."""

    def __init__(self, sha1: str | None) -> None:
        super().__init__("the content may have changed")
        self.sha1 = sha1


class Downloads:
    """Fetches content of exactly one version."""

    def __init__(self, client: Client, nodes: Nodes) -> None:
        self._client = client
        self._nodes = nodes
        self.bundles = Bundles(client)
        self.spools = Spools(self._whole, nodes.digests.get)

    async def fetch(self, asset: Asset, start: int, stop: int, sink: Sink) -> None:
        """Deliver [start, stop) of `asset.media_id` to the sink. Raises as `Repository.fetch` says."""
        if start >= asset.length:
            sink.total(asset.length)
            return
        stop = min(stop, asset.length)
        if start == 0 and (content := await self.bundles.content(asset)) is not None:
            _deliver(content, stop, sink)
            return
        if start == 0 and stop == asset.length <= SMALL:
            _deliver(await self._verified(asset), stop, sink)
            return
        if not (breaks_headers(asset.filename) and asset.length <= LARGEST):
            try:
                await self.spools.fetch(asset, start, stop, sink)
                return
            except OSError as error:
                log.warning("%s is read without a temporary file: %s", asset.id, error.strerror)
        await self._direct(asset, start, stop, sink)

    async def _verified(self, asset: Asset) -> bytes:
        """A small file, held against the SHA-1 that the server announces before anybody gets a byte of it."""
        memory = _Memory(asset.length)
        await self._direct(asset, 0, asset.length, memory, held=True)
        announced = self._nodes.digests.get(asset.media_id)
        if announced is not None and sha1(memory.content, usedforsecurity=False).hexdigest() != announced:
            log.error("%s: what arrived does not fit the SHA-1 that the server gives", asset.id)
            raise ProtocolViolation("what arrived does not fit the SHA-1 that the server gives")
        return bytes(memory.content)

    async def _whole(self, asset: Asset, sink: Sink) -> None:
        await self._direct(asset, 0, asset.length, sink)

    async def _direct(self, asset: Asset, start: int, stop: int, sink: Sink, *, held: bool = False) -> None:
        """`held`: nobody sees what has landed in the sink before this has returned."""
        try:
            if breaks_headers(asset.filename):
                await self._archived(asset, start, stop, sink)
            else:
                await self._plain(asset, start, stop, sink, held)
        except NotFound:
            await self._client.set((await self._still_there(asset)).set_id)  # an asset may outlive its set
            raise ProtocolViolation("the server has the asset and not its content") from None

    async def sha1(self, asset: Asset) -> str | None:
        """The SHA-1 of the content. Costs the server as much as a download, where it is not known."""
        known = self._nodes.digests.get(asset.media_id)
        if known is None and breaks_headers(asset.filename):
            hashed = _Hashed()
            await self.fetch(asset, 0, asset.length, hashed)
            known = self._nodes.digests[asset.media_id] = hashed.digest.hexdigest()
        elif known is None:
            answer = await self._client.transport.request("HEAD", _path(asset), label="digest", repeatable=True)
            known = sha1_of(Head(answer.status, answer.headers))
            current = await self._client.asset(asset.id)
            if answer.status != 200 or known is None or current.media_id != asset.media_id:
                return None
            self._nodes.digests[asset.media_id] = known
        return known

    async def _plain(self, asset: Asset, start: int, stop: int, sink: Sink, held: bool) -> None:
        known = self._nodes.digests.get(asset.media_id)
        try:
            doubt = await self._once(asset, start, stop, sink, known, held=held)
        except _Doubt as raised:
            doubt = raised
        if doubt is None:
            return
        await self._still_there(asset)
        if doubt.sha1 is not None:
            self._nodes.digests[asset.media_id] = doubt.sha1
        if not held:
            await self._once(asset, start, stop, sink, doubt.sha1, sure=True)

    async def _once(
        self,
        asset: Asset,
        start: int,
        stop: int,
        sink: Sink,
        known: str | None,
        *,
        held: bool = False,
        sure: bool = False,
    ) -> _Doubt | None:
        """One download. What it may be, where that is not known, is returned if it is `held`, and raised if not."""
        standard = closed_range(start, stop)
        doubt: _Doubt | None = None

        def interpret(head: Head) -> Body:
            nonlocal doubt
            if head.status == 400:
                raise NotFound("the set of this asset is gone")
            body = standard(head)
            said = sha1_of(head)
            if known is not None and said is not None:
                if said != known:
                    raise VersionChanged("the file was replaced on the server")
            elif not sure and not self._settled(asset, head):
                doubt = _Doubt(said)
                if not held:
                    raise doubt
            elif said is not None:
                self._nodes.digests[asset.media_id] = said
            if body.total is not None and body.total != asset.length:
                raise VersionChanged(f"the file has {body.total} bytes now, and had {asset.length}")
            return body

        await self._client.fetch(_path(asset), start, stop, sink, label="download", interpret=interpret)
        return doubt

    def _settled(self, asset: Asset, head: Head) -> bool:
        try:
            modified = parsedate_to_datetime(head.headers.get("last-modified", "")).timestamp()
        except ValueError:
            return False
        same = int(modified) * 1_000_000_000 == time_ns(asset.updated)
        return same and asset.media_id not in self._nodes.unsettled

    async def _archived(self, asset: Asset, start: int, stop: int, sink: Sink) -> None:
        if start == 0 and asset.length <= LARGEST and (content := await self.bundles.alone(asset)) is not None:
            _deliver(content, stop, sink)
            return
        await self._still_there(asset)
        member = _Member(sink, len(member_name(asset)), asset.length)
        all_of_it = (start, stop) == (0, asset.length)
        first, last = (0, member.whole) if all_of_it else (member.before + start, member.before + stop)
        standard = closed_range(first, last)
        announced: str | None = None

        def interpret(head: Head) -> Body:
            nonlocal announced
            body = standard(head)
            if body.total != member.whole:
                raise VersionChanged(f"the archive has {body.total} bytes instead of {member.whole}")
            announced = sha1_of(head)
            return body

        path = f"consume/assets/compressed_binary/{asset.id}?v={quote(asset.media_id)}"
        await self._client.fetch(path, first, last, member, label="archive", interpret=interpret)
        if all_of_it and announced is not None and member.arrived == member.whole and member.sha1 != announced:
            log.error("%s: the archive does not fit the SHA-1 that the server gives", asset.id)
            raise ProtocolViolation("the archive does not fit the SHA-1 that the server gives")

    async def _still_there(self, asset: Asset) -> Asset:
        """Its record now. Raises NotFound when the asset is gone, VersionChanged when it has other content."""
        current = await self._client.asset(str(asset.id))
        if current.media_id != asset.media_id:
            raise VersionChanged("the file was replaced on the server")
        return current


def _deliver(content: bytes, stop: int, sink: Sink) -> None:
    sink.total(len(content))
    position = 0
    while position < stop and (room := sink.lend(position)):
        count = min(len(room), stop - position)
        room[:count] = content[position : position + count]
        sink.landed(position, count)
        position += count


class _Memory:
    """A sink that keeps everything."""

    def __init__(self, size: int) -> None:
        self.content = bytearray(size)

    def lend(self, offset: int) -> memoryview:
        return memoryview(self.content)[offset:]

    def landed(self, offset: int, count: int) -> None:
        return

    def total(self, size: int) -> None:
        return


class _Hashed:
    """A sink that keeps nothing but the digest."""

    def __init__(self) -> None:
        self.digest = sha1(usedforsecurity=False)
        self._memory = bytearray(1 << 20)

    def lend(self, offset: int) -> memoryview:
        return memoryview(self._memory)

    def landed(self, offset: int, count: int) -> None:
        self.digest.update(memoryview(self._memory)[:count])

    def total(self, size: int) -> None:
        return


class _Member:
    """A sink for an archive that passes on its one member. `whole` is the length of the archive, and the member begins
    at `before`; `sha1` is that of all that has arrived."""

    def __init__(self, sink: Sink, name: int, size: int) -> None:
        self.before = HEAD + name
        self.whole = self.before + size + name + ENTRY + END
        self.arrived = 0
        self._sink = sink
        self._size = size
        self._digest = sha1(usedforsecurity=False)
        self._lent = memoryview(b"")

    @property
    def sha1(self) -> str:
        return self._digest.hexdigest()

    def _inside(self, offset: int) -> bool:
        return self.before <= offset < self.before + self._size

    def lend(self, offset: int) -> memoryview:
        if self._inside(offset):
            self._lent = self._sink.lend(offset - self.before)[: self.before + self._size - offset]
        else:
            end = self.before if offset < self.before else self.whole
            self._lent = memoryview(bytearray(end - offset))
        return self._lent

    def landed(self, offset: int, count: int) -> None:
        self._digest.update(self._lent[:count])
        self.arrived += count
        if self._inside(offset):
            self._sink.landed(offset - self.before, count)

    def total(self, size: int) -> None:
        self._sink.total(self._size)


def breaks_headers(filename: str) -> bool:
    """Whether a download whose header carries this name fails on the server (11.2, 13.3)."""
    return any(ord(letter) > 0xFF or ord(letter) < 32 or ord(letter) == 127 for letter in filename)


def _path(asset: Asset) -> str:
    """The media id is for caches on the way, which are told to keep a mutable URL for 30 days (11.14)."""
    return f"consume/assets/binary/{asset.id}?v={quote(asset.media_id)}"
