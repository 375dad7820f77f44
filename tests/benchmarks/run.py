"""One run: the servers up, every work done by every contender over every way, and everything down again.

Contenders take turns within a work, so that a noisy minute meets all of them. What is quick is repeated and the median
counts; a cell whose visits took ENOUGH seconds is not visited again. A visit that fails is a fact of the table and not
the end of the run.
"""

from __future__ import annotations

import http.client
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks import machine
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.ordinary import NobodyElse, ordinary
from tests.benchmarks.reader import curl
from tests.benchmarks.scale import Scale
from tests.benchmarks.servers import FAR, LARGE, Servers, proxy, serving
from tests.benchmarks.works import Visit, Work
from tests.mounts import WHOEVER, User

ENOUGH = 12.0
"""Seconds of visits after which a cell is not visited once more."""

Key = tuple[str, str, str]
"""Row, way, contender."""


@dataclass
class Cell:
    """One figure, how often it was taken, and what is known about it. `problem`: why there is none."""

    values: list[float] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""
    failed: bool = False
    """Whether it was tried."""

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None


@dataclass
class Run:
    """A whole run."""

    scale: Scale
    works: Sequence[Work]
    contenders: Sequence[str]
    started: datetime
    machine: dict[str, object]
    link: dict[str, float] = field(default_factory=dict)
    """What the far way does, measured: round trip in ms, MB/s of one connection, MB/s of a proxy without limits."""
    load: list[float] = field(default_factory=list)
    cells: dict[Key, Cell] = field(default_factory=dict)
    seconds: float = 0.0

    def cell(self, row: str, way: str, contender: str) -> Cell:
        return self.cells.setdefault((row, way, contender), Cell())


def run(
    scale: Scale, works: Sequence[Work], contenders: Sequence[str], say: Callable[[str], None] = lambda line: None
) -> Run:
    """Do it all. Raises DidNotStart when there are no servers to read from. `say` hears how far it is."""
    found = Run(scale, works, contenders, datetime.now(UTC), machine.describe(), load=[machine.load()])
    began = time.monotonic()
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        say("servers: starting, and filling with files")
        servers = stack.enter_context(serving(scale, folder))
        found.link = measure_link(servers)
        for work in works:
            user: User | str = WHOEVER
            if work.as_user:
                try:
                    user = stack.enter_context(ordinary())
                except NobodyElse as reason:
                    user = str(reason)
            for way in work.ways:
                _do(found, servers, work, way, user, say)
    found.load.append(machine.load())
    found.seconds = time.monotonic() - began
    return found


def _do(found: Run, servers: Servers, work: Work, way: str, user: User | str, say: Callable[[str], None]) -> None:
    """One work over one way by all contenders."""
    taking_part = []
    for name in [name for name in found.contenders if name in work.contenders]:
        problem = user if isinstance(user, str) else CONTENDERS[name].missing
        if problem:
            _note(found, work, way, name, problem)
        else:
            taking_part.append(name)
    spent = dict.fromkeys(taking_part, 0.0)
    for _ in range(found.scale.repetitions):
        for name in [name for name in taking_part if spent[name] < ENOUGH]:
            assert isinstance(user, User)
            began = time.monotonic()
            try:
                with home(servers, user) as place:
                    visit = Visit(servers, CONTENDERS[name], servers.ways[way], place, user)
                    load = machine.load()
                    figures = work.do(visit)
            except Exception as error:
                _note(found, work, way, name, f"{type(error).__name__}: {error}", failed=True)
                say(f"{work.name} / {way} / {name}: {type(error).__name__}: {error}")
                spent[name] = ENOUGH
                continue
            spent[name] += time.monotonic() - began
            for row, value in figures.items():
                cell = found.cell(row, way, name)
                cell.values.append(value)
                cell.facts.append({"load": load, **visit.facts})
            units = {row.key: row.unit for row in work.rows}
            say(f"{work.name} / {way} / {name}: " + ", ".join(f"{v:.4g} {units[k]}" for k, v in figures.items()))


def _note(found: Run, work: Work, way: str, name: str, problem: str, *, failed: bool = False) -> None:
    for row in work.rows:
        if way in row.ways:
            cell = found.cell(row.key, way, name)
            cell.problem, cell.failed = problem, failed


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for one run. Others may pass through it, for the ordinary user's mount is in it."""
    folder = Path(tempfile.mkdtemp(prefix="assetfs-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def home(servers: Servers, user: User) -> Iterator[Path]:
    """A place for one visit: mount point, caches, logs. Never removed while something is still mounted in it."""
    place = Path(tempfile.mkdtemp(prefix="home-", dir=servers.folder))
    user.own(place)
    try:
        yield place
    finally:
        if str(place) not in Path("/proc/self/mounts").read_text():
            shutil.rmtree(place, ignore_errors=True)


def measure_link(servers: Servers) -> dict[str, float]:
    """What the far way really does, and what a proxy could pass at most."""
    files = urlsplit(servers.ways[FAR].files)
    connection = http.client.HTTPConnection(files.hostname or "", files.port)
    trips = []
    for _ in range(6):
        started = time.perf_counter()
        connection.request("HEAD", files.path + LARGE)
        connection.getresponse().read()
        trips.append(time.perf_counter() - started)
    connection.close()
    found = {"round_trip_ms": round(statistics.median(trips[1:]) * 1e3, 2)}
    one = curl(servers.ways[FAR].files + LARGE, "--max-time", "2")
    found["connection_mb_s"] = _rate(one)
    with proxy(servers.folder / "proxy-free.log", _port(servers)) as port:
        free = curl(f"http://127.0.0.1:{port}{files.path}{LARGE}")
    found["proxy_mb_s"] = _rate(free)
    return found


def _port(servers: Servers) -> int:
    near = next(way for way in servers.ways.values() if way.name != FAR)
    return urlsplit(near.files).port or 80


def _rate(found: dict[str, object]) -> float:
    return round(float(str(found["bytes"])) / float(str(found["seconds"])) / 1e6, 1)
