"""Transport: the one place that makes HTTP clients.

One `Transport` per repository. API calls go through httpx; content goes through sockets of our own (`ranges.py`), so
that bytes land in the reader's buffer without a copy in between. Both share the rules: limits on connections, a
deadline on everything, retries with jitter only where repeating is safe, no credential to another origin, no secret in
a log line or an error, one counter.

`client.py` is what backends see; `api.py` and `ranges.py` are its two halves; `wire.py`, `pool.py`, `proxy.py`,
`tls.py` and `body.py` are connections and answers; `sending.py` is what bodies of uploads are made of; `origin.py`,
`retry.py`, `rules.py`, `redaction.py` and `failures.py` are the rules, without I/O; `accounting.py` counts and logs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

from assetfs.transport.rules import closed_range, content_range, status_error
from assetfs.transport.sending import pieces
from assetfs.transport.types import Body, Content, Head, Interpret, Pool, RequestCounter, Response, TransportOptions

if TYPE_CHECKING:
    from assetfs.transport.client import Transport

__all__ = [
    "Body",
    "Content",
    "Head",
    "Interpret",
    "Pool",
    "RequestCounter",
    "Response",
    "Transport",
    "TransportOptions",
    "closed_range",
    "content_range",
    "pieces",
    "status_error",
]


def __getattr__(name: str) -> Any:
    """`Transport` brings httpx and trio along: who only asks for a backend's options does without."""
    if name != "Transport":
        raise AttributeError(name)
    sys.modules.setdefault("httpx._main", cast(Any, None))  # httpx's own command line: rich and click, 50 ms and 6 MB
    from assetfs.transport.client import Transport

    return Transport
