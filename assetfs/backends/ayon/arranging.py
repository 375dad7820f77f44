"""Folders, tasks, products: made, renamed, moved, removed (section 8.2).

The server deletes a folder with all folders and tasks below it without a word, so it is looked at first, uncached, and
what is not empty stays. Files at roots do not follow a rename: names in the tree and in paths are two things (11.18).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assetfs.backends.ayon import naming
from assetfs.backends.ayon.client import Lists, of_project
from assetfs.backends.ayon.deposit import delete_file
from assetfs.backends.ayon.ids import Ref, is_id, is_name, new_id, parse
from assetfs.backends.ayon.linking import Linking
from assetfs.backends.ayon.nodes import our_data, stored_by_us
from assetfs.backends.ayon.pictures import Pictures
from assetfs.backends.ayon.queries import LISTED, Ask
from assetfs.backends.ayon.studio import Studio
from assetfs.backends.ayon.wire import Representation
from assetfs.repository import (
    Conflict,
    CrossScope,
    Forbidden,
    NameRejected,
    Node,
    NotEmpty,
    NotFound,
    RepositoryError,
    Unsupported,
)

PARENT = {"folder": "parentId", "task": "folderId", "product": "folderId"}
"""The field that says where an entity is, of those that can be made, renamed and moved."""
MADE_IN = {"project": "folder", "folder": "folder", "tasks": "task", "products": "product"}
"""What a new folder is, by what it is made in."""
CONTENTS = {
    "task": ("workfiles", "taskIds"),
    "product": ("versions", "productIds"),
    "version": ("representations", "versionIds"),
}
"""What must not be there when an entity is removed."""


class Arranging:
    """Changes of the tree."""

    def __init__(self, studio: Studio, linking: Linking, pictures: Pictures) -> None:
        self._studio = studio
        self._linking = linking
        self._pictures = pictures

    # ---- making ---------------------------------------------------------------------------------------------------

    def admit(self, folder: Node, name: str) -> None:
        """Whether a folder can be made. Raises NameRejected, Forbidden, Unsupported. No I/O."""
        ref = parse(folder.id)
        what = MADE_IN.get(ref.what)
        if ref.what == "product":
            raise NameRejected("versions are published: make next.draft, and rename it to next when it is complete")
        if what is None:
            raise Unsupported("no folders can be made here")
        if not is_name(name):
            raise NameRejected("names are letters, digits and underscores, with dots and dashes inside")

    async def create(self, folder: Node, name: str) -> Node:
        """A new folder, task or product. Raises Conflict."""
        ref = parse(folder.id)
        if name in (naming.TASKS, naming.PRODUCTS) and ref.what == "folder":
            raise Conflict(f"{name} is there")
        self.admit(folder, name)
        what = MADE_IN[ref.what]
        parent = None if ref.what == "project" else ref.id
        body = {"id": new_id(), "name": name, PARENT[what]: parent, **await self._type(ref.project, what, name)}
        made = Ref(what, ref.project, (str(body["id"]),))
        try:
            path = of_project(ref.project, f"{what}s")
            await self._studio.client.send("POST", path, f"new {what}", body=body, repeatable=False)
        except RepositoryError as error:
            if not error.transient:
                if parent is not None and not isinstance(error, Conflict):
                    await self._studio.row(Ref("folder", ref.project, (parent,)))  # a folder that is gone is NotFound
                raise
            await self._studio.row(made)  # the answer got lost, and perhaps the request: then NotFound says so
        self._studio.changed(what, ref.project, made.id, [parent])
        return await self._studio.node(ref.project, await self._studio.row(made))

    async def _type(self, project: str, what: str, name: str) -> dict[str, str]:
        choices = self._studio.choices
        if what == "product":
            return {"productType": choices.product_type}
        facts = (await self._studio.projects.get(project)).facts
        names = [one.name for one in (facts.folder_types if what == "folder" else facts.task_types)]
        same = next((one for one in names if one.lower() == name.lower()), None)
        if what == "folder":
            chosen = choices.folder_type or same
            return {"folderType": chosen} if chosen else {}
        generic = "Generic" if "Generic" in names else next(iter(names), "Generic")
        return {"taskType": same or choices.task_type or generic}

    # ---- renaming and moving --------------------------------------------------------------------------------------

    async def place(self, node: Node, destination: Node, name: str, over: Node | None) -> Node:
        """An entity under another name, in its folder or another one; an empty one that has the name gives way."""
        ref, to = parse(node.id), parse(destination.id)
        if ref.what not in PARENT:
            raise Forbidden("this cannot be renamed or moved")
        if to.project != ref.project:
            raise CrossScope("nothing moves between projects")
        if MADE_IN.get(to.what) != ref.what:
            raise Unsupported(f"a {ref.what} cannot be there")
        if not is_name(name):
            raise NameRejected("names are letters, digits and underscores, with dots and dashes inside")
        row = await self._studio.row(ref)
        parent = None if to.what == "project" else to.id
        field = PARENT[ref.what]
        was = row.parent_id if ref.what == "folder" else row.folder_id
        changes = {**({"name": name} if row.name != name else {}), **({field: parent} if was != parent else {})}
        if over is not None and over.id != node.id:
            await self._instead(ref, parse(over.id), changes)
        elif changes:
            path = of_project(ref.project, f"{ref.what}s", ref.id)
            await self._studio.client.send("PATCH", path, "rename", body=changes, repeatable=True)
        self._studio.changed(ref.what, ref.project, ref.id, [was, parent])
        return await self._studio.node(ref.project, await self._studio.row(ref))

    async def _instead(self, ref: Ref, over: Ref, changes: Mapping[str, Any]) -> None:
        """An empty entity goes, and another one gets its place: both or neither."""
        await self._check_empty(over)
        operations: list[dict[str, Any]] = [
            {"id": "1", "type": "delete", "entityType": over.what, "entityId": over.id},
            {"id": "2", "type": "update", "entityType": ref.what, "entityId": ref.id, "data": changes},
        ]
        await self._studio.client.operations(ref.project, operations, "rename over")

    # ---- removing -------------------------------------------------------------------------------------------------

    async def remove_folder(self, node: Node, folder: Node) -> None:
        """Remove an empty folder, task, product, version or representation. Raises NotEmpty."""
        ref = parse(node.id)
        if ref.what == "representation":
            row: Representation = await self._studio.row(ref)
            if row.files and not self._studio.choices.recursive_delete:
                raise NotEmpty("the representation has files")
            await self.remove_representation(ref.project, row)
            return
        if ref.what not in ("folder", *CONTENTS):
            raise Forbidden("this cannot be removed")
        row_ = await self._studio.row(ref)
        below: list[Representation] = []
        if ref.what == "folder" or not self._studio.choices.recursive_delete:
            await self._check_empty(ref)
        else:
            below = await self._below(ref)
        path = of_project(ref.project, f"{ref.what}s", ref.id)
        await self._studio.client.send("DELETE", path, f"remove {ref.what}", repeatable=False)
        parents = [getattr(row_, by, None) for by in ("folder_id", "product_id")]
        self._studio.changed(ref.what, ref.project, ref.id, parents)
        for one in below:  # the server keeps the bytes of what it deletes
            await self._remove_bytes(ref.project, one, [file.id for file in one.files], [f.path for f in one.files])

    async def _below(self, ref: Ref) -> list[Representation]:
        """The representations in a product or a version, inactive ones, too."""
        if ref.what not in ("product", "version"):
            return []
        versions, ask = [ref.id], self._studio.client.lists
        if ref.what == "product":
            asked = Ask("versions", {"productIds": [ref.id]}, "id productId version", 5_000)
            versions = [edge.node.id for edge in (await ask(ref.project, [asked], "look")).versions.edges]
        asked = Ask("representations", {"versionIds": versions}, LISTED["representations"], 5_000)
        found = await ask(ref.project, [asked], "look") if versions else Lists()
        return [edge.node for edge in found.representations.edges]

    async def _check_empty(self, ref: Ref) -> None:
        """Ask the server itself. Raises NotEmpty, also for what is not active."""
        if ref.what == "folder":
            rows, tasks, products = await self._studio.catalogue(ref.project).uncached(ref.id)
            if rows or tasks or products:
                raise NotEmpty("the folder has folders, tasks or products, perhaps inactive ones")
            return
        if ref.what in CONTENTS:
            name, by = CONTENTS[ref.what]
            asked = [Ask(name, {by: [ref.id]}, LISTED[name], 1)]
            if getattr(await self._studio.client.query(ref.project, asked, "look", Lists), name).edges:
                raise NotEmpty(f"the {ref.what} has {name}")

    async def remove(self, node: Node, folder: Node) -> None:
        """Take a file or a link away. Raises NotFound, Forbidden."""
        ref = parse(node.id)
        match ref.what:
            case "linkto":
                await self._linking.remove(ref)
            case "thumbnail":
                await self._pictures.remove_thumbnail(ref)
            case "reviewable":
                await self._pictures.remove_reviewable(node)
            case "representation":
                await self.remove_representation(ref.project, await self._studio.row(ref))
            case "file":
                await self._remove_file(node, ref)
            case _:
                raise Forbidden("this cannot be removed")

    async def remove_representation(self, project: str, row: Representation) -> None:
        """Remove a representation, and its bytes where they are ours."""
        path = of_project(project, "representations", row.id)
        await self._studio.client.send("DELETE", path, "remove representation", repeatable=False)
        self._studio.changed("representation", project, row.id, [row.version_id])
        await self._remove_bytes(project, row, [file.id for file in row.files], [f.path for f in row.files])

    async def _remove_file(self, node: Node, ref: Ref) -> None:
        row: Representation = await self._studio.row(Ref("representation", ref.project, (ref.id,)))
        gone = node.private.file
        left = [file for file in row.files if file.id != gone.id]
        if len(left) == len(row.files):
            raise NotFound("the representation has no such file")
        await self.set_files(ref.project, row, [on_wire(file) for file in left])
        await self._remove_bytes(ref.project, row, [gone.id], [gone.path])

    async def set_files(self, project: str, row: Representation, files: list[dict[str, Any]]) -> None:
        """Other files for a representation. Nobody is told of such a change but for the data that goes with it
        (13.1), so some goes."""
        body = {"files": files, "data": {"assetfs": {**ours(row), "rev": new_id()}}}
        path = of_project(project, "representations", row.id)
        await self._studio.client.send("PATCH", path, "change files", body=body, repeatable=True)
        self._studio.changed("representation", project, row.id, [row.version_id])

    async def _remove_bytes(self, project: str, row: Representation, ids: list[str], paths: list[str]) -> None:
        """The bytes of what is gone: ours on the server; those at a root only where that was chosen."""
        if stored_by_us(row):
            for id_ in ids:
                if is_id(id_):
                    await delete_file(self._studio, project, id_)
        elif self._studio.choices.delete_root_files:
            known = await self._studio.projects.get(project)
            await known.remove(paths)


def ours(row: Representation) -> dict[str, Any]:
    """What we wrote down about a representation."""
    return dict(our_data(row.data))


def on_wire(file: Any) -> dict[str, Any]:
    """A file of a representation as it is sent. A name is never null: that would spoil every list (11.12)."""
    found = {"id": file.id, "path": file.path, "size": file.bytes or 0}
    for key, value in (("name", file.name), ("hash", file.hash), ("hashType", file.hash_type)):
        if value is not None:
            found[key] = value
    return found
