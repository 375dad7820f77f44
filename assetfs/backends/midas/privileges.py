"""What the account may do with a folder or item, before a byte is staged.

No listing tells it and no call does; a page does (4.8), one question for each. Who administrates the server may do
everything, and is asked about once.
"""

from __future__ import annotations

import re

import trio
from cachetools import TTLCache

from assetfs.backends.midas.client import Client
from assetfs.backends.midas.nodes import held
from assetfs.backends.midas.places import Places
from assetfs.repository import Forbidden, Node, RepositoryError

WRITE = 1
"""Of the levels read (0), write (1) and administrate (2); none is -1."""
PATIENCE, SILENCE = 2.0, 30.0
"""Seconds: a server that does not tell by then is not asked for a while, and what it thinks shows with the upload."""
GOOD_SECONDS = 300.0
KNOWN = 10_000
_LEVEL = re.compile(r'\s*(?:\{\s*"\w+"\s*:\s*)?"?(-?\d)"?\s*\}?\s*')
"""The answer: a number, alone or in an object. A page for people in its place says nothing."""


class Privileges:
    """Levels, as the server has told them."""

    def __init__(self, client: Client, places: Places) -> None:
        self._client = client
        self._places = places
        self._silent_until = float("-inf")
        self._levels: TTLCache[tuple[str, int], int] = TTLCache(KNOWN, GOOD_SECONDS, trio.current_time)

    async def expect_writable(self, node: Node) -> None:
        """Raises Forbidden where the server says that the account may only read."""
        mine = held(node)
        about = ("item", mine.item) if mine.item else ("folder", mine.folder)
        if about[1] and about not in self._levels and trio.current_time() > self._silent_until:
            with trio.move_on_after(PATIENCE) as scope:
                try:
                    if not await self._places.administrates():
                        self._levels[about] = await self._ask(*about)
                except RepositoryError:
                    scope.cancel()
            if scope.cancel_called:
                self._silent_until = trio.current_time() + SILENCE
        if self._levels.get(about, WRITE) < WRITE:
            raise Forbidden("this account may read here, and not write")

    async def _ask(self, kind: str, ident: int) -> int:
        answer = await self._client.page("browse/getmaxpolicy", verb="GET", type=kind, id=ident)
        found = _LEVEL.fullmatch(answer.content.decode("latin-1")) if answer.status == 200 else None
        return int(found[1]) if found else WRITE
