"""Rows that are remembered: by their parents, and the tree of all folders. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import trio

from assetfs.backends.ayon.wire import Entity, Folder, Representation

E = TypeVar("E", bound=Entity)

WALKING = 10.0
"""Seconds between two missing listings that make somebody a walker, and that a walker's rows wait for him."""
PARENTS = 20_000
"""Ids in one request; the server takes as many."""
ANSWER = 16 << 20
"""Bytes that an answer should have at most: a few seconds of the server's, and a quarter of what is taken from it."""


class Rung:
    """Lists that are asked for together, and who asked for them last."""

    def __init__(self) -> None:
        self.lock = trio.Lock()
        self.most = PARENTS
        """Parents in one request."""
        self._missed = float("-inf")

    def missed(self, now: float) -> bool:
        """Note a missing listing. True: it is not the first one in a while."""
        walking = now - self._missed <= WALKING
        self._missed = now
        return walking

    def learn(self, parents: int, rows: Iterable[Entity]) -> None:
        """How many parents an answer may be about, judged by what so many have brought."""
        if size := sum(map(_size, rows)):
            self.most = max(1, min(PARENTS, ANSWER * parents // size))


class Level(Generic[E]):
    """One sort of rows by their parents."""

    def __init__(self, rows: str, by: str, rung: Rung, parent: Callable[[E], str]) -> None:
        self.rows = rows
        self.by = by
        self.rung = rung
        self.parent = parent
        self._known: dict[str, tuple[float, list[E]]] = {}
        self._homes: dict[str, str] = {}
        """Parents by row, as far as rows are kept."""
        self._given: set[str] = set()
        """Parents whose rows were given out once."""
        self._dropped: dict[str, float] = {}
        self._cleared = float("-inf")

    def fresh(self, parent: str, since: float) -> list[E] | None:
        """The rows of a parent, if they were asked for since then."""
        told, rows = self._known.get(parent, (float("-inf"), None))
        return rows if told >= since else None

    def once(self, parent: str, since: float) -> list[E] | None:
        """The same, for whoever is the first to ask."""
        rows = None if parent in self._given else self.fresh(parent, since)
        self._given.add(parent)
        return rows

    def all(self, since: float) -> Iterable[E]:
        """Every row that is known, in the order of its listing."""
        for told, rows in self._known.values():
            if told >= since:
                yield from rows

    def keep(self, parents: Iterable[str], rows: Iterable[E], begun: float) -> dict[str, list[E]]:
        """Remember the rows of parents, as they were asked for at `begun`, but for those that changed since."""
        grouped: dict[str, list[E]] = {parent: [] for parent in parents}
        for row in rows:
            grouped.setdefault(self.parent(row), []).append(row)
        for parent, found in grouped.items():
            if max(self._cleared, self._dropped.get(parent, self._cleared)) < begun:
                self._known[parent] = (begun, found)
                self._given.discard(parent)
                self._homes.update((row.id, parent) for row in found)
        return grouped

    def row(self, id_: str, since: float) -> E | None:
        """One row, if it was asked for since then."""
        rows = self.fresh(self._homes.get(id_, ""), since) or ()
        return next((row for row in rows if row.id == id_), None)

    def siblings(self, id_: str) -> list[str]:
        """The ids of those that were listed last together with a row."""
        home = self._homes.get(id_)
        return [row.id for row in self._known[home][1]] if home in self._known else []

    def drop(self, parent: str, now: float) -> None:
        """A parent's rows are not believed any more."""
        self._known.pop(parent, None)
        self._dropped[parent] = now
        if len(self._dropped) > PARENTS:
            self.clear(now)

    def clear(self, now: float) -> None:
        """No rows are believed any more."""
        self._known.clear()
        self._homes.clear()
        self._given.clear()
        self._dropped.clear()
        self._cleared = now


class Tree:
    """All folders of a project."""

    def __init__(self, folders: Iterable[Folder], begun: float) -> None:
        self.begun = begun
        self.folders = {folder.id: folder for folder in folders}
        self.given: set[str | None] = set()
        """Folders whose folders were given out once."""
        self._children: dict[str | None, list[Folder]] | None = None

    def children(self, parent: str | None) -> list[Folder]:
        """The folders in a folder."""
        if self._children is None:
            self._children = {}
            for folder in self.folders.values():
                self._children.setdefault(folder.parent_id, []).append(folder)
        return self._children.get(parent, [])

    def update(self, asked: Iterable[str], found: Iterable[Folder]) -> None:
        """Put in what changed; what was asked for and not found is gone, with all below it."""
        rows = {folder.id: folder for folder in found}
        gone = [id_ for id_ in asked if id_ not in rows]
        while gone:
            id_ = gone.pop()
            gone += [below.id for below in self.children(id_)]
            self.folders.pop(id_, None)
        self.folders.update(rows)
        self._children = None


def _size(row: Entity) -> int:
    """About how many bytes of an answer a row is."""
    files = sum(200 + len(file.path) for file in row.files) if isinstance(row, Representation) else 0
    return 400 + len(row.data or "") + files
