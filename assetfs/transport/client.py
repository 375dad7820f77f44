"""The API side of the transport. (Interface; the implementation follows.)"""

from __future__ import annotations

from collections.abc import Mapping

from assetfs.repository import Sink
from assetfs.transport.types import Interpret, Pool, RequestCounter, Response, TransportOptions


class Transport:
    """All HTTP traffic of one repository with the server at `base` (a URL that ends in a slash).

    `headers` hold the credential and go with every request to base's own origin, and to no other.
    """

    def __init__(self, base: str, options: TransportOptions, *, headers: Mapping[str, str]) -> None:
        self.requests = RequestCounter()

    async def request(
        self,
        method: str,
        path: str,
        *,
        label: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
        pool: Pool = Pool.API,
        retry_statuses: frozenset[int] = frozenset({429, 502, 503, 504}),
        read_timeout: float | None = None,
        deadline: float | None = None,
        follow_redirects: bool = False,
    ) -> Response:
        """Send one call to `path` (relative to base, or a whole URL) and return its whole answer, whatever the status.

        Raises Offline, Unavailable (also when `retry_statuses` outlast the repetitions), ProtocolViolation.
        """
        raise NotImplementedError

    async def fetch(
        self,
        path: str,
        start: int,
        stop: int,
        sink: Sink,
        *,
        label: str,
        interpret: Interpret,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> None:
        """GET `path` with `Range: bytes=start-(stop-1)` and let the body land in the sink."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
