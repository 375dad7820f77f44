"""Changing what is published (section 5.5), where `allow_overwrite` says so: pipelines rely on that nobody does.

New bytes have a new file id; the list of files is replaced in one request, with something in the data beside it,
because nobody would be told otherwise; then the old bytes go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assetfs.backends.ayon import workfiles
from assetfs.backends.ayon.arranging import Arranging, on_wire
from assetfs.backends.ayon.client import of_project
from assetfs.backends.ayon.deposit import DIGEST, Deposit, Kept, delete_file
from assetfs.backends.ayon.errors import Taken
from assetfs.backends.ayon.ids import Ref, new_id, parse
from assetfs.backends.ayon.planning import plan
from assetfs.backends.ayon.publishing import default_status
from assetfs.backends.ayon.queries import LISTED, Ask
from assetfs.backends.ayon.studio import Studio
from assetfs.backends.ayon.wire import File, Representation
from assetfs.repository import Conflict, Forbidden, Ledger, Node, NotFound, RepositoryError, Source, Unavailable


class Overwriting:
    """Adds to published versions, and replaces their files. Only bytes on the server are ever changed."""

    def __init__(self, studio: Studio, arranging: Arranging) -> None:
        self._studio = studio
        self._arranging = arranging

    async def _rows(self, ref: Ref) -> list[Representation]:
        asked = [Ask("representations", {"versionIds": [ref.id]}, LISTED["representations"], 5000)]
        found = await self._studio.client.lists(ref.project, asked, "look")
        rows = [edge.node for edge in found.representations.edges]
        if not rows:
            await self._studio.row(ref)
        return rows

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        """One more file in a version: a representation of its own. See `Repository.upload`."""
        workfiles.check_name(name)
        ref = parse(folder.id)
        project = await self._studio.projects.get(ref.project)
        state: dict[str, Any] = dict(ledger.state.get("adds") or {})
        rows = await self._rows(ref)
        row = next((one for one in rows if one.id == state.get("id")), None)
        if not state:
            for one in rows:
                node = await self._studio.node(ref.project, one)
                if node.name == name:
                    raise Conflict(f"there is a file {name} already", node)
            state = {"project": ref.project, "version": ref.id, "id": new_id()}
            await ledger.record(adds=state)
        deposit = Deposit(self._studio, ledger)
        if row is None:
            await deposit.begin(ref.project, "version", ref.id, ref.id)
            file = await deposit.put("file", name, source)
            taken = {one.name.lower() for one in rows}
            status = default_status(project.facts.statuses, "representation")
            made = {
                "name": _free(name, taken),
                "versionId": ref.id,
                "files": [_file(file, name, f"{{root[work]}}/{project.facts.name}/{ref.id}/{name}")],
                "data": {"assetfs": {"store": "project-files", "v": 1}},
                **({"status": status} if status else {}),
            }
            batch = [
                {"id": "1", "type": "create", "entityType": "representation", "entityId": state["id"], "data": made}
            ]
            try:
                await self._studio.client.operations(ref.project, batch, "add")
            except (Unavailable, Taken):
                if not any(one.id == state["id"] for one in await self._rows(ref)):
                    raise
            except RepositoryError:
                await self.abandon(ledger.state)
                raise
        await deposit.finish(ref.id)
        self._studio.changed("representation", ref.project, state["id"], [ref.id])
        return await self._studio.node(
            ref.project, await self._studio.row(Ref("representation", ref.project, (state["id"],)))
        )

    async def replace(self, node: Node, source: Source, ledger: Ledger) -> Node:
        """New content for a published file. See `Repository.replace`."""
        ref = parse(node.id)
        row: Representation = await self._studio.row(Ref("representation", ref.project, (ref.id,)))
        deposit = Deposit(self._studio, ledger)
        had = str(node.private.stored)
        ours = deposit.state.get("files", {}).get("file")
        there = next((file for file in row.files if ours is not None and file.id == ours["id"]), None)
        if there is None:
            there = next((file for file in row.files if file.id == had), None)
            if there is None:
                raise Conflict("the file was replaced on the server", await self._now(ref, row))
            if (there.hash_type, there.hash, there.bytes) == (DIGEST, await source.digest(DIGEST), source.size):
                return await self._now(ref, row)
            await deposit.begin(ref.project, "version", row.version_id, row.version_id)
            deposit.state["replaces"] = {"node": node.id, "had": had}
            file = await deposit.put("file", node.name, source)
            row = await self._studio.row(Ref("representation", ref.project, (ref.id,)))
            if not any(one.id == had for one in row.files):
                await deposit.undo()
                raise Conflict("the file was replaced on the server", await self._now(ref, row))
            new = _file(file, there.name or node.name, there.path)
            await self._arranging.set_files(
                ref.project, row, [new if one.id == had else on_wire(one) for one in row.files]
            )
        await deposit.finish(row.version_id)
        await delete_file(self._studio, ref.project, had)
        return await self._now(ref, await self._studio.row(Ref("representation", ref.project, (ref.id,))))

    async def _now(self, ref: Ref, row: Representation) -> Node:
        if ref.what == "representation":
            return await self._studio.node(ref.project, row)
        raise Conflict("the file has another id now")

    async def rename(self, node: Node, name: str) -> Node:
        """Another name for a published file whose bytes are on the server. Raises Conflict."""
        workfiles.check_name(name)
        ref = parse(node.id)
        row: Representation = await self._studio.row(Ref("representation", ref.project, (ref.id,)))
        for one in await self._rows(Ref("version", ref.project, (row.version_id,))):
            other = await self._studio.node(ref.project, one)
            if other.name == name and other.id != node.id:
                raise Conflict(f"there is a file {name} already", other)
        if not node.private.stored or ref.what != "representation":
            raise Forbidden("published files at roots are not renamed")
        file: File = row.files[0]
        path = f"{file.path.replace(chr(92), '/').rpartition('/')[0]}/{name}"
        await self._arranging.set_files(ref.project, row, [{**on_wire(file), "path": path, "name": name}])
        return await self._now(ref, await self._studio.row(ref))

    async def give(self, node: Node, over: Node) -> Node:
        """The content of one file goes into another one of its version, and its representation goes."""
        ref, other = parse(node.id), parse(over.id)
        if not (node.private.stored and over.private.stored) or (ref.what, other.what) != ("representation",) * 2:
            raise Forbidden("published files at roots are not replaced")
        row, target = await self._studio.row(ref), await self._studio.row(other)
        if [file.id for file in target.files] != [over.private.stored]:
            raise Conflict("the file was replaced on the server", await self._now(other, target))
        file, old = row.files[0], target.files[0]
        await self._arranging.set_files(ref.project, target, [{**on_wire(file), "path": old.path, "name": over.name}])
        path = of_project(ref.project, "representations", ref.id)
        await self._studio.client.send("DELETE", path, "rename over", repeatable=False)
        self._studio.changed("representation", ref.project, ref.id, [row.version_id])
        await delete_file(self._studio, ref.project, old.id)
        return await self._now(other, await self._studio.row(other))

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        """Take back what was not finished; return a replacement that was."""
        deposit = Deposit(self._studio, Kept(state))
        if not deposit.state:
            return None
        replaced = deposit.state.get("replaces")
        if replaced is not None:
            ref = parse(replaced["node"])
            try:
                row: Representation = await self._studio.row(Ref("representation", ref.project, (ref.id,)))
            except NotFound:
                await deposit.undo()
                return None
            ids = {file["id"] for file in deposit.state["files"].values()}
            if any(file.id in ids for file in row.files):
                await deposit.finish(row.version_id)
                await delete_file(self._studio, ref.project, replaced["had"])
                return await self._now(ref, row)
        adds = state.get("adds")
        if adds is not None:
            found = await self._studio.rows(adds["project"], {"representation": [adds["id"]]})
            made = found["representation"].get(adds["id"])
            if made is not None:
                await self._arranging.remove_representation(adds["project"], made)
        await deposit.undo()
        return None


def _free(name: str, taken: set[str]) -> str:
    wished = plan({name: None})[0].name
    number, free = 2, wished
    while free.lower() in taken:
        free = f"{wished}_{number}"
        number += 1
    return free


def _file(file: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    told = {key: file[key] for key in ("id", "size", "hash")}
    return {**told, "hashType": DIGEST, "name": name, "path": path}
