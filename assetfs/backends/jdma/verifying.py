"""Checking what a retrieval brought (7.6): each file is there, is a regular file, and has its size and its digest.

That the server calls a request completed proves nothing: it loses files in silence. So every byte is read once before
a file counts as online.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

from assetfs.backends.jdma.checksums import fits
from assetfs.backends.jdma.copies import looks
from assetfs.backends.jdma.drafts import files_of
from assetfs.backends.jdma.journal import Item, Journal, Retrieval, State
from assetfs.backends.jdma.stage import Stage, beneath
from assetfs.backends.jdma.tree import Tree
from assetfs.backends.jdma.wire import File
from assetfs.repository import NotFound

log = logging.getLogger("assetfs.jdma")

SLICE = 1.0
"""Seconds of checking between two looks at what else there is to do; one file may take longer."""


class Verifying:
    """Checks retrievals that have arrived. `files` tells sizes and digests. Everything blocks; call it in a thread."""

    def __init__(self, stage: Stage, journal: Journal) -> None:
        self._stage = stage
        self._journal = journal

    def part(self, record: Retrieval, files: dict[int, File], first: Iterable[int]) -> list[Item]:
        """Check files of a retrieval for a while, those in `first` before others; returns those that were checked. The
        record is DONE or FAILED when none is left."""
        place = self._stage.local / record.target
        wanted = set(first)
        left = sorted((i for i in record.items if i.seen is None and not i.failure), key=lambda i: i.pk not in wanted)
        done, end = [], time.monotonic() + SLICE
        while left and time.monotonic() < end:
            item = left.pop(0)
            check(place, item, files.get(item.pk))
            done.append(item)
        if not left:
            good = any(item.seen is not None for item in record.items)
            if not good and not record.failure:
                record.failure = "nothing of what was asked for arrived"
            record.step(State.DONE if good else State.FAILED)
        self._journal.save(record)
        return done

    def stray(self, name: str, tree: Tree) -> Retrieval | None:
        """A record of a folder that has none, in ARRIVED; None where nothing in it is of the batch."""
        place = self._stage.local / "get" / name
        there = {path for path, entry in files_of(place) if entry.is_file(follow_symlinks=False)}
        common = tree.base
        while True:
            start = len(common.rstrip("/")) + 1
            items = [
                Item(row.file.pk, row.file.path, row.file.size, row.file.path[start:])
                for row in tree.rows.values()
                if row.file.size and row.file.path[start:] in there
            ]
            if items or common == "/":
                break
            common = os.path.dirname(common)
        if not items:
            return None
        record = Retrieval(
            key=name,
            batch=tree.batch,
            target=f"get/{name}",
            items=items,
            after=0,
            created=time.time(),
            state=State.ARRIVED,
            stray=True,
        )
        self._journal.save(record)
        return record


def check(place: Path, item: Item, file: File | None) -> None:
    """Check one file; the item then has `seen` or `failure`."""
    if file is None:
        item.failure = "the batch does not list it any more"
        return
    try:
        with beneath(place, item.relative.split("/")) as handle:
            before = looks(handle)
            if before[0] != file.size:
                item.failure = f"what came has {before[0]} bytes instead of {file.size}"
            elif not fits(handle, file.digest_format, file.digest):
                item.failure = f"what came has not the digest {file.digest_format}:{file.digest}"
            elif looks(handle) != before:
                item.failure = "somebody changed it while it was checked"
            else:
                item.seen = before[1]
    except NotFound:
        item.failure = "it was not brought, although the server says so"
    except OSError as error:
        item.failure = f"what came cannot be read: {os.strerror(error.errno or 0)}"
