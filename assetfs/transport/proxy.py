"""The proxy that the environment names (`https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`), for both sides alike.

httpx is told which to use; content finds its own way: https goes through a tunnel (CONNECT, RFC 9110, 9.3.6), plain
http as a request with the whole URL. Never for this machine. Only http proxies; another sort is an error rather than a
way around it.
"""

from __future__ import annotations

import base64
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import h11

from assetfs.repository import Offline
from assetfs.transport.origin import Origin
from assetfs.transport.wire import Cut, Wire


class Proxy(NamedTuple):
    """Where it listens, and what it wants to see."""

    host: str
    port: int
    headers: tuple[tuple[str, str], ...]
    """Proxy-Authorization, or nothing."""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def proxy_for(origin: Origin) -> Proxy | None:
    """The proxy on the way to `origin`, None for the direct way. Raises Offline for one that we cannot use."""
    proxies = getproxies()
    url = proxies.get(origin.scheme) or proxies.get("all")
    if not url or origin.loopback or proxy_bypass(origin.host):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port = None, 0
    if parts.scheme != "http" or not host:
        raise Offline(f"the proxy for {origin} is no http proxy; set no_proxy, or another one, in the environment")
    if parts.username is None:
        return Proxy(host, port, ())
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(host, port, (("Proxy-Authorization", "Basic " + base64.b64encode(pair.encode()).decode()),))


async def tunnel(wire: Wire, origin: Origin, proxy: Proxy) -> None:
    """Ask the proxy at the other end of `wire` for a way to `origin`. Raises Offline, Cut, trio.TooSlowError."""
    where = str(origin)
    parser = h11.Connection(h11.CLIENT)
    request = h11.Request(method="CONNECT", target=where, headers=[("Host", where), *proxy.headers])
    await wire.send((parser.send(request) or b"") + (parser.send(h11.EndOfMessage()) or b""))
    while True:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError:
            raise Offline(f"the proxy {proxy.url} does not speak HTTP") from None
        if event is h11.NEED_DATA:
            # One byte at a time: what follows the head is the server's, and TLS must find it in the socket.
            count = await wire.recv_into(wire.scratch[:1])
            if not count:
                raise Cut
            parser.receive_data(bytes(wire.scratch[:1]))
        elif isinstance(event, h11.Response):
            if 200 <= event.status_code < 300:
                return
            raise Offline(f"the proxy {proxy.url} does not let us through to {where} ({event.status_code})")
        elif not isinstance(event, h11.InformationalResponse):
            raise Cut
