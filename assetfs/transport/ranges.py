"""Content: a byte range from the server into memory that the reader lends.

httpx streams 0.95 GB/s at best; a socket that receives into the reader's own buffer does 3 GB/s with a third of the
CPU, as much as curl. So content goes over wires of our own (`wire.py`, `pool.py`), h11 parses heads (`body.py`), and
this module decides: what is asked, what is skipped, when it ends, what is asked again after a cut.

Time: `deadline` bounds the time until something lands (again, after a cut); while bytes arrive only silence counts,
for a 40 GB file over a slow line is no failure.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Mapping

import h11
import trio

from assetfs.repository import Offline, ProtocolViolation, RepositoryError, Sink, VersionChanged
from assetfs.transport import failures
from assetfs.transport.accounting import Accounts, Entry
from assetfs.transport.body import BodyReader, ask, body_of, keeps_alive, read_head
from assetfs.transport.origin import (
    MAX_REDIRECTS,
    Hop,
    Origin,
    for_another_origin,
    merged,
    origin_of,
    redirected,
    refuse_plaintext,
    resolve,
    target_of,
)
from assetfs.transport.pool import Seat, WirePool
from assetfs.transport.proxy import proxy_for, tunnel
from assetfs.transport.redaction import checked
from assetfs.transport.retry import Failure, Repetitions, Stage
from assetfs.transport.streams import WORTH, Streams
from assetfs.transport.types import Head, Interpret, Pool, TransportOptions
from assetfs.transport.wire import Cut, Wire, open_wire

DRAIN = 64 << 10
"""Unwanted rest of a body that is still read to keep the connection: about what a new one costs."""

DRAIN_SECONDS = 1.0

PROGRESS = 1 << 20
"""Bytes that make up for an earlier cut. With less, a server that sends a byte per connection would never end."""


class Landing:
    """Where the bytes of one fetch go next, across repetitions."""

    def __init__(self, start: int, stop: int, sink: Sink, clock: trio.CancelScope) -> None:
        self.next = start
        self.stop = stop
        self.total: int | None = None
        self.validator: str | None = None
        self._sink = sink
        self._clock = clock

    @property
    def end(self) -> int:
        """The file offset at which nothing more is wanted, as far as is known."""
        return self.stop if self.total is None else min(self.stop, self.total)

    def told(self, total: int | None) -> None:
        """A head has said how large the content is. Raises VersionChanged if an earlier one said something else."""
        if total is None:
            return
        if self.total is None:
            self.total = total
            self._sink.total(total)
        elif self.total != total:
            raise VersionChanged(f"the content's size changed from {self.total} to {total} while it was read")

    def same_version(self, etag: str | None) -> None:
        """Raises VersionChanged if the head before a cut had another entity tag."""
        if etag is None:
            return
        if self.validator is not None and self.validator != etag:
            raise VersionChanged("the content changed while it was read")
        self.validator = etag

    def lend(self) -> memoryview:
        """Memory for what comes next; empty when nothing more is wanted."""
        room = self.end - self.next
        return self._sink.lend(self.next)[:room] if room > 0 else memoryview(b"")

    def landed(self, count: int) -> None:
        self._sink.landed(self.next, count)
        self.next += count
        if self._clock.deadline != math.inf:
            self._clock.deadline = math.inf


class Job:
    """What one fetch asks for, apart from the offsets."""

    def __init__(
        self,
        url: str,
        headers: dict[str, str],
        label: str,
        interpret: Interpret,
        follow_redirects: bool,
        stream: str | None,
        leaves: bool,
        form: bytes | None,
    ) -> None:
        self.url = url
        self.headers = headers
        self.label = label
        self.interpret = interpret
        self.follow_redirects = follow_redirects
        self.stream = stream
        self.form = form
        self.leaves = leaves
        """Whether the answer is left for who goes on, where there is more of it."""


class ContentSide:
    """The content half of a `Transport`."""

    def __init__(
        self, base: str, options: TransportOptions, headers: Mapping[str, str], tls: ssl.SSLContext, accounts: Accounts
    ) -> None:
        self._base = base
        self._origin = origin_of(base)
        self._options = options
        self._headers = dict(headers)
        self._accounts = accounts
        self._tls = tls
        self._pool = WirePool(options.content_connections, self._connect)
        self._streams = Streams()

    async def fetch(
        self,
        path: str,
        start: int,
        stop: int,
        sink: Sink,
        *,
        label: str,
        interpret: Interpret,
        headers: Mapping[str, str],
        deadline: float,
        follow_redirects: bool,
        stream: str | None = None,
        form: bytes | None = None,
    ) -> None:
        """See `Transport.fetch`."""
        if not 0 <= start < stop:
            raise ValueError(f"not a range: {start} to {stop}")
        url = resolve(self._base, path)
        origin = origin_of(url)
        refuse_plaintext(origin, allowed=self._options.allow_plaintext)
        own = self._headers if origin == self._origin else {}
        leaves = stream is not None and stop - start >= WORTH
        job = Job(url, merged(own, checked(headers)), label, interpret, follow_redirects, stream, leaves, form)
        if stream is None:
            await self._persist(job, start, stop, sink, deadline, origin)
            return
        async with self._streams.turn(stream, start, stop):
            await self._persist(job, start, stop, sink, deadline, origin)

    async def _persist(self, job: Job, start: int, stop: int, sink: Sink, deadline: float, origin: Origin) -> None:
        """Try until it is done, or is not to be tried again."""
        repetitions = Repetitions(repeatable=True)
        with trio.move_on_after(deadline) as clock:
            landing = Landing(start, stop, sink, clock)
            while True:
                before = landing.next
                try:
                    return await self._try(job, landing)
                except Failure as failure:
                    error, stage = failure.error, failure.stage
                except RepositoryError as refused:
                    error, stage = refused, Stage.ANSWERED
                if landing.next - before >= PROGRESS:
                    repetitions.progress()
                if clock.deadline == math.inf:
                    clock.deadline = trio.current_time() + deadline
                wait = repetitions.wait(error, stage, clock.deadline - trio.current_time())
                if wait is None:
                    raise error
                await trio.sleep(wait)
        raise failures.too_late(origin, job.label, deadline)

    def close(self) -> None:
        self._streams.close()
        self._pool.close()

    async def _connect(self, origin: Origin) -> Wire:
        """A new wire, straight or through a proxy. Raises Failure."""
        options = self._options
        try:
            with trio.fail_after(options.connect_timeout):
                proxy = proxy_for(origin)
                host, port = (proxy.host, proxy.port) if proxy else (origin.host, origin.port)
                wire = await open_wire(host, port, origin, options.read_timeout)
                try:
                    if proxy and origin.scheme == "https":
                        await tunnel(wire, origin, proxy)
                    elif proxy:
                        wire.forwarded = dict(proxy.headers)
                    if origin.scheme == "https":
                        await wire.start_tls(self._tls)
                except BaseException:
                    wire.close()
                    raise
                return wire
        except trio.TooSlowError:
            raise failures.no_connection_in_time(origin, options.connect_timeout) from None
        except (OSError, Cut) as error:
            raise failures.unreachable(origin, error) from None
        except Offline as error:
            raise Failure(error, "offline", Stage.CONNECTING) from None

    async def _try(self, job: Job, landing: Landing) -> None:
        """One way from the job's URL, along its redirects, to the content. Raises Failure, RepositoryError."""
        url, headers = job.url, job.headers
        if job.stream is not None and await self._read_on(job.stream, job, landing):
            return
        for _ in range(MAX_REDIRECTS + 1):
            hop = await self._hop(url, headers, job, landing)
            if hop is None:
                return
            if origin_of(hop.url) != origin_of(url):
                headers = for_another_origin(headers)
            url = hop.url
        raise ProtocolViolation(f"{origin_of(url)} redirects more than {MAX_REDIRECTS} times ({job.label})")

    async def _read_on(self, stream: str, job: Job, landing: Landing) -> bool:
        """Go on in an answer that somebody has left at the next byte. False: there is none, or it broke."""
        left = self._streams.take(stream, landing.next)
        if left is None:
            return False
        stays = False
        try:
            async with self._pool.seat(left.wire.origin):
                landing.told(left.total)
                while room := landing.lend():
                    count = await left.reader.read_into(room)
                    if not count:
                        return landing.next >= landing.end
                    landing.landed(count)
            stays = _goes_on(job, left.reader, landing)
            return True
        except (Cut, trio.TooSlowError, h11.RemoteProtocolError):
            return False
        finally:
            self._accounts.received(job.url, left.wire.received)
            left.wire.received = 0
            if stays:
                self._streams.leave(stream, landing.next, left.wire, left.reader, left.total)
            else:
                left.wire.close()

    async def _hop(self, url: str, headers: dict[str, str], job: Job, landing: Landing) -> Hop | None:
        """One request; a second one at once where a kept connection turns out to be dead."""
        async with self._pool.seat(origin_of(url)) as seat:
            try:
                return await self._request(seat, url, headers, job, landing, fresh=False)
            except Failure as failure:
                if failure.stage is not Stage.STALE:
                    raise
            seat.leave()
            return await self._request(seat, url, headers, job, landing, fresh=True)

    async def _request(
        self, seat: Seat, url: str, headers: dict[str, str], job: Job, landing: Landing, *, fresh: bool
    ) -> Hop | None:
        """Send once; land what comes, or return where it redirects to."""
        origin = origin_of(url)
        with self._accounts.begin(job.label, "GET" if job.form is None else "POST", url, Pool.CONTENT) as entry:
            wire = await seat.wire(fresh=fresh)
            course = _Course(Stage.STALE if wire.served else Stage.SENT)
            try:
                hop = await self._converse(wire, url, headers, job, landing, entry, course)
                if course.left is not None and job.stream is not None:
                    seat.keep()
                    self._streams.leave(job.stream, landing.next, wire, course.left, landing.total)
                return hop
            except Cut:
                raise failures.cut(origin, job.label, course.stage) from None
            except trio.TooSlowError:
                raise failures.silent(origin, job.label, self._options.read_timeout, course.stage) from None
            except h11.RemoteProtocolError:
                raise ProtocolViolation(f"{origin} does not speak HTTP as we know it ({job.label})") from None
            finally:
                entry.received(wire.received)
                wire.received = 0

    async def _converse(
        self,
        wire: Wire,
        url: str,
        headers: dict[str, str],
        job: Job,
        landing: Landing,
        entry: Entry,
        course: _Course,
    ) -> Hop | None:
        own = wire.origin == self._origin
        wanted = {
            "Host": wire.origin.authority,
            "User-Agent": self._options.user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Range": f"bytes={landing.next}-{landing.stop - 1}",
            **({"X-Request-Id": entry.id} if own else {}),
            **(wire.forwarded or {}),
        }
        target = target_of(url) if wire.forwarded is None else url
        parser = await ask(wire, target, list(merged(wanted, headers).items()), job.form if own else None)
        head, response = await read_head(wire, parser)
        course.stage = Stage.ANSWERING
        entry.outcome = str(head.status)
        reader = body_of(wire, parser, head)
        hop, refusal = None, None
        try:
            if job.follow_redirects:
                hop = redirected(
                    "GET",
                    url,
                    head.status,
                    head.headers.get("location"),
                    allow_plaintext=self._options.allow_plaintext,
                )
            if hop is None:
                await _land(job, head, reader, landing, wire)
        except RepositoryError as error:
            refusal = error
        if refusal is None and hop is None and _goes_on(job, reader, landing):
            course.left = reader
            return None
        await _settle(wire, reader, keeps_alive(head, response))
        if refusal is not None:
            raise refusal
        if hop is None and head.status == 200 and reader.left == 0:
            landing.told(reader.position)
        return hop


class _Course:
    """How far one request has come."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.left: BodyReader | None = None
        """The rest of an answer that is worth being kept."""


def _goes_on(job: Job, reader: BodyReader, landing: Landing) -> bool:
    """Whether there is more of an answer behind what was wanted, and it is to be left."""
    return job.leaves and landing.next == landing.stop and bool(reader.left)


async def _land(job: Job, head: Head, reader: BodyReader, landing: Landing, wire: Wire) -> None:
    """The body into the sink, as `interpret` says. Raises its errors, VersionChanged, ProtocolViolation, Cut, and
    Unavailable where the body is complete and too short."""
    body = job.interpret(head)
    landing.told(body.total)
    if body.start is None:
        return
    landing.same_version(head.headers.get("etag"))
    if body.start > landing.next:
        raise ProtocolViolation(f"{wire.origin} delivers from {body.start} on instead of {landing.next} ({job.label})")
    skip = min(landing.next, landing.end) - body.start
    while reader.position < skip:
        if not await reader.read_into(wire.scratch[: skip - reader.position]):
            break
    while room := landing.lend():
        count = await reader.read_into(room)
        if not count:
            break
        landing.landed(count)
    else:
        return
    if landing.total is not None or head.status != 200:
        raise failures.short(wire.origin, job.label)


async def _settle(wire: Wire, reader: BodyReader, keeps_alive: bool) -> None:
    """Make the wire fit for another request, if that is cheaper than a new one; otherwise it stays BUSY."""
    if not keeps_alive:
        return
    bounds = DRAIN if reader.left is None else reader.left
    if bounds > DRAIN:
        return
    limit = reader.position + bounds
    try:
        with trio.move_on_after(DRAIN_SECONDS):
            while reader.left != 0 and reader.position <= limit:
                if not await reader.read_into(wire.scratch):
                    break
            if reader.left == 0 and not reader.spilled:
                wire.answered()
    except (Cut, h11.RemoteProtocolError, trio.TooSlowError):
        return
