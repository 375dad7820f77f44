"""Where a request may go and what may go with it: origins, plaintext, redirects. Pure.

Credentials belong to the origin (scheme, host, port) of the repository's base URL. A request to another origin carries
none, whether a backend asks for it by a whole URL or a server redirects us there, and what was dropped on the way out
does not come back. A server that redirects cannot take us from https to http, nor from the network to this machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from assetfs.repository import Forbidden, ProtocolViolation

DEFAULT_PORTS = {"http": 80, "https": 443}

MAX_REDIRECTS = 5
"""Presigned storage needs one; a login proxy in front of it a second."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

CARRIED_TO_OTHERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-type", "if-match", "if-none-match", "if-range", "range"}
)
"""Headers that say what is wanted rather than who wants it: all that a redirect to another origin carries."""

_URL_CHARACTERS = "%/:=&?~#+!$,;'@()*[]-._"


class Origin(NamedTuple):
    """Scheme, ASCII host in lower case (no brackets), port."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """`host:port`, as error messages name it."""
        return f"{self._bracketed}:{self.port}"

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        return self._bracketed if DEFAULT_PORTS[self.scheme] == self.port else str(self)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}/"

    @property
    def loopback(self) -> bool:
        """It is this machine by its very name; nothing is looked up."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def origin_of(url: str) -> Origin:
    """The origin of a whole URL. Raises ProtocolViolation when it is none that we can speak to, or holds a user."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
    except ValueError:
        raise ProtocolViolation("not a URL that can be asked") from None
    if scheme not in DEFAULT_PORTS or not host:
        raise ProtocolViolation("not an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise ProtocolViolation(f"the URL of {host} has a user or a secret in it; they belong into the credential")
    return Origin(scheme, host, port or DEFAULT_PORTS[scheme])


def resolve(base: str, path: str) -> str:
    """The whole URL of `path`: a whole URL itself, from the root of base's server (`/x`), or relative to base.

    Characters that a URL cannot hold are percent-encoded; what is encoded already stays. The fragment goes.
    """
    if path.lower().startswith(("http://", "https://")):
        joined = path
    elif path.startswith("/"):
        joined = origin_of(base).url + path[1:]
    else:
        joined = urljoin(base, "./" + path)
    origin = origin_of(joined)
    parts = urlsplit(joined)
    target = quote(parts.path or "/", safe=_URL_CHARACTERS)
    if parts.query:
        target += "?" + quote(parts.query, safe=_URL_CHARACTERS)
    return origin.url + target[1:]


def target_of(url: str) -> str:
    """Path and query of a resolved URL, as the request line holds them."""
    return "/" + url.split("/", 3)[3]


def refuse_plaintext(origin: Origin, *, allowed: bool) -> None:
    """Raise Forbidden where bytes and credential would cross a network unencrypted against the user's wish."""
    if origin.scheme == "http" and not origin.loopback and not allowed:
        raise Forbidden(
            f"{origin} would be spoken to without encryption; use https, or set allow_plaintext to accept that"
        )


class Hop(NamedTuple):
    """What a redirect asks for."""

    method: str
    url: str
    keeps_content: bool


def redirected(method: str, url: str, status: int, location: str | None, *, allow_plaintext: bool) -> Hop | None:
    """Where a redirect leads, or None when the answer is to be taken as it is.

    A POST that 301 or 302 would silently turn into a GET is not followed. Raises ProtocolViolation or Forbidden where
    following would be unsafe.
    """
    if status not in REDIRECTS or location is None:
        return None
    safe = method in ("GET", "HEAD")
    if status in (301, 302) and not safe:
        return None
    here = origin_of(url)
    try:
        joined = urljoin(url, location)
    except ValueError:
        raise ProtocolViolation(f"{here} redirects to what is no URL") from None
    origin = origin_of(joined)
    there = resolve(url, joined)
    if here.scheme == "https" and origin.scheme == "http":
        raise ProtocolViolation(f"{here} redirects from https to http ({origin}); refused")
    if origin.loopback and not here.loopback:
        raise ProtocolViolation(f"{here} redirects to this machine ({origin}); refused")
    refuse_plaintext(origin, allowed=allow_plaintext)
    if status == 303 and not safe:
        return Hop("GET", there, False)
    if not safe and origin != here:
        raise ProtocolViolation(f"{here} redirects a {method} to another server ({origin}); refused")
    return Hop(method, there, True)


def for_another_origin(headers: Mapping[str, str]) -> dict[str, str]:
    """What of `headers` a redirect to another origin may carry."""
    return {name: value for name, value in headers.items() if name.lower() in CARRIED_TO_OTHERS}


def merged(first: Mapping[str, str], then: Mapping[str, str]) -> dict[str, str]:
    """The headers of both, the second winning, whatever the case of the names."""
    overridden = {name.lower() for name in then}
    return {**{name: value for name, value in first.items() if name.lower() not in overridden}, **then}
