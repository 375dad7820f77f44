"""What is done: each work is one visit to a fresh mount, and gives the figures of one or more rows of the table.

A work is a function of a `Visit`. What it returns is a figure for each row that it could measure; more about a figure
(requests, processor time, percentiles) goes to `visit.facts` and from there into the JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.contenders import CONTENDERS, Contender, Place
from tests.benchmarks.processes import cpu_seconds, output, resident_mb
from tests.benchmarks.servers import FAR, LARGE, MANY, NEAR, SMALL, VERY_MANY, Servers, Way
from tests.mounts import WHOEVER, Mounted, User, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

READER = Path(__file__).with_name("reader.py")
WRITER = Path(__file__).with_name("writer.py")
PROGRAM = (sys.executable, "-m", "assetfs")
LOOKS = 20
"""Changes of somebody else that are waited for; the median is shown."""
LONGEST = 150.0
"""Seconds after which a command that is timed counts as failed."""

ALL = tuple(name for name, contender in CONTENDERS.items() if not contender.writes)
MOUNTS = tuple(name for name in ALL if CONTENDERS[name].mounts)
WRITERS = ("assetfs", "rclone writes", "disk")
UNCACHED = ("assetfs", "rclone http", "rclone webdav")
OURS = ("assetfs",)


@dataclass(frozen=True)
class Row:
    """One line of the table per way. `title` may use the scale's fields."""

    key: str
    title: str
    unit: str
    ways: tuple[str, ...] = (NEAR, FAR)


@dataclass
class Visit:
    """One contender's turn at one work."""

    servers: Servers
    contender: Contender
    way: Way
    home: Path
    user: User = WHOEVER
    facts: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def place(self) -> Iterator[Place]:
        with self.contender.open(self.servers, self.way, self.home, self.user) as place:
            before = cpu_seconds(place.pid) if place.pid else 0.0
            yield place
            if place.pid:
                self.facts["daemon_cpu_seconds"] = round(cpu_seconds(place.pid) - before, 2)
                self.facts["daemon_memory_mb"] = round(resident_mb(place.pid), 1)
                self.facts["requests"] = place.requests()

    def read(self, place: Place, work: str, name: str = LARGE) -> dict[str, Any]:
        """Run `reader.py`, as the user who mounted."""
        scale = self.servers.scale
        command = [self.user.program[0], "-P", str(READER), work, place.how, place.target(name)]
        command += ["--seconds", str(scale.longest), "--reads", str(scale.random_reads)]
        env = {**os.environ, **self.user.environ}
        found: dict[str, Any] = json.loads(output(command, LONGEST, env=env, user=self.user))
        return found

    def write(self, place: Place, work: str, *arguments: str | int | Path) -> dict[str, Any]:
        """Run `writer.py` in a new folder of the place; `client` places are the Python that runs it."""
        program = place.root if place.how == "client" else sys.executable
        target = self.way.source.removeprefix("jama+")
        if place.how != "client":
            target = place.target(f"written-{time.time_ns()}")
            Path(target).mkdir()
        command = [program, "-P", WRITER, work, target, *map(str, arguments)]
        found: dict[str, Any] = json.loads(output(command, LONGEST))
        return found

    def timed(self, *command: str | Path) -> tuple[float, bytes]:
        """Seconds that a command took, and what it printed."""
        started = time.perf_counter()
        printed = output(command, LONGEST)
        return time.perf_counter() - started, printed


def rate(found: dict[str, Any]) -> float:
    """MB/s, of 10**6 bytes."""
    return float(found["bytes"] / found["seconds"] / 1e6)


def expect(found: int, wanted: int, what: str) -> None:
    """Fast and wrong does not count."""
    if found != wanted:
        raise RuntimeError(f"{found} {what} instead of {wanted}")


def sequential(visit: Visit) -> dict[str, float]:
    """From end to end: cold, once more from the page cache, and after a remount from the disk cache."""
    with visit.place() as place:
        cold = visit.read(place, "sequential")
        figures = {"read-cold": rate(cold)}
        visit.facts["bytes"] = cold["bytes"]
        whole = cold["bytes"] == visit.servers.scale.large
        if whole and visit.contender.mounts and visit.way.name == NEAR:
            figures["read-warm"] = rate(visit.read(place, "sequential"))
    if whole and visit.contender.keeps and visit.way.name == NEAR:
        cold_facts = dict(visit.facts)
        with visit.place() as place:
            figures["read-remount"] = rate(visit.read(place, "sequential"))
        visit.facts = {**cold_facts, "remounted": visit.facts}
    return figures


def sequential_as_user(visit: Visit) -> dict[str, float]:
    with visit.place() as place:
        cold = visit.read(place, "sequential")
        visit.facts["bytes"] = cold["bytes"]
        return {"read-user": rate(cold)}


def first_byte(visit: Visit) -> dict[str, float]:
    """From open(2) to the first 4 KiB, the folder having been listed."""
    with visit.place() as place:
        if visit.contender.mounts:
            Path(place.target(LARGE)).stat()
        return {"first-byte": visit.read(place, "first")["seconds"] * 1e3}


def random_4k(visit: Visit) -> dict[str, float]:
    with visit.place() as place:
        Path(place.target(LARGE)).stat()
        took = sorted(visit.read(place, "random")["reads"])
        visit.facts["p95_ms"] = round(took[int(len(took) * 0.95)] * 1e3, 2)
        visit.facts["slowest_ms"] = round(took[-1] * 1e3, 2)
        return {"random": statistics.median(took) * 1e3}


def list_long(visit: Visit) -> dict[str, float]:
    with visit.place() as place:
        folder = place.target(MANY)
        cold, printed = visit.timed("ls", "-l", folder)
        expect(printed.count(b"\n"), visit.servers.scale.many + 1, "lines")
        before = place.requests()
        again, _ = visit.timed("ls", "-l", folder)
        after = place.requests()
        if before is not None and after is not None:
            visit.facts["requests_again"] = after - before
        return {"list-cold": cold, "list-again": again}


def list_very_many(visit: Visit) -> dict[str, float]:
    with visit.place() as place:
        cold, printed = visit.timed("ls", "-f", place.target(VERY_MANY))
        expect(printed.count(b"\n"), visit.servers.scale.very_many + 2, "lines")
        again, _ = visit.timed("ls", "-f", place.target(VERY_MANY))
        return {"huge-cold": cold, "huge-again": again, "huge-memory": resident_mb(place.pid)}


def copy_out(visit: Visit) -> dict[str, float]:
    out = visit.home / "out"
    out.mkdir()
    wanted = visit.servers.scale.small
    with visit.place() as place:
        folder = Path(place.target(SMALL))
        if wanted >= 1000:
            took, _ = visit.timed("cp", "-r", folder, out)
        else:
            took, _ = visit.timed("cp", "-t", out, *(folder / f"scan-{n:04d}.bin" for n in range(wanted)))
    sizes = [path.stat().st_size for path in out.rglob("*.bin")]
    expect(len(sizes), wanted, "files")
    expect(sum(sizes), 10240 * wanted, "bytes")
    return {"copy": took}


def write_large(visit: Visit) -> dict[str, float]:
    """From open to close (the disk: with fdatasync, for the page cache is no disk); and for ours until the server has
    it, which the client does with a file that is there."""
    size = visit.servers.scale.large
    with visit.place() as place:
        if place.how == "client":
            source = visit.home / f"written-{time.time_ns()}.bin"
            with source.open("wb") as file:
                for _ in range(size >> 20):
                    file.write(os.urandom(1 << 20))
            more = ("--file", source, "--key", visit.servers.credential, "--project", visit.servers.project)
            return {"upload": rate(visit.write(place, "upload", *more))}
        disk = ("--sync",) if place.how == "disk" else ()
        figures = {"write-large": rate(visit.write(place, "large", "--size", size, *disk))}
        if place.mount is not None:
            took, _ = visit.timed(*PROGRAM, "flush", place.mount.path)
            figures["upload"] = size / took / 1e6
    return figures


def write_small(visit: Visit) -> dict[str, float]:
    count = visit.servers.scale.small
    with visit.place() as place:
        figures = {"write-small": visit.write(place, "small", "--count", count)["seconds"]}
        if place.mount is not None:
            visit.facts["flush_seconds"] = round(visit.timed(*PROGRAM, "flush", place.mount.path)[0], 2)
    return figures


def find_show(visit: Visit) -> dict[str, float]:
    """A whole AYON project, on a server of its own: cold, and once more."""
    with (
        start_sandbox("ayon", seed=visit.servers.scale.show) as server,
        mounted(server.source, server.credential, visit.home) as mount,
    ):
        server.forget()
        cold, printed = visit.timed("find", mount.path)
        visit.facts["requests"] = server.requests()["total"]
        visit.facts["entries"] = printed.count(b"\n")
        visit.facts["daemon_memory_mb"] = round(resident_mb(mount.pid), 1)
        again, printed = visit.timed("find", mount.path)
        expect(printed.count(b"\n"), visit.facts["entries"], "entries")
        return {"find-show": cold, "find-show-again": again, "show-change": 1000 * _seen_after(server, mount)}


def _seen_after(server: RunningSandbox, mount: Mounted) -> float:
    """Seconds until `ls` in a folder that was listed already has what somebody else has just made there."""
    project = next(iter(os.listdir(mount.path)))
    place, took = mount.path / project, []
    for number in range(LOOKS):
        os.listdir(place)
        begun = time.monotonic()
        answer = server.http.post(
            f"{server.root_url}/api/projects/{project}/folders",
            headers={"X-Api-Key": server.credential},
            json={"name": f"seen{number}", "folderType": "Folder"},
        )
        expect(answer.status_code, 201, "status")
        while f"seen{number}" not in os.listdir(place):
            time.sleep(0.001)
        took.append(time.monotonic() - begun)
    return statistics.median(took)


@dataclass(frozen=True)
class Work:
    """`--only` takes the name."""

    name: str
    do: Callable[[Visit], dict[str, float]]
    rows: tuple[Row, ...]
    contenders: tuple[str, ...] = ALL
    as_user: bool = False
    """As an ordinary user, who may not raise the kernel's read-ahead. Needs root to become one."""

    @property
    def ways(self) -> tuple[str, ...]:
        return tuple(way for way in (NEAR, FAR) if any(way in row.ways for row in self.rows))


WORKS = (
    Work(
        "read",
        sequential,
        (
            Row("read-cold", "read {large}, cold", "MB/s"),
            Row("read-warm", "  again (page cache)", "MB/s", (NEAR,)),
            Row("read-remount", "  after a remount (disk cache)", "MB/s", (NEAR,)),
        ),
    ),
    Work(
        "user",
        sequential_as_user,
        (Row("read-user", "read {large}, cold, ordinary user's mount", "MB/s"),),
        ("assetfs", "rclone http", "rclone webdav"),
        as_user=True,
    ),
    Work("first", first_byte, (Row("first-byte", "first 4 KiB of a file", "ms"),)),
    Work("random", random_4k, (Row("random", "random 4 KiB, cold, median of {random_reads}", "ms"),), MOUNTS),
    Work(
        "list",
        list_long,
        (Row("list-cold", "ls -l of {many}, cold", "s"), Row("list-again", "  again", "s")),
        UNCACHED,
    ),
    Work(
        "huge",
        list_very_many,
        (
            Row("huge-cold", "ls -f of {very_many}, cold", "s", (NEAR,)),
            Row("huge-again", "  once listed", "s", (NEAR,)),
            Row("huge-memory", "  daemon's memory", "MB", (NEAR,)),
        ),
        OURS,
    ),
    Work(
        "write",
        write_large,
        (
            Row("write-large", "write {large}, until close", "MB/s", (NEAR,)),
            Row("upload", "  then until the server has it", "MB/s", (NEAR,)),
        ),
        (*WRITERS, "client"),
    ),
    Work("write-small", write_small, (Row("write-small", "write {small} files of 10 KiB", "s", (NEAR,)),), WRITERS),
    Work(
        "show",
        find_show,
        (
            Row("find-show", "find, an AYON project of 50,000 entries", "s", (NEAR,)),
            Row("find-show-again", "  again", "s", (NEAR,)),
            Row("show-change", "  a folder that somebody else makes, until ls has it", "ms", (NEAR,)),
        ),
        OURS,
    ),
    Work("copy", copy_out, (Row("copy", "cp -r of {small} files of 10 KiB", "s"),), UNCACHED),
)
