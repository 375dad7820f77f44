"""What a standard server's answer to one closed range means. Pure.

`closed_range(start, stop)` makes the `Interpret` for `Range: bytes=start-(stop-1)`. Backends with quirks look at the
head themselves first and leave the rest to it.
"""

from __future__ import annotations

import re

from assetfs.repository import (
    Forbidden,
    NotAuthenticated,
    NotFound,
    ProtocolViolation,
    RepositoryError,
    Unavailable,
)
from assetfs.transport.retry import retry_after
from assetfs.transport.types import Body, Head, Interpret

_SATISFIED = re.compile(r"bytes[ ]+(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)\Z", re.IGNORECASE | re.ASCII)
_UNSATISFIED = re.compile(r"bytes[ ]+\*/(\d{1,18})\Z", re.IGNORECASE | re.ASCII)


def closed_range(start: int, stop: int) -> Interpret:
    """The rules of RFC 9110 for one closed range, 0 <= start < stop.

    206 must begin at `start` or before it, and its length must fit; 200 is the whole content; 416 with `*/size` at or
    below `start` says where the end is. Everything else raises what `status_error` says, or ProtocolViolation.
    A resumed fetch begins later than `start`: the answer may begin anywhere in [start, stop).
    """

    def interpret(head: Head) -> Body:
        if head.status in (200, 206) and head.headers.get("content-encoding", "identity").lower() != "identity":
            raise ProtocolViolation("content came encoded although identity was asked for")
        if head.status == 206:
            return _partial(head, stop)
        if head.status == 200:
            return Body(0, _length(head))
        if head.status == 416:
            match = _UNSATISFIED.match(head.headers.get("content-range", "").strip())
            if match and int(match[1]) < stop:
                return Body(None, int(match[1]))
            raise ProtocolViolation(f"range {start}-{stop - 1} refused without a usable size")
        raise status_error(head)

    return interpret


def content_range(head: Head) -> tuple[int, int, int | None] | None:
    """First byte, byte after the last, and total size (None for `*`) of a 206; None when the header is unusable."""
    match = _SATISFIED.match(head.headers.get("content-range", "").strip())
    if not match:
        return None
    first, last, total = int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
    if last < first or (total is not None and last >= total):
        return None
    return first, last + 1, total


def status_error(head: Head) -> RepositoryError:
    """What an answer that is neither content nor a range error stands for."""
    status = head.status
    match status:
        case 401:
            return NotAuthenticated("the server does not accept the credential (401)")
        case 403:
            return Forbidden("the server refuses this content (403)")
        case 404 | 410:
            return NotFound(f"the content is not there ({status})")
        case 408 | 429:
            return Unavailable(f"the server has no time now ({status})", retry_after=retry_after(head.headers))
        case _ if status >= 500:
            return Unavailable(f"the server cannot deliver now ({status})", retry_after=retry_after(head.headers))
        case _:
            return ProtocolViolation(f"unexpected status {status} instead of content")


def _partial(head: Head, stop: int) -> Body:
    told = content_range(head)
    if told is None:
        raise ProtocolViolation("partial content without a usable Content-Range")
    first, end, total = told
    length = _length(head)
    if length is not None and length != end - first:
        raise ProtocolViolation(f"Content-Range has {end - first} bytes and Content-Length {length}")
    if first >= stop:
        raise ProtocolViolation(f"a range from {first} on, although it had to end before {stop}")
    return Body(first, total)


def _length(head: Head) -> int | None:
    if "transfer-encoding" in head.headers:
        return None
    value = head.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None
