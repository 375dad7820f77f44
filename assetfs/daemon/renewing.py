"""A repository whose credential may be exchanged while it is mounted.

When the server refuses the credential, it is read again from where it came from, once: if it is another one now, the
backend is opened anew with it, and what was asked is asked again. Backends know nothing of this: to them it is a second
instance, as after a remount. Who is still busy with the first one ends there.

Every method of the seam goes the same way, so they are made here from the seam itself (`_delegating`).
"""

from __future__ import annotations

import abc
import functools
import inspect
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
import trio

from assetfs.backends import Address
from assetfs.config import MountConfig, reread_secret
from assetfs.failure import Failure
from assetfs.observe.log import keep_out
from assetfs.repository import NotAuthenticated, Page, Repository, RepositoryError, Unavailable

log = logging.getLogger("assetfs")

PAUSE = 2.0
"""Seconds between two looks at a credential that has not changed: a command may be dear, or ask somebody."""

_OWN = frozenset({"connect", "close", "requests"})


class Renewing(Repository):
    """`open_` makes a repository for an address, without I/O."""

    def __init__(self, config: MountConfig, open_: Callable[[Address], Repository]) -> None:
        self._config = config
        self._open = open_
        self._secret = config.address.secret
        self._inner = open_(config.address)
        self._retired: list[Repository] = []
        """Instances of earlier credentials: somebody may be busy with them still."""
        self._renewing = trio.Lock()
        self._looked = float("-inf")
        self.refused = ""
        """Why the credential is refused at present; empty when it is not."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # what a backend has beyond the seam

    @property
    def requests(self) -> Mapping[str, int]:
        total: Counter[str] = Counter()
        for repository in (*self._retired, self._inner):
            total.update(repository.requests)
        return total

    async def connect(self) -> Any:
        identity = await self._inner.connect()
        self.name, self.capabilities = self._inner.name, self._inner.capabilities
        return identity

    async def close(self) -> None:
        for repository in (*self._retired, self._inner):
            await repository.close()

    @property
    def current(self) -> Repository:
        return self._inner

    async def renew(self, refused: Repository) -> bool:
        """Read the credential again, because `refused` got no further with the old one. Whether asking again may help:
        somebody has exchanged it, now or while we waited."""
        async with self._renewing:
            if self._inner is not refused:
                return True
            now = trio.current_time()
            if now - self._looked < PAUSE:
                return False
            self._looked = now
            secret = await self._look()
            if secret is None or secret == self._secret:
                return False
            return await self._exchange(secret)

    async def _look(self) -> str | None:
        try:
            return await trio.to_thread.run_sync(reread_secret, self._config)
        except Failure as failure:
            self.refused = str(failure)
            log.error("the credential of %s cannot be read again: %s", self._config.source, failure)
            return None

    async def _exchange(self, secret: str) -> bool:
        keep_out(secret)
        fresh = self._open(msgspec.structs.replace(self._config.address, secret=secret))
        try:
            await fresh.connect()
        except RepositoryError as error:
            await fresh.close()
            if isinstance(error, NotAuthenticated):
                self._secret = secret  # known to be refused, too: not tried again
            log.error("the new credential of %s does not open it: %s", self._config.source, error)
            return False
        self._retired.append(self._inner)
        self._inner, self._secret, self.refused = fresh, secret, ""
        log.info("%s has a new credential", self._config.source)
        return True

    async def refresh(self) -> None:
        """Take a credential that has changed, before the server refuses the old one."""
        self._looked = float("-inf")
        async with self._renewing:
            secret = await self._look()
            if secret is not None and secret != self._secret:
                await self._exchange(secret)

    def note(self, error: NotAuthenticated) -> None:
        """The credential is refused, and there is no other."""
        if not self.refused:
            log.error("%s refuses the credential: %s", self._config.source, error)
        self.refused = str(error)


def _coroutine(name: str) -> Callable[..., Any]:
    async def call(self: Renewing, *args: Any, **kwargs: Any) -> Any:
        used = self.current
        try:
            answer = await getattr(used, name)(*args, **kwargs)
        except NotAuthenticated as error:
            if not await self.renew(used):
                self.note(error)
                raise
            answer = await getattr(self.current, name)(*args, **kwargs)
        self.refused = ""
        return answer

    return call


def _iterator(name: str) -> Callable[..., Any]:
    async def pages(self: Renewing, *args: Any, **kwargs: Any) -> AsyncIterator[Page]:
        used, begun = self.current, False
        try:
            async with aclosing(getattr(used, name)(*args, **kwargs)) as found:
                async for page in found:
                    begun = True
                    yield page
            return
        except NotAuthenticated as error:
            if not await self.renew(used):
                self.note(error)
                raise
            if begun:
                raise Unavailable("the credential was exchanged in the middle of a listing: ask again") from None
        async with aclosing(getattr(self.current, name)(*args, **kwargs)) as found:
            async for page in found:
                yield page

    def call(self: Renewing, *args: Any, **kwargs: Any) -> Any:
        return pages(self, *args, **kwargs)

    return call


def _plain(name: str) -> Callable[..., Any]:
    def call(self: Renewing, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.current, name)(*args, **kwargs)

    return call


def _delegating() -> None:
    for name, member in vars(Repository).items():
        if name.startswith("_") or name in _OWN or not inspect.isfunction(member):
            continue
        iterates = str(member.__annotations__.get("return", "")).startswith("AsyncIterator")
        kind = _iterator if iterates else _coroutine if inspect.iscoroutinefunction(member) else _plain
        method: Any = functools.wraps(member)(kind(name))
        method.__isabstractmethod__ = False  # which it has from the seam's own
        setattr(Renewing, name, method)
    abc.update_abstractmethods(Renewing)  # type: ignore[type-abstract]


_delegating()


def renewing(config: MountConfig, open_: Callable[[Address], Repository]) -> Renewing:
    """The repository of a configuration."""
    return Renewing(config, open_)  # type: ignore[abstract] # the seam's methods were added above
