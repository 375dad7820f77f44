"""`assetfs fetch`: bring content here, from the server or back from tape, and show how it goes.

What is offline is asked for at once, by the attribute that its repository recalls by, on the folders that were named:
so the server gets few requests, however many files there are. What is online is read through the mount, which leaves it
in the cache. A file counts when its content is here; one that fails is named, and the others go on.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from assetfs.cli import mountinfo
from assetfs.config import source, values
from assetfs.failure import Failure, Status

STATE, ERROR, CACHED = "user.assetfs.state", "user.assetfs.error", "user.assetfs.cached"
PIECE = 4 << 20
READERS = 4
"""Files that are read at a time: the mount itself fetches each in parallel."""
STEP = 0.5
"""Seconds between two looks at what is on its way."""
LOOKS = 500
"""Files that are looked at each time: a hundred milliseconds."""
NAMED = 10
"""Failures that are named one by one."""


class Wanted:
    """One file: what it has to be, and how it is."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size


class Fetch:
    """What is wanted, what has come, and what has failed."""

    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0
        self.failed: list[str] = []
        self._lock = threading.Lock()

    def came(self, files: int, size: int) -> None:
        with self._lock:
            self.files += files
            self.bytes += size

    def fail(self, path: Path, reason: str) -> None:
        with self._lock:
            self.failed.append(f"{path}: {reason}")


def fetch(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders in mounts.")],
    timeout: Annotated[
        str, typer.Option(metavar="TIME", help="How long to wait at most; 0: as long as it takes.")
    ] = "0",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> int:
    """Bring content here, or back from tape, and wait for it."""
    try:
        seconds = values.duration(timeout)
    except ValueError as error:
        raise Failure(f"--timeout {timeout}: {error}", Status.USAGE) from None
    places = [_place(path) for path in paths]
    wanted = [found for place in places for found in _files(place)]
    done = Fetch()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet or not sys.stderr.isatty(),
        transient=True,
    ) as bar:
        Work(wanted, places, done, bar, time.monotonic() + seconds if seconds else float("inf")).run()
    for line in done.failed[:NAMED]:
        print(f"assetfs: {line}", file=sys.stderr)
    if done.failed:
        more = f", {NAMED} of them named above" if len(done.failed) > NAMED else ""
        raise Failure(f"{len(done.failed)} of {len(wanted)} files could not be brought{more}")
    print(f"{done.files} file{'s' * (done.files != 1)}, {done.bytes} bytes here")
    return Status.DONE


def _place(path: Path) -> Path:
    """Where a path really is. Raises Failure where that is in none of our mounts."""
    place = Path(os.path.realpath(path.expanduser()))
    inside = [one for one in mountinfo.mounts() if one.ours and place.is_relative_to(one.mountpoint)]
    if not inside:
        raise Failure(f"{path} is in no mount of assetfs: assetfs status shows what is mounted", Status.USAGE)
    if not os.path.lexists(place):
        raise Failure(f"{path} is not there", Status.USAGE)
    return place


def _files(place: Path) -> Iterator[Wanted]:
    """Every regular file that a path is or has below it, in the order of a walk."""
    if not place.is_dir():
        yield Wanted(place, place.stat().st_size)
        return
    for above, folders, names in os.walk(place):
        folders.sort()
        for name in sorted(names):
            path = Path(above) / name
            with suppress(OSError):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode):
                    yield Wanted(path, found.st_size)


def _attribute(path: Path, name: str) -> str:
    try:
        return os.getxattr(path, name, follow_symlinks=False).decode("utf-8", "replace")
    except OSError:
        return ""


def _recall_attribute(path: Path) -> str | None:
    """The attribute that a path's repository is recalled by: it is not listed, and its value tells how it goes."""
    for backend in source.installed():
        name = f"user.{backend}.recall"
        if _attribute(path, name):
            return name
    return None


class Work:
    """Brings files. `places` are what was asked for, `deadline` a time of the monotonic clock."""

    def __init__(
        self, wanted: Sequence[Wanted], places: Sequence[Path], done: Fetch, bar: Progress, deadline: float
    ) -> None:
        self._wanted = wanted
        self._places = places
        self._done = done
        self._bar = bar
        self._deadline = deadline
        self._task: TaskID

    def run(self) -> None:
        """Raises Failure when the deadline passes."""
        total = sum(one.size for one in self._wanted)
        self._task = self._bar.add_task("fetching", total=total)
        away = [one for one in self._wanted if _attribute(one.path, STATE) in ("offline", "recalling", "failed")]
        gone = {id(one) for one in away}
        if away:
            self._ask()
        with ThreadPoolExecutor(READERS) as readers:
            reading = [readers.submit(self._read, one) for one in self._wanted if id(one) not in gone]
            self._wait(away)
            for one in reading:
                one.result()

    def _ask(self) -> None:
        """Recall everything that was named."""
        for place in self._places:
            name = _recall_attribute(place)
            try:
                if name is None:
                    raise Failure(
                        f"{place} has content that is not here, and this mount cannot recall it from there: name what "
                        "is below it, or see what its repository takes for that (JDMA: stage)"
                    )
                os.setxattr(place, name, b"1")
            except OSError as error:
                raise Failure(f"{place} cannot be recalled: {error.strerror}") from None

    def _wait(self, away: list[Wanted]) -> None:
        """Look at what is on its way until all of it is here or has failed."""
        while away:
            left = []
            for one in away[:LOOKS]:
                state = _attribute(one.path, STATE)
                if state in ("offline", "recalling"):
                    left.append(one)
                elif state == "failed":
                    self._done.fail(one.path, _attribute(one.path, ERROR) or self._reason(one.path))
                    self._show()
                else:
                    self._came(one)
            away = away[LOOKS:] + left
            if away and time.monotonic() > self._deadline:
                raise Failure(f"{len(away)} of {len(self._wanted)} files are still on their way: ask again")
            if left:
                time.sleep(STEP)

    @staticmethod
    def _reason(path: Path) -> str:
        for backend in source.installed():
            if said := _attribute(path, f"user.{backend}.failure"):
                return said
        return "it could not be brought"

    def _read(self, one: Wanted) -> None:
        """Read a file that is online through the mount, unless it is here already."""
        kept = _attribute(one.path, CACHED)
        if kept != str(one.size) and _recall_attribute(one.path) is None:
            try:
                with one.path.open("rb", buffering=0) as stream:
                    while stream.read(PIECE):
                        if time.monotonic() > self._deadline:
                            raise TimeoutError("it took too long")
            except OSError as error:
                self._done.fail(one.path, error.strerror or str(error))
                self._show()
                return
        self._came(one)

    def _came(self, one: Wanted) -> None:
        self._done.came(1, one.size)
        self._show()

    def _show(self) -> None:
        done = self._done
        self._bar.update(self._task, completed=done.bytes, description=f"{done.files} of {len(self._wanted)} files")
