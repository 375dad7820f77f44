"""Publishing: files become a version of a product, whole or not at all (sections 5.3, 5.4).

Bytes go first, where nobody sees them: to project files under an anchor, or beside their place at a root. Then one
batch of operations, in one transaction of the server, makes the version and its representations: before it there is
nothing to see, after it there is everything. What is left is tidying. Every id is in the ledger before it is used, so
that a publish that was cut off, at any point, is continued, or taken back without a trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import trio

from assetfs.backends.ayon import workfiles
from assetfs.backends.ayon.deposit import DIGEST, Deposit, Kept
from assetfs.backends.ayon.editing import Editing
from assetfs.backends.ayon.errors import Taken
from assetfs.backends.ayon.ids import Ref, new_id, parse
from assetfs.backends.ayon.planning import Piece, entries_of, plan
from assetfs.backends.ayon.projects import Project
from assetfs.backends.ayon.queries import LISTED, Ask
from assetfs.backends.ayon.studio import Studio
from assetfs.backends.ayon.templates import Missing, folder_of
from assetfs.backends.ayon.wire import Folder, Product, Status, Version
from assetfs.repository import (
    Conflict,
    Draft,
    Immutable,
    Ledger,
    Node,
    RepositoryError,
    Source,
    Unavailable,
    ValueRejected,
)

FALLBACK = "{root[work]}/{project[name]}/{hierarchy}/{folder[name]}/publish/{product[type]}/{product[name]}/{@version}"
TRIES = 20
"""Numbers that are tried when others publish at the same time."""


class LocalSource:
    """A file of a draft, on its way out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size
        self._digests: dict[str, str] = {}

    async def read(self, offset: int, count: int) -> bytes:
        def work() -> bytes:
            with self._path.open("rb") as file:
                file.seek(offset)
                return file.read(count)

        return await trio.to_thread.run_sync(work)

    async def digest(self, algorithm: str) -> str:
        def work() -> str:
            with self._path.open("rb") as file:
                return hashlib.file_digest(file, algorithm).hexdigest()

        if algorithm not in self._digests:
            self._digests[algorithm] = await trio.to_thread.run_sync(work)
        return self._digests[algorithm]


class Publishing:
    """Makes versions."""

    def __init__(self, studio: Studio, editing: Editing) -> None:
        self._studio = studio
        self._editing = editing

    # ---- what is published ----------------------------------------------------------------------------------------

    async def draft(self, draft: Draft, product: Node, name: str, number: int | None, ledger: Ledger) -> Node:
        """A draft as a version; `number` None: the next one. Returns the version's node."""
        entries = await trio.to_thread.run_sync(entries_of, draft.path)
        pieces = plan(entries)
        sources: dict[str, Source] = {
            relative: LocalSource(draft.path / relative) for piece in pieces for relative in piece.files
        }
        project = await self._studio.projects.get(parse(product.id).project)
        about = self._editing.fields(project, "version", draft.attributes)
        files = {relative: draft.attributes_of(relative) for relative in sources}
        describes = {
            piece.name: self._editing.fields(project, "representation", files[piece.files[0]])
            for piece in pieces
            if len(piece.files) == 1
        }
        version = await self._publish(product, number, pieces, sources, about, describes, ledger)
        return await self._studio.node(project.facts.name, version)

    async def file(self, product: Node, name: str, source: Source, ledger: Ledger) -> Node:
        """One file as the next version of a product. Returns the file's node, which is in that version."""
        workfiles.check_name(name)
        version = await self._publish(product, None, plan({name: None}), {name: source}, {}, {}, ledger)
        project = parse(product.id).project
        rows = await self._studio.catalogue(project).representations_of(version.id)
        if not rows:
            raise Conflict("the version was removed at once")
        return await self._studio.node(project, rows[0])

    # ---- how ------------------------------------------------------------------------------------------------------

    async def _publish(
        self,
        product: Node,
        number: int | None,
        pieces: Sequence[Piece],
        sources: Mapping[str, Source],
        about: dict[str, Any],
        describes: Mapping[str, dict[str, Any]],
        ledger: Ledger,
    ) -> Version:
        self._studio.publishing += 1
        try:
            return await self._steps(product, number, pieces, sources, about, describes, ledger)
        finally:
            self._studio.publishing -= 1

    async def _steps(
        self,
        product: Node,
        number: int | None,
        pieces: Sequence[Piece],
        sources: Mapping[str, Source],
        about: dict[str, Any],
        describes: Mapping[str, dict[str, Any]],
        ledger: Ledger,
    ) -> Version:
        ref = parse(product.id)
        project = await self._studio.projects.get(ref.project)
        row: Product = await self._studio.row(ref)
        folder: Folder = await self._studio.row(Ref("folder", ref.project, (row.folder_id,)))
        state: dict[str, Any] = dict(ledger.state.get("publish") or {})
        made = await self._made(state) if state else None
        if not state:
            state = {"project": ref.project, "product": ref.id, "version": new_id(), "places": {}}
            await ledger.record(publish=state)
        deposit = Deposit(self._studio, ledger)
        to_server, to_root = self._stores()
        if made is None:
            self._check(pieces, sources, to_server)
            taken = await self._numbers(ref)
            if number in taken:
                await self.undo(ledger.state)
                raise Conflict(f"there is a version {number} already")
            wanted = number if number is not None else max((*taken, 0)) + 1
            stored: dict[str, dict[str, Any]] = {}
            try:
                if to_server:
                    await deposit.begin(ref.project, "folder", row.folder_id, state["version"])
                    for key, source in sources.items():
                        stored[key] = await deposit.put(key, key.rpartition("/")[2], source)
                made = await self._commit(
                    project,
                    row,
                    folder,
                    state,
                    wanted,
                    number,
                    pieces,
                    sources,
                    stored,
                    about,
                    describes,
                    ledger,
                    to_root,
                )
            except RepositoryError as error:
                if not error.transient:
                    await self.undo(ledger.state)
                raise
        await self._tidy(project, state)
        if to_server and deposit.state:
            await deposit.finish(made.id)
        self._studio.changed("version", ref.project, made.id, [ref.id])
        self._studio.changed("product", ref.project, ref.id, [row.folder_id])
        return made

    async def _commit(
        self,
        project: Project,
        product: Product,
        folder: Folder,
        state: dict[str, Any],
        wanted: int,
        asked: int | None,
        pieces: Sequence[Piece],
        sources: Mapping[str, Source],
        stored: Mapping[str, dict[str, Any]],
        about: dict[str, Any],
        describes: Mapping[str, dict[str, Any]],
        ledger: Ledger,
        to_root: bool,
    ) -> Version:
        """The batch, under the next number if somebody else was faster. Raises Taken where that number was asked."""
        for _ in range(TRIES):
            values = workfiles.values_of(project, folder, self._studio.user)
            values["product"] = {"name": product.name, "type": product.product_type}
            values["family"] = product.product_type
            values["version"] = wanted
            try:
                where = folder_of(project.facts.config.templates, "publish", values, FALLBACK)
            except Missing as missing:
                raise Immutable(f"the project's publish template needs {missing}, which is not known here") from None
            files = {}
            for key, source in sources.items():
                path = f"{where}/{key}"
                if to_root:
                    await self._at_root(project, state, key, path, source, ledger)
                files[key] = {
                    "id": stored[key]["id"] if key in stored else new_id(),
                    "name": key.rpartition("/")[2],
                    "path": path,
                    "size": source.size,
                    "hash": await source.digest(DIGEST),
                    "hashType": DIGEST,
                }
            operations = _operations(
                project, product, state["version"], wanted, pieces, files, about, describes, values
            )
            if stored:
                for operation in operations[1:]:
                    operation["data"]["data"]["assetfs"] = {"store": "project-files", "v": 1}
            try:
                await self._studio.client.operations(project.facts.name, operations, "publish")
            except (Unavailable, Taken):
                # The answer may have got lost. Never take anything back before this is known.
                made = await self._made(state)
                if made is not None:
                    return made
                if wanted not in await self._numbers(Ref("product", project.facts.name, (product.id,))):
                    raise
                if asked is not None:
                    raise Conflict(f"there is a version {asked} already") from None
                await self._untidy(project, state, ledger)
                wanted += 1
                continue
            made = await self._made(state)
            if made is None:
                raise Conflict("the version was removed at once")
            return made
        raise Unavailable("others publish faster than we do")

    def _stores(self) -> tuple[bool, bool]:
        store = self._studio.choices.store
        return store != "root", store != "project-files"

    @staticmethod
    def _check(pieces: Sequence[Piece], sources: Mapping[str, Source], to_server: bool) -> None:
        empty = [key for key, source in sources.items() if source.size == 0]
        if empty and to_server:
            raise ValueRejected(f"{empty[0]} is empty: the server stores no empty files")

    async def _made(self, state: Mapping[str, Any]) -> Version | None:
        """The version, if the batch took place."""
        found = await self._studio.rows(state["project"], {"version": [state["version"]]})
        row: Version | None = found["version"].get(state["version"])
        return row

    async def _numbers(self, product: Ref) -> set[int]:
        """The numbers that are taken, inactive versions' too."""
        asked = [Ask("versions", {"productIds": [product.id]}, LISTED["versions"], 20_000)]
        found = await self._studio.client.lists(product.project, asked, "numbers")
        return {edge.node.version for edge in found.versions.edges}

    # ---- roots ----------------------------------------------------------------------------------------------------

    async def _at_root(
        self, project: Project, state: dict[str, Any], key: str, path: str, source: Source, ledger: Ledger
    ) -> None:
        """A file in its place at a root; what is there already is never overwritten."""
        known = state["places"].get(key)
        if known is None or known["path"] != path:
            known = {"id": new_id(), "path": path}
            state["places"][key] = known
            await ledger.record(publish=msgspec.to_builtins(state))
        place, temporary = workfiles.places(project, known)
        await trio.to_thread.run_sync(workfiles.take_back, temporary, place)
        await workfiles.write(source, temporary, ledger)
        await trio.to_thread.run_sync(workfiles.put, temporary, place)

    async def _tidy(self, project: Project, state: Mapping[str, Any]) -> None:
        """The version is there: what proved that its files are ours goes."""
        for known in state["places"].values():
            _, temporary = workfiles.places(project, known)
            await trio.to_thread.run_sync(workfiles.unlink, temporary)

    async def _untidy(self, project: Project, state: dict[str, Any], ledger: Ledger) -> None:
        """Take files at roots back."""
        for known in state["places"].values():
            place, temporary = workfiles.places(project, known)
            await trio.to_thread.run_sync(workfiles.take_back, temporary, place)
        if state["places"]:
            state["places"] = {}
            await ledger.record(publish=msgspec.to_builtins(state))

    async def undo(self, state: Mapping[str, Any]) -> None:
        """Take back a publish that did not come to its end; one that did is finished. Idempotent."""
        ledger = Kept(state)
        known = dict(state.get("publish") or {})
        if not known:
            return
        made = await self._made(known)
        project = await self._studio.projects.get(known["project"])
        deposit = Deposit(self._studio, ledger)
        if made is not None:
            await self._tidy(project, known)
            if deposit.state:
                await deposit.finish(made.id)
            return
        await self._untidy(project, known, ledger)
        await deposit.undo()


def default_status(statuses: Sequence[Status], what: str) -> str | None:
    """The status of something new: the first of its kind that does not say that it is blocked."""
    fit = [one for one in statuses if one.scope is not None and what in one.scope]
    good = [one for one in fit if one.state != "blocked"]
    return next((one.name for one in (*good, *fit)), None)


def _operations(
    project: Project,
    product: Product,
    version: str,
    number: int,
    pieces: Sequence[Piece],
    files: Mapping[str, dict[str, Any]],
    about: dict[str, Any],
    describes: Mapping[str, dict[str, Any]],
    values: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The batch: the version, then its representations."""
    statuses = project.facts.statuses
    status = default_status(statuses, "version")
    data = {"version": number, "productId": product.id, **({"status": status} if status else {}), **about}
    operations = [{"id": "0", "type": "create", "entityType": "version", "entityId": version, "data": data}]
    status = default_status(statuses, "representation")
    for count, piece in enumerate(pieces, 1):
        first = piece.files[0].rpartition("/")[2]
        context = {**values, "representation": piece.name, "ext": first.rpartition(".")[2]}
        made = {
            "name": piece.name,
            "versionId": version,
            "files": [files[key] for key in piece.files],
            **({"status": status} if status else {}),
            **describes.get(piece.name, {}),
        }
        made["data"] = {**made.get("data", {}), "context": context}
        operations.append(
            {"id": str(count), "type": "create", "entityType": "representation", "entityId": new_id(), "data": made}
        )
    return operations
