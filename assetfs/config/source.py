"""SOURCE: what is mounted. The name of a repository in the configuration file, or a URL such as
`jama+https://host/rpc/`.

The word before the `+` is the backend, the rest is the server's own URL. A user name may stand in it; a secret may not,
because a command line can be read by every user of the machine, and is kept in the shell's history. So no message here
repeats the URL: what is wrong with it may be that a secret is in it.
"""

from __future__ import annotations

import ipaddress
import re
from difflib import get_close_matches
from importlib.metadata import entry_points
from urllib.parse import SplitResult, quote, unquote, urlsplit

import msgspec

from assetfs.backends import Backend
from assetfs.failure import Failure, Status

_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.-]*)(?:\+(https?))?:/", re.IGNORECASE)
_HOST = re.compile(r"[^\s/?#@\[\]%\\<>\"^`{|}]+")


class ConfigError(Failure):
    """Something that was asked for is wrong."""

    status = Status.USAGE


class Source(msgspec.Struct, frozen=True):
    """A SOURCE URL taken apart: `url` is the server's, without user and secret."""

    backend: str
    url: SplitResult
    user: str | None = None

    def __str__(self) -> str:
        user = f"{quote(self.user, safe='')}@" if self.user is not None else ""
        return f"{self.backend}+{self.url._replace(netloc=user + self.url.netloc).geturl()}"


def installed() -> list[str]:
    """Names of the installed backends; nothing is imported."""
    return sorted({point.name for point in entry_points(group="assetfs.backends")})


def backend(name: str) -> Backend:
    """The backend of that name, imported."""
    points = [point for point in entry_points(group="assetfs.backends") if point.name == name]
    if not points:
        raise ConfigError(f"there is no backend '{name}'; installed: {', '.join(installed()) or 'none'}")
    try:
        found: Backend = points[0].load()
    except Exception as error:
        raise ConfigError(
            f"the backend '{name}' cannot be loaded ({type(error).__name__}): install it again"
        ) from error
    return found


def nearest(word: str, known: list[str]) -> str:
    """` (did you mean X?)`, or nothing."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


def is_profile(text: str) -> bool:
    return _PROFILE.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def parse(text: str, *, allow_plaintext: bool = False) -> Source:
    """Take a SOURCE URL apart. Raises ConfigError."""
    example = f"as {(installed() or ['jama'])[0]}+https://host/"
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in text):
        raise ConfigError(f"the URL has a space or control character in it: write it {example}")
    match = _SCHEME.match(text)
    if match is None:
        raise ConfigError(f"SOURCE is neither the name of a repository nor a URL: write it {example}")
    name, scheme = match[1].lower(), (match[2] or "").lower()
    if not scheme:
        if name in ("http", "https"):
            raise ConfigError(f"the URL does not say which protocol the server speaks: write it {example}")
        if name in installed():
            raise ConfigError(f"the URL begins with '{name}:': write {name}+https://host/")
    if name not in installed() or not scheme:
        known = installed()
        raise ConfigError(f"unknown protocol '{name}'{nearest(name, known)}; installed: {', '.join(known) or 'none'}")
    try:
        parts = urlsplit(text[match.end(1) + 1 :])
        port = parts.port
    except ValueError:
        raise ConfigError(f"the URL is malformed (its port or its brackets): write it {example}") from None
    if parts.password is not None:
        raise ConfigError(
            "a secret may not stand in the URL: leave it out, and give it by ASSETFS_CREDENTIAL, credential_file, "
            "credential_command or the keyring"
        )
    host = parts.hostname or ""
    if not host or not (":" in host or _HOST.fullmatch(host)):
        raise ConfigError(f"the URL has no valid host: write it {example}")
    if parts.query or parts.fragment:
        raise ConfigError("a SOURCE has no ? and no #: leave out what follows the path; options go with -o")
    if scheme == "http" and not allow_plaintext and not is_loopback(host):
        raise ConfigError(
            "plain http shows the credential to the network: use https, or set allow_plaintext if you must"
        )
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port is not None else "")
    user = unquote(parts.username) if parts.username else None
    return Source(name, SplitResult(scheme, netloc, parts.path, "", ""), user)
