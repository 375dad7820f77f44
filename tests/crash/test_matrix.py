"""Whatever the moment at which the daemon dies, nothing that was acknowledged is lost, nothing half-written is shown.

Every story is told once to the end with a tally: that is how the points are found at which it can die. It is then told
again for many of them, each time with a collection, a cache and a journal of its own; and some die once more while
they recover.

In the environment, ASSETFS_CRASH_ALL=1 asks for all points, ASSETFS_CRASH_POINT="new_file:after Journal.save #2" for
one of them.
"""

from __future__ import annotations

import itertools
import os
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

import pytest

from tests.crash.killer import Point
from tests.crash.rig import Rig, Run, watch
from tests.crash.stories import STORIES, Story
from tests.sandboxes import RunningSandbox, start_sandbox

ALL = "ASSETFS_CRASH_ALL" in os.environ
ONLY = os.environ.get("ASSETFS_CRASH_POINT", "")
POINTS, AGAIN = (10**6, 8) if ALL else (6, 1)
"""Points of a story at which it dies, and how many of those die a second time."""
AT_ONCE = 4

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox() as running:
        watch(running)
        yield running


def _points(calls: list[str], story: str, most: int) -> list[Point]:
    """Points of a run: the first and the last call of everything, then others, in an order that is always the same."""
    seen: dict[str, int] = {}
    every: list[Point] = []
    for name in calls:
        seen[name] = seen.get(name, 0) + 1
        every += [Point(name, seen[name], "before"), Point(name, seen[name], "after")]
    if ONLY:
        return [point for point in every if str(point) == ONLY.partition(":")[2]]

    def order(point: Point) -> tuple[bool, str]:
        edge = point.nth in (1, seen[point.name])
        return not edge, blake2b(f"{story} {point}".encode(), digest_size=8).hexdigest()

    return sorted(every, key=order)[:most]


def _tell(server: RunningSandbox, make: Callable[[str], Story], home: Path, *points: Point) -> tuple[str, int]:
    """One case; returns what went wrong, and how often the daemon has died. (A point need not come a second time:
    what several uploads ask together is one request or two.)"""
    number = next(_numbers)
    case = f"{make.__name__}-{number}"
    try:
        rig = Rig(server, make, case, home / case)
        run = rig.tell(points[0])
        deaths = run.died + sum(rig.die_again(point) for point in points[1:])
        rig.prove(run)
    except Exception as error:
        detail = "" if isinstance(error, AssertionError) else traceback.format_exc()
        return f"{make.__name__}: {', then '.join(map(str, points))}: {error}{detail}", 0
    return "", deaths


def _taking_over(server: RunningSandbox, make: Callable[[str], Story], home: Path, first: Point) -> list[Point]:
    """The points of a daemon that takes over after a death at `first`."""
    case = f"{make.__name__}-{next(_numbers)}"
    rig = Rig(server, make, case, home / case)
    rig.tell(first)
    tally = home / f"{case}.tally"
    with rig.daemon(tally=tally) as process:
        rig._settled(process)
    return _points(tally.read_text().splitlines(), f"{case.partition('-')[0]} {first}", AGAIN)


def _first_run(server: RunningSandbox, make: Callable[[str], Story], home: Path) -> Run:
    case = f"{make.__name__}-0"
    rig = Rig(server, make, case, home / case)
    run = rig.tell(tally=home / f"{case}.tally")
    rig.prove(run)
    return run


@pytest.mark.mount
@pytest.mark.timeout(1800 if ALL else 240)
@pytest.mark.parametrize("make", STORIES, ids=lambda make: make.__name__)
def test_whenever_the_daemon_dies_nothing_is_lost(
    make: Callable[[str], Story], server: RunningSandbox, tmp_path: Path
) -> None:
    if ONLY and not ONLY.startswith(f"{make.__name__}:"):
        pytest.skip("another story is asked for")
    run = _first_run(server, make, tmp_path)
    points = _points(run.calls, make.__name__, POINTS)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        once = [pool.submit(_tell, server, make, tmp_path, point) for point in points]
        chosen = [] if ONLY else points[:: max(1, len(points) // 2)][:2]
        again = [pool.submit(_taking_over, server, make, tmp_path, point) for point in chosen]
        twice = [
            pool.submit(_tell, server, make, tmp_path, first, second)
            for first, found in zip(chosen, again, strict=True)
            for second in found.result()
        ]
        told = [case.result() for case in (*once, *twice)]
    failures = [failure for failure, _ in told if failure]
    deaths, chances = sum(died for _, died in told), len(once) + 2 * len(twice)
    assert not failures, f"{len(failures)} of {len(told)}:\n" + "\n".join(failures)
    assert deaths >= chances * 3 // 4, f"only {deaths} of {chances} points came"
    print(f"{make.__name__}: {deaths} deaths in {len(told)} stories, of {2 * len(run.calls)} points")
