"""What all parts of the backend share: the connection, what is known of the server, rows by id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from assetfs.backends.ayon import nodes
from assetfs.backends.ayon.catalogue import Catalogue
from assetfs.backends.ayon.client import Client
from assetfs.backends.ayon.descriptions import Descriptions
from assetfs.backends.ayon.downloads import Downloads
from assetfs.backends.ayon.ids import Ref
from assetfs.backends.ayon.projects import Project, Projects
from assetfs.backends.ayon.queries import DESCRIBED, LINKS, LIST_OF, LISTED, Ask
from assetfs.backends.ayon.wire import (
    AttributeSchema,
    Folder,
    Linked,
    Product,
    Representation,
    Rows,
    Task,
    Workfile,
)
from assetfs.repository import Node, NotFound

LINKED = 100
"""Entities whose links are asked for at once: the server looks for those of each alone."""


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """The mount's own options (docs/backends/ayon.md)."""

    root_map: Mapping[str, Path] = {}
    site_roots: bool = True
    media_fallback: bool = False
    show_inactive: bool = False
    allow_overwrite: bool = False
    store: str = "project-files"
    folder_type: str | None = None
    task_type: str | None = None
    product_type: str = "model"
    recursive_delete: bool = False
    delete_root_files: bool = False


class Studio:
    """One server, as one mount sees it."""

    def __init__(self, client: Client, choices: Choices) -> None:
        self.client = client
        self.choices = choices
        self.downloads = Downloads(client)
        self.projects = Projects(client, choices.root_map, ask=choices.site_roots, media=choices.media_fallback)
        self.schema: dict[str, AttributeSchema] = {}
        self.user = ""
        self.followed = False
        """Somebody follows the event stream."""
        self.swept: set[str] = set()
        """Projects that were looked through for what transfers have left."""
        self.publishing = 0
        """How many publishes of ours are under way."""
        self._descriptions: dict[str, Descriptions] = {}
        self._links: dict[str, Descriptions] = {}
        self._catalogues: dict[str, Catalogue] = {}

    @contextmanager
    def telling_later(self) -> Iterator[None]:
        """While something is published the mount is not told of it."""
        self.publishing += 1
        try:
            yield
        finally:
            self.publishing -= 1

    def catalogue(self, project: str) -> Catalogue:
        """The rows of a project."""
        if project not in self._catalogues:
            self._catalogues[project] = Catalogue(self.client, project, lambda: self.followed)
        return self._catalogues[project]

    def touched(self) -> list[str]:
        """The projects that anything was asked of."""
        return list(self._catalogues)

    def descriptions(self, project: str) -> Descriptions:
        """All that is known of a project's entities."""
        if project not in self._descriptions:
            catalogue = self.catalogue(project)

            async def ask(wanted: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
                return await self.rows(project, wanted, described=True)

            self._descriptions[project] = Descriptions(ask, catalogue.listed, lambda: self.followed)
        return self._descriptions[project]

    def links(self, project: str) -> Descriptions:
        """The links of a project's entities."""
        if project not in self._links:

            async def ask(wanted: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
                asked = [Ask(LIST_OF[what], {"ids": ids}, LINKS, len(ids) + 1) for what, ids in wanted.items()]
                found = await self.client.query(project, asked, "links", dict[str, Rows[Linked]])
                return {what: {edge.node.id: edge.node for edge in found[LIST_OF[what]].edges} for what in wanted}

            listed = self.catalogue(project).listed
            self._links[project] = Descriptions(ask, listed, lambda: self.followed, LINKED)
        return self._links[project]

    def forget(self) -> None:
        """Anything may have changed."""
        self.projects.forget()
        for catalogue in self._catalogues.values():
            catalogue.clear()
        for descriptions in (*self._descriptions.values(), *self._links.values()):
            descriptions.clear()

    def changed(self, what: str, project: str, id_: str, parents: Iterable[str | None]) -> None:
        """We changed an entity: its rows, and those of what it is in, are not believed any more."""
        self.catalogue(project).changed(what, id_, [parent for parent in parents if parent])
        if what == "folder":
            self.descriptions(project).clear()
        else:
            self.descriptions(project).drop(id_)

    # ---- rows by id -----------------------------------------------------------------------------------------------

    async def rows(
        self, project: str, wanted: Mapping[str, Sequence[str]], *, described: bool = False
    ) -> dict[str, dict[str, Any]]:
        """Entities by type and id, those that are gone left out: one request. Raises NotFound for the project."""
        fields = DESCRIBED if described else LISTED
        asked = [
            Ask(LIST_OF[what], {"ids": list(dict.fromkeys(ids))}, fields[LIST_OF[what]], len(ids) + 1)
            for what, ids in wanted.items()
            if ids
        ]
        if not asked:
            return {}
        found = await self.client.lists(project, asked, "describe" if described else "look up")
        return {
            what: {edge.node.id: edge.node for edge in getattr(found, LIST_OF[what]).edges}
            for what, ids in wanted.items()
            if ids
        }

    async def row(self, ref: Ref, what: str | None = None, *, described: bool = False) -> Any:
        """The entity of a node. Raises NotFound; inactive ones are not there unless they are shown."""
        what = what or ref.what
        found = (await self.rows(ref.project, {what: [ref.id]}, described=described))[what].get(ref.id)
        if found is None or not (found.active or self.choices.show_inactive):
            raise NotFound(f"there is no {what} {ref.id}")
        return found

    def shown(self, rows: Iterable[Any]) -> list[Any]:
        """Those rows that are shown."""
        return [row for row in rows if row.active or self.choices.show_inactive]

    # ---- nodes of rows --------------------------------------------------------------------------------------------

    async def node(self, project: str, row: Any) -> Node:
        """The node of an entity."""
        match row:
            case Folder():
                return nodes.folder(project, row)
            case Representation():
                known = await self.projects.get(project)
                return nodes.representation(known, row, overwrite=self.choices.allow_overwrite)
            case Workfile():
                return (await self.workfiles(await self.projects.get(project), [row]))[0]
            case Task():
                return nodes.task(project, row)
            case Product():
                return nodes.product(project, row)
        return nodes.version(project, row)

    async def workfiles(self, project: Project, rows: Sequence[Workfile]) -> list[Node]:
        """Workfiles, with what their files are now."""
        found = await trio.to_thread.run_sync(lambda: [project.find(row.path or "") for row in rows])
        return [nodes.workfile(project, row, one) for row, one in zip(rows, found, strict=True)]
