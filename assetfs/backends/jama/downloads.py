"""Content on its way in, and the reading of the server's answers to it (section 4.6, 14.1, 14.2).

Every request asks for a closed range that begins inside the file. What comes back is judged by a table of statuses,
because the server has answers that look like content and are none: `200` whose Content-Type is `404`, `416` with the
whole file as its body, `200` with the whole file for a range. No answer carries a validator: the only sign of another
version is another total.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urljoin, urlsplit

import trio

from assetfs.backends.jama.client import Call, Client
from assetfs.repository import (
    Forbidden,
    NotFound,
    ProtocolViolation,
    RepositoryError,
    Sink,
    Unavailable,
    VersionChanged,
)
from assetfs.transport import Body, Head, Interpret

PROBES_IN_FLIGHT = 8
"""Section 9: downloads do not take the database's lock, but the server has few threads."""

_RANGE = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+)", re.IGNORECASE)


class ServerFailed(Unavailable):
    """Status 500: perhaps a passing failure, perhaps bytes that are missing on the server's disk for ever."""


def interpreter(start: int, stop: int, size: int | None) -> Interpret:
    """How to read an answer to the range [start, stop) of a file of `size` bytes (None: not known yet).

    After a cut the rest is asked for again, so a partial answer may begin later than `start`.
    The function returned raises VersionChanged where the total differs from `size`, NotFound, Forbidden,
    ServerFailed, Unavailable, ProtocolViolation. `Body(None, None)`: the range begins at or behind an end that the
    server (before 2026.10.16) does not tell.
    """

    def checked(body: Body) -> Body:
        if size is not None and body.total is not None and body.total != size:
            raise VersionChanged(f"the file has {body.total} bytes now, and had {size}")
        return body

    def partial(head: Head) -> Body:
        match = _RANGE.fullmatch(head.headers.get("content-range", "").strip())
        if match is None or match[1] is None or not start <= int(match[1]) < stop:
            raise ProtocolViolation("a partial answer that is not the range that was asked for")
        return checked(Body(int(match[1]), int(match[3])))

    def whole(head: Head) -> Body:
        if head.headers.get("content-type", "").strip() == "404":
            raise NotFound("the resource is gone")
        length = _number(head.headers.get("content-length"))
        ranged = head.headers.get("accept-ranges", "").strip().lower() == "bytes"
        if ranged or (start == 0 and size is not None and length == size):
            return checked(Body(0, length))
        raise ProtocolViolation("the whole file, or something else, came instead of the range that was asked for")

    def unsatisfiable(head: Head) -> Body:
        match = _RANGE.fullmatch(head.headers.get("content-range", "").strip())
        if match is not None:
            return checked(Body(None, int(match[3])))
        if start == 0:
            return checked(Body(None, 0))
        if size is not None and start < size:
            raise VersionChanged(f"the file is shorter now than its {size} bytes")
        return Body(None, size)

    table: dict[int, Callable[[Head], Body]] = {206: partial, 200: whole, 416: unsatisfiable}

    def interpret(head: Head) -> Body:
        read = table.get(head.status)
        if read is None:
            raise _refused(head.status)
        return read(head)

    return interpret


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdigit() else None


def _refused(status: int) -> RepositoryError:
    if status == 403:
        return Forbidden("no right to read this resource")
    if status in (404, 410):
        return NotFound("the resource is gone")
    if status == 500:
        return ServerFailed("the server could not open the content")
    if status in (429, 502, 503, 504):
        return Unavailable(f"the server cannot deliver now (status {status})")
    return ProtocolViolation(f"status {status} for a download, which the protocol does not have")


class Downloads:
    """Fetching and measuring by resource id. `by_url` allows the classic dialect's second way."""

    def __init__(self, client: Client, base: str, *, by_url: bool = False) -> None:
        self._client = client
        self._base = base
        self._by_url = by_url
        self._documented = True
        self._probes = trio.CapacityLimiter(PROBES_IN_FLIGHT)

    async def fetch(
        self, resource: int, size: int | None, start: int, stop: int, sink: Sink, urls: Sequence[str] = ()
    ) -> None:
        """Deliver [start, stop) to the sink. `size` as far as known; `urls` as the server gave them."""
        if size is not None:
            if start >= size:
                sink.total(size)
                return
            stop = min(stop, size)
        told = _Told(sink)
        await self._get(resource, size, start, stop, told, urls)
        if told.size is None:
            # Behind the end of a file whose size this server does not say together with a 416.
            total = await self.measure(resource, urls)
            if start < total:
                raise VersionChanged("the file grew while it was being read")
            sink.total(total)

    async def measure(self, resource: int, urls: Sequence[str] = ()) -> int:
        """The size, from a range of one byte. Raises NotFound, Forbidden, …"""
        probe = _Probe()
        async with self._probes:
            await self._get(resource, None, 0, 1, probe, urls)
        if probe.size is None:
            raise ProtocolViolation("the server does not tell the size of the content")
        return probe.size

    async def _get(
        self, resource: int, size: int | None, start: int, stop: int, sink: Sink, urls: Sequence[str]
    ) -> None:
        missing: NotFound | None = None
        for path in self._paths(resource, urls):
            try:
                await self._once_more(path, start, stop, sink, interpreter(start, stop, size))
            except NotFound as error:
                missing = error
            else:
                self._documented = self._documented and missing is None
                return
        raise missing or NotFound("the resource is gone")

    def _paths(self, resource: int, urls: Sequence[str]) -> Sequence[str]:
        """Where the content may be: by id, and in the classic dialect also at URLs of the endpoint's own origin."""
        usual = [f"download/{resource}"]
        if not self._by_url:
            return usual
        own = [url for url in (urljoin(self._base, text) for text in urls) if same_origin(url, self._base)]
        return usual + own if self._documented else own + usual

    async def _once_more(self, path: str, start: int, stop: int, sink: Sink, interpret: Interpret) -> None:
        """One repetition after a 500, and no more (11.26); a 403 is asked about, because it has two meanings."""
        try:
            try:
                await self._client.transport.fetch(path, start, stop, sink, label="download", interpret=interpret)
            except ServerFailed:
                await self._client.transport.fetch(path, start, stop, sink, label="download", interpret=interpret)
        except ServerFailed as error:
            raise ProtocolViolation(f"{error}: its bytes may be missing on the server's disk") from None
        except Forbidden:
            await self._client.call(Call("ping", []))  # NotAuthenticated, if it is the key
            raise


class _Told:
    """A sink that remembers whether the size was told."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.size: int | None = None

    def lend(self, offset: int) -> memoryview:
        return self._sink.lend(offset)

    def landed(self, offset: int, count: int) -> None:
        self._sink.landed(offset, count)

    def total(self, size: int) -> None:
        self.size = size
        self._sink.total(size)


class _Probe:
    """Wants one byte, and the size."""

    def __init__(self) -> None:
        self.size: int | None = None
        self._byte = bytearray(1)

    def lend(self, offset: int) -> memoryview:
        return memoryview(self._byte)[: 1 if offset == 0 else 0]

    def landed(self, offset: int, count: int) -> None:
        return None

    def total(self, size: int) -> None:
        self.size = size


def same_origin(url: str, base: str) -> bool:
    """Scheme, host and port are the same."""
    return _origin(url) == _origin(base)


_PORTS: Mapping[str, int] = {"http": 80, "https": 443}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
