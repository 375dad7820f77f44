"""JDMA as a repository: the seam's methods in the words of the protocol (section 8).

Workspaces are folders, batches are folders in them, and what is in a batch is a tree that never changes. Content comes
over a shared disk: a file is read where a retrieval has put it, and is offline otherwise. New batches are drafts until
they are handed over whole.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from assetfs.backends import Address
from assetfs.backends.jdma import attributes, drafts
from assetfs.backends.jdma.client import Client
from assetfs.backends.jdma.connecting import Disk, Parts, login_name
from assetfs.backends.jdma.errors import Full, Unchangeable, Undeletable
from assetfs.backends.jdma.nodes import ROOT, numbered, place_of, workspace_of
from assetfs.backends.jdma.reading import deliver
from assetfs.backends.jdma.settings import account, settled, with_secret
from assetfs.backends.jdma.tree import TOP
from assetfs.backends.jdma.verbs import Verbs
from assetfs.backends.jdma.wire import Batch
from assetfs.repository import (
    Capabilities,
    Change,
    Conflict,
    Draft,
    Identity,
    Immutable,
    Kind,
    Ledger,
    Metadata,
    NameRejected,
    Node,
    NodeId,
    NotFound,
    NotOnline,
    OutOfReach,
    Page,
    Repository,
    Sink,
    Unsupported,
    Usage,
    ValueRejected,
)
from assetfs.transport import TransportOptions

NO_STAGE = "the content of JDMA comes over a shared disk: name our folder on it with stage="


class JdmaRepository(Repository):
    """One JDMA service seen by one user. There is no credential: the server believes the name."""

    name = "jdma"

    def __init__(self, address: Address, options: TransportOptions) -> None:
        self._url = address.base
        self._settings = settled(address.options)
        found = account(self._settings.credentials_file)
        self._account = with_secret(found, self._settings.storage, address.secret)
        self._user = address.user or login_name()
        self._client = Client(self._url, options, self._user, self._account.credentials)
        self._parts = Parts(self._client, self._settings, self._account)
        self.capabilities = Capabilities(
            rename=True,
            set_metadata=True,
            changes=True,
            locate=True,
            hidden=True,
            usage=self._settings.stage is not None,
            recall=True,
            recall_policy=self._settings.recall,
            recall_wait=self._settings.recall_wait,
            recall_verb=attributes.RECALL,
            drafts=self._settings.stage is not None,
            commit_verb=attributes.COMMIT,
            verbs=attributes.VERBS,
            lazy_attributes=attributes.LAZY,
        )

    @property
    def requests(self) -> Mapping[str, int]:
        return self._client.requests

    # ---- life -----------------------------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        self._known_user = await self._client.user()
        await self._parts.assemble()
        self._nodes, self._catalogue, self._disk = self._parts.nodes, self._parts.catalogue, self._parts.disk
        self._verbs = Verbs(self._client, self._catalogue, self._disk)
        return Identity(server="JDMA", user=self._user, url=self._url)

    async def close(self) -> None:
        await self._client.close()

    def _on_disk(self) -> Disk:
        if self._disk is None:
            raise OutOfReach(NO_STAGE)
        return self._disk

    # ---- reading --------------------------------------------------------------------------------------------------

    async def root(self) -> Node:
        return self._nodes.root()

    async def children(self, folder: Node) -> AsyncIterator[Page]:
        if folder.id == ROOT:
            yield Page([self._nodes.workspace(name) for name in await self._catalogue.workspaces()])
            return
        workspace = workspace_of(folder.id)
        if workspace is not None:
            yield Page([self._nodes.batch(one) for one in await self._shown(workspace)])
            return
        place = place_of(folder.id)
        batch = await self._batch(place.batch)
        tree = await self._catalogue.tree(batch)
        yield Page(self._nodes.entries(batch, tree, place.folder))

    async def _shown(self, workspace: str) -> list[Batch]:
        """The batches of a workspace, but for those that are drafts still. Raises NotFound."""
        if not await self._catalogue.has(workspace):
            raise NotFound("there is no such workspace")
        hidden = self._disk.commits.unfinished if self._disk is not None else set()
        batches = (await self._catalogue.batches()).values()
        return [one for one in batches if one.workspace == workspace and one.id not in hidden]

    async def _batch(self, number: int) -> Batch:
        if self._disk is not None and number in self._disk.commits.unfinished:
            raise NotFound("the batch is a draft still")
        return await self._catalogue.batch(number)

    async def stat(self, node: NodeId) -> Node:
        if node == ROOT:
            return self._nodes.root()
        workspace = workspace_of(node)
        if workspace is not None:
            if not await self._catalogue.has(workspace):
                raise NotFound("there is no such workspace")
            return self._nodes.workspace(workspace)
        place = place_of(node)
        batch = await self._batch(place.batch)
        if place.file is None and place.folder == TOP:
            return self._nodes.batch(batch)
        tree = await self._catalogue.tree(batch)
        if place.file is None:
            if place.folder not in tree.folders:
                raise NotFound("there is no such folder in the batch")
            return self._nodes.folder(batch, place.folder)
        if place.file not in tree.rows:
            raise NotFound("there is no such file in the batch")
        await self._still_there(place.file)
        return self._nodes.file(batch, tree.rows[place.file])

    async def hidden(self, folder: Node, name: str) -> Node:
        if folder.id == ROOT and not name.startswith((".", "@")) and await self._catalogue.has(name):
            return self._nodes.workspace(name)
        if (workspace := workspace_of(folder.id)) is not None:
            for batch in await self._shown(workspace):
                if name == numbered(batch):
                    return self._nodes.batch(batch)
        raise NotFound("there is no such workspace, and nothing else that is not listed")

    async def _still_there(self, pk: int) -> None:
        """Look at a file's copy, if it has one: others may write to the shared disk."""
        copy = self._disk.recalls.copies.get(pk) if self._disk is not None else None
        if self._disk is not None and copy is not None:
            copies = self._disk.recalls.copies
            if not await trio.to_thread.run_sync(copies.is_there, copy):
                self._disk.engine.lost(pk)
            copies.used(pk, time.time())

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        now = await self.stat(node.id)
        if now.size == 0:
            sink.total(0)
            return
        if now.local is None:
            self._on_disk()
            raise NotOnline("the file is on tape, and has to be recalled")
        await deliver(now.local, start, stop, now.size or 0, sink)

    async def locate(self, node: NodeId) -> Sequence[Sequence[Node]]:
        if node == ROOT:
            return [[]]
        found = await self.stat(node)
        if workspace_of(node) is not None:
            return [[found]]
        place = place_of(node)
        batch = await self._batch(place.batch)
        if place.file is None:
            return [self._nodes.chain(batch, place.folder)]
        row = (await self._catalogue.tree(batch)).rows[place.file]
        return [[*self._nodes.chain(batch, row.relative.rpartition("/")[0]), found]]

    async def usage(self) -> Usage:
        total, free = await trio.to_thread.run_sync(self._on_disk().stage.usage)
        return Usage(total=total, free=free)

    async def changes(self) -> AsyncIterator[Change]:
        yield Change()
        if self._disk is None:
            await trio.sleep_forever()
            return
        while True:
            moved = await self._disk.engine.round()
            for number, files in moved.items():
                for change in await self._verbs.changes(number, files):
                    yield change

    # ---- recall ---------------------------------------------------------------------------------------------------

    async def recall(self, nodes: Sequence[Node], *, explicit: bool = False, along: Node | None = None) -> None:
        self._on_disk()
        await self._verbs.recall(nodes, explicit=explicit, along=along.id if along is not None else None)

    async def recalled(self, node: Node) -> Node:
        await self._verbs.arrived(node.id)
        return await self.stat(node.id)

    # ---- attributes -----------------------------------------------------------------------------------------------

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        found: dict[NodeId, Metadata] = {}
        batches: dict[int, Batch] = {}
        for node in nodes:
            try:
                found[node.id] = await self._metadata(node.id, batches)
            except NotFound:
                continue
        return found

    async def _metadata(self, node: NodeId, batches: dict[int, Batch] | None = None) -> Metadata:
        """`batches`: those that were looked up already, so that one list does for many nodes."""
        if node == ROOT:
            return attributes.of_root(self._known_user, self._url)
        workspace = workspace_of(node)
        if workspace is not None:
            return attributes.of_workspace(workspace, "workspace" if self._settings.everybody else "user")
        place = place_of(node)
        known = batches if batches is not None else {}
        batch = known.get(place.batch) or await self._batch(place.batch)
        known[place.batch] = batch
        if place.file is not None:
            row = (await self._catalogue.tree(batch)).rows.get(place.file)
            if row is None:
                raise NotFound("there is no such file in the batch")
            pinned = place.file in self._disk.engine.pins if self._disk is not None else None
            return attributes.of_file(batch, row, self._nodes.where(batch, row), pinned=pinned)
        if place.folder != TOP:
            return attributes.of_folder(batch)
        tree = self._catalogue.known(batch.id)
        return attributes.of_batch(batch, tree, self._nodes, ours=batch.user == self._user)

    async def attribute(self, node: Node, name: str) -> bytes | None:
        if name not in attributes.LAZY:
            raise Unsupported(f"{name} is no attribute of JDMA")
        if node.id == ROOT:
            if name == attributes.BACKENDS:
                return attributes.backends(await self._client.storages())
            return self._verbs.progress() if name == attributes.RECALL else None
        if workspace_of(node.id) is not None:
            return self._verbs.progress() if name == attributes.RECALL else None
        return await self._verbs.attribute(node.id, name)

    async def set_metadata(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        attributes.check_values(changes)
        known = await self._metadata(node.id)
        batch = node.kind is Kind.FOLDER and node.id != ROOT and workspace_of(node.id) is None
        wished = attributes.checked(changes, known, batch=batch and place_of(node.id).folder == TOP)
        if attributes.LABEL in wished:
            await self._relabel(place_of(node.id).batch, attributes.text_of(wished[attributes.LABEL] or b""))
        if edits := attributes.edits(wished):
            await self._client.edit_user(**edits)
            self._known_user = await self._client.user()
        if attributes.PIN in wished:
            pk = place_of(node.id).file
            assert pk is not None
            await self._verbs.pin(pk, wished[attributes.PIN] == b"1")
        return await self._metadata(node.id)

    async def _relabel(self, number: int, label: str) -> Batch:
        await self._client.relabel(number, label)
        return self._catalogue.relabelled(number, label)

    async def perform(self, node: Node, verb: str, value: bytes) -> None:
        if verb not in attributes.VERBS:
            raise Unsupported(f"{verb} does nothing here")
        if node.id == ROOT or workspace_of(node.id) is not None:
            if verb != attributes.RECALL:
                raise Unsupported(f"{verb} is for batches and what is in them")
            await self._recall_below(node)
            return
        await self._verbs.perform(node.id, verb, value)

    async def _recall_below(self, folder: Node) -> None:
        """Every file below a folder, folder by folder."""
        pending = [folder]
        while pending:
            nodes = [node async for page in self.children(pending.pop(0)) for node in page.nodes]
            await self.recall([node for node in nodes if node.kind is Kind.FILE], explicit=True)
            pending += [node for node in nodes if node.kind is Kind.FOLDER]

    # ---- the tree -------------------------------------------------------------------------------------------------

    def admit(self, folder: Node, name: str, kind: Kind) -> None:
        if workspace_of(folder.id) is None:
            raise Immutable(
                "what is in a batch can never be changed" if folder.id != ROOT else "made by administrators"
            )
        raise Unsupported("there are batches in a workspace, and no files: make a folder first")

    async def rename(self, node: Node, folder: Node, name: str, over: Node | None = None) -> Node:
        if workspace_of(folder.id) is None or node.id == ROOT:
            raise Immutable("what is in a batch can never be renamed")
        if over is not None and over.id != node.id:
            raise Conflict("a batch never gives way to another", over)
        place = place_of(node.id)
        attributes.check_label(name)
        workspace = workspace_of(folder.id)
        for one in await self._shown(workspace or ""):
            if one.label == name and one.id != place.batch:
                raise Conflict("a batch of this label is there", self._nodes.batch(one))
        return self._nodes.batch(await self._relabel(place.batch, name))

    async def remove(self, node: Node, folder: Node) -> None:
        raise Unchangeable("JDMA cannot remove a file out of a batch")

    async def remove_folder(self, node: Node, folder: Node) -> None:
        if node.id == ROOT or workspace_of(node.id) is not None:
            raise Undeletable("workspaces are made and removed by administrators")
        place = place_of(node.id)
        if place.folder != TOP:
            raise Full("a folder in a batch always has files, and never changes")
        tree = await self._catalogue.recorded(place.batch)
        if tree is None or tree.rows:
            raise Full("a batch is removed with all its files by user.jdma.delete")
        raise Undeletable("a batch is removed by user.jdma.delete")

    # ---- drafts ---------------------------------------------------------------------------------------------------

    def drafts_in(self, folder: Node, name: str) -> bool:
        if self._disk is None or workspace_of(folder.id) is None:
            return False
        try:
            attributes.check_label(name)
        except ValueRejected:
            return False
        return True

    def draft_home(self, folder: Node) -> Path | None:
        return self._on_disk().stage.local / "drafts"

    def admit_draft(self, draft: Draft, relative: str, kind: Kind) -> None:
        if kind is Kind.LINK:
            raise Unsupported("JDMA does not list links, and gives their targets away when it brings them back")
        drafts.check_path(relative, self._on_disk().stage.top)

    def draft_idle(self, draft: Draft) -> float | None:
        if draft.name.startswith(".") or draft.name.endswith(("~", ".partial")):
            return None
        return self._settings.commit_idle

    def draft_metadata(self, draft: Draft, state: Mapping[str, Any]) -> Metadata:
        return attributes.of_draft(draft.name, state, self._verbs.newest(state.get("batch")))

    async def commit_draft(self, draft: Draft, folder: Node, name: str, value: bytes, ledger: Ledger) -> Node | None:
        workspace = workspace_of(folder.id)
        if workspace is None:
            raise NameRejected("batches are in workspaces")
        await self._on_disk().commits.commit(draft, workspace, name, value, ledger)
        return None

    async def finish_draft(self, draft: Draft, folder: Node, name: str, ledger: Ledger) -> Node:
        return self._nodes.batch(await self._on_disk().commits.finish(draft, ledger))

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        if self._disk is not None:
            await self._disk.commits.abandon(state)
        return None
