"""The crash stories on a Midas drive: a new file is an item that gets its name last, a save is a new revision.

What the server has ever shown is written down by its own database: every bitstream that an item had under its name.
"""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash import stories
from tests.crash.killer import Point
from tests.crash.rig import Lost, Rig
from tests.crash.stories import Story, Tree
from tests.crash.test_matrix import ALL, _points
from tests.midas import MidasClient
from tests.sandboxes import RunningSandbox, start_sandbox

KEYWORD = "user.midas.meta.subject.keyword"
PART = ".assetfs-"


def described(case: str) -> Story:
    """Keywords: on a file before its upload, and on what the server has."""
    return stories.described(case, KEYWORD)


FEW = (stories.new_file, stories.replaced_twice, stories.atomic, stories.vim, stories.unlinked)
"""One of each kind: the stories themselves are the daemon's, and are told in full with Jama."""
STORIES = (*(one for one in stories.STORIES if one is not stories.described), described) if ALL else FEW
POINTS, AT_ONCE = (10**6 if ALL else 3), 4

_numbers = itertools.count(1)


def watch(sandbox: RunningSandbox) -> None:
    """From now on the server's database writes down what every item was called and held."""
    with closing(sqlite3.connect(Path(sandbox.info["data"]) / "midas.sqlite", timeout=30)) as db:
        db.executescript("""
            CREATE TABLE IF NOT EXISTS shown (item_id INTEGER, name TEXT, checksum TEXT);
            CREATE TRIGGER IF NOT EXISTS shown_file AFTER INSERT ON bitstream BEGIN
              INSERT INTO shown SELECT item_id, item.name, new.checksum FROM itemrevision JOIN item USING (item_id)
              WHERE itemrevision_id = new.itemrevision_id; END;
            CREATE TRIGGER IF NOT EXISTS shown_name AFTER UPDATE OF name ON item BEGIN
              INSERT INTO shown SELECT new.item_id, new.name, coalesce((SELECT checksum FROM bitstream
                JOIN itemrevision USING (itemrevision_id) WHERE item_id = new.item_id
                ORDER BY revision DESC, bitstream_id DESC LIMIT 1), 'nothing'); END;
        """)


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class MidasRig(Rig):
    """A story with a folder of its own in the administrator's home."""

    attribute = KEYWORD

    @property
    def client(self) -> MidasClient:
        return MidasClient.admin(self.sandbox)

    def _make_folder(self) -> int:
        return self.client.folder(self.case)

    def _put(self, name: str, data: bytes) -> int:
        return self.client.item(self.folder, name, data)

    def _root(self) -> str:
        return f"users/Ada_Sandbox/Private/{self.case}"

    def _server(self) -> Tree:
        client = self.client
        tree: Tree = {}
        for one in client.call("folder.children", id=self.folder)["items"]:
            name = one["name"]
            while name in tree:
                name += " (twice)"
            form = {"items": one["item_id"], "authToken": client.token}
            tree[name] = client.http.post("/download/", data=form).content
            values = client.call("item.getmetadata", id=one["item_id"]) if one["sizebytes"] not in ("", "0") else []
            tree |= {f"{name}@{KEYWORD}": row["value"].encode() for row in values if row["qualifier"] == "keyword"}
        return tree

    def _look_at_server(self, tree: Tree) -> None:
        items = self.client.call("folder.children", id=self.folder)["items"]
        final = {one["name"]: int(one["item_id"]) for one in items}
        for name, seed in self.story.same.items():
            if name in tree and tree[name] != self.story.seeds.get(name) and final.get(name) != self.ids[seed]:
                raise Lost(f"{name} is item {final.get(name)} now, and was {self.ids[seed]}")
        if left := [name for name in final if name.startswith(PART)]:
            raise Lost(f"left behind: {left}")
        known = {md5(data) for tree in self.trees for data in tree.values()}
        names = {name.partition("@")[0] for tree in self.trees for name in tree} - set(self.story.here)
        with closing(sqlite3.connect(Path(self.sandbox.info["data"]) / "midas.sqlite", timeout=30)) as db:
            mine = "item_id IN (SELECT item_id FROM membership WHERE folder_id = ?)"
            shown = db.execute(f"SELECT name, checksum FROM shown WHERE {mine}", (self.folder,)).fetchall()
        for name, checksum in shown:
            if name in names and checksum not in known:
                raise Lost(f"the server has shown {name} with content that nobody has written ({checksum})")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("midas") as running:
        watch(running)
        yield running


def _tell(server: RunningSandbox, make: Callable[[str], Story], home: Path, point: Point) -> tuple[str, bool]:
    """One death; returns what went wrong, and whether it came."""
    case = f"{make.__name__}-{next(_numbers)}"
    try:
        rig = MidasRig(server, make, case, home / case)
        run = rig.tell(point)
        rig.prove(run)
    except Lost as lost:
        return f"{make.__name__}: {point}: {lost}", True
    return "", run.died


@pytest.mark.mount
@pytest.mark.timeout(3600 if ALL else 400)
@pytest.mark.parametrize("make", STORIES, ids=lambda make: make.__name__)
def test_whenever_the_daemon_dies_nothing_is_lost(
    make: Callable[[str], Story], server: RunningSandbox, tmp_path: Path
) -> None:
    case = f"{make.__name__}-0"
    rig = MidasRig(server, make, case, tmp_path / case)
    tally = tmp_path / f"{case}.tally"
    run = rig.tell(tally=tally)
    rig.prove(run)
    points = _points(run.calls, f"midas {make.__name__}", POINTS)
    assert len(points) == POINTS or ALL
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = list(pool.map(lambda point: _tell(server, make, tmp_path, point), points))
    failures = [failure for failure, _ in told if failure]
    assert not failures, "\n".join(failures)
    assert any(died for _, died in told)
