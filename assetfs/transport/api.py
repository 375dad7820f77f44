"""API calls: whole answers through httpx, one client per pool.

httpx brings pooling, tunnels and decoding; we bring the rules. A `trace` callback tells how far a
request came (a new connection or a kept one, sent or not), which is what repeating it depends on. A kept connection
that the server closed while it was idle costs one silent repetition; servers do that after two seconds.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast

import httpx
import trio

from assetfs.repository import Offline, ProtocolViolation, RepositoryError, Unavailable
from assetfs.transport import failures
from assetfs.transport.accounting import Accounts, Entry
from assetfs.transport.origin import (
    MAX_REDIRECTS,
    Origin,
    for_another_origin,
    merged,
    origin_of,
    redirected,
    refuse_plaintext,
    resolve,
)
from assetfs.transport.proxy import Proxy, proxy_for
from assetfs.transport.redaction import checked
from assetfs.transport.retry import Failure, Repetitions, Stage, retry_after
from assetfs.transport.types import Content, Pool, Response, TransportOptions

_NOTHING = httpx.ByteStream(b"")
KEEP_ALIVE = 5.0
"""Seconds that an idle connection is kept: servers close theirs after 2 to 75 s, and a closed one is noticed."""


class Call:
    """One request, as it is sent again and again."""

    def __init__(self, method: str, url: str, headers: dict[str, str], content: Content, label: str) -> None:
        self.method = method
        self.url = url
        self.origin = origin_of(url)
        self.headers = headers
        self.content = content
        self.label = label


class _Course:
    """How far one request has come on which kind of connection, from httpcore's trace events."""

    def __init__(self, entry: Entry) -> None:
        self.stage = Stage.CONNECTING
        self.kept = True
        """On a connection that had served before."""
        self._entry = entry
        entry.under_way = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        self._entry.under_way = True
        if event.endswith("connect_tcp.started"):
            self.kept = False
        elif event.endswith("send_request_headers.started"):
            method = getattr(info.get("request"), "method", b"")
            if method != b"CONNECT":
                self.stage = Stage.SENT
        elif event.endswith("receive_response_headers.complete") and self.stage is Stage.SENT:
            self.stage = Stage.ANSWERING


class ApiSide:
    """The httpx half of a `Transport`."""

    def __init__(
        self, base: str, options: TransportOptions, headers: Mapping[str, str], tls: ssl.SSLContext, accounts: Accounts
    ) -> None:
        self._base = base
        self._origin = origin_of(base)
        self._options = options
        self._headers = dict(headers)
        self._tls = tls
        self._accounts = accounts
        self._clients: dict[tuple[Pool, Proxy | None], httpx.AsyncClient] = {}

    async def request(
        self,
        method: str,
        path: str,
        *,
        label: str,
        content: Content,
        headers: Mapping[str, str],
        repeatable: bool,
        pool: Pool,
        retry_statuses: frozenset[int],
        read_timeout: float,
        deadline: float,
        follow_redirects: bool,
    ) -> Response:
        """See `Transport.request`."""
        url = resolve(self._base, path)
        call = Call(method, url, checked(headers), content, label)
        refuse_plaintext(call.origin, allowed=self._options.allow_plaintext)
        if call.origin == self._origin:
            call.headers = merged(self._headers, call.headers)
        with trio.move_on_after(deadline) as scope:
            for _ in range(MAX_REDIRECTS + 1):
                answer = await self._answer(call, repeatable, pool, retry_statuses, read_timeout, scope.deadline)
                if not follow_redirects:
                    return answer
                hop = redirected(
                    call.method,
                    call.url,
                    answer.status,
                    answer.headers.get("location"),
                    allow_plaintext=self._options.allow_plaintext,
                )
                if hop is None:
                    return answer
                carried = call.headers if origin_of(hop.url) == call.origin else for_another_origin(call.headers)
                call = Call(hop.method, hop.url, carried, call.content if hop.keeps_content else None, label)
            raise ProtocolViolation(f"{call.origin} redirects more than {MAX_REDIRECTS} times ({label})")
        raise failures.too_late(call.origin, label, deadline)

    async def close(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def _answer(
        self,
        call: Call,
        repeatable: bool,
        pool: Pool,
        retry_statuses: frozenset[int],
        read_timeout: float,
        deadline: float,
    ) -> Response:
        """One hop: sent until an answer comes that may be given back."""
        repetitions = Repetitions(repeatable=repeatable)
        kept_may_be_dead = repeatable
        while True:
            try:
                answer = await self._send(call, pool, read_timeout)
                if answer.status not in retry_statuses:
                    return answer
                error: RepositoryError = _unwell(call, answer)
                stage = Stage.ANSWERED
            except Failure as failure:
                error, stage = failure.error, failure.stage
                if kept_may_be_dead and stage is Stage.STALE:
                    kept_may_be_dead = False
                    continue
            wait = repetitions.wait(error, stage, deadline - trio.current_time())
            if wait is None:
                try:
                    raise error
                finally:
                    del error  # it knows this frame: a cycle that would keep what was sent
            await trio.sleep(wait)

    async def _send(self, call: Call, pool: Pool, read_timeout: float) -> Response:
        """Send once and read the whole answer. Raises Failure, ProtocolViolation."""
        with self._accounts.begin(call.label, call.method, call.url, pool) as entry:
            answer = await self._exchange(call, pool, read_timeout, entry)
            entry.outcome = str(answer.status)
            return answer

    async def _exchange(self, call: Call, pool: Pool, read_timeout: float, entry: Entry) -> Response:
        options = self._options
        course = _Course(entry)
        headers = call.headers
        if call.origin == self._origin:
            headers = merged({"X-Request-Id": entry.id}, headers)
        if pool is Pool.UPLOAD:
            headers = merged(headers, {"Accept-Encoding": "identity"})
            if not options.upload_keep_alive:
                headers = merged(headers, {"Connection": "close"})
        try:
            proxy = proxy_for(call.origin)
        except Offline as error:
            raise Failure(error, "offline", Stage.CONNECTING) from None
        timeout = httpx.Timeout(read_timeout, connect=options.connect_timeout, pool=None)
        try:
            client = self._client(pool, proxy)
            content = call.content() if callable(call.content) else call.content
            if isinstance(content, bytes):
                entry.sent(len(content))
            elif content is not None:
                content = _counted(content, entry.sent)
            request = client.build_request(
                call.method, call.url, content=content, headers=headers, timeout=timeout, extensions={"trace": course}
            )
            response = await client.send(request, stream=True)
            try:
                if pool is Pool.UPLOAD and response.status_code >= 400:
                    # It may have answered before it read our body, and would take the rest for the next request. The
                    # pool drops a connection that has ended; httpx must not have given it back before.
                    body = await self._bounded(call, cast(httpx.AsyncByteStream, response.stream))
                    with suppress(OSError):
                        response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
                else:
                    body = await self._bounded(call, response.aiter_bytes())
            finally:
                entry.received(response.num_bytes_downloaded)
                await response.aclose()
                response.stream = _NOTHING  # the stream knows the response: a cycle that would keep what was sent
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _failure(error, call, course, read_timeout, options.connect_timeout) from None
        return Response(response.status_code, _flat(response.headers), bytes(body))

    async def _bounded(self, call: Call, chunks: AsyncIterable[bytes]) -> bytearray:
        body = bytearray()
        async for chunk in chunks:
            body += chunk
            if len(body) > self._options.max_body:
                raise ProtocolViolation(
                    f"{call.origin} answers with more than {self._options.max_body} bytes ({call.label})"
                )
        return body

    def _client(self, pool: Pool, proxy: Proxy | None) -> httpx.AsyncClient:
        if (pool, proxy) not in self._clients:
            limit = {
                Pool.API: self._options.api_connections,
                Pool.UPLOAD: self._options.upload_connections,
                Pool.CONTENT: self._options.content_connections,
            }[pool]
            self._clients[pool, proxy] = httpx.AsyncClient(
                verify=self._tls,
                cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
                headers={"User-Agent": self._options.user_agent},
                limits=httpx.Limits(
                    max_connections=limit, max_keepalive_connections=limit, keepalive_expiry=KEEP_ALIVE
                ),
                trust_env=False,
                proxy=httpx.Proxy(proxy.url, headers=dict(proxy.headers)) if proxy else None,
            )
        return self._clients[pool, proxy]


def _unwell(call: Call, answer: Response) -> Unavailable:
    after = retry_after(answer.headers)
    again = f"; it asks to come back in {after:g} s" if after is not None else ""
    return Unavailable(f"{call.origin} answers {answer.status} ({call.label}){again}", retry_after=after)


def _failure(error: Exception, call: Call, course: _Course, read_timeout: float, connect_timeout: float) -> Exception:
    """Ours for what httpx raised."""
    origin: Origin = call.origin
    match error:
        case httpx.ConnectTimeout():
            return failures.no_connection_in_time(origin, connect_timeout)
        case httpx.ConnectError() | httpx.ProxyError():
            return failures.unreachable(origin, error)
        case httpx.TimeoutException():
            return failures.silent(origin, call.label, read_timeout, course.stage)
        case httpx.RemoteProtocolError() if not str(error).startswith(("Server disconnected", "peer closed")):
            return ProtocolViolation(f"{origin} does not speak HTTP as we know it ({call.label})")
        case httpx.NetworkError() | httpx.RemoteProtocolError():
            stale = course.kept and course.stage is Stage.SENT
            return failures.cut(origin, call.label, Stage.STALE if stale else course.stage)
        case _:
            return ProtocolViolation(f"{origin}: {type(error).__name__} ({call.label})")


def _flat(headers: httpx.Headers) -> dict[str, str]:
    """Lower-case names; several values of one name joined by a comma."""
    flat: dict[str, str] = {}
    for name, value in headers.multi_items():
        flat[name] = f"{flat[name]}, {value}" if name in flat else value
    return flat


async def _counted(parts: AsyncIterator[bytes], count: Callable[[int], None]) -> AsyncIterator[bytes]:
    async for part in parts:
        yield part
        count(len(part))
