"""What a link item leads to, for `links=fetch` (trap 17): a file somewhere on the web.

Whoever may write on the server chooses the address. So nothing of ours goes with the request, and it may lead no
further inside than the server itself is: from one on the internet into no network at home, from one at home not to this
machine. That holds for every redirect, too.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

import trio

from assetfs.backends.midas.nodes import FETCH
from assetfs.repository import Offline, OutOfReach, ProtocolViolation, Sink
from assetfs.transport import Body, Head, Transport, closed_range
from assetfs.transport.origin import REDIRECTS, redirected

MOST = 5
"""Redirects that are followed."""


class _Moved(OutOfReach):
    """The answer is a redirect."""

    def __init__(self, url: str) -> None:
        super().__init__("the link leads on too often")
        self.url = url


class WebLinks:
    """Fetches, or refuses to. `base` is the server's URL."""

    def __init__(self, transport: Transport, base: str, policy: str) -> None:
        self._transport = transport
        self._base = base
        self._policy = policy

    async def fetch(self, url: str, start: int, stop: int, sink: Sink) -> None:
        """Deliver [start, stop) of what is there. Raises OutOfReach where it may not be asked for."""
        if self._policy != FETCH:
            raise OutOfReach("this is a link to another server, which is not followed: see the option links")
        for _ in range(MOST):
            await self._guard(url)
            try:
                await self._once(url, start, stop, sink)
                return
            except _Moved as moved:
                url = moved.url
        raise ProtocolViolation("the link leads on too often")

    async def _once(self, url: str, start: int, stop: int, sink: Sink) -> None:
        standard = closed_range(start, stop)

        def interpret(head: Head) -> Body:
            if head.status in REDIRECTS:
                allowed = self._transport.options.allow_plaintext
                hop = redirected("GET", url, head.status, head.headers.get("location"), allow_plaintext=allowed)
                if hop is not None:
                    raise _Moved(hop.url)
            if 300 <= head.status < 500:
                raise OutOfReach(f"the server that this link leads to answers with status {head.status}")
            return standard(head)

        await self._transport.fetch(url, start, stop, sink, label="link", interpret=interpret)

    async def _guard(self, url: str) -> None:
        """Raises OutOfReach for an address that is further inside than the server."""
        if await _inside(url) > await _inside(self._base):
            raise OutOfReach("this link leads to a machine or network that is not the server's to point to")


async def _inside(url: str) -> int:
    """How far inside an address is: 0 on the internet, 1 in a network, 2 on this machine or the next one."""
    try:
        parts = urlsplit(url)
        found = await trio.socket.getaddrinfo(parts.hostname or "", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        raise Offline("the server that this link leads to is not known") from None
    return max(_rank(ipaddress.ip_address(str(one[4][0]).partition("%")[0])) for one in found)


def _rank(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    near = address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
    return 2 if near else 0 if address.is_global else 1
