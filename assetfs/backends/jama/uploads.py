"""Content on its way out: chunks of one file, until the server has all of it (section 5).

The server keeps the chunks that it has got for six hours, private to (user, project, hash), so a broken upload goes on
where it stopped. The rule that cuts a file into chunks is fixed: two tries cut alike. A chunk that another program cut
differently cannot be told from ours; the server then assembles something else, says so with status 210, and it is
removed and sent once more from the start.

The last missing chunk goes alone, after all others: its answer is the one that tells the id, and it may take minutes,
because the server assembles and hashes before it answers.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from urllib.parse import quote_plus

import msgspec
import trio

from assetfs.backends.jama.client import Client
from assetfs.backends.jama.wire import UploadInfos
from assetfs.repository import (
    Forbidden,
    Ledger,
    Offline,
    ProtocolViolation,
    RepositoryError,
    Source,
    TooLarge,
    Unavailable,
    Unsupported,
)
from assetfs.transport import Pool, Response

log = logging.getLogger(__name__)

MIB = 1 << 20
CHUNK = 8 * MIB
CAUTIOUS_CHUNK = MIB
"""For servers that do not tell their limits (their framework reads 2.5 MiB at most) and proxies that allow one."""
CHUNKS_IN_FLIGHT = 4
CHUNK_DEADLINE = 600.0
ASSEMBLY_DEADLINE = 1200.0
ASSEMBLY_SILENCE = 900.0

_PART = re.compile(r"(\d+)-(\d+)\.part")


class Limits(msgspec.Struct, frozen=True):
    """What the server takes; `max_chunk` None where it does not say."""

    max_chunk: int | None = None
    max_chunks: int = 10_000

    @property
    def max_file(self) -> int | None:
        """Bytes; None where the server does not say."""
        return None if self.max_chunk is None else self.max_chunk * self.max_chunks


class Patience(msgspec.Struct, frozen=True):
    """How long to wait, in seconds, for a server that has all chunks and has not said that it is done."""

    lock: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0)
    """After it answered 202 to everything: another request may be assembling, or a dead one has left its lock."""
    assembly: Sequence[float] = (2.0, 4.0, 8.0, 15.0, 30.0) + (60.0,) * 14
    """After the last chunk's answer was lost: quarter of an hour."""


class ProxyLimit(TooLarge):
    """A 413 that is not the server's own: something on the way takes only smaller bodies."""


class WrongContent(ProtocolViolation):
    """Status 210: a resource was made whose bytes are not those that were announced."""

    def __init__(self, resource: int) -> None:
        super().__init__("the server put together other bytes than were sent")
        self.resource = resource


def chunk_size(size: int, limits: Limits, *, cautious: bool = False) -> int:
    """Bytes per chunk for a file of `size` bytes: a function of nothing but its arguments. Raises TooLarge."""
    base = CAUTIOUS_CHUNK if cautious or limits.max_chunk is None else CHUNK
    needed = -(-size // limits.max_chunks)
    chunk = max(base, -(-needed // MIB) * MIB)
    if limits.max_chunk is not None and chunk > limits.max_chunk:
        chunk = limits.max_chunk
        if chunk * limits.max_chunks < size:
            raise TooLarge(f"the server takes at most {chunk * limits.max_chunks} bytes")
    return chunk


def chunk_count(size: int, chunk: int) -> int:
    """An empty file is one empty chunk."""
    return max(1, -(-size // chunk))


def parts_present(names: Collection[str], total: int, first: int) -> set[int]:
    """Which chunks, counted from 0, the server has of an upload in `total` chunks. Other totals are other uploads."""
    found = set()
    for name in names:
        match = _PART.fullmatch(name)
        if match and int(match[1]) == total and first <= int(match[2]) < total + first:
            found.add(int(match[2]) - first)
    return found


def encoded(name: str) -> str:
    """A name for a header: base64 of its percent-encoded form (5.1)."""
    return base64.b64encode(quote_plus(name).encode()).decode()


def encoded_plain(name: str) -> str:
    """The classic dialect's form: base64 of the UTF-8 bytes (13.1)."""
    return base64.b64encode(name.encode()).decode()


Infos = Callable[[], Awaitable[UploadInfos]]


class Uploads:
    """Sends files in chunks. `first` is the number of the first chunk on the wire."""

    def __init__(self, client: Client, limits: Limits, *, first: int, patience: Patience | None = None) -> None:
        self._client = client
        self._limits = limits
        self.first = first
        self._patience = patience or Patience()
        self._cautious = False
        self.in_flight = trio.CapacityLimiter(CHUNKS_IN_FLIGHT)

    async def send(
        self, source: Source, headers: Mapping[str, str], known: UploadInfos, infos: Infos, ledger: Ledger
    ) -> int:
        """Send what `known` says is missing; the new resource's id.

        `infos` asks `upload_infos` again. Raises WrongContent (once more from scratch is the caller's decision),
        Unsupported (type), TooLarge, Forbidden, Unavailable, Offline.
        """
        while True:
            try:
                return await self._send(source, headers, known, infos, ledger)
            except ProxyLimit:
                if self._cautious:
                    raise
                log.warning("a body of the usual chunk size was refused on the way; going on with 1 MiB chunks")
                self._cautious = True
                known = await infos()

    async def _send(
        self, source: Source, headers: Mapping[str, str], known: UploadInfos, infos: Infos, ledger: Ledger
    ) -> int:
        chunk = chunk_size(source.size, self._limits, cautious=self._cautious)
        total = chunk_count(source.size, chunk)
        for _ in range(2):
            present = parts_present(known.available_chunks, total, self.first)
            missing = [number for number in range(total) if number not in present] or [total - 1]
            sending = _Sending(self, source, headers, chunk, total, ledger)
            sending.sent = sum(sending.length(number) for number in present if number not in missing)
            failure: RepositoryError | None = None
            waits = self._patience.lock
            try:
                done = await sending.run(missing)
            except (Unavailable, Offline) as error:
                # Early answers break the connection under the body (section 2), so a lost answer may be a good one.
                done, failure = None, error
                waits = self._patience.assembly if sending.assembling and _timed_out(error) else ()
            if done is not None:
                return done
            for wait in (0.0, *waits):
                await trio.sleep(wait)
                known = await infos()
                if known.status == "available" and known.id is not None:
                    return known.id
            if failure is not None:
                raise failure
        log.error("all chunks were sent twice and the server does not put them together: a lock was left there")
        raise Unavailable(
            "the server holds a lock of an interrupted upload of these bytes; it frees itself within 6 hours",
            retry_after=900.0,
        )

    async def post(self, body: bytes, headers: Mapping[str, str], *, last: bool) -> int | None:
        """One chunk. The resource's id when that completed the file, None while chunks are missing."""
        response = await self._client.transport.request(
            "POST",
            "upload/partial/",
            label="upload",
            content=body,
            # The server may answer before it has read the body, and the connection is then of no use (section 2).
            headers={**headers, "Connection": "close"},
            repeatable=True,
            pool=Pool.UPLOAD,
            read_timeout=ASSEMBLY_SILENCE if last else CHUNK_DEADLINE,
            deadline=ASSEMBLY_DEADLINE if last else CHUNK_DEADLINE,
        )
        self._client.note_time(response.headers.get("date"))
        return _outcome(response)


class _Sending:
    """One pass over the missing chunks of one file."""

    def __init__(
        self, uploads: Uploads, source: Source, headers: Mapping[str, str], chunk: int, total: int, ledger: Ledger
    ) -> None:
        self._uploads = uploads
        self._source = source
        self._headers = headers
        self._chunk = chunk
        self._total = total
        self._ledger = ledger
        self._id: int | None = None
        self._failure: RepositoryError | None = None
        self.sent = 0
        self.assembling = False
        """The last chunk is on its way: the server may have all it needs."""

    def length(self, number: int) -> int:
        return min(self._chunk, max(0, self._source.size - number * self._chunk))

    async def run(self, missing: Sequence[int]) -> int | None:
        """The id, or None when all was taken and nothing was completed."""
        queue = iter(missing[:-1])
        async with trio.open_nursery() as nursery:
            for _ in range(min(CHUNKS_IN_FLIGHT, len(missing) - 1)):
                nursery.start_soon(self._work, queue)
        if self._failure is not None:
            raise self._failure
        if self._id is None:
            self.assembling = True
            async with self._uploads.in_flight:
                await self._one(missing[-1], last=True)
        return self._id

    async def _work(self, queue: Iterator[int]) -> None:
        """Chunks until there are none, or one fails; those on their way then arrive, and need not be sent again."""
        for number in queue:
            if self._failure is not None:
                return
            try:
                async with self._uploads.in_flight:
                    await self._one(number, last=False)
            except RepositoryError as error:
                self._failure = error

    async def _one(self, number: int, *, last: bool) -> None:
        body = await self._source.read(number * self._chunk, self.length(number))
        headers = {**self._headers, "X-file-chunk": f"{number + self._uploads.first}/{self._total}"}
        done = await self._uploads.post(body, headers, last=last)
        self._id = done if done is not None else self._id
        self.sent += len(body)
        self._ledger.progress(self.sent)


def _timed_out(error: RepositoryError) -> bool:
    return isinstance(error, Unavailable) and error.timeout


def _outcome(response: Response) -> int | None:
    """What an answer to a chunk means (5.2)."""
    status, text = response.status, response.content[:200].decode("utf-8", "replace").strip()
    if status == 202:
        return None
    if status in (200, 210) and text.isdigit():
        if status == 210:
            raise WrongContent(int(text))
        return int(text)
    raise _failure(status, text)


def _failure(status: int, text: str) -> RepositoryError:
    if status == 403:
        return Forbidden("no right to store files here")
    if status == 413:
        kind = TooLarge if text == "Payload Too Large" else ProxyLimit
        return kind("the server, or something on the way to it, takes only smaller parts")
    if status == 400 and text.startswith("Type de fichier inconnu"):
        return Unsupported("the server does not know files of this type")
    if status in (409, 429) or status >= 500:
        return Unavailable(f"the server cannot take the file now (status {status})")
    return ProtocolViolation(f"status {status} for a chunk of a file: {text or 'no reason given'}")
