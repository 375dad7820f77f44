"""What working on a SAMS drive costs, counted by the server: every row of the protocol's budget is a row here."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

from tests.mounts import eventually
from tests.sams import NEVER, Newsroom, newsroom, picture
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount

FILES, SETS, ARCHIVE = 250, 30, 100
ALONE, WATCHED = ("--poll", "0"), ("--poll", "55")
LOOK = {"GET asset": 1, "GET sets": 1, "GET search": 1}
"""What the watch asks a second after a change of an attribute."""


class Row(NamedTuple):
    """An action of the page's table, what the page has for it, and what it may cost besides."""

    action: str
    do: Callable[[Newsroom, Path], object]
    page: dict[str, int]
    besides: Mapping[str, int] = MappingProxyType({})
    because: str = ""
    mount: tuple[str, ...] = ()
    """Options of a cold mount that the row begins with; without, it goes on where the one before ended."""


def names(desk: Newsroom) -> list[Path]:
    return [desk / f"{number:03}.txt" for number in range(FILES)]


def listen(desk: Newsroom) -> None:
    assert eventually(lambda: desk.drive.status()["changes"]["state"] == "listening", 30)
    desk.names()
    desk.asked()


def save(desk: Newsroom, name: str, content: bytes) -> None:
    (desk / name).write_bytes(content)
    desk.flush()


def read(path: Path) -> bytes:
    return path.read_bytes()


def made_and_removed(desk: Newsroom) -> None:
    gone = desk.drive.path / f"gone {desk.set_id}"
    gone.mkdir()
    for number in range(20):
        (gone / f"{number}.txt").write_bytes(b"%d" % number)
    desk.flush()
    desk.asked()
    subprocess.run(["rm", "-r", gone], check=True)


TABLE = (
    Row("cold ls -l /", lambda desk, _: desk.drive.run("ls", "-l"), {"GET sets": 1, "GET search": 1}, mount=ALONE),
    Row("cold ls -l set", lambda desk, _: desk.drive.run("ls", "-l", desk.folder), {"GET search": 1}),
    Row("getfattr -d of N files after ls", lambda desk, _: desk.drive.run("getfattr", "-d", *names(desk)), {}),
    Row(
        "find /",
        lambda desk, _: desk.drive.run("find", "."),
        {"GET sets": 1, "GET search": 1},
        mount=ALONE,
    ),
    Row(
        "cat of one file, cold path",
        lambda desk, _: read(desk / "007.txt"),
        {"GET sets": 1, "GET search": 1, "GET binary": 1},
        mount=ALONE,
    ),
    Row("cat, warm metadata", lambda desk, _: read(desk / "008.txt"), {"GET binary": 1}),
    Row("cat, content in the cache", lambda desk, _: read(desk / "008.txt"), {}),
    Row(
        "cat of N small files",
        lambda desk, home: desk.drive.run("sh", "-c", f"cat '{desk.folder.name}'/*"),
        {"GET sets": 1, "GET search": 1, "GET zip": -(-FILES // ARCHIVE)},
        {"GET binary": 8, "GET zip": 1, "GET search": -(-FILES // ARCHIVE) + 1},
        "nobody knows of the first files that more will come; archives name no versions, and two are never mixed",
        mount=ALONE,
    ),
    Row("new file", lambda desk, _: save(desk, "a.txt", b"one"), {"POST asset": 1}, mount=WATCHED),
    Row(
        "save over a file",
        lambda desk, _: save(desk, "a.txt", b"two"),
        {"PATCH asset": 1},
        {"GET asset": 1},
        "the server may answer 200 and store nothing, and then our copy is the only one",
    ),
    Row("new picture", lambda desk, _: save(desk, "p.png", picture(1)), {"POST asset": 1}),
    Row("save over a file that had renditions", lambda desk, _: save(desk, "p.png", picture(2)), {"PATCH asset": 2}),
    Row(
        "setfattr",
        lambda desk, _: os.setxattr(desk / "a.txt", "user.sams.description", b"d"),
        {"PATCH asset": 1},
        LOOK,
        "the watch looks afterwards whether it was stored",
    ),
    Row(
        "rm -r set of N files",
        lambda desk, _: made_and_removed(desk),
        {"DELETE asset": 20, "PATCH sets": 1, "DELETE sets": 1},
        mount=ALONE,
    ),
)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("sams", seed="empty") as running:
        yield running


@pytest.fixture(scope="module")
def filled(server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a set with small files in it, older than a second, among others."""
    with newsroom(server, tmp_path_factory.mktemp("filling"), *NEVER, *ALONE) as desk:
        for path in names(desk):
            desk.wire.put(desk.set_id, path.name, os.urandom(300))
        for number in range(SETS):
            other = desk.wire.make_set(f"walk {number:02}")
            if number % 2:
                desk.wire.put(other, "a.txt", b"x")
        name = desk.folder.name
    time.sleep(1.1)  # the server's times have whole seconds
    return name


@pytest.mark.timeout(240)
def test_nothing_costs_more_than_the_budget(server: RunningSandbox, filled: str, tmp_path: Path) -> None:
    wrong = []
    with ExitStack() as mounts:
        for number, row in enumerate(TABLE):
            home = tmp_path / f"{number}"
            if row.mount:
                mounts.close()
                desk = mounts.enter_context(newsroom(server, home, *NEVER, *row.mount, name=filled))
                os.statvfs(desk.drive.path)  # many programs ask how much room there is; once in 30 s that is a search
                if row.mount == WATCHED:
                    listen(desk)
                desk.asked()
            home.mkdir(exist_ok=True)
            row.do(desk, home)
            spent = desk.asked()
            if spent - (Counter(row.page) + Counter(row.besides)):
                wrong.append(f"{row.action}: {dict(spent)} instead of {row.page}, and {row.besides} {row.because}")
    assert not wrong, "\n".join(wrong)
