"""Leftovers: what a stopped transfer may have put on the server although nobody wants it any more.

A file that is deleted while it is on its way may arrive all the same: the server goes on with what it has got. So the
row of a deleted file becomes a leftover in the same transaction, and the leftover goes when the backend has looked and
cleaned up. It must not look too late either: a file of the same name may have come meanwhile, whose content the server
cannot tell from the deleted one's. Its transfer clears the leftovers of the name first.
"""

from __future__ import annotations

import logging

import trio

from assetfs.repository import NodeId, NotAuthenticated, Repository, RepositoryError
from assetfs.writeback.journal import Entry, Journal, Leftover

log = logging.getLogger("assetfs.writeback")

GRACE = 1.0
"""Seconds before the first look: the server may still be busy with what it has got."""
LONGEST_WAIT = 60.0


def leftovers_of(entry: Entry) -> list[Leftover]:
    """What is left to be removed when a file's row goes."""
    return [Leftover(parent=entry.parent, name=entry.name, ledger=ledger) for ledger in entry.stale]


class Leftovers:
    """The leftovers of one repository, as the journal has them."""

    def __init__(self, journal: Journal, repository: Repository) -> None:
        self._journal = journal
        self._repository = repository
        self._wake = trio.Event()
        self._clearing = trio.Lock()

    def wake(self) -> None:
        """There are more of them."""
        self._wake.set()

    async def clear(self, parent: NodeId, name: bytes) -> None:
        """Remove what is left under a name, now. Raises RepositoryError if that cannot be done at the moment."""
        async with self._clearing:
            for number, leftover in self._journal.leftovers():
                if (leftover.parent, leftover.name) == (parent, name):
                    await self._remove(number, leftover)

    async def _remove(self, number: int, leftover: Leftover) -> None:
        try:
            await self._repository.abandon(leftover.ledger)
        except RepositoryError as error:
            if error.transient or isinstance(error, NotAuthenticated):
                raise
            log.warning("what is left of %r cannot be removed: %s", leftover.name, error)
        self._journal.removed(number)

    async def run(self) -> None:
        """Remove leftovers, sooner or later, for ever."""
        pause = GRACE
        while True:
            self._wake = trio.Event()
            left = self._journal.leftovers()
            if not left:
                await self._wake.wait()
            await trio.sleep(pause)
            try:
                async with self._clearing:
                    for number, leftover in self._journal.leftovers():
                        await self._remove(number, leftover)
                pause = GRACE
            except RepositoryError as error:
                log.info("leftovers wait: %s", error)
                pause = min(pause * 2, LONGEST_WAIT)
