"""`assetfs flush`: send what is owed to the server now, and wait until nothing is.

Uploads that wait for their quiet time, or for their next try, and renames that are held back for what may come next, go
at once. What cannot be sent stays where it is, and is said.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from assetfs.cli import complete, document, verbs
from assetfs.config import values
from assetfs.failure import Failure, Status

_STEP = 0.1
_AGAIN = 5.0
"""Seconds after which those that have failed for a passing reason are hurried once more."""


def flush(
    mountpoint: Annotated[
        Path, typer.Argument(metavar="MOUNTPOINT", help="The mounted folder.", autocompletion=complete.mountpoints)
    ],
    timeout: Annotated[str, typer.Option(metavar="TIME", help="How long to wait at most.")] = "10m",
) -> int:
    """Upload everything now, and wait for it."""
    try:
        seconds = values.duration(timeout)
    except ValueError as error:
        raise Failure(f"--timeout {timeout}: {error}", Status.USAGE) from None
    place = verbs.mount_at(mountpoint)
    told = wait(place, time.monotonic() + seconds)
    look = f"assetfs uploads {place} says why"
    if told.owed:
        raise Failure(f"{_files(told.owed)} still owed to the server after {timeout}: {look}", Status.OWED)
    if told.failed:
        raise Failure(f"{_files(told.failed)} refused by the server: {look}", Status.OWED)
    return Status.DONE


def wait(place: Path, deadline: float) -> document.Document:
    """Hurry, and wait until nothing is on its way or the deadline has passed; what the mount said last."""
    hurried = float("-inf")
    while True:
        told = verbs.account(place)
        if not told.owed or time.monotonic() >= deadline:
            return told
        if time.monotonic() - hurried >= _AGAIN:
            verbs.tell(place, "flush", "1")
            hurried = time.monotonic()
        time.sleep(_STEP)


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count} files are"
