"""One download per content, however many windows read it (section 8): the server sends every file from its beginning.

A fetch of a part joins the stream of that content, or begins it. The stream runs at the line's pace into a temporary
file; each fetch gets its bytes as soon as they have arrived, and one that lies far ahead waits. The file is held while
somebody fetches from it and a little longer, because readers ask for one window after the other; then the stream is
stopped, and what nobody fetched is lost, for the server cannot go on with half a file.

The last piece is given out only when the whole fits the SHA-1 that the server has announced.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import tempfile
from collections.abc import Awaitable, Callable

import trio

from assetfs.backends.sams.wire import Asset
from assetfs.repository import ProtocolViolation, RepositoryError, Sink, Unavailable

log = logging.getLogger("assetfs.sams")

IDLE = 10.0
"""Seconds for which a stream goes on that nobody fetches from: the next window may be asked for."""
PIECE = 1 << 20
"""Bytes that are copied between two checkpoints."""

Download = Callable[[Asset, Sink], Awaitable[None]]
"""Delivers the whole content of exactly this version to a sink."""
Expected = Callable[[str], str | None]
"""The SHA-1 that the server has announced for a media id, if it has."""


class _Spool:
    """One content on its way into a temporary file. A sink."""

    def __init__(self, asset: Asset) -> None:
        self.asset = asset
        self.arrived = 0
        self.given_out = 0
        """Up to here fetches may take."""
        self.error: RepositoryError | None = None
        self.scope = trio.CancelScope()
        self._users = 0
        self._news = trio.Event()
        self._hash = hashlib.sha1(usedforsecurity=False)
        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(file.fileno(), 0, asset.length)  # a full disk says so here, and not with SIGBUS
            self.memory = memoryview(mmap.mmap(file.fileno(), asset.length))

    # ---- Sink ----

    def lend(self, offset: int) -> memoryview:
        return self.memory[offset : offset + PIECE]

    def landed(self, offset: int, count: int) -> None:
        self._hash.update(self.memory[offset : offset + count])
        self.arrived = offset + count
        self.given_out = min(self.arrived, self.asset.length - 1)
        self._tell()

    def total(self, size: int) -> None:
        return

    # ---- life ----

    def ended(self, error: RepositoryError | None, expected: str | None) -> None:
        """The download has come to its end."""
        if error is None and self.arrived < self.asset.length:
            error = ProtocolViolation("the server sent less than it promised")
        if error is None and expected is not None and expected != self._hash.hexdigest():
            error = ProtocolViolation("what arrived does not fit the SHA-1 that the server gives")
            log.error("%s: %s", self.asset.id, error)
        if error is None:
            self.given_out = self.asset.length
        self.error = error
        self._tell()

    def stopped(self) -> None:
        """Nobody fetched from it any more, or all is closed."""
        self.error = Unavailable("the download was stopped")
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def join(self) -> None:
        self._users += 1
        self.scope.deadline = float("inf")

    def leave(self) -> None:
        self._users -= 1
        if not self._users:
            self.scope.deadline = trio.current_time() + IDLE

    async def deliver(self, start: int, stop: int, sink: Sink) -> None:
        """Bytes [start, stop) into a sink, as they arrive. Raises what the download raised."""
        sink.total(self.asset.length)
        position = start
        while position < stop:
            while self.given_out <= position and self.error is None:
                await self._news.wait()
            if self.given_out <= position:
                assert self.error is not None
                raise self.error
            room = sink.lend(position)
            count = min(len(room), self.given_out - position, stop - position, PIECE)
            if not count:
                return
            room[:count] = self.memory[position : position + count]
            sink.landed(position, count)
            position += count
            await trio.lowlevel.checkpoint()


class Spools:
    """The spools that are being filled. Their tasks are ours until `close`."""

    def __init__(self, download: Download, expected: Expected) -> None:
        self._download = download
        self._expected = expected
        self._running: dict[str, _Spool] = {}

    async def fetch(self, asset: Asset, start: int, stop: int, sink: Sink) -> None:
        """A part of a content, from the one stream that there is of it. Raises OSError where there is no room for
        the temporary file, before anything was asked."""
        stream = self._running.get(asset.media_id)
        if stream is None or stream.error is not None or stream.scope.cancel_called:
            stream = self._running[asset.media_id] = _Spool(asset)
            stream.join()
            trio.lowlevel.spawn_system_task(self._run, stream, name=f"stream of {asset.id}")
        else:
            stream.join()
        try:
            await stream.deliver(start, stop, sink)
        finally:
            stream.leave()

    async def _run(self, stream: _Spool) -> None:
        error: RepositoryError | None = None
        media_id = stream.asset.media_id
        with stream.scope:
            try:
                await self._download(stream.asset, stream)
            except RepositoryError as failed:
                error = failed
            except Exception as bug:
                log.exception("the stream of %s failed", stream.asset.id)
                error = ProtocolViolation(f"streaming failed: {type(bug).__name__}")
            stream.ended(error, self._expected(media_id))
            if stream.error is None:
                await trio.sleep_forever()  # until nobody has fetched from it for a while
        if stream.error is None:
            stream.stopped()
        if self._running.get(media_id) is stream:
            del self._running[media_id]

    def close(self) -> None:
        """Stop all of them."""
        for stream in list(self._running.values()):
            stream.scope.cancel()
