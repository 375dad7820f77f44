"""Bytes on their way out: upload tokens, one request or several, and where to go on (section 5).

A file is sent in one request, or goes on where the server says that it stopped. The server loses a last byte that is
the text `0` and comes alone behind whole pieces of 8192 (5.5): then the last two bytes go by themselves. So they do
where a guard wants a last look before a large file is complete.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from assetfs.backends.midas.client import Client
from assetfs.backends.midas.errors import Broke, Incomplete
from assetfs.backends.midas.wire import number
from assetfs.repository import Ledger, Source
from assetfs.transport import pieces

READ_SIZE = 8192
"""Bytes that the server's receiving loop asks for at once."""
LARGE = 8 << 20
"""Files that take long enough for somebody else to write meanwhile: a second or so on a slow line."""

Guard = Callable[[], Awaitable[None]]


class Sender:
    """Upload tokens, and the bytes for them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def token(self, **params: Any) -> str:
        """A token for one file; empty where the server has these bytes, and has added them by reference."""
        repeatable = "folderid" not in params  # which makes an item each time
        made = await self._client.call("upload.generatetoken", dict[str, str], repeatable=repeatable, **params)
        return str(made["token"])

    async def reference(self, item_id: int, name: str, digest: str) -> str:
        """The same for an item, without the checksum where the server breaks at what it finds by it (5.2)."""
        try:
            return await self.token(itemid=item_id, filename=name, checksum=digest)
        except Broke:
            return await self.token(itemid=item_id, filename=name)

    async def resume(
        self, token: str | None, name: str, source: Source, ledger: Ledger, guard: Guard | None = None, **params: str
    ) -> bool:
        """Go on with what an earlier try has begun to send. False: it has not, or the server does not know of it."""
        if not token:
            return False
        found = await self._client.call("upload.getoffset", dict[str, str], uploadtoken=token)
        if found["offset"] == "":
            return False
        await self.send(token, name, source, ledger, guard, number(found["offset"]), **params)
        return True

    async def send(
        self,
        token: str,
        name: str,
        source: Source,
        ledger: Ledger,
        guard: Guard | None = None,
        start: int = 0,
        **params: str,
    ) -> None:
        """Send a file from `start` on. `guard` is called before a large one is complete, and may raise."""
        size = source.size
        query = {"uploadtoken": token, "filename": name, "length": size, **params}
        if size and start >= size:
            start = size - 1  # the server asks for at least a request more, and ignores what is too much
        loses = (size - start) % READ_SIZE == 1 and await source.read(size - 1, 1) == b"0"
        if loses and size == 1:
            # The file that is the one character 0: as a form it arrives.
            await self._client.send_form({**query, "mode": "multipart", "file": "1"}, name, b"0")
            return
        if size - start > 4 and (loses or (guard is not None and size > LARGE)):
            stop = size - 2 if (size - 2 - start) % READ_SIZE != 1 else size - 3
            try:
                await self._put(query, source, start, stop, ledger)
            except Incomplete:
                start = stop
            if guard is not None:
                await guard()
        await self._put(query, source, start, size, ledger)

    async def _put(self, query: Mapping[str, object], source: Source, start: int, stop: int, ledger: Ledger) -> None:
        body = (lambda: pieces(source, ledger.progress, start, stop)) if stop > start else b""
        await self._client.send(query, body, stop - start)
