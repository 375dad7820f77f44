"""One line for people out of what sockets, TLS and libraries throw. Pure.

The lines name host and port and what to do, and quote nothing that a library composed: libraries quote headers.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator

from assetfs.repository import Offline, Unavailable
from assetfs.transport.origin import Origin
from assetfs.transport.retry import Failure, Stage


def unreachable(origin: Origin, error: BaseException) -> Failure:
    """No connection came about, because of `error` or what lies below it."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = cause.verify_message or "verification failed"
            return Failure(
                Offline(
                    f"{origin}: the certificate is not trusted ({reason}); "
                    "check the host name, or set ca_file to the CA that signed it"
                ),
                "offline",
                Stage.UNTRUSTED,
            )
        if isinstance(cause, ssl.SSLError):
            reason = cause.reason or "handshake failed"
            return _offline(f"{origin} does not speak TLS with us ({reason}); is https right for this port?")
        if isinstance(cause, socket.gaierror):
            return _offline(f"{origin}: the host name is not known; check its spelling, the network and DNS")
        if isinstance(cause, ConnectionRefusedError):
            return _offline(f"{origin} refuses connections; is the server running and the port right?")
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN):
            return _offline(f"{origin}: {os.strerror(cause.errno).lower()}; check the network or the VPN")
    return _offline(f"{origin} cannot be reached; check the network or the VPN")


def no_connection_in_time(origin: Origin, seconds: float) -> Failure:
    return _offline(f"{origin} does not take a connection within {seconds:g} s; check network, VPN and firewall")


def silent(origin: Origin, label: str, seconds: float, stage: Stage) -> Failure:
    """Neither bytes nor an end for `read_timeout`."""
    error = Unavailable(f"{origin} was silent for {seconds:g} s ({label})", timeout=True)
    return Failure(error, "timeout", stage)


def too_late(origin: Origin, label: str, seconds: float) -> Unavailable:
    """The call's deadline has passed."""
    return Unavailable(f"{origin} did not answer within {seconds:g} s ({label})", timeout=True)


def cut(origin: Origin, label: str, stage: Stage) -> Failure:
    """The connection ended before the answer did."""
    where = "in the middle of its answer" if stage is Stage.ANSWERING else "before its answer"
    return Failure(Unavailable(f"{origin} closed the connection {where} ({label})"), "cut", stage)


def short(origin: Origin, label: str) -> Unavailable:
    """The answer is complete and has fewer bytes than were asked for and exist."""
    return Unavailable(f"{origin} delivered less than was asked for ({label})")


def _offline(line: str) -> Failure:
    return Failure(Offline(line), "offline", Stage.CONNECTING)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything below it: causes, contexts, members of groups."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        one = pending.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        pending += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions
