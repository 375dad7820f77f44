"""The guard: what every operation of the kernel goes through.

It has a deadline where it may wait, its errors become errnos by the table, and an exception that nobody expected is
logged with an id and becomes EIO; nothing ends the main loop (a bare exception would, and with it every program's view
of the mount). What a handler needs of that is decided when it is defined: a walk through 30,000 folders is 130,000
operations, and most of them never wait.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

import pyfuse3
import trio

from assetfs.fuse.notify import FOLDERS
from assetfs.vfs.errors import TimedOut

if TYPE_CHECKING:
    from assetfs.fuse.operations import Operations

P = ParamSpec("P")
R = TypeVar("R")

DELIVERY = 3600.0
"""Seconds that close and fsync may wait for the server's verdict, where the options make them wait for it."""


Handler = Callable[Concatenate["Operations", P], Coroutine[Any, Any, R]]


def prompt(handler: Handler[P, R]) -> Handler[P, R]:
    """Errno, log line, counter: the same for every operation. Alone it is for what never waits."""
    name = handler.__name__

    @functools.wraps(handler)
    async def run(self: Operations, *args: P.args, **kwargs: P.kwargs) -> R:
        self.counts[name] += 1
        begun = trio.current_time()
        try:
            return await handler(self, *args, **kwargs)
        except pyfuse3.FUSEError:
            raise
        except Exception as error:
            raise pyfuse3.FUSEError(self.failed(name, error)) from None
        finally:
            self.durations[name].observe(trio.current_time() - begun)

    return cast("Handler[P, R]", run)


def _asking(handler: Handler[P, R]) -> Handler[P, R]:
    """While the kernel holds folders locked for a question, nothing is sent for them."""
    places = FOLDERS.get(handler.__name__)
    if places is None:
        return handler

    @functools.wraps(handler)
    async def run(self: Operations, *args: Any, **kwargs: Any) -> R:
        with self.notifier.question([args[place] for place in places]):
            return await handler(self, *args, **kwargs)

    return cast("Handler[P, R]", run)


def _limited(seconds: Callable[[Operations, tuple[Any, ...]], float], handler: Handler[P, R]) -> Handler[P, R]:
    """A deadline for an operation that may wait."""
    asked = _asking(handler)

    @functools.wraps(handler)
    async def run(self: Operations, *args: P.args, **kwargs: P.kwargs) -> R:
        limit = seconds(self, args)
        with trio.move_on_after(limit):
            return await asked(self, *args, **kwargs)
        raise TimedOut(f"{handler.__name__} took longer than {limit:g} s")

    return prompt(cast("Handler[P, R]", run))


def guarded(handler: Handler[P, R]) -> Handler[P, R]:
    """For what is answered at once, or from one exchange with the server."""
    return _limited(lambda self, _: self.deadline, handler)


def patient(handler: Handler[P, R]) -> Handler[P, R]:
    """For close and fsync, which may wait for a whole upload where the options say so."""
    return _limited(lambda self, _: max(self.deadline, DELIVERY), handler)


def recalling(handler: Handler[P, R]) -> Handler[P, R]:
    """For read, which may wait until content is brought from a tape."""

    def seconds(self: Operations, args: tuple[Any, ...]) -> float:
        waits = self.fs.files.waits(args[0])
        return self.deadline + (self.fs.repository.capabilities.recall_wait if waits else 0.0)

    return _limited(seconds, handler)


def committing(handler: Handler[P, R]) -> Handler[P, R]:
    """For rename and setxattr, which may commit a draft."""

    def seconds(self: Operations, args: tuple[Any, ...]) -> float:
        drafting = self.fs.drafting
        commits = drafting is not None and drafting.handover.waits(args[0], args[1])
        return max(self.deadline, DELIVERY) if commits else self.deadline

    return _limited(seconds, handler)
