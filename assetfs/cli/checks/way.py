"""Checks of the way to one server: its places here, name, proxy, TLS, the server itself, its clock, and ranges."""

from __future__ import annotations

import email.utils
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import trio

from assetfs import credentials
from assetfs.backends import available
from assetfs.cli.checks.finding import Finding, bad, note, ok
from assetfs.cli.checks.machine import folder
from assetfs.config import MountConfig, find_secret, mount_config
from assetfs.config.load import Effective
from assetfs.failure import Failure
from assetfs.observe import traffic
from assetfs.repository import Identity, Kind, Node, NotAuthenticated, Repository, RepositoryError
from assetfs.transport.origin import Origin, origin_of
from assetfs.transport.proxy import proxy_for
from assetfs.transport.tls import tls_context

SKEW = 30.0
"""Seconds that the clocks may differ: conflicts and certificates are judged by them."""
SLOW = 0.5
SOON = 14 * 86400
LOOKED_AT = 10
"""Folders that are searched for a file to read a part of."""


def places(config: MountConfig) -> Iterator[Finding]:
    yield from folder("cache", config.cache_dir)
    yield from folder("state", config.state_dir)


def name(config: MountConfig) -> Iterator[Finding]:
    origin = _origin(config)
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        yield bad(
            "DNS", f"{origin.host} is not known ({error.strerror})", "check its spelling, the network and the VPN"
        )
        return
    addresses = dict.fromkeys(str(each[4][0]) for each in found)
    yield ok("DNS", f"{origin.host} is {', '.join(addresses)}")


def proxy(config: MountConfig) -> Iterator[Finding]:
    try:
        found = proxy_for(_origin(config))
    except RepositoryError as error:
        yield bad("proxy", str(error))
        return
    yield ok("proxy", f"{found.host}:{found.port}, from the environment" if found else "none is used")


def tls(config: MountConfig) -> Iterator[Finding]:
    origin = _origin(config)
    if origin.scheme == "http":
        if origin.loopback:
            yield ok("TLS", "not needed on this machine's own address")
        else:
            yield note("TLS", "plain http: the credential can be read on the way", "use https where the server has it")
        return
    if proxy_for(origin) is not None:
        yield ok("TLS", "through the proxy: the server's own check follows")
        return
    try:
        with socket.create_connection((origin.host, origin.port), config.transport.connect_timeout) as plain:
            context = tls_context(config.transport.ca_file, config.transport.client_cert)
            with context.wrap_socket(plain, server_hostname=origin.host) as wrapped:
                certificate, version = wrapped.getpeercert(), wrapped.version()
    except ssl.SSLCertVerificationError as error:
        yield bad("TLS", f"the certificate is not trusted ({error.verify_message})", "ca_file names a CA of your own")
        return
    except OSError as error:
        yield bad("TLS", f"no connection to {origin} ({error.strerror or error})", "check firewall, VPN and the port")
        return
    ends = ssl.cert_time_to_seconds(str((certificate or {}).get("notAfter")))
    day = datetime.fromtimestamp(ends, UTC).date()
    if ends - time.time() < SOON:
        yield note("TLS", f"{version}; the certificate ends on {day}", "tell whoever runs the server")
    else:
        yield ok("TLS", f"{version}; the certificate is good until {day}")


def clock(config: MountConfig) -> Iterator[Finding]:
    """The server's, by the Date of any answer."""
    origin = _origin(config)
    try:
        begun = time.time()
        answer = httpx.head(
            origin.url,
            timeout=config.transport.connect_timeout,
            verify=tls_context(config.transport.ca_file, config.transport.client_cert)
            if origin.scheme == "https"
            else True,
            trust_env=not origin.loopback,
        )
        took = time.time() - begun
        date = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (httpx.HTTPError, KeyError, ValueError):
        return
    skew = date - begun - took / 2
    if abs(skew) > SKEW:
        which = "ahead of" if skew > 0 else "behind"
        yield note(
            "clock", f"the server's is {abs(skew):.0f} s {which} ours", "timedatectl set-ntp true, here or there"
        )
    else:
        yield ok("clock", "the server's agrees with ours")


PLACES: tuple[Callable[[MountConfig], Iterator[Finding]], ...] = (places, name, proxy, tls, clock)


def server(settings: Effective, config: MountConfig) -> Iterator[Finding]:
    """The credential, the server's version, its round-trip time, and whether it can deliver parts of files."""
    where = credentials.place(
        settings.name,
        environ=os.environ,
        file=settings["credential_file"],
        command=settings["credential_command"],
    )
    try:
        secret = find_secret(settings, os.environ)
    except Failure as failure:
        yield bad("credential", str(failure))
        return
    yield ok("credential", f"from {where}" if secret else "none is needed")
    found: list[Finding] = []
    complete = mount_config(settings, config.mountpoint, secret=secret)
    try:
        trio.run(_visit, complete, found)
    except NotAuthenticated as error:
        found.append(bad("server", str(error), "assetfs login, or a new credential_file"))
    except RepositoryError as error:
        found.append(bad("server", str(error)))
    except trio.TooSlowError:
        found.append(bad("server", f"it did not answer within {config.timeout:g} s", "is it overloaded? --timeout"))
    yield from found


async def _visit(config: MountConfig, found: list[Finding]) -> None:
    repository = available()[config.address.backend].open(config.address, config.transport)
    try:
        with trio.fail_after(config.timeout):
            identity: Identity = await repository.connect()
            found.append(ok("server", f"{identity.server} at {identity.url}, as {identity.user}"))
            await _ranges(repository, found)
            found.append(_round_trip(config))
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(5):
            await repository.close()


def _round_trip(config: MountConfig) -> Finding:
    latency = traffic.server(_origin(config).authority).latency or 0.0
    told = f"{latency * 1000:.0f} ms for an answer (median)"
    if latency > SLOW:
        return note("round trip", told, "far away or busy: --list-timeout 10m asks it less often")
    return ok("round trip", told)


async def _ranges(repository: Repository, found: list[Finding]) -> None:
    if not repository.capabilities.ranges:
        found.append(note("ranges", "this server delivers files from the start only", "a jump in a file waits for it"))
        return
    node = await _some_file(repository)
    if node is None:
        found.append(note("ranges", f"no file in the first {LOOKED_AT} folders to try it with"))
        return
    before = _parts_delivered()
    try:
        await repository.fetch(node, 1, 2, _Byte())
    except RepositoryError as error:
        found.append(bad("ranges", f"a part of {node.name} cannot be read: {error}"))
        return
    if _parts_delivered() > before:
        found.append(ok("ranges", "the server delivers parts of files"))
    else:
        found.append(note("ranges", "asked for one byte, the server sends the whole file", "large files read slowly"))


def _parts_delivered() -> int:
    """Answers with status 206 so far."""
    counts = [server.requests for server in traffic.SERVERS.values()]
    return sum(n for requests in counts for (_, _, outcome), n in requests.items() if outcome == "206")


async def _some_file(repository: Repository) -> Node | None:
    waiting = [await repository.root()]
    for _ in range(LOOKED_AT):
        if not waiting:
            return None
        async for page in repository.children(waiting.pop()):
            for node in page.nodes:
                if node.kind is Kind.FILE and (node.size is None or node.size > 2) and node.local is None:
                    return node
                if node.kind is Kind.FOLDER:
                    waiting.append(node)
    return None


class _Byte:
    """A sink for one byte, the second of a file."""

    def __init__(self) -> None:
        self._room = bytearray(2)

    def lend(self, offset: int) -> memoryview:
        return memoryview(self._room)[: max(0, 2 - offset)]

    def landed(self, offset: int, count: int) -> None:
        return

    def total(self, size: int) -> None:
        return


def _origin(config: MountConfig) -> Origin:
    return origin_of(config.address.url.geturl())
