"""Rows of a project by their parents, in few requests (section 9).

Whoever walks through a project gets ahead of himself: the folder tree comes whole, products bring their versions, and
from the second missing listing of a sort within ten seconds on, those of all parents that are known are fetched at
once, as many as one answer may hold. So `find` over thousands of folders costs a handful of requests, and a single `ls`
one small one.

While the event stream is followed, rows are kept until an event tells otherwise, a minute at most. While nobody follows
it, what is remembered could be wrong: every question is asked, but for those of a walker, whose rows are given out
once, and only for as long as he is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from assetfs.backends.ayon.client import Client
from assetfs.backends.ayon.levels import WALKING, Level, Rung, Tree
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
from assetfs.repository import NotFound, ProtocolViolation

E = TypeVar("E", bound=Entity)

KEPT = 60.0
"""Seconds that rows are good while the event stream is followed: not every change has an event (13.1)."""
PAGE = 20_000
"""Rows in a page."""
BY_FOLDER = (1, 12, 5)
"""The first release that has the versions of a folder."""


IN_FOLDERS = (("folders", "parentIds"), ("tasks", "folderIds"), ("products", "folderIds"))


class Directory(NamedTuple):
    """What is in a folder."""

    folders: list[Folder]
    tasks: bool
    products: bool


class Catalogue:
    """The rows of one project. `followed` says whether somebody follows the event stream."""

    def __init__(self, client: Client, project: str, followed: Callable[[], bool]) -> None:
        self._client = client
        self._project = project
        self._followed = followed
        self._tree: Tree | None = None
        self._dirty: set[str] = set()
        """Folders that changed since the tree was asked for."""
        self._top = Rung()
        places, contents = Rung(), Rung()
        self.tasks = Level[Task]("tasks", "folderIds", places, lambda row: row.folder_id)
        self.products = Level[Product]("products", "folderIds", places, lambda row: row.folder_id)
        self.versions = Level[Version]("versions", "productIds", Rung(), lambda row: row.product_id)
        self.representations = Level[Representation](
            "representations", "versionIds", contents, lambda row: row.version_id
        )
        self.workfiles = Level[Workfile]("workfiles", "taskIds", contents, lambda row: row.task_id)
        self._levels: dict[str, Level[Any]] = {
            "task": self.tasks,
            "product": self.products,
            "version": self.versions,
            "representation": self.representations,
            "workfile": self.workfiles,
        }

    def _since(self) -> float:
        """When what is believed was asked for, at the earliest."""
        return time.monotonic() - (KEPT if self._followed() else WALKING)

    # ---- folders --------------------------------------------------------------------------------------------------

    async def folders(self) -> list[Folder]:
        """The folders at the top."""
        if self._followed() or self._walks(None):
            return (await self._whole(None)).children(None)
        return _nodes((await self._lists([self._ask("folders", {"parentIds": ["root"]})])).folders)

    async def directory(self, folder: str, shown: Callable[[Iterable[Any]], list[Any]]) -> Directory:
        """What is in a folder, as far as it is `shown`. Raises NotFound, if that is known without asking again."""
        if self._followed() or self._walks(folder):
            tree = await self._whole(folder)
            row = tree.folders.get(folder)
            if row is None:
                raise NotFound(f"there is no folder {folder}")
            return Directory(shown(tree.children(folder)), row.has_tasks, row.has_products)
        rows, tasks, products = await self.uncached(folder)
        return Directory(shown(rows), bool(shown(tasks)), bool(shown(products)))

    async def uncached(self, folder: str) -> tuple[list[Folder], list[Task], list[Product]]:
        """All that is in a folder, from the server itself, in one request."""
        asked = [self._ask(rows, {by: [folder]}) for rows, by in IN_FOLDERS]
        found = await self._lists(asked)
        return _nodes(found.folders), _nodes(found.tasks), _nodes(found.products)

    async def folder(self, id_: str) -> Folder | None:
        """One folder."""
        if self._followed():
            return (await self._whole(None)).folders.get(id_)
        found = await self._lists([self._ask("folders", {"ids": [id_]})])
        return next(iter(_nodes(found.folders)), None)

    def _walks(self, folder: str | None) -> bool:
        """Whether somebody walks who has not been in this folder yet."""
        walking = self._top.missed(time.monotonic())
        tree = self._tree if self._tree is not None and self._tree.begun >= self._since() else None
        return walking and (tree is None or folder not in tree.given)

    async def _whole(self, here: str | None) -> Tree:
        """The tree as it is now; with a new one come, in the same request, tasks and products of one folder."""
        async with self._top.lock:
            begun, tree = time.monotonic(), self._tree
            new = tree is None or tree.begun < self._since()
            dirty, self._dirty = sorted(self._dirty), set()
            if new or dirty or tree is None:
                asked = [self._ask("folders", {} if new else {"ids": dirty})]
                beside = [here] if new and here and self.products.fresh(here, self._since()) is None else []
                try:
                    found = await self._lists([*asked, *(self._places(beside) if beside else ())])
                except BaseException:
                    self._dirty.update(dirty)
                    raise
                if beside:
                    self._keep_places(beside, found, begun)
                if new or tree is None:
                    tree = self._tree = Tree(_nodes(found.folders), begun)
                else:
                    tree.update(dirty, _nodes(found.folders))
            tree.given.add(here)
            return tree

    # ---- what is in folders, products, versions, tasks ------------------------------------------------------------

    async def tasks_in(self, folder: str) -> list[Task]:
        """The tasks of a folder."""
        return await self._rows(self.tasks, folder)

    async def products_in(self, folder: str) -> list[Product]:
        """The products of a folder."""
        return await self._rows(self.products, folder)

    async def versions_of(self, product: str) -> list[Version]:
        """The versions of a product."""
        return await self._rows(self.versions, product, self.products.siblings(product))

    async def representations_of(self, version: str) -> list[Representation]:
        """The representations of a version, with their files."""
        return await self._rows(self.representations, version, self.versions.siblings(version))

    async def workfiles_of(self, task: str) -> list[Workfile]:
        """The workfiles of a task."""
        return await self._rows(self.workfiles, task, self.tasks.siblings(task))

    async def _rows(self, level: Level[E], parent: str, siblings: Sequence[str] = ()) -> list[E]:
        """The rows of a parent; with them come those that will be asked for next."""
        rung = level.rung
        async with rung.lock:
            begun, followed = time.monotonic(), self._followed()
            known = (level.fresh if followed else level.once)(parent, self._since())
            if known is not None:
                return list(known)
            walking = rung.missed(begun)
            ahead = self._unknown(level) if walking else siblings if followed else ()
            parents = list(dict.fromkeys([parent, *ahead]))[: rung.most]
            while True:
                try:
                    if walking or followed:
                        return await self._ahead(level, parents, begun, walking=walking)
                    found = await self._lists([self._ask(level.rows, {level.by: [parent]})])
                    return _nodes(getattr(found, level.rows))
                except ProtocolViolation:
                    if len(parents) == 1 and not walking:
                        raise
                    # Longer than an answer may be, against what was to be expected: less at a time.
                    rung.most = max(1, len(parents) // 8)
                    parents, walking = parents[: rung.most], False

    async def _ahead(self, level: Level[E], parents: list[str], begun: float, *, walking: bool) -> list[E]:
        """The rows of the first of some parents. Those of the others are kept, and for a walker all else that may come
        in the same answer."""
        if level.rung is self.products.rung:
            found = await self._lists(self._places(parents))
            rows = self._keep_places(parents, found, begun)
        else:
            wanted: dict[Level[Any], list[str]] = {level: parents}
            for beside in (self.representations, self.workfiles) if walking else ():
                if beside.rung is level.rung and beside is not level:
                    wanted[beside] = self._unknown(beside)[: level.rung.most]
            found = await self._lists([self._ask(one.rows, {one.by: ids}) for one, ids in wanted.items() if ids])
            rows = [row for one in wanted for row in _nodes(getattr(found, one.rows))]
            for one, ids in wanted.items():
                one.keep(ids, _nodes(getattr(found, one.rows)), begun)
        level.rung.learn(len(parents), rows)
        level.once(parents[0], begun)
        return [row for row in _nodes(getattr(found, level.rows)) if level.parent(row) == parents[0]]

    def _unknown(self, level: Level[Any]) -> list[str]:
        """Every parent that is known at a level, and whose rows are not."""
        since = self._since()
        folders = self._tree.folders.values() if self._tree is not None else ()
        above: dict[str, Iterable[Entity]] = {
            "tasks": (folder for folder in folders if folder.has_tasks or folder.has_products),
            "products": (folder for folder in folders if folder.has_tasks or folder.has_products),
            "versions": self.products.all(since),
            "representations": self.versions.all(since),
            "workfiles": self.tasks.all(since),
        }
        return [row.id for row in above[level.rows] if level.fresh(row.id, since) is None]

    def _places(self, folders: list[str]) -> list[Ask]:
        """Tasks and products of folders; the versions of those come along where the server can say so."""
        lists = ("tasks", "products", "versions") if self._client.version >= BY_FOLDER else ("tasks", "products")
        return [self._ask(rows, {"folderIds": folders}) for rows in lists]

    def _keep_places(self, folders: list[str], found: Any, begun: float) -> list[Entity]:
        tasks, products, versions = _nodes(found.tasks), _nodes(found.products), _nodes(found.versions)
        self.tasks.keep(folders, tasks, begun)
        self.products.keep(folders, products, begun)
        if self._client.version >= BY_FOLDER:
            self.versions.keep([row.id for row in products], versions, begun)
        return [*tasks, *products, *versions]

    def _ask(self, rows: str, filters: dict[str, Any]) -> Ask:
        return Ask(rows, filters, LISTED[rows], PAGE)

    async def _lists(self, asked: list[Ask]) -> Any:
        return await self._client.lists(self._project, asked, "listing")

    def row(self, what: str, id_: str) -> Any:
        """An entity as it was listed, if that is still good."""
        if what == "folder":
            return self._tree.folders.get(id_) if self._tree is not None and self._tree.begun >= self._since() else None
        return self._levels[what].row(id_, self._since())

    def listed(self, what: str) -> Iterable[str]:
        """The ids of a type that are known, in the order of their listings."""
        if what == "folder":
            return self._tree.folders if self._tree is not None else ()
        return (row.id for row in self._levels[what].all(self._since()))

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
