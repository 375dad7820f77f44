"""Content on its way in, and the reading of the server's answers to it (section 4.6, 14.1, 14.2).

Every request asks for a closed range that begins inside the file. What comes back is judged by a table of statuses,
because the server has answers that look like content and are none: `200` whose Content-Type is `404`, `416` with the
whole file as its body, `200` with the whole file for a range. No answer carries a validator: the only sign of another
version is another total.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urljoin, urlsplit

import trio

from assetfs.backends.jama.client import Call, Client
from assetfs.repository import (
    Forbidden,
    NotFound,
    ProtocolViolation,
    Sink,
    Unavailable,
    VersionChanged,
)
from assetfs.transport import Body, Head, Interpret
from assetfs.transport.rules import closed_range

PROBES_IN_FLIGHT = 8
"""Section 9: downloads do not take the database's lock, but the server has few threads."""


def interpreter(start: int, stop: int, size: int | None) -> Interpret:
    """How to read an answer to the range [start, stop) of a file of `size` bytes (None: not known yet).

    After a cut the rest is asked for again, so a partial answer may begin later than `start`.
    The function returned raises VersionChanged where the total differs from `size`, NotFound, Forbidden, Unavailable,
    ProtocolViolation. A second 500 is final: bytes that are missing on the server's disk are missing for ever (11.26).
    `Body(None, None)`: the range begins at or behind an end that the
    server (before 2026.10.16) does not tell.
    """

    standard = closed_range(start, stop)
    failures = 0

    def checked(body: Body) -> Body:
        if size is not None and body.total is not None and body.total != size:
            raise VersionChanged(f"the file has {body.total} bytes now, and had {size}")
        return body

    def whole(head: Head) -> Body:
        if head.headers.get("content-type", "").strip() == "404":
            raise NotFound("the resource is gone")
        body = standard(head)
        ranged = head.headers.get("accept-ranges", "").strip().lower() == "bytes"
        if ranged or (start == 0 and size is not None and body.total == size):
            return checked(body)
        raise ProtocolViolation("the whole file, or something else, came instead of the range that was asked for")

    def unsatisfiable(head: Head) -> Body:
        if "content-range" in head.headers:
            return checked(standard(head))
        if start == 0:
            return checked(Body(None, 0))
        if size is not None and start < size:
            raise VersionChanged(f"the file is shorter now than its {size} bytes")
        return Body(None, size)

    def failed(head: Head) -> Body:
        nonlocal failures
        failures += 1
        if failures == 1:
            raise Unavailable("the server could not open the content")
        raise ProtocolViolation("the server cannot open the content: it may be missing on the server's disk")

    quirks: dict[int, Callable[[Head], Body]] = {200: whole, 416: unsatisfiable, 500: failed}

    def interpret(head: Head) -> Body:
        quirk = quirks.get(head.status)
        return quirk(head) if quirk is not None else checked(standard(head))

    return interpret


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
                await self._once(path, start, stop, sink, interpreter(start, stop, size))
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

    async def _once(self, path: str, start: int, stop: int, sink: Sink, interpret: Interpret) -> None:
        """A 403 is asked about, because it has two meanings."""
        try:
            await self._client.transport.fetch(path, start, stop, sink, label="download", interpret=interpret)
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
