"""`assetfs umount`: send what is owed to the server, unmount, and wait until the daemon has ended.

A mount that is in use is not taken away: the command names who uses it. `--force` is for a mount that hangs: it cuts
the kernel's connection first, so that whoever waits in it gets an error. What could not be uploaded in time stays in
the journal for the next mount, and is said.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from assetfs.cli import complete, mountinfo, records
from assetfs.cli.flush import wait
from assetfs.config import values
from assetfs.failure import Failure, Status

_LINGER = 10.0
"""Seconds that the daemon has at least to end once its mount is gone."""


class User(msgspec.Struct, frozen=True):
    """A process that uses a mount, and one path that it holds."""

    pid: int
    name: str
    path: str


def umount(
    mountpoint: Annotated[
        Path,
        typer.Argument(
            metavar="MOUNTPOINT",
            help="The mounted folder, or its repository's name.",
            autocompletion=complete.mountpoints,
        ),
    ],
    timeout: Annotated[str, typer.Option(metavar="TIME", help="How long to wait for uploads.")] = "60s",
    force: Annotated[bool, typer.Option("--force", help="Cut off a mount that hangs.")] = False,
    lazy: Annotated[bool, typer.Option("--lazy", help="Take it away now, and let those who use it finish.")] = False,
) -> int:
    """Send what is owed, then unmount."""
    try:
        seconds = values.duration(timeout)
    except ValueError as error:
        raise Failure(f"--timeout {timeout}: {error}", Status.USAGE) from None
    place = mountinfo.real(records.named(mountpoint))
    mounted = mountinfo.at(place)
    record = records.read(place)
    if mounted is None:
        records.remove(place)
        raise Failure(f"{place} is not mounted: assetfs status shows what is", Status.USAGE)
    if not mounted.ours:
        raise Failure(f"{place} is not a mount of assetfs but of {mounted.fstype}: use umount", Status.USAGE)
    deadline = time.monotonic() + (0 if lazy else seconds)
    owed = 0 if force else drain(place, deadline)
    files = "1 file is" if owed == 1 else f"{owed} files are"
    if force:
        mountinfo.abort(mounted)
    try:
        mountinfo.unmount(place, lazy=lazy or force)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        raise Failure(f"{place} is in use{_by(users(place))}: close that, or use --lazy") from None
    if record is not None and not lazy and not _ends(record, deadline, force=force):
        debt = f"; {files} still owed to the server" if owed else ""
        raise Failure(
            f"{place} is unmounted{debt}; its daemon ({record.pid}) is still at work: its log is {record.log}",
            5,
        )
    if owed:
        raise Failure(f"{place} is unmounted; {files} still owed to the server: the next mount goes on with that", 5)
    return Status.DONE


def _ends(record: records.Record, deadline: float, *, force: bool) -> bool:
    """Wait until the daemon is gone; by force, make it go. Its journal is made to survive that."""
    patience = _LINGER / 4 if force else max(_LINGER, deadline - time.monotonic())
    signals = (signal.SIGTERM, signal.SIGKILL) if force else ()
    gone = not record.alive or records.see_end(record.pid, record.born, patience, *signals)
    if gone:
        records.remove(record.mountpoint, pid=record.pid)
    return gone


def drain(place: Path, deadline: float) -> int:
    """Hurry uploads until they are done or the deadline has passed; returns how many files are still owed."""
    try:
        told = wait(place, deadline)
    except Failure:
        return 0  # it does not say: unmounting shows what is the matter
    return told.owed + told.failed


def users(place: Path) -> list[User]:
    """Who holds something below the mount, as far as we may see: one path each. Asks /proc, never the mount."""
    return [found for entry in Path("/proc").iterdir() if entry.name.isdecimal() if (found := _holds(entry, place))]


def _holds(process: Path, place: Path) -> User | None:
    for link in _links(process):
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target == str(place) or target.startswith(f"{place}/"):
            try:
                name = (process / "comm").read_text().strip()
            except OSError:
                name = "?"
            return User(int(process.name), name, target)
    return None


def _links(process: Path) -> Iterator[Path]:
    for name in ("cwd", "root", "exe"):
        yield process / name
    try:
        yield from (process / "fd").iterdir()
    except OSError:
        return


def _by(found: list[User]) -> str:
    """` by bash (12: /mnt), vim (34: /mnt/a.txt)`, the first three."""
    if not found:
        return " by somebody else's process"
    named = ", ".join(f"{user.name} ({user.pid}: {user.path})" for user in found[:3])
    return f" by {named}" + (f" and {len(found) - 3} more" if len(found) > 3 else "")
