"""`assetfs status`: what is mounted, and how it is.

It puts three sources together: the kernel's mounts, the daemons' runtime records, and what each mount says of itself.
Every mount is asked at the same time and with one deadline. A record without a daemon is said, and forgotten.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from assetfs.cli import document, mountinfo, records
from assetfs.failure import Failure, Status

DEADLINE = 3.0
"""Seconds that a mount has to say how it is."""


_UNFOLDED = 1000
"""Columns where no person looks: every mount on one line."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One mount as it was found."""

    mountpoint: Path
    source: str
    state: str
    """What the mount says (`ok`), or `hangs`, `dead` (a mount without daemon), `gone` (a daemon's record alone)."""
    record: records.Record | None = None
    told: document.Document | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "mountpoint": str(self.mountpoint),
            "source": self.source,
            "state": self.state,
            "pid": self.record.pid if self.record else None,
            "started": self.record.started.isoformat(timespec="seconds") if self.record else None,
            "log": self.record.log if self.record else None,
            "status": dict(self.told.content) if self.told else None,
        }


def status(
    mountpoint: Annotated[Path | None, typer.Argument(metavar="[MOUNTPOINT]", help="This one only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again every two seconds, until Ctrl-C.")] = False,
) -> int:
    """What is mounted, and how it is."""
    while True:
        found = look(None if mountpoint is None else mountinfo.real(mountpoint))
        if as_json:
            shown = [seen.as_json() for seen in found]
            print(json.dumps(shown if mountpoint is None else shown[0], indent=None if watch else 2), flush=True)
        else:
            _show(found, clear=watch)
        for seen in found:
            if seen.state == "gone":
                records.remove(seen.mountpoint)
        if not watch:
            return Status.DONE if all(seen.state not in ("hangs", "dead", "gone") for seen in found) else Status.FAILED
        time.sleep(2)


def look(only: Path | None) -> list[Seen]:
    """All mounts of this user, or the one asked for. Raises Failure when there is none there."""
    mounted = {each.mountpoint: each for each in mountinfo.mounts() if each.ours}
    known = {record.mountpoint: record for record in records.every()}
    places = sorted({*mounted, *known}) if only is None else [only] if only in mounted or only in known else []
    if only is not None and not places:
        raise Failure(f"{only} is not mounted: assetfs status shows what is", Status.USAGE)
    if not places:
        return []
    with ThreadPoolExecutor(len(places)) as pool:
        return list(pool.map(lambda place: _look(place, mounted.get(place), known.get(place)), places))


def _look(place: Path, mounted: mountinfo.Mounted | None, record: records.Record | None) -> Seen:
    source = record.source if record else mounted.source if mounted else ""
    if mounted is None:
        state = "ending" if record and record.alive else "gone"
        return Seen(mountpoint=place, source=source, state=state, record=record)
    try:
        told = document.read(place, DEADLINE)
    except TimeoutError:
        return Seen(mountpoint=place, source=source, state="hangs", record=record)
    except PermissionError:
        return Seen(mountpoint=place, source=source, state="another user's", record=record)
    except OSError:
        state = "dead" if mountinfo.is_dead(place) else "ok"
        return Seen(mountpoint=place, source=source, state=state, record=record)
    return Seen(mountpoint=place, source=source, state=told.state, record=record, told=told)


_ADVICE = {
    "hangs": "does not answer: assetfs umount --force ends it",
    "dead": "has lost its daemon: assetfs umount, then mount again",
    "gone": "is no longer mounted; its daemon ended without a farewell",
}


def _show(found: Sequence[Seen], *, clear: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _UNFOLDED)
    if clear:
        console.clear()
    if not found:
        console.print("Nothing is mounted.")
        return
    table = Table(box=box.SIMPLE)
    for heading in ("MOUNTPOINT", "SOURCE"):
        table.add_column(heading, overflow="fold")
    for heading in ("STATE", "SINCE", "TO UPLOAD", "FAILED", "REQUESTS"):
        table.add_column(heading, no_wrap=True)
    for seen in found:
        told = seen.told
        table.add_row(
            str(seen.mountpoint),
            seen.source,
            seen.state,
            _since(seen.record),
            *((str(told.pending), str(told.failed), str(told.requests)) if told else ("?", "?", "?")),
        )
    console.print(table)
    for seen in found:
        if seen.state in _ADVICE:
            console.print(f"{seen.mountpoint} {_ADVICE[seen.state]}", markup=False, soft_wrap=True)


def _since(record: records.Record | None) -> str:
    if record is None:
        return "?"
    seconds = int((datetime.now(UTC) - record.started).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
