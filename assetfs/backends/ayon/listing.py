"""The tree (section 8.1): what is in a folder, what a node is now, and which ways lead to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from assetfs.backends.ayon import naming, nodes
from assetfs.backends.ayon.ids import ENTITIES, ROOT, Ref, parse
from assetfs.backends.ayon.linking import Linking
from assetfs.backends.ayon.pictures import PLURAL, Pictures
from assetfs.backends.ayon.queries import LISTED, Ask
from assetfs.backends.ayon.studio import Studio
from assetfs.backends.ayon.wire import Folder, Product, ProjectRow, Projects, Representation, Task, Version
from assetfs.repository import Kind, Node, NodeId, NotFound, Rights

E = TypeVar("E")
Lister = Callable[[Ref], Awaitable[list[Node]]]


class Tree:
    """Lists and finds nodes."""

    def __init__(self, studio: Studio, linking: Linking, pictures: Pictures) -> None:
        self._studio = studio
        self._linking = linking
        self._pictures = pictures
        self._listers: dict[str, Lister] = {
            ROOT: self._projects,
            "project": self._top,
            "folder": self._folder,
            "tasks": self._tasks,
            "products": self._products,
            "product": self._product,
            "version": self._version,
            "representation": self._representation,
            "task": self._task,
            "review": pictures.reviewables,
            "links": linking.sets,
            "linkset": linking.links,
            "lists": linking.lists,
            "list": linking.items,
        }

    # ---- listings -------------------------------------------------------------------------------------------------

    async def children(self, folder: Node) -> list[Node]:
        """What is in a folder. Raises NotFound."""
        ref = parse(folder.id)
        lister = self._listers.get(ref.what)
        if lister is None or (ref.what == "representation" and folder.kind is not Kind.FOLDER):
            raise NotFound("this is no folder")
        return await lister(ref)

    async def _projects(self, ref: Ref) -> list[Node]:
        only = "" if self._studio.choices.show_inactive else "?active=true"
        found = await self._studio.client.get(f"api/projects{only}", Projects, "projects")
        return [nodes.project(row) for row in found.projects]

    async def _top(self, ref: Ref) -> list[Node]:
        await self._studio.projects.get(ref.project)
        rows = await self._studio.catalogue(ref.project).folders()
        return [nodes.folder(ref.project, row) for row in self._studio.shown(rows)]

    async def _folder(self, ref: Ref) -> list[Node]:
        here = await self._studio.catalogue(ref.project).directory(ref.id, self._studio.shown)
        await self._there(ref, "folder", [True] if any(here) else [])
        found = [nodes.folder(ref.project, one) for one in here.folders]
        if here.tasks:
            found.append(nodes.tasks(ref.project, ref.id))
        if here.products:
            found.append(nodes.products(ref.project, ref.id))
        return found

    async def _tasks(self, ref: Ref) -> list[Node]:
        rows = await self._there(ref, "folder", await self._studio.catalogue(ref.project).tasks_in(ref.id))
        return [nodes.task(ref.project, row) for row in self._studio.shown(rows)]

    async def _products(self, ref: Ref) -> list[Node]:
        rows = await self._there(ref, "folder", await self._studio.catalogue(ref.project).products_in(ref.id))
        return [nodes.product(ref.project, row) for row in self._studio.shown(rows)]

    async def _product(self, ref: Ref) -> list[Node]:
        rows = await self._there(ref, "product", await self._studio.catalogue(ref.project).versions_of(ref.id))
        shown: list[Version] = self._studio.shown(rows)
        links = [nodes.pointer(ref.project, name, row) for name, row in naming.pointers(rows).items()]
        return [*(nodes.version(ref.project, row) for row in shown), *links]

    async def _version(self, ref: Ref) -> list[Node]:
        rows = await self._studio.catalogue(ref.project).representations_of(ref.id)
        rows = await self._there(ref, "version", rows)
        project = await self._studio.projects.get(ref.project)
        overwrite = self._studio.choices.allow_overwrite
        return [nodes.representation(project, row, overwrite=overwrite) for row in self._studio.shown(rows)]

    async def _representation(self, ref: Ref) -> list[Node]:
        row: Representation | None = self._studio.catalogue(ref.project).row("representation", ref.id)
        project = await self._studio.projects.get(ref.project)
        return nodes.files(project, row or await self._studio.row(ref), overwrite=self._studio.choices.allow_overwrite)

    async def _task(self, ref: Ref) -> list[Node]:
        rows = await self._there(ref, "task", await self._studio.catalogue(ref.project).workfiles_of(ref.id))
        return await self._studio.workfiles(await self._studio.projects.get(ref.project), self._studio.shown(rows))

    async def _there(self, ref: Ref, what: str, rows: list[E]) -> list[E]:
        """The rows of an entity; where there are none it is asked whether there is such an entity. Raises NotFound."""
        if not rows and self._studio.catalogue(ref.project).row(what, ref.id) is None:
            await self._studio.row(ref, what)
        return rows

    # ---- single nodes ---------------------------------------------------------------------------------------------

    async def stat(self, node: NodeId) -> Node:
        """A node as it is now. Raises NotFound."""
        ref = parse(node)
        match ref.what:
            case "root":
                return root()
            case "project":
                facts = (await self._studio.projects.get(ref.project)).facts
                return nodes.project(
                    ProjectRow(
                        name=facts.name,
                        code=facts.code,
                        label=facts.label,
                        created_at=facts.created_at,
                        updated_at=facts.updated_at,
                    )
                )
            case "tasks" | "products":
                await self._studio.row(ref, "folder")
                return (nodes.tasks if ref.what == "tasks" else nodes.products)(ref.project, ref.id)
            case "pointer":
                rows = await self._studio.catalogue(ref.project).versions_of(ref.id)
                version = naming.pointers(rows).get(ref.key[1])
                if version is None:
                    raise NotFound(f"there is no version that is {ref.key[1]}")
                return nodes.pointer(ref.project, ref.key[1], version)
            case "file":
                row = await self._studio.row(ref, "representation")
                project = await self._studio.projects.get(ref.project)
                found = nodes.files(project, row, overwrite=self._studio.choices.allow_overwrite)
                return _among(found, node)
            case "review" | "reviewable" | "thumbnail":
                return await self._pictures.stat(ref)
            case "links" | "linkset" | "linkto" | "lists" | "list" | "item":
                return await self._linking.stat(ref)
        return await self._studio.node(ref.project, await self._studio.row(ref))

    async def hidden(self, folder: Node, name: str) -> Node:
        """What answers to a name in a folder and is not listed. Raises NotFound."""
        ref = parse(folder.id)
        if ref.what == "folder" and name in (naming.TASKS, naming.PRODUCTS):
            return (nodes.tasks if name == naming.TASKS else nodes.products)(ref.project, ref.id)
        if name in naming.THUMBNAILS or name == naming.REVIEW:
            return await self._pictures.hidden(ref, name)
        if name in (naming.LINKS, naming.LISTS):
            return self._linking.hidden(ref, name)
        raise NotFound(f"there is no {name}")

    def hidden_entries(self, folder: Node) -> list[Node]:
        """What of that is worth listing: what can be told without a question."""
        ref, row = parse(folder.id), folder.private.row
        found = [self._pictures.review(ref)] if ref.what == "version" else []
        if ref.what == ROOT:
            found.append(self._linking.hidden(ref, naming.LISTS))
        if ref.what in ENTITIES and folder.kind is Kind.FOLDER:
            found.append(self._linking.hidden(ref, naming.LINKS))
            if row is not None and row.thumbnail_id is not None and ref.what in PLURAL:
                found.append(self._pictures.thumbnail(ref, row))
        return found

    # ---- ways -----------------------------------------------------------------------------------------------------

    async def locate(self, node: NodeId) -> Sequence[Sequence[Node]]:
        """The one way from the root to a node, or none to the root itself. Raises NotFound."""
        ref = parse(node)
        if ref.what == ROOT:
            return []
        here = await self.stat(node)
        if ref.what == "project":
            return [[here]]
        if ref.what in ("tasks", "products"):
            return [[*await self._above(ref.project, ref.id), here]]
        if ref.what in ("lists", "list", "item"):
            return [[*await self._linking.way(ref), here]]
        if ref.what in ENTITIES:
            return [[*await self._way_of(ref.project, here.private.row), here]]
        owner = Ref("version", ref.project, ref.key[:1]) if ref.what in ("review", "reviewable") else _owner(ref)
        (way,) = await self.locate(owner.node)
        between = await self._between(ref)
        return [[*way, *between, here]]

    async def _between(self, ref: Ref) -> list[Node]:
        """What is synthetic between an entity and something of it."""
        if ref.what == "reviewable":
            return [await self.stat(Ref("review", ref.project, ref.key[:1]).node)]
        if ref.what == "linkset":
            return [await self.stat(Ref("links", ref.project, ref.key[:2]).node)]
        if ref.what == "linkto":
            sets = Ref("linkset", ref.project, ref.key[:4])
            return [*await self._between(sets), await self.stat(sets.node)]
        return []

    async def _way_of(self, project: str, row: Any) -> list[Node]:
        """The nodes above an entity."""
        match row:
            case Folder():
                return await self._above(project, row.parent_id)
            case Task():
                return [*await self._above(project, row.folder_id), nodes.tasks(project, row.folder_id)]
            case Product():
                return [*await self._above(project, row.folder_id), nodes.products(project, row.folder_id)]
            case Version():
                above = await self._studio.row(Ref("product", project, (row.product_id,)))
            case Representation():
                above = await self._studio.row(Ref("version", project, (row.version_id,)))
            case _:
                above = await self._studio.row(Ref("task", project, (row.task_id,)))
        return [*await self._way_of(project, above), await self._studio.node(project, above)]

    async def _above(self, project: str, folder: str | None) -> list[Node]:
        """The nodes from the project to a folder, this included: one request, or two where trees are not kept."""
        found: dict[str, Folder] = {}
        if folder is not None:
            row = await self._studio.catalogue(project).folder(folder)
            if row is None:
                raise NotFound(f"there is no folder {folder}")
            steps = (row.path or "").strip("/").split("/")
            paths = ["/" + "/".join(steps[:depth]) for depth in range(1, len(steps))]
            if paths:
                asked = [Ask("folders", {"paths": paths}, LISTED["folders"], 10 * len(paths))]
                rows = await self._studio.client.lists(project, asked, "way")
                found = {edge.node.id: edge.node for edge in rows.folders.edges}
            found[row.id] = row
        way: list[Folder] = []
        here = folder
        while here is not None:
            if here not in found:
                raise NotFound(f"there is no folder {here}")
            way.append(found.pop(here))
            here = way[-1].parent_id
        return nodes.way(project, way[::-1])


def root() -> Node:
    """The folder of all projects. Projects are not made here."""
    return Node(id=ROOT, kind=Kind.FOLDER, name="", rights=Rights.READ, private=nodes.Of(id=ROOT, ref=Ref(ROOT)))


def _owner(ref: Ref) -> Ref:
    """The node that something hidden belongs to."""
    if ref.what == "thumbnail" and ref.key[0] == "project":
        return Ref("project", ref.project)
    if ref.what in ("thumbnail", "links", "linkset", "linkto"):
        return Ref(ref.key[0], ref.project, (ref.key[1],))
    what = {"pointer": "product", "file": "representation"}[ref.what]
    return Ref(what, ref.project, (ref.id,))


def _among(found: Sequence[Node], node: NodeId) -> Node:
    for one in found:
        if one.id == node:
            return one
    raise NotFound("there is no such file")
