"""Content on its way in (section 4.5).

The server hears a Range header only from two browsers of long ago, and then sends from its start to the end of the
file. So we say that we are compatible with one of them, take what is wanted of the stream, and leave it for who wants
the next of it: a file that is read through costs one request. A server that ignores the header sends the whole file,
and what is before the start is skipped. A bitstream's bytes never change: its id is the version. A refused token and a
missing right look the same, status 500: one login tells them apart.
"""

from __future__ import annotations

from urllib.parse import urlencode

from assetfs.backends.midas.client import Client
from assetfs.repository import Forbidden, ProtocolViolation, Sink, VersionChanged
from assetfs.transport import Body, Head, Interpret, TransportOptions, closed_range


class _Refused(Forbidden):
    """Status 500: the token, or the right."""


def _refused(head: Head) -> None:
    if head.status == 500:
        raise _Refused("the server does not deliver this file: the right to read it is missing")
    if head.status in (301, 302, 303, 307, 308):
        raise ProtocolViolation("the file is a link to another server, which is not followed")


def interpreter(start: int, stop: int, size: int) -> Interpret:
    """How to read an answer to the range [start, stop) of a file of `size` bytes."""
    standard = closed_range(start, stop)

    def interpret(head: Head) -> Body:
        _refused(head)
        body = standard(head)
        if body.total is not None and body.total != size:
            raise VersionChanged(f"the file has {body.total} bytes instead of {size}")
        return body

    return interpret


class Downloads:
    """Bytes of bitstreams."""

    def __init__(self, client: Client, options: TransportOptions) -> None:
        self._client = client
        self._agent = {"User-Agent": f"{options.user_agent} (compatible; MSIE 9.0)"}

    async def fetch(self, bitstream: int, size: int, start: int, stop: int, sink: Sink) -> None:
        """Deliver [start, stop) to the sink. Raises NotFound, Forbidden, VersionChanged, …"""
        if start >= size or not bitstream:
            sink.total(size)
            return
        stop = min(stop, size)
        used = self._client.token
        told = _Progress(sink, start)
        try:
            await self._once(bitstream, size, start, stop, told)
        except _Refused:
            await self._client.renew(used)
            if self._client.token == used:
                raise
            await self._once(bitstream, size, told.reached, stop, told)

    async def fetch_zip(self, item: int, start: int, stop: int, sink: Sink) -> None:
        """Deliver [start, stop) of the zip of an item's files: always from its beginning, of a length that its end
        tells."""
        used = self._client.token
        told = _Progress(sink, start)
        try:
            await self._zip_once(item, start, stop, told)
        except _Refused:
            await self._client.renew(used)
            if self._client.token == used:
                raise
            await self._zip_once(item, told.reached, stop, told)

    async def _zip_once(self, item: int, start: int, stop: int, sink: Sink) -> None:
        def interpret(head: Head) -> Body:
            _refused(head)
            return closed_range(start, stop)(head)

        form = self._form(items=item)
        await self._client.transport.fetch("download/", start, stop, sink, label="zip", interpret=interpret, form=form)

    def _form(self, **fields: object) -> bytes:
        """What is wanted, and by whom: in the body, where access logs do not see the token."""
        who = {"authToken": self._client.token} if self._client.token else {}
        return urlencode({**fields, **who}).encode()

    async def _once(self, bitstream: int, size: int, start: int, stop: int, sink: Sink) -> None:
        await self._client.transport.fetch(
            "download/",
            start,
            stop,
            sink,
            label="download",
            interpret=interpreter(start, stop, size),
            headers=self._agent,
            stream=f"bitstream {bitstream}",
            form=self._form(bitstream=bitstream, name="f"),
        )


class _Progress:
    """A sink that remembers how far it has come."""

    def __init__(self, sink: Sink, start: int) -> None:
        self._sink = sink
        self.reached = start

    def lend(self, offset: int) -> memoryview:
        return self._sink.lend(offset)

    def landed(self, offset: int, count: int) -> None:
        self.reached = offset + count
        self._sink.landed(offset, count)

    def total(self, size: int) -> None:
        self._sink.total(size)
