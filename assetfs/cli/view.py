"""What `assetfs status` shows: one line for each mount, or one mount in full; once, or live.

Nothing here asks a mount; it is given what was found (`Seen`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from assetfs.cli import document, records

EVERY = 2.0
"""Seconds between two looks."""

_UNFOLDED = 1000
"""Columns where no person looks: every mount on one line."""

_ADVICE = {
    "hangs": "does not answer: assetfs umount --force ends it",
    "dead": "has lost its daemon: assetfs umount, then mount again",
    "gone": "is no longer mounted; its daemon ended without a farewell",
}
_WORST = ("hangs", "dead", "gone", "refused", "unreachable", "failing")


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

    @property
    def health(self) -> str:
        """In one word: what is the matter with the mount, or with what it does."""
        told = str(self.told.content.get("health", "")) if self.told and self.state == "ok" else ""
        return told or self.state


def show(found: Sequence[Seen], *, in_full: bool) -> None:
    """Print it once."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _UNFOLDED)
    console.print(_rendered(found, in_full=in_full), soft_wrap=not sys.stdout.isatty())


def watch(look: Callable[[], Sequence[Seen]], *, in_full: bool) -> int:
    """A live view until Ctrl-C."""
    with Live(_rendered(look(), in_full=in_full), console=Console(highlight=False), auto_refresh=False) as live:
        try:
            while True:
                time.sleep(EVERY)
                live.update(_rendered(look(), in_full=in_full), refresh=True)
        except KeyboardInterrupt:
            return 0


def _rendered(found: Sequence[Seen], *, in_full: bool) -> RenderableType:
    if not found:
        return Text("Nothing is mounted.")
    parts: list[RenderableType] = [_full(seen) for seen in found] if in_full else [_overview(found)]
    parts += [Text(f"{seen.mountpoint} {_ADVICE[seen.state]}") for seen in found if seen.state in _ADVICE]
    return Group(*parts)


# ---- all mounts -----------------------------------------------------------------------------------------------------


def _overview(found: Sequence[Seen]) -> Table:
    table = Table(box=box.SIMPLE)
    for heading in ("MOUNTPOINT", "SOURCE"):
        table.add_column(heading, overflow="fold")
    for heading in ("STATE", "SINCE", "LATENCY", "IN FLIGHT", "TO UPLOAD", "FAILED", "ERRORS/H", "REQUESTS"):
        table.add_column(heading, no_wrap=True)
    for seen in found:
        table.add_row(
            str(seen.mountpoint), seen.source, _coloured(seen.health), since(seen.record), *_numbers(seen.told)
        )
    return table


def _numbers(told: document.Document | None) -> Iterator[str]:
    if told is None:
        yield from "??????"
        return
    yield _milliseconds(told.content.get("latency_seconds"))
    yield str(len(told.transfers))
    yield from (str(told.pending), str(told.failed), str(told.errors), str(told.requests))


def _coloured(word: str) -> Text:
    return Text(word, style="bold red" if word in _WORST else "green" if word == "ok" else "")


# ---- one mount in full ----------------------------------------------------------------------------------------------


def _full(seen: Seen) -> RenderableType:
    content = seen.told.content if seen.told else {}
    lines = Table.grid(padding=(0, 2))
    lines.add_row("mount", f"{seen.mountpoint} ({seen.source})")
    health = _coloured(seen.health)
    if content.get("reason"):
        health.append(f": {content['reason']}", style="default")
    lines.add_row("state", health)
    if seen.record is not None:
        lines.add_row(
            "daemon", f"process {seen.record.pid}, since {since(seen.record)}; log {seen.record.log or 'stderr'}"
        )
    parts: list[RenderableType] = [lines]
    documents: Mapping[str, Any] = content.get("parts") or {"": content}
    for name, one in documents.items():
        if one:
            _repository(lines, f"{name}: " if name else "", one)
    if seen.told and seen.told.transfers:
        parts.append(_transfers(seen.told.transfers))
    messages = content.get("last_hour", {}).get("messages", [])
    parts += [Text(f"{m['at']} {m['level']}: {m['about']}: {m['message']}") for m in messages[-5:]]
    return Group(*parts)


def _repository(lines: Table, name: str, one: Mapping[str, Any]) -> None:
    lines.add_row(f"{name}server", f"{one.get('server', '?')} at {one.get('url', '?')}, as {one.get('user', '?')}")
    lines.add_row(f"{name}latency", _milliseconds(one.get("latency_seconds")))
    lines.add_row(f"{name}traffic", f"{size(one.get('received_bytes', 0))} in, {size(one.get('sent_bytes', 0))} out")
    cache = one.get("cache")
    if cache:
        lines.add_row(f"{name}cache", f"{size(cache['disk_used'])} of {size(cache['disk_limit'])}")
        lines.add_row(f"{name}memory", f"{size(cache['memory_in_use'])} of {size(cache['memory_limit'])}")
    uploads = one.get("uploads", {})
    owed = f"{uploads.get('pending', 0)} ({size(uploads.get('bytes', 0))}), {uploads.get('failed', 0)} failed"
    lines.add_row(f"{name}to upload", owed)
    counts = one.get("last_hour", {}).get("counts", {})
    lines.add_row(f"{name}last hour", f"{counts.get('error', 0)} errors, {counts.get('warning', 0)} warnings")


def _transfers(transfers: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE)
    for heading in ("", "NAME", "DONE", "OF", "SPEED"):
        table.add_column(heading, overflow="fold")
    for one in transfers[:20]:
        arrow = "up" if one["direction"] == "upload" else "down"
        table.add_row(arrow, one["name"], size(one["done"]), size(one["size"]), f"{size(one['speed'])}/s")
    return table


def since(record: records.Record | None) -> str:
    """How long it has been there: `5 min`."""
    if record is None:
        return "?"
    seconds = int((datetime.now(UTC) - record.started).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _milliseconds(seconds: object) -> str:
    return f"{seconds * 1000:.0f} ms" if isinstance(seconds, int | float) else "-"


def size(count: float) -> str:
    """`1.4 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
