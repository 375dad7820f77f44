"""Workfiles: bytes at a root that is ours to write, records on the server (sections 5.4, 8.2).

New bytes are written beside their place, made durable, and linked to it, which never overwrites. The temporary name
goes last: while it is there, it proves that what stands in the place is ours, so that a broken try is continued or
taken back, whatever it was broken by.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import trio

from assetfs.backends.ayon.client import of_project
from assetfs.backends.ayon.ids import Ref, new_id, parse
from assetfs.backends.ayon.projects import Project
from assetfs.backends.ayon.queries import LISTED, Ask
from assetfs.backends.ayon.roots import Found, Rooted, rooted, version_of
from assetfs.backends.ayon.studio import Studio
from assetfs.backends.ayon.templates import Missing, folder_of
from assetfs.backends.ayon.wire import Folder, Task, Workfile
from assetfs.repository import (
    Conflict,
    Forbidden,
    Immutable,
    Ledger,
    NameRejected,
    Node,
    NotFound,
    RepositoryError,
    Source,
    Unavailable,
)
from assetfs.transport import pieces

FALLBACK = "{root[work]}/{project[name]}/{hierarchy}/{folder[name]}/work/{task[name]}"
PIECE = 4 << 20


class Workfiles:
    """Writes workfiles."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    # ---- places ---------------------------------------------------------------------------------------------------

    async def _folder(self, project: Project, task: Task) -> str:
        """Where files of a task go, as the server keeps paths. Raises Immutable where that is not ours to write."""
        folder: Folder = await self._studio.row(Ref("folder", project.facts.name, (task.folder_id,)))
        values = values_of(project, folder, self._studio.user)
        values["task"] = {"name": task.name, "type": task.task_type, "short": task.name}
        try:
            path = folder_of(project.facts.config.templates, "work", values, FALLBACK)
        except Missing as missing:
            raise Immutable(f"the project's work template needs {missing}, which is not known here") from None
        place_of(project, f"{path}/x")
        return path

    async def _named(self, ref: Ref, name: str) -> Node | None:
        """The workfile of a task that has this name."""
        asked = [Ask("workfiles", {"taskIds": [ref.id]}, LISTED["workfiles"], 20_000)]
        found = await self._studio.client.lists(ref.project, asked, "look")
        rows = [edge.node for edge in found.workfiles.edges]
        if not rows:
            await self._studio.row(ref)
        for node in await self._studio.workfiles(
            await self._studio.projects.get(ref.project), self._studio.shown(rows)
        ):
            if node.name == name:
                return node
        return None

    # ---- new files and new content --------------------------------------------------------------------------------

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        """A new workfile of a task. See `Repository.upload`."""
        check_name(name)
        ref = parse(folder.id)
        project = await self._studio.projects.get(ref.project)
        state = ledger.state.get("workfile")
        row = await self._record(state) if state is not None else None
        if state is None:
            task: Task = await self._studio.row(ref)
            there = await self._named(ref, name)
            if there is not None:
                raise Conflict(f"there is a workfile {name} already", there)
            path = f"{await self._folder(project, task)}/{name}"
            state = {"id": new_id(), "project": ref.project, "task": ref.id, "path": path}
            await ledger.record(workfile=state)
        state = dict(state)
        place, temporary = places(project, state)
        if row is None:
            await trio.to_thread.run_sync(take_back, temporary, place)
            await write(source, temporary, ledger)
            await trio.to_thread.run_sync(put, temporary, place)
            try:
                row = await self._register(state)
            except RepositoryError as error:
                if not error.transient:
                    await self.abandon(state)
                raise
        await trio.to_thread.run_sync(unlink, temporary)
        self._studio.changed("workfile", ref.project, row.id, [ref.id])
        return await self._studio.node(ref.project, row)

    async def _record(self, state: Mapping[str, Any]) -> Workfile | None:
        found = await self._studio.rows(state["project"], {"workfile": [state["id"]]})
        row: Workfile | None = found["workfile"].get(state["id"])
        return row

    async def _register(self, state: Mapping[str, Any]) -> Workfile:
        """The record of a file that is in its place."""
        project, path = state["project"], state["path"]
        name = path.rpartition("/")[2]
        extension = name.rpartition(".")[2] if "." in name else ""
        body = {"id": state["id"], "path": path, "taskId": state["task"], "attrib": {"extension": extension}}
        try:
            await self._studio.client.send(
                "POST", of_project(project, "workfiles"), "new workfile", body=body, repeatable=False
            )
        except (Unavailable, Conflict):
            # A path that is taken is a crash of the server's (10.2, Q14), and looks like any other.
            row = await self._record(state)
            if row is not None:
                return row
            asked = [Ask("workfiles", {"paths": [path]}, LISTED["workfiles"], 2)]
            found = await self._studio.client.lists(project, asked, "look")
            if found.workfiles.edges:
                raise Conflict("there is a workfile with this path already, perhaps of another task") from None
            raise
        row = await self._record(state)
        if row is None:
            raise NotFound("the workfile was removed at once")
        return row

    async def replace(self, node: Node, source: Source, ledger: Ledger) -> Node:
        """New content for a workfile. See `Repository.replace`."""
        ref = parse(node.id)
        project = await self._studio.projects.get(ref.project)
        row: Workfile = await self._studio.row(ref)
        found = await trio.to_thread.run_sync(project.find, row.path or "")
        state = ledger.state.get("replaces")
        digest = await source.digest("sha256")
        if found is None:
            raise Conflict("the file is not at its root any more")
        if found.size == source.size and await trio.to_thread.run_sync(_hash, found) == digest:
            if state is None and found.version != node.version:
                raise Conflict("the file was changed", await self._studio.node(ref.project, row))
            return await self._replaced(ref, row, dict(state) if state else None)
        if found.version != node.version:
            raise Conflict("the file was changed by somebody else", await self._studio.node(ref.project, row))
        place = place_of(project, row.path or "")
        if state is None:
            state = {"id": new_id(), "project": ref.project, "path": row.path, "node": node.id, "sha256": digest}
            await ledger.record(replaces=state)
        _, temporary = places(project, state)
        await write(source, temporary, ledger)
        if not await trio.to_thread.run_sync(_exchange, temporary, place, node.version):
            raise Conflict("the file was changed by somebody else", await self._studio.node(ref.project, row))
        return await self._replaced(ref, row, dict(state))

    async def _replaced(self, ref: Ref, row: Workfile, state: dict[str, Any] | None) -> Node:
        """Tell the others, by the data of the record: there is no event for a path or its content (13.1)."""
        if state is not None:
            body = {"data": {"assetfs": {"rev": state["id"]}}}
            path = of_project(ref.project, "workfiles", ref.id)
            await self._studio.client.send("PATCH", path, "tell", body=body, repeatable=True)
        self._studio.changed("workfile", ref.project, ref.id, [row.task_id])
        return await self._studio.node(ref.project, await self._studio.row(ref))

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        """Take back what a transfer may have left; `state` is that of `workfile` or of `replaces`."""
        project = await self._studio.projects.get(state["project"])
        place, temporary = places(project, state)
        if "node" in state:
            await trio.to_thread.run_sync(unlink, temporary)
            return None
        if await self._record(state) is not None:
            path = of_project(state["project"], "workfiles", state["id"])
            await self._studio.client.send("DELETE", path, "abandon", repeatable=False)
        await trio.to_thread.run_sync(take_back, temporary, place)
        self._studio.changed("workfile", state["project"], state["id"], [state["task"]])
        return None

    # ---- names and places -----------------------------------------------------------------------------------------

    async def place(self, node: Node, destination: Node, name: str, over: Node | None) -> Node:
        """A workfile under another name, or of another task. See `Repository.rename`, `move`."""
        check_name(name)
        ref, to = parse(node.id), parse(destination.id)
        if to.what != "task" or to.project != ref.project:
            raise Forbidden("workfiles are in tasks of their project")
        project = await self._studio.projects.get(ref.project)
        row: Workfile = await self._studio.row(ref)
        old = place_of(project, row.path or "")
        if over is not None and over.id != node.id:
            return await self._over(project, node, row, over)
        if (row.task_id, node.name) == (to.id, name):
            return await self._studio.node(ref.project, row)
        if row.task_id == to.id:
            path = f"{(row.path or '').replace(chr(92), '/').rpartition('/')[0]}/{name}"
        else:
            path = f"{await self._folder(project, await self._studio.row(to))}/{name}"
        new = place_of(project, path)
        await trio.to_thread.run_sync(put, old, new)
        body = {"path": path, **({"taskId": to.id} if row.task_id != to.id else {})}
        try:
            where = of_project(ref.project, "workfiles", ref.id)
            await self._studio.client.send("PATCH", where, "rename", body=body, repeatable=True)
        except RepositoryError as error:
            if not error.transient:
                await trio.to_thread.run_sync(take_back, old, new, False)
            raise
        await trio.to_thread.run_sync(unlink, old)
        self._studio.changed("workfile", ref.project, ref.id, [row.task_id, to.id])
        return await self._studio.node(ref.project, await self._studio.row(ref))

    async def _over(self, project: Project, node: Node, row: Workfile, over: Node) -> Node:
        """The content goes into the workfile that has the name; this one's record goes."""
        ref, other = parse(node.id), parse(over.id)
        target: Workfile = await self._studio.row(other)
        old, place = place_of(project, row.path or ""), place_of(project, target.path or "")
        if not await trio.to_thread.run_sync(_exchange, old, place, over.version):
            raise Conflict("the file was changed by somebody else", await self._studio.node(ref.project, target))
        path = of_project(ref.project, "workfiles", ref.id)
        await self._studio.client.send("DELETE", path, "rename over", repeatable=False)
        self._studio.changed("workfile", ref.project, ref.id, [row.task_id])
        return await self._replaced(other, target, {"id": new_id()})

    async def remove(self, node: Node) -> None:
        """Remove a workfile's record, and its bytes where that was chosen."""
        ref = parse(node.id)
        row: Workfile = await self._studio.row(ref)
        path = of_project(ref.project, "workfiles", ref.id)
        await self._studio.client.send("DELETE", path, "remove workfile", repeatable=False)
        self._studio.changed("workfile", ref.project, ref.id, [row.task_id])
        if self._studio.choices.delete_root_files:
            await (await self._studio.projects.get(ref.project)).remove([row.path or ""])


def check_name(name: str) -> None:
    """Raise NameRejected for what cannot be a file's name."""
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name or name.startswith(".assetfs-"):
        raise NameRejected("this cannot be the name of a file at a root")


def values_of(project: Project, folder: Folder, user: str) -> dict[str, Any]:
    """What templates are filled with, as far as a folder tells."""
    above = (folder.path or "").strip("/").split("/")[:-1]
    return {
        "project": {"name": project.facts.name, "code": project.facts.code},
        "hierarchy": "/".join(above),
        "folder": {"name": folder.name, "type": folder.folder_type, "path": folder.path},
        "asset": folder.name,
        "parent": above[-1] if above else project.facts.name,
        "username": user,
        "user": user,
    }


def place_of(project: Project, path: str) -> Path:
    """The local place of a stored path. Raises Immutable where that is not at a root that is ours to write."""
    where: Rooted | None = rooted(path)
    root = project.writable.get(where.root) if where is not None else None
    if where is None or root is None:
        raise Immutable("files at roots are written only where root_map says where the root is")
    return root.joinpath(*where.parts)


def places(project: Project, state: Mapping[str, Any]) -> tuple[Path, Path]:
    """Where a transfer's file goes, and where it is written first."""
    place = place_of(project, state["path"])
    return place, place.with_name(f".assetfs-{state['id']}.tmp")


async def write(source: Source, temporary: Path, ledger: Ledger) -> None:
    """The source's bytes in a new file, durable. An older try's goes."""

    def start() -> int:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)

    descriptor = await trio.to_thread.run_sync(start)
    try:
        async with aclosing(pieces(source, ledger.progress, piece=PIECE)) as content:
            async for piece in content:
                await trio.to_thread.run_sync(_write_all, descriptor, piece)
        await trio.to_thread.run_sync(os.fsync, descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def unlink(path: Path) -> None:
    """Remove a file; one that is gone is no error."""
    path.unlink(missing_ok=True)


def put(temporary: Path, place: Path) -> None:
    """The file in its place as well. Raises Conflict where something else is there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(temporary, place, follow_symlinks=False)
    except FileExistsError:
        if not os.path.samestat(os.lstat(temporary), os.lstat(place)):
            raise Conflict(f"there is a file {place.name} at the root already") from None
    _sync(place.parent)


def take_back(temporary: Path, place: Path, both: bool = True) -> None:
    """Remove from its place what is ours there."""
    try:
        if os.path.samestat(os.lstat(temporary), os.lstat(place)):
            place.unlink()
    except FileNotFoundError:
        pass
    if both:
        temporary.unlink(missing_ok=True)


def _exchange(temporary: Path, place: Path, version: str | None) -> bool:
    """The new file for the one that has a version. False, and nothing done, where it has another one."""
    there = os.lstat(place)
    if version_of(there) != version:
        temporary.unlink(missing_ok=True) if temporary.name.startswith(".assetfs-") else None
        return False
    os.chmod(temporary, there.st_mode & 0o7777)
    os.rename(temporary, place)
    _sync(place.parent)
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hash(found: Found) -> str:
    with (found.content.root / found.content.relative).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
