"""`Transport`: what backends see of all this."""

from __future__ import annotations

from collections.abc import Mapping

from assetfs.repository import Sink
from assetfs.transport.accounting import Accounts
from assetfs.transport.api import ApiSide
from assetfs.transport.origin import origin_of, refuse_plaintext
from assetfs.transport.ranges import ContentSide
from assetfs.transport.redaction import checked
from assetfs.transport.tls import tls_context
from assetfs.transport.types import Content, Interpret, Pool, RequestCounter, Response, TransportOptions


class Transport:
    """All HTTP traffic of one repository with the server at `base` (a URL that ends in a slash).

    `headers` hold the credential and go with every request to base's own origin, and to no other. Making one does no
    I/O with the server. Raises Forbidden where base is plain http to another machine without `allow_plaintext`,
    NotAuthenticated where HTTP cannot carry a header, ProtocolViolation where base is no http or https URL or holds a
    user, Offline where `ca_file` or `client_cert` cannot be used.
    """

    def __init__(self, base: str, options: TransportOptions, *, headers: Mapping[str, str]) -> None:
        self.requests = RequestCounter()
        self.options = options
        refuse_plaintext(origin_of(base), allowed=options.allow_plaintext)
        base = base if base.endswith("/") else base + "/"
        credentials = checked(headers)
        accounts = Accounts(self.requests)
        tls = tls_context(options.ca_file, options.client_cert)
        self._api = ApiSide(base, options, credentials, tls, accounts)
        self._content = ContentSide(base, options, credentials, tls, accounts)

    async def request(
        self,
        method: str,
        path: str,
        *,
        label: str,
        content: Content = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
        pool: Pool = Pool.API,
        retry_statuses: frozenset[int] = frozenset({429, 502, 503, 504}),
        read_timeout: float | None = None,
        deadline: float | None = None,
        follow_redirects: bool = False,
    ) -> Response:
        """Send one call to `path` (relative to base, or a whole URL) and return its whole answer, whatever the status.

        `repeatable` says that doing it twice does no harm; other calls are sent again only if nothing of them was sent.
        `read_timeout` and `deadline` (seconds, repetitions included) stand for those of the options; `math.inf` is no
        deadline, for large uploads. An answer with one of `retry_statuses` is never returned: it is repeated where that
        is allowed, and raised otherwise.

        Raises Offline, Unavailable (also when `retry_statuses` outlast the repetitions), ProtocolViolation, Forbidden
        (plain http to another machine).
        """
        return await self._api.request(
            method,
            path,
            label=label,
            content=content,
            headers=headers or {},
            repeatable=repeatable,
            pool=pool,
            retry_statuses=retry_statuses,
            read_timeout=self.options.read_timeout if read_timeout is None else read_timeout,
            deadline=self.options.deadline if deadline is None else deadline,
            follow_redirects=follow_redirects,
        )

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
        follow_redirects: bool = False,
        stream: str | None = None,
        form: bytes | None = None,
    ) -> None:
        """GET `path` with `Range: bytes=start-(stop-1)` and let the body land in the sink.

        `interpret` looks at every answer's head (after a cut, what has not landed is asked for again, and the answer
        then begins later); `rules.closed_range(start, stop)` is the one for servers without quirks. `deadline` bounds
        the seconds until something lands; from then on silence of `read_timeout` ends a try. Returns when everything up
        to `stop` or the end has landed, or the sink lends no more; what has landed before an error is good.

        `form` is sent as a POST instead: for servers that take what is asked for, and a secret, from there. It goes to
        nobody else.

        `stream` names a content that never changes, of a server that sends on behind `stop`: a fetch of that name which
        begins where another one ends reads on in its answer, instead of asking again.

        Raises what `interpret` raises, Offline, Unavailable, ProtocolViolation, VersionChanged (size or entity tag
        differ after a cut), Forbidden (plain http to another machine).
        """
        await self._content.fetch(
            path,
            start,
            stop,
            sink,
            label=label,
            interpret=interpret,
            headers=headers or {},
            deadline=self.options.deadline if deadline is None else deadline,
            follow_redirects=follow_redirects,
            stream=stream,
            form=form,
        )

    async def close(self) -> None:
        """Close what is idle. Calls that are under way end by themselves; nothing new may be asked."""
        self._content.close()
        await self._api.close()
