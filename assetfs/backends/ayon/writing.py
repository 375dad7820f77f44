"""Which part of the backend takes what is written where: tables by the folder that it is written to (section 8.2)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from assetfs.backends.ayon import naming, pictures, workfiles
from assetfs.backends.ayon.arranging import Arranging
from assetfs.backends.ayon.editing import Editing
from assetfs.backends.ayon.errors import Denied
from assetfs.backends.ayon.ids import Ref, parse
from assetfs.backends.ayon.overwriting import Overwriting
from assetfs.backends.ayon.pictures import Pictures
from assetfs.backends.ayon.publishing import Publishing
from assetfs.backends.ayon.studio import Studio
from assetfs.backends.ayon.workfiles import Workfiles
from assetfs.repository import (
    Draft,
    Forbidden,
    Immutable,
    Kind,
    Ledger,
    NameRejected,
    Node,
    NodeId,
    Rights,
    Source,
    Unsupported,
)

DENIED = 60.0
"""Seconds that the server's refusal stands for what it would say to the next attempt."""


class Writing:
    """Everything that changes content and the tree."""

    def __init__(self, studio: Studio, arranging: Arranging, editing: Editing, pictures: Pictures) -> None:
        self._studio = studio
        self._arranging = arranging
        self._pictures = pictures
        self._workfiles = Workfiles(studio)
        self._publishing = Publishing(studio, editing)
        self._overwriting = Overwriting(studio, arranging)
        self._denied: dict[NodeId, float] = {}
        """When the server has refused us the right to write in a folder."""

    # ---- before a byte is staged ----------------------------------------------------------------------------------

    def admit(self, folder: Node, name: str, kind: Kind) -> None:
        """See `Repository.admit`."""
        ref = parse(folder.id)
        if kind is Kind.LINK:
            if ref.what != "linkset":
                raise Unsupported("links are made in .links/<type>.out")
            return
        if Rights.WRITE not in folder.rights:
            raise Forbidden("this folder is not to be changed")
        if time.monotonic() - self._denied.get(folder.id, float("-inf")) < DENIED:
            raise Forbidden("the server has just refused us the right to write here")
        if kind is Kind.FOLDER:
            self._arranging.admit(folder, name)
            return
        if name in naming.THUMBNAILS and ref.what in pictures.PLURAL:
            return
        workfiles.check_name(name)
        match ref.what:
            case "product":
                if self._studio.choices.store != "project-files":
                    self._check_roots(ref)
            case "task":
                self._check_roots(ref)
            case "version":
                if not self._studio.choices.allow_overwrite:
                    raise Immutable("a version that is published stays as it is: publish a new one")
            case "review":
                pictures.media_type(name)
            case _:
                raise Unsupported("files are in products, tasks and .review")

    def _check_roots(self, ref: Ref) -> None:
        known = self._studio.projects.known(ref.project)
        if known is not None and not known.writable:
            raise Immutable("files at roots are written only where root_map says where the root is")

    @contextmanager
    def _learning(self, folder: Node) -> Iterator[None]:
        """Rights are learnt by trying (8.3): where we may not write, nothing is admitted for a while."""
        try:
            yield
        except Denied:
            now = time.monotonic()
            self._denied = {id_: when for id_, when in self._denied.items() if now - when < DENIED} | {folder.id: now}
            raise

    # ---- content --------------------------------------------------------------------------------------------------

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        """See `Repository.upload`."""
        with self._learning(folder):
            return await self._upload(folder, name, source, ledger)

    async def create_folder(self, folder: Node, name: str) -> Node:
        """See `Repository.create_folder`."""
        self.admit(folder, name, Kind.FOLDER)
        with self._learning(folder):
            return await self._arranging.create(folder, name)

    async def _upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        ref = parse(folder.id)
        if name in naming.THUMBNAILS and ref.what in pictures.PLURAL:
            return await self._pictures.set_thumbnail(ref, name, source, ledger)
        self.admit(folder, name, Kind.FILE)
        match ref.what:
            case "product":
                return await self._publishing.file(folder, name, source, ledger)
            case "task":
                return await self._workfiles.upload(folder, name, source, ledger)
            case "version":
                return await self._overwriting.upload(folder, name, source, ledger)
        return await self._pictures.add_reviewable(ref, name, source, ledger)

    async def replace(self, node: Node, source: Source, ledger: Ledger) -> Node:
        """See `Repository.replace`."""
        ref = parse(node.id)
        if ref.what == "thumbnail":
            owner = Ref(ref.key[0], ref.project, (ref.key[1],))
            return await self._pictures.set_thumbnail(owner, node.name, source, ledger)
        if ref.what == "workfile":
            return await self._workfiles.replace(node, source, ledger)
        if ref.what != "representation" or not self._studio.choices.allow_overwrite:
            raise Immutable("what is published stays as it is: publish a new version")
        return await self._overwriting.replace(node, source, ledger)

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        """See `Repository.abandon`."""
        if "publish" in state:
            await self._publishing.undo(state)
            return None
        for name in ("workfile", "replaces"):
            if name in state:
                return await self._workfiles.abandon(dict(state[name]))
        return await self._overwriting.abandon(state)

    # ---- the tree -------------------------------------------------------------------------------------------------

    async def place(self, node: Node, source: Node, destination: Node, name: str, over: Node | None) -> Node:
        """See `Repository.rename`, `move`."""
        ref = parse(node.id)
        if ref.what == "workfile":
            return await self._workfiles.place(node, destination, name, over)
        if ref.what == "representation" and node.kind is Kind.FILE:
            if not self._studio.choices.allow_overwrite or source.id != destination.id:
                raise Forbidden("what is published stays where it is")
            if over is not None and over.id != node.id:
                return await self._overwriting.give(node, over)
            return await self._overwriting.rename(node, name)
        return await self._arranging.place(node, destination, name, over)

    async def remove(self, node: Node, folder: Node) -> None:
        """See `Repository.remove`."""
        if parse(node.id).what == "workfile":
            await self._workfiles.remove(node)
        else:
            await self._arranging.remove(node, folder)

    # ---- drafts ---------------------------------------------------------------------------------------------------

    def drafts_in(self, folder: Node, name: str) -> bool:
        """See `Repository.drafts_in`."""
        return parse(folder.id).what == "product" and naming.is_draft(name)

    def commits(self, draft: Draft, name: str) -> bool:
        """`vNNN` publishes under that number; a draft called `next` takes the next one, whatever the new name."""
        number = naming.version_number(name)
        return number is not None or (_is_next(draft) and not naming.is_draft(name))

    async def commit(self, draft: Draft, folder: Node, name: str, ledger: Ledger) -> Node:
        """See `Repository.commit_draft`."""
        number = None if _is_next(draft) else naming.version_number(name)
        if number is None and not _is_next(draft):
            raise NameRejected("a version is called v and a number")
        return await self._publishing.draft(draft, folder, name, number, ledger)


def _is_next(draft: Draft) -> bool:
    return draft.name == "next.draft"
