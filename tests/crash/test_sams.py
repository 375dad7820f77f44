"""Whatever the moment at which the daemon dies, a SAMS server has in the end what was acknowledged, and nothing else.

Stories of the matrix, told to another server: its database says which contents it has ever had under which name.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest

from tests.contract.backends.sams import SamsWorld
from tests.crash import stories
from tests.crash.killer import Point
from tests.crash.rig import Lost, Rig
from tests.crash.stories import Story, Tree
from tests.sandboxes import RunningSandbox, start_sandbox

ALL = "ASSETFS_CRASH_ALL" in os.environ
FEW = (stories.new_file, stories.replaced, stories.atomic, stories.renamed, stories.unlinked)
STORIES = stories.STORIES if ALL else FEW
POINTS, AGAIN = (10**6, 8) if ALL else (4, 1)
"""Deaths per story: on both sides of what the server is asked, and others; and second deaths while taking over."""
AT_ONCE = 4
TAGS = "user.sams.tag_names"
_numbers = itertools.count(1)


def watch(server: RunningSandbox) -> None:
    """From now on the server's database writes down every content that an asset has had."""
    with closing(database(server)) as db:
        db.executescript("""
            CREATE TABLE IF NOT EXISTS shown (id TEXT, media_id TEXT, sha1 TEXT, set_id TEXT);
            CREATE TRIGGER IF NOT EXISTS shown_new AFTER INSERT ON asset BEGIN
              INSERT INTO shown SELECT new.id, id, sha1, json_extract(new.doc, '$.set_id')
              FROM media WHERE id = json_extract(new.doc, '$._media_id'); END;
            CREATE TRIGGER IF NOT EXISTS shown_changed AFTER UPDATE ON asset BEGIN
              INSERT INTO shown SELECT new.id, id, sha1, json_extract(new.doc, '$.set_id')
              FROM media WHERE id = json_extract(new.doc, '$._media_id'); END;
        """)


def database(server: RunningSandbox) -> sqlite3.Connection:
    return sqlite3.connect(Path(server.info["data"]) / "sams.sqlite", timeout=30)


class SamsRig(Rig):
    """A story with a set of its own."""

    attribute = TAGS

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.story = replace(self.story, undone={})  # SAMS takes every name: no rename is refused

    def _make_folder(self) -> Any:
        self.world = SamsWorld(self.sandbox)
        return self.world.make_set(self.case)

    def _put(self, name: str, data: bytes) -> Any:
        return self.world.put(self.folder, name, data)

    def _root(self) -> str:
        return self.case

    def _server(self) -> Tree:
        tree: Tree = {}
        for entry in self.world.entries(self.folder):
            name = entry.name
            while name in tree:
                name += " (twice)"
            tree[name] = entry.content or b""
            if tags := self.world.attributes(entry.id)[TAGS]:
                tree[f"{name}@{TAGS}"] = "\n".join(sorted(tags)).encode()
        return tree

    def _look_at_server(self, tree: Tree) -> None:
        final = {entry.name: entry.id for entry in self.world.entries(self.folder)}
        for name, seed in self.story.same.items():
            if name in tree and tree[name] != self.story.seeds.get(name) and final.get(name) != self.ids[seed]:
                raise Lost(f"{name} is asset {final.get(name)} now, and was {self.ids[seed]}")
        known = {sha1(data).hexdigest() for tree in self.trees for data in tree.values()}
        with closing(database(self.sandbox)) as db:
            shown = db.execute("SELECT id, sha1 FROM shown WHERE set_id = ?", (self.folder[1:],)).fetchall()
        strange = [asset for asset, digest in shown if digest not in known]
        if strange:
            raise Lost(f"the server has shown content of {strange} that nobody has written")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("sams", seed="empty") as running:
        watch(running)
        yield running


def points(calls: list[str]) -> list[Point]:
    """What the server is asked first, then what the journal writes down, then the rest; each on both sides."""
    names = sorted(dict.fromkeys(calls), key=lambda name: (not name.startswith("the server"), "Journal" not in name))
    times = {name: {1, calls.count(name)} if ALL else {1} for name in names}
    return [Point(name, nth, side) for name in names for nth in times[name] for side in ("after", "before")][:POINTS]


def told(server: RunningSandbox, make: Callable[[str], Story], home: Path, *deaths: Point) -> str:
    """A story in which the daemon dies at these points, one after the other. Returns what went wrong."""
    case = f"{make.__name__}-{next(_numbers)}"
    try:
        rig = SamsRig(server, make, case, home / case)
        run = rig.tell(deaths[0])
        for point in deaths[1:]:
            rig.die_again(point)
        rig.prove(run)
    except Exception as error:
        detail = "" if isinstance(error, AssertionError) else traceback.format_exc()
        return f"{make.__name__}: {', then '.join(map(str, deaths))}: {error}{detail}"
    return ""


def taking_over(server: RunningSandbox, make: Callable[[str], Story], home: Path, first: Point) -> list[Point]:
    """The points of a daemon that takes over after a death at `first`."""
    case = f"{make.__name__}-{next(_numbers)}"
    rig = SamsRig(server, make, case, home / case)
    rig.tell(first)
    tally = home / f"{case}.tally"
    with rig.daemon(tally=tally) as process:
        rig._settled(process)
    return points(tally.read_text().splitlines())[:AGAIN]


def described(case: str) -> Story:
    return stories.described(case, TAGS)


@pytest.mark.mount
@pytest.mark.timeout(3600 if ALL else 300)
@pytest.mark.parametrize("make", STORIES, ids=lambda make: make.__name__)
def test_whenever_the_daemon_dies_nothing_is_lost(
    make: Callable[[str], Story], server: RunningSandbox, tmp_path: Path
) -> None:
    make = described if make is stories.described else make
    rig = SamsRig(server, make, f"{make.__name__}-0", tmp_path / "first")
    run = rig.tell(tally=tmp_path / "tally")
    rig.prove(run)
    chosen = points(run.calls)
    assert ALL or any(point.name.startswith("the server") for point in chosen)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        once = [pool.submit(told, server, make, tmp_path, point) for point in chosen]
        [first] = chosen[:1]
        again = taking_over(server, make, tmp_path, first)
        twice = [pool.submit(told, server, make, tmp_path, first, second) for second in again]
        failures = [case.result() for case in (*once, *twice) if case.result()]
    assert not failures, "\n".join(failures)
