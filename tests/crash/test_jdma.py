"""Whenever whoever talks to the tape archive dies, no request is lost and none is made twice.

Each story is told once for the points that it has, and then again for each of them, with a death there; somebody else
takes over, and the server's own database says what it was asked.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash import archivist, killer
from tests.crash.archivist import Desk
from tests.crash.killer import Point
from tests.jdma import Jdma, below, tree
from tests.sandboxes import RunningSandbox, start_sandbox

AT_ONCE = 4
NTH = 2
"""Calls of one name that a death is tried at."""
SECONDS = 90.0
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("jdma") as running:
        running.switch(recall_seconds=0.0)
        yield running


def asked(server: RunningSandbox, kinds: tuple[int, ...], place: Path) -> int:
    """How many requests the server has ever taken that name something below a place."""
    with closing(sqlite3.connect(Path(server.info["data"]) / "jdma.sqlite", timeout=30)) as db:
        rows = db.execute("SELECT kind, coalesce(target, filelist) FROM request").fetchall()
    return sum(kind in kinds and f"{place}/" in text for kind, text in rows)


class Case:
    """One stage of its own, and those who work there one after the other."""

    def __init__(self, server: RunningSandbox, home: Path) -> None:
        self.number = next(_numbers)
        self.stage = tree(Path(server.info["stage"]) / f"stage-{self.number}")
        self.stage.chmod(0o700)
        self.log = home / f"{self.number}.log"
        self.desk = Desk(server.url, server.info["name"], server.info["workspace"], self.stage)

    def tell(self, point: Point | None, tally: Path | None, story: str, *facts: object) -> bool:
        """Whether the story came to its end. False: whoever told it is dead."""
        process = killer.apart(archivist.run, point, tally, self.desk, self.log, story, *facts)
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            raise AssertionError(f"it hangs: {self.log.read_text()[-2000:]}")
        assert process.exitcode == 0 or process.exitcode == -9, self.log.read_text()[-2000:]
        return process.exitcode == 0


def points(tally: Path) -> list[Point]:
    """Both sides of the first calls of everything."""
    counted = Counter(tally.read_text().splitlines())
    return [
        Point(name, nth, side)
        for name, times in sorted(counted.items())
        for nth in range(1, min(times, NTH) + 1)
        for side in ("before", "after")
    ]


def all_of(cases: Iterator[str]) -> None:
    """Every story; what went wrong in all of them."""
    failures = [failure for failure in cases if failure]
    assert not failures, "\n".join(failures)


@pytest.mark.timeout(240)
def test_a_death_neither_loses_nor_doubles_a_retrieval(server: RunningSandbox, tmp_path: Path) -> None:
    user = Jdma(server)
    batch = user.batch(tree(user.stage / "many", **{f"f{n}_txt": f"file {n}\n" for n in range(200)}))
    ids = iter(sorted(path for path in _ids(user, batch)))

    def story(point: Point | None, tally: Path | None = None) -> str:
        case, file = Case(server, tmp_path), next(ids)
        died = not case.tell(point, tally, "bring", True, file)
        intended = any((case.stage / ".assetfs" / "requests").glob("*.json"))
        case.tell(None, None, "bring", not intended, file)
        made = asked(server, (1,), case.stage / "get")
        here = [text for folder in (case.stage / "get").iterdir() for text in below(folder).values()]
        if (made, len(here)) == (1, 1) and died == (point is not None):
            return ""
        return f"{point}: {made} requests, {here}, died: {died}; {case.log.read_text()[-1500:]}"

    tally = tmp_path / "tally"
    assert story(None, tally) == ""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        all_of(pool.map(story, points(tally)))


@pytest.mark.timeout(240)
def test_a_death_neither_loses_nor_doubles_an_upload(server: RunningSandbox, tmp_path: Path) -> None:
    def story(point: Point | None, tally: Path | None = None) -> str:
        case = Case(server, tmp_path)
        drafts = tree(case.stage / "drafts")
        draft = tree(drafts / "run", a_txt="alpha\n", sub__b_txt="beta\n")
        ledger = tmp_path / f"{case.number}.json"
        facts = (server.info["workspace"], f"draft{case.number}", draft, ledger)
        died = not case.tell(point, tally, "hand over", *facts)
        left = set(below(case.stage).values())
        if died:
            case.tell(None, None, "hand over", *facts)
        made = asked(server, (0, 2), case.stage / "put")
        listed = Jdma(server).files(int(json.loads(ledger.read_text())["batch"]))
        sizes = sorted(size for size, _ in listed.values())
        if (made, sizes) == (1, [5, 6]) and left >= {b"alpha\n", b"beta\n"} <= set(below(case.stage).values()):
            return "" if died == (point is not None) else f"{point}: never came"
        return f"{point}: {made} requests, {sizes}, {left}; {case.log.read_text()[-1500:]}"

    tally = tmp_path / "tally"
    assert story(None, tally) == ""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        all_of(pool.map(story, points(tally)))


def test_what_was_learned_of_a_batch_does_not_hide_its_requests(server: RunningSandbox, tmp_path: Path) -> None:
    """The folder that was uploaded is known from an earlier retrieval, and that one has been evicted."""
    user = Jdma(server)
    batch = user.batch(tree(user.stage / "learned", a_txt="first\n", sub__b_txt="second\n"))
    first, second = _ids(user, batch)
    case = Case(server, tmp_path)
    assert not case.tell(Point("Client.get", 2, "after"), None, "bring another", first, second)
    assert case.tell(None, None, "bring", False, second)
    assert asked(server, (1,), case.stage / "get") == 2


def _ids(user: Jdma, batch: int) -> list[str]:
    """The files of a batch, as the mount calls them."""
    [listed] = user.ask("file/", migration_id=batch)["migrations"]
    return [f"b{batch}f{row['pk ']}" for archive in listed["archives"] for row in archive["files"]]
