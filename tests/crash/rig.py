"""One story, told on a real mount whose daemon dies: run, remount, look, flush, look at the server.

What the server has ever shown is written down by the server's own database (`watch`): every version of every resource
is a row, so nothing half-written slips between two looks.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assetfs.fuse.session import abort, device_of
from tests import wire
from tests.crash import killer
from tests.crash.killer import Point
from tests.crash.stories import TAGS, Story, Tree
from tests.mounts import environment, eventually
from tests.sandboxes import RunningSandbox

OPTIONS = ("--write-back-delay", "0.1", "--list-timeout", "1", "--log-level", "debug")
START, SETTLE, LATE, HANG = 60.0, 60.0, 2.0, 120.0
"""Seconds for a daemon to answer, for what is owed to be sent, for a death that comes after that, and for everything
before the mount is broken open."""


class Lost(AssertionError):
    """Something is not as it was acknowledged."""


def watch(sandbox: RunningSandbox) -> None:
    """From now on the server's database writes down every content that a resource has had, and every place."""
    with closing(sqlite3.connect(Path(sandbox.info["data"]) / "jama.sqlite", timeout=30)) as db:
        db.executescript("""
            CREATE TABLE IF NOT EXISTS shown (id INTEGER, hash TEXT, title TEXT);
            CREATE TABLE IF NOT EXISTS placed (resource_id INTEGER, collection_id INTEGER);
            CREATE TRIGGER IF NOT EXISTS shown_new AFTER INSERT ON resource
              BEGIN INSERT INTO shown VALUES (new.id, new.hash, new.title); END;
            CREATE TRIGGER IF NOT EXISTS shown_changed AFTER UPDATE OF hash, title ON resource
              BEGIN INSERT INTO shown VALUES (new.id, new.hash, new.title); END;
            CREATE TRIGGER IF NOT EXISTS placed_new AFTER INSERT ON membership
              BEGIN INSERT INTO placed VALUES (new.resource_id, new.collection_id); END;
        """)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Run:
    """What happened before the last daemon: which trees it may find, and where its files are."""

    home: Path
    allowed: list[Tree]
    calls: list[str] = field(default_factory=list)
    died: bool = False
    """The point came. With several uploads at once it need not: what is asked together is asked once."""


class Rig:
    """A story with a collection of its own on a shared server."""

    attribute = TAGS
    """What is set on files, and looked at."""

    def __init__(self, sandbox: RunningSandbox, make: Callable[[str], Story], case: str, home: Path) -> None:
        self.sandbox = sandbox
        self.case = case
        self.story = make(case)
        self._make = make
        self.home = home
        self.folder = self._make_folder()
        self.ids = {name: self._put(name, data) for name, data in self.story.seeds.items()}
        self.mnt = home / "mnt"
        self.mnt.mkdir(parents=True)
        self.trees = [dict(self.story.seeds), *(step.tree for step in self.story.steps)]
        self._starts = 0

    # ---- the server's side: Jama, unless another rig says otherwise -----------------------------------------------

    def _make_folder(self) -> int:
        return wire.folder(self.sandbox, self.case)

    def _put(self, name: str, data: bytes) -> int:
        return wire.put(self.sandbox, self.folder, name, data)

    def _root(self) -> str:
        """The folder in the mount's own words."""
        return f"Sandbox/{self.case}"

    # ---- daemons ------------------------------------------------------------------------------------------------

    @contextmanager
    def daemon(self, point: Point | None = None, tally: Path | None = None) -> Iterator[Any]:
        """A daemon, mounted or already dead. However this ends: not mounted any more, and no process."""
        self._starts += 1
        environ = environment(self.home, self.sandbox.credential)
        (self.home / "run").mkdir(exist_ok=True)
        places = ["--cache-dir", str(self.home / "cache"), "--state-dir", str(self.home / "state")]
        words = ["mount", self.sandbox.source, str(self.mnt), "--foreground", "--root", self._root()]
        log = self.home / f"{self._starts}.log"
        process = killer.start([*words, *places, *OPTIONS], environ, log, point=point, tally=tally)
        timer = threading.Timer(HANG, self._break_open)
        timer.daemon = True
        timer.start()
        try:
            if not eventually(lambda: device_of(self.mnt) is not None or not process.is_alive(), START):
                raise Lost(f"no mount within {START} s: {log.read_text()[-1500:]}")
            yield process
        finally:
            timer.cancel()
            self._end(process)

    def _break_open(self) -> None:
        abort(self.mnt)

    def _end(self, process: Any) -> None:
        if process.is_alive() and device_of(self.mnt) is not None:
            subprocess.run(["umount", self.mnt], capture_output=True, check=False)
            process.join(10)
        if process.is_alive():
            process.kill()
        process.join()
        while device_of(self.mnt) is not None:
            subprocess.run(["umount", "-l", self.mnt], capture_output=True, check=True)

    # ---- the story ----------------------------------------------------------------------------------------------

    def tell(self, point: Point | None = None, tally: Path | None = None) -> Run:
        """The story on a mount that dies at the point, or lives to its end."""
        done = 0
        with self.daemon(point, tally) as process:
            if device_of(self.mnt) is not None:
                done, error = self._steps()
                if error and not eventually(lambda: not process.is_alive(), 2):
                    raise Lost(f"step {done + 1} failed: {error}; {self.log()}")
            died = self._dies(process) if point is not None else self._settled(process)
        broken_off = self.story.steps[done : done + 1]
        allowed = [self.trees[done], *(step.tree for step in broken_off)]
        allowed += [tree for step in broken_off for tree in step.between]
        calls = tally.read_text().splitlines() if tally is not None and tally.exists() else []
        return Run(self.home, allowed, calls, died)

    def _steps(self) -> tuple[int, str]:
        """How many steps were acknowledged, and what broke off the next one."""
        progress = self.home / "progress"
        teller = killer.apart(tell, self._make, self.case, self.mnt, progress)
        teller.join(HANG)
        if teller.is_alive():
            self._break_open()
            teller.join(10)
        lines = progress.read_text().splitlines() if progress.exists() else []
        done = lines.count("done")
        return done, "" if done == len(lines) == len(self.story.steps) else (lines or ["it hangs"])[-1]

    def die_again(self, point: Point) -> bool:
        """Another daemon that dies: while it takes over, or while it sends what it took over. False: it lived."""
        with self.daemon(point) as process:
            return self._dies(process)

    def _dies(self, process: Any) -> bool:
        """Whether the point comes: while anything is to do, or a little later."""
        eventually(lambda: not process.is_alive() or not (self._owed() or self._rows("renames")), SETTLE)
        return eventually(lambda: not process.is_alive(), LATE)

    def _settled(self, process: Any) -> bool:
        """Nothing is owed any more, and nothing is held back. Whether the daemon has died of it, which it must not."""
        if not eventually(lambda: not self._owed() or not process.is_alive(), SETTLE):
            raise Lost(f"still owed: {self._owed()}; {self.log()}")
        if not eventually(lambda: not self._rows("renames"), 10):
            raise Lost(f"a rename is held for ever: {self.log()}")
        if not process.is_alive():
            raise Lost(f"it ended by itself: {self.log()}")
        return False

    def _do(self, action: Callable[[], object], process: Any) -> None:
        try:
            action()
        except OSError as error:
            raise Lost(f"the mount does not answer: {error}, alive: {process.is_alive()}; {self.log()}") from error

    def _rows(self, table: str) -> list[Any]:
        found = list((self.home / "state").glob("*/journal.sqlite"))
        if not found:
            return []
        with closing(sqlite3.connect(found[0], timeout=10)) as db:
            try:
                return db.execute(f"SELECT * FROM {table}").fetchall()
            except sqlite3.OperationalError:
                return []

    def _owed(self) -> list[Any]:
        return [row[:2] for row in self._rows("files") if row[1] != "local"] + self._rows("leftovers")

    def log(self) -> str:
        path = self.home / f"{self._starts}.log"
        return path.read_text()[-3000:] if path.exists() else "no log"

    # ---- the proof ----------------------------------------------------------------------------------------------

    def prove(self, run: Run) -> None:
        """A daemon that lives finds what was acknowledged, sends it, and the server then has exactly that."""
        with self.daemon() as process:
            found = self._tree(process)
            tree = next((tree for tree in run.allowed if tree == found), None)
            if tree is None:
                raise Lost(f"after the remount: {_differences(found, run.allowed)}; {self.log()}")
            self._do(lambda: os.setxattr(self.mnt / ".assetfs", b"user.assetfs.flush", b"1"), process)
            self._settled(process)
            for name, old in self.story.undone.items():
                if name in tree and old not in tree:
                    tree = {**{n: data for n, data in tree.items() if n != name}, old: tree[name]}
            self._wait_for_server(tree)
            time.sleep(0.05)
            again = self._tree(process)
            if again != tree:
                raise Lost(f"after the flush: {_differences(again, [tree])}; {self.log()}")
        self._look_at_server(tree)
        self._look_at_home(tree)

    def _tree(self, process: Any) -> Tree:
        tree: Tree = {}
        attributes = any("@" in name for tree in self.trees for name in tree)

        def look() -> None:
            for name in os.listdir(self.mnt):
                tree[name] = (self.mnt / name).read_bytes()
                if attributes and (tags := _attribute(self.mnt / name, self.attribute)):
                    tree[f"{name}@{self.attribute}"] = tags

        self._do(look, process)
        return tree

    def _server(self) -> Tree:
        items = self.sandbox.rpc("project_items", [], 1, False, self.folder, 0, 1000, "title", None)
        tree: Tree = {}
        for found in items["resources"]:
            name = found["title"]
            while name in tree:
                name += " (twice)"
            tree[name] = wire.content(self.sandbox, found["id"])
            if tags := self.sandbox.rpc("resource", found["id"])["tags"]:
                tree[f"{name}@{TAGS}"] = "\n".join(tag["uid"] for tag in tags).encode()
        return tree

    def _expected(self, tree: Tree) -> Tree:
        return {name: data for name, data in tree.items() if name not in self.story.here}

    def _wait_for_server(self, tree: Tree) -> None:
        def same() -> bool:
            there = self._server()
            return self._expected(there) == self._expected(tree) and there.items() <= tree.items()

        if not eventually(same, 30):
            raise Lost(f"on the server: {_differences(self._server(), [self._expected(tree)])}; {self.log()}")

    def _look_at_server(self, tree: Tree) -> None:
        final = {found["title"]: found["id"] for found in wire.resources(self.sandbox, 1, self.folder)}
        for name, seed in self.story.same.items():
            if name in tree and tree[name] != self.story.seeds.get(name) and final.get(name) != self.ids[seed]:
                raise Lost(f"{name} is asset {final.get(name)} now, and was {self.ids[seed]}")
        known = {digest(data) for tree in self.trees for data in tree.values()}
        with closing(sqlite3.connect(Path(self.sandbox.info["data"]) / "jama.sqlite", timeout=30)) as db:
            shown = db.execute(
                "SELECT id, hash, title FROM shown"
                " WHERE id IN (SELECT resource_id FROM placed WHERE collection_id = ?)",
                (self.folder,),
            ).fetchall()
            alive = dict(db.execute("SELECT hash, id FROM resource WHERE deleted_at IS NULL"))
        for number, hash_, title in shown:
            if hash_ not in known:
                raise Lost(f"the server has shown content of {title} ({number}) that nobody has written")
        stray = {number for hash_, number in alive.items() if hash_ in known} - set(final.values())
        if stray:
            raise Lost(f"resources {stray} were left behind, in no place")

    def _look_at_home(self, tree: Tree) -> None:
        local = {name for name in self.story.here if name in tree}
        rows, files = self._rows("files"), list((self.home / "state").glob("*/staging/*"))
        if len(rows) > len(local) or len(files) > len(local) or self._rows("renames"):
            raise Lost(f"left in the journal: {[row[:2] for row in rows]}, in the staging folder: {files}")


def tell(make: Callable[[str], Story], case: str, mnt: Path, progress: Path) -> None:
    """What the program does that writes; a line for every step that was acknowledged."""
    with progress.open("a", buffering=1) as told:
        for step in make(case).steps:
            try:
                step.act(mnt)
            except OSError as error:
                told.write(f"{error}\n")
                return
            told.write("done\n")


def _attribute(path: Path, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name)
    except OSError:
        return None


def _differences(found: Tree, allowed: list[Tree]) -> str:
    """The same names and contents in a few words."""

    def short(tree: Tree) -> dict[str, str]:
        return {name: f"{len(data)}:{digest(data)[:6]}:{data[:24]!r}" for name, data in sorted(tree.items())}

    return f"found {short(found)}, may be {[short(tree) for tree in allowed]}"
