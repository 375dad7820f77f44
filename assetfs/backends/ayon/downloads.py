"""Content on its way in: project files over HTTP, workfiles and published files from this machine (4.6, 5.1).

A project file is asked for under `/files/<id>`, which redirects to where its bytes are: the server itself, or a signed
address of an object store, that is good for an hour and gets no credential. What answered once is remembered, and asked
directly from then on. Ranges are closed and end inside the file, in pieces of 4 MiB: films are cut there, and small
ones come whole whatever is asked.
"""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping

import trio
from cachetools import LRUCache

from assetfs.backends.ayon.client import Client, of_project
from assetfs.backends.ayon.roots import open_below, version_of
from assetfs.backends.ayon.wire import FileInfo
from assetfs.repository import (
    Forbidden,
    LocalContent,
    NotAuthenticated,
    NotFound,
    NotHere,
    ProtocolViolation,
    RepositoryError,
    Sink,
    VersionChanged,
)
from assetfs.transport import Body, Head, Interpret
from assetfs.transport.origin import redirected, resolve
from assetfs.transport.rules import closed_range

PIECE = 4 << 20
"""Bytes in one request: what the server delivers of a film at most (4.6)."""
SIGNED_FOR = 50 * 60.0
"""Seconds that a signed address is used."""
REMEMBERED = 10_000
READ = 1 << 20


class _Moved(RepositoryError):
    """The bytes are elsewhere."""

    def __init__(self, location: str) -> None:
        super().__init__("the content is elsewhere")
        self.location = location


class Downloads:
    """Fetches content."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._places: MutableMapping[tuple[str, str], tuple[str, float]] = LRUCache(REMEMBERED)
        """Where a file's bytes are, and until when."""

    async def info(self, project: str, file_id: str) -> FileInfo:
        """What the server has under an id: exact, where HEAD may be 20 seconds old. Raises NotFound."""
        return await self._client.get(of_project(project, "files", file_id, "info"), FileInfo, "file info")

    async def fetch(self, project: str, file_id: str, size: int | None, start: int, stop: int, sink: Sink) -> None:
        """Deliver [start, stop) of a project file of `size` bytes. Raises as `Repository.fetch` says."""
        if size is None:
            size = (await self.info(project, file_id)).size
        sink.total(size)
        at, stop = start, min(stop, size)
        while at < stop:
            end = min(at + PIECE, stop)
            counted = _Counted(sink)
            await self._piece(project, file_id, size, at, end, counted)
            if counted.end < end:
                return
            at = max(end, counted.end)

    async def _piece(self, project: str, file_id: str, size: int, start: int, stop: int, sink: _Counted) -> None:
        for last in (False, True):
            place = await self._place(project, file_id)
            try:
                await self._client.fetch(
                    place, start, stop, sink, label="download", interpret=_judging(start, stop, size)
                )
            except _Moved as moved:
                self._remember(project, file_id, moved.location)
                place = await self._place(project, file_id)
                await self._client.fetch(
                    place, start, stop, sink, label="download", interpret=_judging(start, stop, size)
                )
            except (Forbidden, NotFound, NotAuthenticated):
                # A signed address may have ended before its time; and files may have gone to other storage.
                if last or self._places.pop((project, file_id), None) is None:
                    raise
                continue
            return

    async def _place(self, project: str, file_id: str) -> str:
        found = self._places.get((project, file_id))
        if found is not None and time.monotonic() < found[1]:
            return found[0]
        return of_project(project, "files", file_id)

    def _remember(self, project: str, file_id: str, location: str) -> None:
        own = of_project(project, "files", file_id)
        if location.rstrip("/").endswith(f"/files/{file_id}/payload"):
            # It starts at the server's root, and knows nothing of a path before it.
            self._places[project, file_id] = f"{own}/payload", float("inf")
            return
        allowed = self._client.options.allow_plaintext
        hop = redirected("GET", resolve(self._client.base, own), 302, location, allow_plaintext=allowed)
        if hop is None:
            raise ProtocolViolation("AYON redirects to nowhere")
        self._places[project, file_id] = hop.url, time.monotonic() + SIGNED_FOR


class _Counted:
    """A sink that remembers up to where bytes have landed."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.end = -1

    def lend(self, offset: int) -> memoryview:
        return self._sink.lend(offset)

    def landed(self, offset: int, count: int) -> None:
        self.end = offset + count
        self._sink.landed(offset, count)

    def total(self, size: int) -> None:
        self._sink.total(size)


def _judging(start: int, stop: int, size: int) -> Interpret:
    standard = closed_range(start, stop)

    def interpret(head: Head) -> Body:
        if head.status in (301, 302, 303, 307, 308) and head.headers.get("location"):
            raise _Moved(head.headers["location"])
        if head.status == 416:
            raise VersionChanged(f"the file is shorter now than the {size} bytes that it had")
        body = standard(head)
        if body.total is not None and body.total != size:
            raise VersionChanged(f"the file has {body.total} bytes now, and had {size}")
        return body

    return interpret


async def fetch_local(content: LocalContent, version: str | None, start: int, stop: int, sink: Sink) -> None:
    """Deliver [start, stop) of a file of this machine. `version` None: whatever it is now. Raises NotHere,
    VersionChanged."""
    try:
        descriptor = await trio.to_thread.run_sync(open_below, content)
    except OSError as error:
        raise NotHere(f"the file is not at its root here: {error.strerror}") from None
    try:
        size = _checked(descriptor, version)
        sink.total(size)
        at, stop = start, min(stop, size)
        while at < stop:
            room = sink.lend(at)[: min(READ, stop - at)]
            if not room:
                return
            count = await trio.to_thread.run_sync(os.preadv, descriptor, [room], at)
            _checked(descriptor, version)
            if not count:
                raise VersionChanged("the file became shorter while it was read")
            sink.landed(at, count)
            at += count
    finally:
        os.close(descriptor)


def _checked(descriptor: int, version: str | None) -> int:
    there = os.fstat(descriptor)
    if version is not None and version_of(there) != version:
        raise VersionChanged("the file was changed by somebody else")
    return there.st_size
