"""Clones in `put/` that nobody waits for: of an upload whose answer never came and whose draft has gone its own way
since, or of a daemon that died while it made one.

The server may have been told of such a folder. So it is not removed before the server has been asked: a folder that a
request works on is left alone, one that no request names, or only one that has ended, is removed. The content is in the
draft, and a batch that was made of a leftover is shown as any other.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import trio

from assetfs.backends.jdma.client import Client
from assetfs.backends.jdma.journal import Journal
from assetfs.backends.jdma.stage import Stage
from assetfs.backends.jdma.wire import COMPLETED, FAILURES, RequestType
from assetfs.repository import NotFound

log = logging.getLogger("assetfs.jdma")

LOOKS = 3
"""How often the server is asked: a request whose answer was lost may not be listed at once. What is worked on even at
the last look is left for the next start."""


class Leftovers:
    """`pause` is seconds between two looks, of `clock`."""

    def __init__(
        self, client: Client, stage: Stage, journal: Journal, clock: Callable[[], float], *, pause: float
    ) -> None:
        self._client = client
        self._stage = stage
        self._journal = journal
        self._clock = clock
        self._pause = pause
        self._looks: dict[str, int] = {}
        """How often each was looked for, by its name in `put/`."""
        self.due = float("inf")
        """When the next look is."""

    def load(self) -> None:
        """Find what the last daemon left. Blocks; call it in a thread, before anything else."""
        kept = {name_of(one.source) for one in self._journal.manifests()}
        for name in os.listdir(self._stage.local / "put"):
            if name not in kept:
                self._leave(name)

    def leave(self, source: str) -> None:
        """Nobody waits for a clone any more; `source` as in a manifest."""
        self._leave(name_of(source))

    def _leave(self, name: str) -> None:
        if name:
            self._looks[name] = 0
            self.due = min(self.due, self._clock())

    async def settle(self) -> None:
        """Look once, if it is time. Raises what a question to the server raises; the next look is later then."""
        if self._clock() < self.due:
            return
        self.due = self._clock() + self._pause
        busy = await self._worked_on()
        for name, looks in list(self._looks.items()):
            self._looks[name] = looks + 1
            if looks + 1 < LOOKS:
                continue
            del self._looks[name]
            if name not in busy:
                log.info("put/%s: nobody waits for it, and the server does not work on it: removed", name)
                await trio.to_thread.run_sync(self._stage.remove, self._stage.local / "put" / name)
        if not self._looks:
            self.due = float("inf")

    async def _worked_on(self) -> set[str]:
        """The folders in `put/` that uploads name which have not ended."""
        found: set[str] = set()
        for request in await self._client.requests_made():
            ended = request.stage in COMPLETED or request.stage in FAILURES
            if ended or request.request_type not in (RequestType.PUT, RequestType.MIGRATE):
                continue
            try:
                named = (await self._client.request(request.id)).filelist or []
            except NotFound:
                continue
            found.update(name_of(path.removeprefix(f"{self._stage.server}/")) for path in named)
        return found


def name_of(source: str) -> str:
    """Its name in `put/`; empty for what is not there."""
    parts = source.split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "put" and parts[1] not in ("", ".", "..") else ""
