"""`assetfs status`: what is mounted, and how it is.

It puts three sources together: the kernel's mounts, the daemons' runtime records, and what each mount says of itself.
Every mount is asked at the same time and with one deadline. A record without a daemon is said, and forgotten.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from assetfs.cli import complete, document, mountinfo, records, view
from assetfs.cli.arguments import AsJson
from assetfs.cli.view import Seen
from assetfs.failure import Failure, Status

DEADLINE = 3.0
"""Seconds that a mount has to say how it is."""


def status(
    mountpoint: Annotated[
        Path | None,
        typer.Argument(metavar="[MOUNTPOINT]", help="This one only, in full.", autocompletion=complete.mountpoints),
    ] = None,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="A live view, until Ctrl-C.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of --json's `status`, and end.")
    ] = False,
) -> int:
    """What is mounted, and how it is."""
    if schema:
        return _schema()
    only = None if mountpoint is None else mountinfo.real(records.named(mountpoint))
    if watch and not as_json:
        return view.watch(lambda: look(only), in_full=only is not None)
    while True:
        found = look(only)
        if as_json:
            shown = [seen.as_json() for seen in found]
            print(json.dumps(shown if mountpoint is None else shown[0], indent=None if watch else 2), flush=True)
        else:
            view.show(found, in_full=only is not None)
        for seen in found:
            if seen.state == "gone":
                records.remove(seen.mountpoint)
        if not watch:
            return Status.DONE if all(seen.state not in ("hangs", "dead", "gone") for seen in found) else Status.FAILED
        time.sleep(view.EVERY)


def _schema() -> int:
    from assetfs.daemon.status import Document

    print(json.dumps(msgspec.json.schema(Document), indent=2))
    return Status.DONE


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
