"""Quiet threads: work that nobody waits for, done when the processor has time.

Hashing and writing to the cache follow behind the readers. On a machine with few cores they would take the processor
from the loop that serves those readers, so they run in threads of their own with a lower scheduling priority (Linux
keeps one for each thread; it can be lowered by anybody, and raised again only by root, hence threads of their own).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import trio

NICE = 10
"""Steps below normal: a tenth of a busy processor, all of an idle one."""

WORKERS = 4


def _lower() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, min(os.getpriority(os.PRIO_PROCESS, 0) + NICE, 19))


class QuietThreads:
    """A few threads for background work; they end with this object, or with the process."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, "assetfs-quiet", initializer=_lower)

    async def run(self, work: Callable[..., Any], *args: Any) -> None:
        """Do the work, and wait for it, whatever happens meanwhile. Raises what it raises."""
        done = trio.Event()
        token = trio.lowlevel.current_trio_token()
        future = self._pool.submit(work, *args)
        future.add_done_callback(lambda _: token.run_sync_soon(done.set))
        with trio.CancelScope(shield=True):
            await done.wait()
        await trio.lowlevel.checkpoint_if_cancelled()
        future.result()
