"""The real `assetfs mount`, killed at one point of its own program.

A point is a call of one of the functions below, or a request to the server by what it asks, `before` or `after` it,
at the n-th time. The process kills itself there with SIGKILL: no handler, no flush, no unmount. Nothing of this is
known to the product: the functions are wrapped from outside, and then the normal command runs in the foreground.
With a tally, every call is written down, so that a first run tells which points a story has.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

WRITEBACK = {
    "assetfs.writeback.journal": {
        "Journal": "__init__ save remove replace removed hold release sync checkpoint remember_time"
    },
    "assetfs.writeback.staging": {"Staged": "create close truncate begin_anew complete sync", "": "_put _digest"},
    "assetfs.writeback.writeback": {"WriteBack": "recover touch forget strike written pause"},
    "assetfs.writeback.making": {"Making": "create"},
    "assetfs.writeback.naming": {"Naming": "rename"},
    "assetfs.writeback.settling": {"Settling": "settle keep_beside complete_copies retarget"},
    "assetfs.writeback.holding": {"Holding": "hold end recover taken _send"},
    "assetfs.writeback.leftovers": {"Leftovers": "_remove"},
    "assetfs.writeback.uploader": {"StagedLedger": "record"},
    "assetfs.fuse.operations": {"Operations": "create write flush fsync release rename unlink setxattr setattr"},
}
"""Where a mount may die: module, class (none: functions), names. Private ones too: it is there that things break."""

FAST = {"assetfs.writeback.writeback:CHECKPOINT_EVERY": 0.05, "assetfs.backends.jama.uploads:CHUNK": 1 << 20}
"""Constants that are set so that short stories have checkpoints, and files of several chunks."""


@dataclass(frozen=True, order=True)
class Point:
    """The n-th call of something, and on which side of it."""

    name: str
    nth: int = 1
    side: Literal["before", "after"] = "before"

    def __str__(self) -> str:
        return f"{self.side} {self.name} #{self.nth}"


class Killer:
    """Counts calls, and dies at the point."""

    def __init__(self, point: Point | None, tally: Path | None) -> None:
        self._point = point
        self._tally = os.open(tally, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if tally else -1
        self._seen: Counter[str] = Counter()

    def begins(self, name: str) -> int:
        self._seen[name] += 1
        if self._tally >= 0:
            os.write(self._tally, f"{name}\n".encode())
        self._strike(name, self._seen[name], "before")
        return self._seen[name]

    def ended(self, name: str, nth: int) -> None:
        self._strike(name, nth, "after")

    def _strike(self, name: str, nth: int, side: str) -> None:
        point = self._point
        if point is not None and (point.name, point.nth, point.side) == (name, nth, side):
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, owner: Any, method: str, name: Callable[..., str]) -> None:
        """Put ourselves around a method; `name` tells the point's name from the arguments."""
        inner = owner.__dict__[method]

        @functools.wraps(inner)
        def call(*args: Any, **kwargs: Any) -> Any:
            point = name(*args)
            nth = self.begins(point)
            result = inner(*args, **kwargs)
            self.ended(point, nth)
            return result

        @functools.wraps(inner)
        async def acall(*args: Any, **kwargs: Any) -> Any:
            point = name(*args)
            nth = self.begins(point)
            result = await inner(*args, **kwargs)
            self.ended(point, nth)
            return result

        setattr(owner, method, acall if inspect.iscoroutinefunction(inner) else call)


def _called(name: str, *_: Any) -> str:
    return name


def arm_calls(killer: Killer, table: Mapping[str, Mapping[str, str]]) -> None:
    """Wrap what a table names."""
    for module, classes in table.items():
        for class_, methods in classes.items():
            found = importlib.import_module(module)
            owner = getattr(found, class_) if class_ else found
            for method in methods.split():
                killer.wrap(owner, method, functools.partial(_called, f"{class_}.{method}".lstrip(".")))


def arm(killer: Killer) -> None:
    """Wrap everything that there is to wrap."""
    arm_calls(killer, WRITEBACK)
    uploads = importlib.import_module("assetfs.backends.jama.uploads")
    client = importlib.import_module("assetfs.backends.jama.client")
    killer.wrap(uploads.Uploads, "post", lambda *_: "the server: a chunk")
    killer.wrap(client.Client, "_post", lambda _, body, calls: "the server: " + "+".join(c.method for c in calls))
    sams = importlib.import_module("assetfs.backends.sams.client").Client
    killer.wrap(sams, "send", lambda _, method, *rest: f"the server: {method} asset")
    killer.wrap(sams, "change", lambda _, path, etag, changes, *rest: f"the server: {'+'.join(sorted(changes))}")
    killer.wrap(sams, "delete", lambda *_: "the server: delete")
    for name, value in FAST.items():
        module, _, constant = name.partition(":")
        setattr(importlib.import_module(module), constant, value)


def daemon(
    point: Point | None, tally: Path | None, arguments: Sequence[str], environ: dict[str, str], log: str
) -> None:
    """A process that becomes `assetfs` with these arguments."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.environ.clear()
    os.environ.update(environ)
    arm(Killer(point, tally))
    sys.argv = ["assetfs", *arguments]
    importlib.import_module("assetfs.cli.main").run()


_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "tests.crash.rig",
        "tests.crash.archivist",
        "assetfs.daemon",
        "assetfs.cli.main",
        "assetfs.cli.mount",
        "assetfs.backends.jama.repository",
        "assetfs.backends.sams.repository",
    ]
)


def apart(work: Callable[..., None], *arguments: object) -> Any:
    """Run a function in a process of its own: one that forks nothing while it has files open, since a program that is
    started closes its parent's files, and a close acknowledges."""
    process = _context.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def start(
    arguments: Sequence[str],
    environ: dict[str, str],
    log: Path,
    *,
    point: Point | None = None,
    tally: Path | None = None,
) -> Any:
    """Start it. From a process that has everything imported and has done nothing, so that a start is a fork."""
    return apart(daemon, point, tally, list(arguments), environ, str(log))
