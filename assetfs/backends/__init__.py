"""The backends: one folder each, found through the entry-point group `assetfs.backends`.

An entry point leads to a `Backend`: the name that stands before the `+` in a SOURCE URL, the backend's own mount
options, and a function that opens a `Repository`. Other packages publish backends in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import SplitResult, urlunsplit

import msgspec

from assetfs.repository import Repository
from assetfs.transport import TransportOptions


class Option(msgspec.Struct, frozen=True):
    """One mount option: `--cache-size`, `cache_size =`, `ASSETFS_CACHE_SIZE` and `-o cache_size=` are all this one."""

    name: str
    """With underscores."""
    type: type
    """bool, int, float, str or Path; sizes and durations are int and float with the parser below."""
    default: Any
    help: str
    parse: Callable[[str], Any] | None = None
    """From text, for what `type` alone cannot read (sizes, choices); raises ValueError with a reason for people."""
    choices: tuple[str, ...] = ()


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a repository is and what opens it. `secret` never leaves the process; `repr` does not show it."""

    backend: str
    url: SplitResult
    """The server's own URL (https://host/path), without user and secret."""
    user: str | None = None
    secret: str = ""
    options: Mapping[str, Any] = {}
    """The backend's own options, validated."""

    @property
    def base(self) -> str:
        """The server's URL with one `/` at its end, which the paths of an API follow; no query and no fragment."""
        url = self.url
        return urlunsplit((url.scheme, url.netloc, url.path.rstrip("/") + "/", "", ""))

    def __repr__(self) -> str:
        return f"Address({self.backend}+{self.url.geturl()}, user={self.user})"


class Backend(msgspec.Struct, frozen=True):
    """What an entry point leads to."""

    name: str
    title: str
    """For people: `Jama media repository`."""
    open: Callable[[Address, TransportOptions], Repository]
    """Makes a repository; no I/O before its `connect`."""
    options: tuple[Option, ...] = ()
    needs_secret: bool = True
    anonymous: bool = False
    """Where the URL names no user, nobody is asked for a secret."""
    secret_name: str = "credential"
    """How its users call it: `API key`."""


def available() -> dict[str, Backend]:
    """All installed backends by name. A backend that cannot be imported is left out; `doctor` names it."""
    found: dict[str, Backend] = {}
    for point in entry_points(group="assetfs.backends"):
        try:
            backend = point.load()
        except Exception:  # noqa: S112
            continue
        found[backend.name] = backend
    return found
