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
from typing import Any, NamedTuple

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
from assetfs.backends.ayon.wire import Folder, Product, Representation, Status, Version
from assetfs.repository import (
    Conflict,
    Draft,
    Immutable,
    Ledger,
    Node,
    NotFound,
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


class Order(NamedTuple):
    """What is to become a version. `number` None: the next one."""

    product: Ref
    folder: str
    """The product's folder, as it was listed."""
    number: int | None
    pieces: Sequence[Piece]
    sources: Mapping[str, Source]
    about: Mapping[str, Any] = {}
    """Fields of the version."""
    describes: Mapping[str, Mapping[str, Any]] = {}
    """Fields of representations by their names."""


class There(NamedTuple):
    """What the server has where a version is to be."""

    project: Project
    product: Product
    folder: Folder
    versions: Mapping[str, Version]

    @property
    def numbers(self) -> set[int]:
        """The numbers that are taken, inactive versions' too."""
        return {row.version for row in self.versions.values()}


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
        ref = parse(product.id)
        project = await self._studio.projects.get(ref.project)
        about = self._editing.fields(project, "version", draft.attributes)
        files = {relative: draft.attributes_of(relative) for relative in sources}
        describes = {
            piece.name: self._editing.fields(project, "representation", files[piece.files[0]])
            for piece in pieces
            if len(piece.files) == 1
        }
        order = Order(ref, product.private.row.folder_id, number, pieces, sources, about, describes)
        version, _ = await self._publish(order, ledger)
        return await self._studio.node(ref.project, version)

    async def file(self, product: Node, name: str, source: Source, ledger: Ledger) -> Node:
        """One file as the next version of a product. Returns the file's node, which is in that version."""
        workfiles.check_name(name)
        ref = parse(product.id)
        order = Order(ref, product.private.row.folder_id, None, plan({name: None}), {name: source})
        _, rows = await self._publish(order, ledger)
        if not rows:
            raise Conflict("the version was removed at once")
        return await self._studio.node(ref.project, rows[0])

    # ---- how ------------------------------------------------------------------------------------------------------

    async def _publish(self, order: Order, ledger: Ledger) -> tuple[Version, list[Representation]]:
        """The version, and its representations."""
        with self._studio.telling_later():
            there = await self._look(order)
            state: dict[str, Any] = dict(ledger.state.get("publish") or {})
            if not state:
                state = {"project": order.product.project, "product": order.product.id, "version": new_id()}
                state["places"] = {}
                await ledger.record(publish=state)
            deposit = Deposit(self._studio, ledger)
            made = await self._made(state, order) if state["version"] in there.versions else None
            if made is None:
                try:
                    made = await self._send(order, there, state, deposit, ledger)
                except RepositoryError as error:
                    if not error.transient:
                        await self.undo(ledger.state)
                    raise
            await self._tidy(there.project, state)
            if deposit.state:
                await deposit.finish(state["version"])
            self._studio.changed("version", order.product.project, state["version"], [order.product.id])
            self._studio.changed("product", order.product.project, order.product.id, [there.folder.id])
            return made

    async def _send(
        self, order: Order, there: There, state: dict[str, Any], deposit: Deposit, ledger: Ledger
    ) -> tuple[Version, list[Representation]]:
        """The bytes, then the batch, under the next number if somebody else was faster."""
        to_server = self._studio.choices.store != "root"
        empty = [key for key, source in order.sources.items() if source.size == 0]
        if empty and to_server:
            raise ValueRejected(f"{empty[0]} is empty: the server stores no empty files")
        if order.number in there.numbers:
            raise Conflict(f"there is a version {order.number} already")
        stored: dict[str, dict[str, Any]] = {}
        if to_server:
            await deposit.begin(order.product.project, "folder", there.folder.id, state["version"])
            for key, source in order.sources.items():
                stored[key] = await deposit.put(key, key.rpartition("/")[2], source)
        wanted = order.number if order.number is not None else max((*there.numbers, 0)) + 1
        for _ in range(TRIES):
            operations = await self._batch(order, there, wanted, state, stored, ledger)
            try:
                await self._studio.client.operations(order.product.project, operations, "publish")
            except (Unavailable, Taken):
                # The answer may have got lost. Never take anything back before this is known.
                made = await self._made(state, order)
                if made is not None:
                    return made
                if wanted not in (await self._look(order)).numbers:
                    raise
                if order.number is not None:
                    raise Conflict(f"there is a version {order.number} already") from None
                await self._untidy(there.project, state, ledger)
                wanted += 1
                continue
            made = await self._made(state, order)
            if made is None:
                raise Conflict("the version was removed at once")
            return made
        raise Unavailable("others publish faster than we do")

    async def _batch(
        self,
        order: Order,
        there: There,
        number: int,
        state: dict[str, Any],
        stored: Mapping[str, dict[str, Any]],
        ledger: Ledger,
    ) -> list[dict[str, Any]]:
        """What makes the version and its representations; files at roots are in their places after it."""
        project, product = there.project, there.product
        values = workfiles.values_of(project, there.folder, self._studio.user)
        values["product"] = {"name": product.name, "type": product.product_type}
        values["family"] = product.product_type
        values["version"] = number
        try:
            where = folder_of(project.facts.config.templates, "publish", values, FALLBACK)
        except Missing as missing:
            raise Immutable(f"the project's publish template needs {missing}, which is not known here") from None
        files = {}
        for key, source in order.sources.items():
            path = f"{where}/{key}"
            if self._studio.choices.store != "project-files":
                await self._at_root(project, state, key, path, source, ledger)
            files[key] = {
                "id": stored[key]["id"] if key in stored else new_id(),
                "name": key.rpartition("/")[2],
                "path": path,
                "size": source.size,
                "hash": await source.digest(DIGEST),
                "hashType": DIGEST,
            }
        ours = {"assetfs": {"store": "project-files", "v": 1}} if stored else {}
        version = {"version": number, "productId": product.id, **_status(project, "version"), **order.about}
        batch = [_create("version", state["version"], version)]
        for piece in order.pieces:
            extension = piece.files[0].rpartition("/")[2].rpartition(".")[2]
            more = order.describes.get(piece.name, {})
            context = {**values, "representation": piece.name, "ext": extension}
            made = {
                "name": piece.name,
                "versionId": state["version"],
                "files": [files[key] for key in piece.files],
                **_status(project, "representation"),
                **more,
                "data": {**more.get("data", {}), "context": context, **ours},
            }
            batch.append(_create("representation", _id_of(state["version"], piece), made))
        return batch

    async def _look(self, order: Order) -> There:
        """What there is, in one request. Raises NotFound."""
        ref, folder = order.product, order.folder
        asked = [
            Ask("products", {"ids": [ref.id]}, LISTED["products"], 2),
            Ask("folders", {"ids": [folder]}, LISTED["folders"], 2),
            Ask("versions", {"productIds": [ref.id]}, LISTED["versions"], 20_000),
        ]
        found = await self._studio.client.lists(ref.project, asked, "look")
        products = self._studio.shown(edge.node for edge in found.products.edges)
        if not products:
            raise NotFound(f"there is no product {ref.id}")
        folders = [edge.node for edge in found.folders.edges]
        if products[0].folder_id != folder:
            folders = [await self._studio.row(Ref("folder", ref.project, (products[0].folder_id,)))]
        if not self._studio.shown(folders):
            raise NotFound(f"there is no folder {folder}")
        versions = {edge.node.id: edge.node for edge in found.versions.edges}
        return There(await self._studio.projects.get(ref.project), products[0], folders[0], versions)

    async def _made(
        self, state: Mapping[str, Any], order: Order | None = None
    ) -> tuple[Version, list[Representation]] | None:
        """The version and its representations, if the batch took place."""
        pieces = [_id_of(state["version"], piece) for piece in order.pieces] if order is not None else []
        wanted = {"version": [state["version"]], "representation": pieces}
        found = await self._studio.rows(state["project"], wanted)
        row = found["version"].get(state["version"])
        return (row, list(found.get("representation", {}).values())) if row is not None else None

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
                await deposit.finish(known["version"])
            return
        await self._untidy(project, known, ledger)
        await deposit.undo()


def default_status(statuses: Sequence[Status], what: str) -> str | None:
    """The status of something new: the first of its kind that does not say that it is blocked."""
    fit = [one for one in statuses if one.scope is not None and what in one.scope]
    good = [one for one in fit if one.state != "blocked"]
    return next((one.name for one in (*good, *fit)), None)


def _status(project: Project, what: str) -> dict[str, str]:
    status = default_status(project.facts.statuses, what)
    return {"status": status} if status else {}


def _create(what: str, id_: str, data: dict[str, Any]) -> dict[str, Any]:
    """One operation of a batch."""
    return {"id": id_, "type": "create", "entityType": what, "entityId": id_, "data": data}


def _id_of(version: str, piece: Piece) -> str:
    """The id of a representation: the same however often its batch is sent."""
    return hashlib.blake2b(f"{version}/{piece.name}".encode(), digest_size=16).hexdigest()
