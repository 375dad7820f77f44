"""Tasks of a mount: a fault of ours in one of them is logged, and ends neither the mount nor what the task is for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import trio

log = logging.getLogger("assetfs")

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before a task begins again: doubled each time, until it has lasted for the longest."""


async def once(work: Callable[..., Awaitable[None]], *args: object) -> None:
    """Do something that nobody waits for. A fault is logged; what it leaves undone is the work's to settle."""
    try:
        await work(*args)
    except Exception:
        log.exception("a fault of assetfs in %s", _named(work))


async def enduring(work: Callable[[], Awaitable[None]]) -> None:
    """Do what the mount cannot be without, until it returns: after a fault it begins again."""
    wait = FIRST_WAIT
    while True:
        begun = trio.current_time()
        try:
            await work()
        except Exception:
            log.exception("a fault of assetfs in %s, which begins again in %.0f s", _named(work), wait)
        else:
            return
        if trio.current_time() - begun > LONGEST_WAIT:
            wait = FIRST_WAIT
        await trio.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)


def _named(work: Callable[..., Awaitable[None]]) -> str:
    return getattr(work, "__qualname__", repr(work))


__all__ = ["enduring", "once"]
