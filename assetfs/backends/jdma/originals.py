"""Files that were put and never removed: a PUT leaves them where they were (`use_originals`, 7.6).

One that is still there, with the size that is listed, is checked like a file that came from tape, every byte of it, and
then read in its place; one that is not what is listed is brought from tape. It is only looked at on the disk of the
stage and over no link, and never removed: evicting means to forget it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Sequence

from assetfs.backends.jdma.journal import ORIGINALS, Item, Journal, Retrieval, State
from assetfs.backends.jdma.stage import Stage, beneath
from assetfs.backends.jdma.tree import Row
from assetfs.repository import NotFound


class Originals:
    """Looks for originals. `wanted` False: none are used."""

    def __init__(self, stage: Stage, journal: Journal, *, wanted: bool) -> None:
        self._stage = stage
        self._journal = journal
        self.wanted = wanted
        self._others: set[int] = set()
        """Files whose originals are not what is listed."""

    def look(self, batch: int, rows: Sequence[Row]) -> Retrieval | None:
        """Those of the files whose originals seem to be there, as what has arrived and is to be checked; durable. None
        where there are none. Blocks."""
        items = [item for row in rows if (item := self._item(row)) is not None]
        if not items:
            return None
        record = Retrieval(
            key=f"original-{batch}-{secrets.token_hex(4)}",
            batch=batch,
            target=ORIGINALS,
            items=items,
            after=0,
            created=time.time(),
            state=State.ARRIVED,
        )
        self._journal.save(record)
        return record

    def refuse(self, files: Iterable[int]) -> None:
        """The originals of these are something else now."""
        self._others.update(files)

    def _item(self, row: Row) -> Item | None:
        place = self._stage.local_path(row.file.path)
        if not self.wanted or place is None or row.file.pk in self._others:
            return None
        relative = place.lstrip("/")
        try:
            with beneath(self._stage.local / ORIGINALS, relative.split("/"), os.O_PATH) as handle:
                found = os.fstat(handle)
        except NotFound:
            return None
        if found.st_size != row.file.size or found.st_dev != os.lstat(self._stage.local).st_dev:
            return None
        return Item(row.file.pk, row.file.path, row.file.size, relative)
