"""What the service manager is told: sd_notify(3). Nothing where there is none.

The watchdog is fed by the loop itself: a loop that hangs is what it is for.
"""

from __future__ import annotations

import os
import time

import sdnotify
import trio

_notifier = sdnotify.SystemdNotifier()


def tell(**states: object) -> None:
    """`tell(READY=1, STATUS="…")`."""
    if "NOTIFY_SOCKET" in os.environ:
        _notifier.notify("\n".join(f"{name}={value}" for name, value in states.items()))


def reloading() -> None:
    """The configuration is read again; `tell(READY=1)` afterwards."""
    tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)


def ending(seconds: float) -> None:
    """It ends, and may take so long."""
    tell(STOPPING=1, EXTEND_TIMEOUT_USEC=int((seconds + 10) * 1_000_000))


def patience() -> float | None:
    """Seconds within which the manager wants to hear from us (WatchdogSec=); None where it does not care."""
    microseconds, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    if not microseconds.isdecimal() or (pid is not None and pid != str(os.getpid())):
        return None
    return int(microseconds) / 1_000_000


async def feed_the_watchdog() -> None:
    """Say that the loop turns, three times as often as it is asked for."""
    limit = patience()
    while limit is not None:
        tell(WATCHDOG=1)
        await trio.sleep(limit / 3)
