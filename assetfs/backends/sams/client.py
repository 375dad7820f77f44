"""The wire: requests, searches and forms (sections 2, 4 and 5).

The key is sent as it is behind the word `Basic`; it is no user and password. Everything that is asked travels in the
request line, which has an end at 4,094 bytes: lists of ids are cut into parts.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast
from urllib.parse import quote

import msgspec
import trio

from assetfs.backends.sams.errors import refusal
from assetfs.backends.sams.records import Records
from assetfs.backends.sams.wire import Asset, Assets, Set, Sets, is_id, new_id
from assetfs.repository import NotFound, ProtocolViolation, Sink, Source
from assetfs.transport import Interpret, Pool, Response, Transport, pieces

T = TypeVar("T")

SETS_PER_PAGE = 200
"""The server's own cap."""
BY_ID = quote('[("_id",1)]', safe="")
PAGE = 2000
"""Assets per request: 1 to 4 MB of JSON."""
DOWNLOADS = 6
"""At a time. The server's workers take one request each, and there are few of them (section 2)."""
IDS_PER_SEARCH = 100
"""33 bytes each in the request line."""
UPLOAD_SILENCE = 900.0
"""The server reads the whole file back before it answers."""


class Client:
    """Requests to one server. `user_id` is written down as the author of changes."""

    def __init__(self, transport: Transport, user_id: str | None) -> None:
        self.transport = transport
        self.records = Records()
        self._lines = trio.CapacityLimiter(DOWNLOADS)
        self._author = f"?external_user_id={quote(user_id, safe='')}" if user_id else ""
        self.server_time: float | None = None
        """The server's clock at its last answer, in whole seconds since the epoch."""

    async def close(self) -> None:
        await self.transport.close()

    async def fetch(self, path: str, start: int, stop: int, sink: Sink, *, label: str, interpret: Interpret) -> None:
        """Content: `Transport.fetch`, as many at a time as the server has workers for."""
        async with self._lines:
            await self.transport.fetch(path, start, stop, sink, label=label, interpret=interpret)

    # ---- reading --------------------------------------------------------------------------------------------------

    async def get(self, path: str, type_: type[T], label: str) -> T:
        """A document or a list. Raises what `errors` says."""
        answer = await self.transport.request("GET", path, label=label, repeatable=True)
        return self._decoded(answer, type_, label)

    async def asset(self, asset_id: str) -> Asset:
        """The record of an asset. Raises NotFound."""
        if not is_id(asset_id):
            raise NotFound("there is no such asset")
        try:
            found = await self.get(f"consume/assets/{asset_id}", Asset, "asset")
        except NotFound:
            self.records.forget(asset_id)
            raise
        return self.records.note(found, exact=True)

    async def set(self, set_id: str) -> Set:
        """A set. Raises NotFound."""
        if not is_id(set_id):
            raise NotFound("there is no such set")
        return await self.get(f"consume/sets/{set_id}", Set, "set")

    async def sets(self, where: Mapping[str, Any] | None = None) -> AsyncIterator[list[Set]]:
        """All sets, or those that fit a MongoDB filter, in pages. One that moved between pages may come twice."""
        narrowed = f"&where={_quoted(where)}" if where else ""
        seen, page = 0, 1
        while True:
            path = f"consume/sets?max_results={SETS_PER_PAGE}&page={page}&sort={BY_ID}{narrowed}"
            found = await self.get(path, Sets, "sets")
            yield found.items
            seen += len(found.items)
            if not found.items or seen >= found.meta.total:
                return
            page += 1

    async def search(self, source: Mapping[str, Any], label: str = "search", *, note: bool = True) -> Assets:
        """One search of assets. Without `note` the records stay as they are."""
        found = await self.get(f"consume/assets?source={_quoted(source)}", Assets, label)
        if note:
            found.items[:] = [self.records.note(asset, exact=False) for asset in found.items]
        return found

    async def walk(
        self, query: Mapping[str, Any], keys: Sequence[str], label: str = "listing", *, note: bool = True
    ) -> AsyncIterator[tuple[list[Asset], int]]:
        """Pages of a search in the order of unique keys, without end at ten thousand, each with the total that the
        server says; each asset once."""
        seen: set[str] = set()
        last: dict[str, Any] = {}
        sort = [{key: "asc"} for key in keys]
        while True:
            source = {"query": {"bool": {"filter": [query]}}, "sort": sort, "size": PAGE, **last}
            found = await self.search(source, label, note=note)
            yield [asset for asset in found.items if asset.id not in seen], found.meta.total
            if len(found.items) < PAGE:
                return
            seen.update(asset.id for asset in found.items)
            end = found.items[-1]
            last = {"search_after": [getattr(end, key.removeprefix("_")) for key in keys]}

    async def assets(self, ids: Sequence[str], label: str = "search") -> list[Asset]:
        """Those of the assets that are there, in any order."""
        found: list[Asset] = []
        for first in range(0, len(ids), IDS_PER_SEARCH):
            part = list(ids[first : first + IDS_PER_SEARCH])
            query = {"query": {"terms": {"_id": part}}, "size": len(part), "sort": [{"_media_id": "asc"}]}
            found += (await self.search(query, label)).items
        return found

    async def named(self, set_id: str, filename: str) -> Asset | None:
        """An asset of this name in a set, or None. Names of more than 256 characters are not found."""
        fits = [{"term": {"set_id": set_id}}, {"term": {"filename.keyword": filename}}]
        query = {"query": {"bool": {"filter": fits}}, "size": 1, "sort": [{"_media_id": "asc"}]}
        found = (await self.search(query, "look up")).items
        return found[0] if found else None

    # ---- writing --------------------------------------------------------------------------------------------------

    async def change(self, path: str, etag: str, changes: Mapping[str, Any], type_: type[T], label: str) -> T:
        """PATCH a document. Raises Stale where the etag is not the current one."""
        with self.records.change(path.rpartition("/")[2]):
            return self._noted(await self.patch(path + self._author, changes, type_, label, {"If-Match": etag}))

    async def patch(
        self, path: str, body: Mapping[str, Any], type_: type[T], label: str, headers: Mapping[str, str] = {}
    ) -> T:
        """PATCH with a JSON body."""
        answer = await self.transport.request(
            "PATCH",
            path,
            label=label,
            content=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
            repeatable=False,
        )
        return self._decoded(answer, type_, label)

    async def make_set(self, document: Mapping[str, Any]) -> Set:
        """POST a set. Raises Conflict where the name is taken."""
        answer = await self.transport.request(
            "POST",
            "admin/sets" + self._author,
            label="new set",
            content=json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
            repeatable=False,
        )
        return self._decoded(answer, Set, "new set")

    async def delete(self, path: str, etag: str, label: str) -> None:
        """DELETE a document; what is gone already is no error. Raises Stale."""
        answer = await self.transport.request("DELETE", path, label=label, headers={"If-Match": etag}, repeatable=True)
        if answer.status != 204:
            raise refusal(answer.status, answer.content, label)

    async def send(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str],
        source: Source,
        progress: Callable[[int], None],
        label: str,
        etag: str | None = None,
    ) -> Asset:
        """A form with a file in it. `progress` is told how many bytes of the file have gone out."""
        boundary = f"assetfs-{new_id()}"
        head = "".join(_field(boundary, name, value) for name, value in fields.items())
        head += _head(boundary, 'name="binary"; filename="binary"')
        first, last = head.encode("utf-8", "surrogatepass"), f"\r\n--{boundary}--\r\n".encode()

        async def body() -> AsyncIterator[bytes]:
            yield first
            async with aclosing(pieces(source, progress)) as content:
                async for piece in content:
                    yield piece
            yield last

        with self.records.change(fields.get("_id") or path.rpartition("/")[2]):
            answer = await self.transport.request(
                method,
                path + self._author,
                label=label,
                content=body,
                headers={
                    "Content-Type": f"multipart/form-data; boundary={boundary}",
                    "Content-Length": str(len(first) + source.size + len(last)),
                    **({"If-Match": etag} if etag is not None else {}),
                },
                repeatable=False,
                pool=Pool.UPLOAD,
                read_timeout=UPLOAD_SILENCE,
                deadline=math.inf,
            )
            return self._noted(self._decoded(answer, Asset, label))

    def _noted(self, document: T) -> T:
        """The answer to a change is the whole document as it is now."""
        if isinstance(document, Asset):
            self.records.answered(document.id, document.etag)
            return cast(T, self.records.note(document, exact=True))
        return document

    def _decoded(self, answer: Response, type_: type[T], label: str) -> T:
        self.note_time(answer.headers.get("date"))
        if answer.status not in (200, 201):
            raise refusal(answer.status, answer.content, label)
        try:
            return msgspec.json.decode(answer.content, type=type_)
        except msgspec.DecodeError as error:
            raise ProtocolViolation(f"the answer to {label} is not what SAMS has: {error}") from None

    def note_time(self, date: str | None) -> None:
        """Remember the server's clock from a Date header."""
        try:
            self.server_time = parsedate_to_datetime(date).timestamp() if date else None
        except ValueError:
            self.server_time = None


def _quoted(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return quote(text.encode("utf-8", "replace"), safe="")


def _head(boundary: str, disposition: str) -> str:
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"


def _field(boundary: str, name: str, value: str) -> str:
    return _head(boundary, f'name="{name}"') + value + "\r\n"
