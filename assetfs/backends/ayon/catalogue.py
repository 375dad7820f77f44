"""Rows of a project by their parents, in few requests (section 9).

As long as nobody follows the event stream, every question is asked: what is remembered could be wrong. While it is
followed, answers are kept until an event tells otherwise, a minute at most, and whoever walks through the project gets
ahead of himself: the folder tree comes whole, the first product listed brings the versions of its siblings, and from
the second missing listing of a sort within ten seconds on, those of all parents that are known are fetched at once. So
`find` over thousands of folders costs a handful of requests, and a single `ls` one small one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import trio

from assetfs.backends.ayon.client import Client
from assetfs.backends.ayon.queries import LISTED, Ask
from assetfs.backends.ayon.wire import (
    Entity,
    Folder,
    Product,
    Representation,
    Rows,
    Task,
    Version,
    Workfile,
)
from assetfs.repository import ProtocolViolation

E = TypeVar("E", bound=Entity)

KEPT = 60.0
"""Seconds that rows are good while the event stream is followed: not every change has an event (13.1)."""
WALKING = 10.0
"""Seconds between two missing listings that make somebody a walker."""
PARENTS = 20_000
"""Ids in one request; the server takes as many."""
PAGES = {"representations": 5_000}
PAGE = 20_000
"""Rows in a page. Those of representations have their files and data in them, a few kilobytes each."""


class Level(Generic[E]):
    """One sort of rows by their parents."""

    def __init__(self, rows: str, by: str, parent: Callable[[E], str]) -> None:
        self.rows = rows
        self.by = by
        self.parent = parent
        self.most = PARENTS
        """Parents in one request."""
        self._known: dict[str, tuple[float, list[E]]] = {}
        self._homes: dict[str, str] = {}
        """Parents by row, as far as rows are kept."""
        self._dropped: dict[str, float] = {}
        self._cleared = float("-inf")
        self._missed = float("-inf")

    def fresh(self, parent: str, now: float) -> list[E] | None:
        """The rows of a parent, if they are still good."""
        found = self._known.get(parent)
        return found[1] if found is not None and now - found[0] <= KEPT else None

    def all(self, now: float) -> Iterable[E]:
        """Every row that is known, in the order of its listing."""
        for told, rows in self._known.values():
            if now - told <= KEPT:
                yield from rows

    def keep(self, parents: Sequence[str], rows: Iterable[E], begun: float) -> dict[str, list[E]]:
        """Remember the rows of parents, as they were asked for at `begun`, but for those that changed since."""
        grouped: dict[str, list[E]] = {parent: [] for parent in parents}
        for row in rows:
            grouped.setdefault(self.parent(row), []).append(row)
        for parent, found in grouped.items():
            if max(self._cleared, self._dropped.get(parent, self._cleared)) < begun:
                self._known[parent] = (begun, found)
                self._homes.update((row.id, parent) for row in found)
        return grouped

    def siblings(self, id_: str) -> list[str]:
        """The ids of those that were listed last together with a row."""
        home = self._homes.get(id_)
        return [row.id for row in self._known[home][1]] if home in self._known else []

    def missed(self, now: float) -> bool:
        """Note a missing listing. True: it is not the first one in a while."""
        walking = now - self._missed <= WALKING
        self._missed = now
        return walking

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
        self._dropped.clear()
        self._cleared = now


class Tree:
    """All folders of a project."""

    def __init__(self, folders: Iterable[Folder], begun: float) -> None:
        self.begun = begun
        self.folders = {folder.id: folder for folder in folders}
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


class Catalogue:
    """The rows of one project. `followed` says whether somebody follows the event stream."""

    def __init__(self, client: Client, project: str, followed: Callable[[], bool]) -> None:
        self._client = client
        self._project = project
        self._followed = followed
        self._tree: Tree | None = None
        self._dirty: set[str] = set()
        """Folders that changed since the tree was asked for."""
        self._locks: dict[str, trio.Lock] = {}
        self.tasks = Level[Task]("tasks", "folderIds", lambda row: row.folder_id)
        self.products = Level[Product]("products", "folderIds", lambda row: row.folder_id)
        self.versions = Level[Version]("versions", "productIds", lambda row: row.product_id)
        self.representations = Level[Representation]("representations", "versionIds", lambda row: row.version_id)
        self.workfiles = Level[Workfile]("workfiles", "taskIds", lambda row: row.task_id)
        self._levels: dict[str, Level[Any]] = {
            "task": self.tasks,
            "product": self.products,
            "version": self.versions,
            "representation": self.representations,
            "workfile": self.workfiles,
        }

    # ---- folders --------------------------------------------------------------------------------------------------

    async def folders(self, parent: str | None) -> list[Folder]:
        """The folders in a folder, or at the top."""
        if not self._followed():
            asked = [self._ask("folders", {"parentIds": [parent or "root"]})]
            return _nodes((await self._lists(asked)).folders)
        return (await self._whole(parent)).children(parent)

    async def directory(self, folder: str) -> tuple[list[Folder], list[Task], list[Product]]:
        """All that is in one folder, in one request."""
        found = await self._lists([self._ask("folders", {"parentIds": [folder]}), *self._places([folder])])
        return _nodes(found.folders), _nodes(found.tasks), _nodes(found.products)

    async def folder(self, id_: str, *, beside: bool = False) -> Folder | None:
        """One folder, from the tree where that is kept; with a new tree come its tasks and products (`beside`)."""
        if self._followed():
            return (await self._whole(id_ if beside else None)).folders.get(id_)
        found = await self._lists([self._ask("folders", {"ids": [id_]})])
        return next(iter(_nodes(found.folders)), None)

    async def _whole(self, here: str | None) -> Tree:
        """The tree as it is now; with a new one come, in the same request, tasks and products of one folder."""
        async with self._locks.setdefault("tree", trio.Lock()):
            begun, tree = time.monotonic(), self._tree
            new = tree is None or begun - tree.begun > KEPT
            dirty, self._dirty = sorted(self._dirty), set()
            if not new and not dirty:
                assert tree is not None
                return tree
            asked = [self._ask("folders", {} if new else {"ids": dirty})]
            beside = new and here is not None and self.products.fresh(here, begun) is None
            try:
                found = await self._lists([*asked, *(self._places([here or ""]) if beside else ())])
            except BaseException:
                self._dirty.update(dirty)
                raise
            if beside:
                self._keep_places([here or ""], found, begun)
            if new or tree is None:
                tree = self._tree = Tree(_nodes(found.folders), begun)
            else:
                tree.update(dirty, _nodes(found.folders))
            return tree

    # ---- what is in folders, products, versions, tasks ------------------------------------------------------------

    async def tasks_in(self, folder: str) -> list[Task]:
        """The tasks of a folder."""
        return list(await self._rows(self.products, folder, [], self.tasks))

    async def products_in(self, folder: str) -> list[Product]:
        """The products of a folder."""
        return list(await self._rows(self.products, folder, []))

    async def versions_of(self, product: str) -> list[Version]:
        """The versions of a product."""
        return list(await self._rows(self.versions, product, self.products.siblings(product)))

    async def representations_of(self, version: str) -> list[Representation]:
        """The representations of a version, with their files."""
        return list(await self._rows(self.representations, version, self.versions.siblings(version)))

    async def workfiles_of(self, task: str) -> list[Workfile]:
        """The workfiles of a task."""
        return list(await self._rows(self.workfiles, task, self.tasks.siblings(task)))

    async def _rows(
        self, level: Level[Any], parent: str, siblings: list[str], wanted: Level[Any] | None = None
    ) -> list[Any]:
        """The rows of a parent; with them come those that will be asked for next. Tasks come with products."""
        wanted = wanted or level
        async with self._locks.setdefault(level.rows, trio.Lock()):
            now = time.monotonic()
            followed = self._followed()
            known = wanted.fresh(parent, now) if followed and level.fresh(parent, now) is not None else None
            if known is not None:
                return known
            parents = [parent]
            if followed:
                ahead = self._parents(level, now) if level.missed(now) else siblings
                wished = dict.fromkeys(id_ for id_ in ahead if id_ != parent and level.fresh(id_, now) is None)
                parents += list(wished)[: level.most - 1]
            while True:
                try:
                    grouped = (await self._grouped(level, parents, now))[wanted]
                    break
                except ProtocolViolation:
                    if len(parents) == 1:
                        raise
                    # Sequences of thousands of files make answers longer than one may be: less at a time, for good.
                    level.most = max(1, len(parents) // 8)
                    parents = parents[: level.most]
            if not followed:
                level.clear(now)
                wanted.clear(now)
            return list(grouped[parent])

    async def _grouped(self, level: Level[Any], parents: list[str], now: float) -> dict[Level[Any], dict[str, Any]]:
        """The rows of parents, asked for and kept."""
        if level is self.products:
            found = await self._lists(self._places(parents))
            tasks, products = self._keep_places(parents, found, now)
            return {self.tasks: tasks, self.products: products}
        found = await self._lists([self._ask(level.rows, {level.by: parents})])
        return {level: level.keep(parents, _nodes(getattr(found, level.rows)), now)}

    def _parents(self, level: Level[Any], now: float) -> Iterable[str]:
        """Every parent that is known at this level."""
        folders = self._tree.folders.values() if self._tree is not None else ()
        above: dict[str, Iterable[Entity]] = {
            "products": (folder for folder in folders if folder.has_tasks or folder.has_products),
            "versions": self.products.all(now),
            "representations": self.versions.all(now),
            "workfiles": self.tasks.all(now),
        }
        return (row.id for row in above[level.rows])

    def _places(self, folders: list[str]) -> list[Ask]:
        return [self._ask("tasks", {"folderIds": folders}), self._ask("products", {"folderIds": folders})]

    def _keep_places(self, folders: list[str], found: Any, begun: float) -> tuple[dict[str, Any], dict[str, Any]]:
        tasks = self.tasks.keep(folders, _nodes(found.tasks), begun)
        return tasks, self.products.keep(folders, _nodes(found.products), begun)

    def _ask(self, rows: str, filters: dict[str, Any]) -> Ask:
        return Ask(rows, filters, LISTED[rows], PAGES.get(rows, PAGE))

    async def _lists(self, asked: list[Ask]) -> Any:
        return await self._client.lists(self._project, asked, "listing")

    def listed(self, what: str) -> Iterable[str]:
        """The ids of a type that are known, in the order of their listings."""
        if what == "folder":
            return self._tree.folders if self._tree is not None else ()
        return (row.id for row in self._levels[what].all(time.monotonic()))

    # ---- changes --------------------------------------------------------------------------------------------------

    def changed(self, what: str, id_: str, parents: Iterable[str]) -> None:
        """An entity was made, changed or removed: neither it nor the rows of its parents are believed any more."""
        now = time.monotonic()
        if what == "folder":
            self._dirty.add(id_)
            return
        for parent in parents:
            self._levels[what].drop(parent, now)
            if what in ("task", "product"):
                self.products.drop(parent, now)
                self.tasks.drop(parent, now)
                self._dirty.add(parent)

    def clear(self) -> None:
        """Anything may have changed."""
        self._tree = None
        for level in self._levels.values():
            level.clear(time.monotonic())


def _nodes(rows: Rows[E]) -> list[E]:
    return [edge.node for edge in rows.edges]
