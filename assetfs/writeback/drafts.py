"""Drafts: all that a repository has here (`draft.py` says what one is, `committing.py` how it becomes the server's)."""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import trio

from assetfs.repository import Busy, Node, NodeId, NotEmpty, Repository
from assetfs.writeback.committing import Committing
from assetfs.writeback.draft import DRAFT, FILES, RECORDS, DraftFolder, Record, Records

log = logging.getLogger("assetfs.writeback")


class Drafts:
    """All drafts of a repository. `place` is a folder of ours, for records, and for files where the backend gives no
    place."""

    def __init__(self, repository: Repository, place: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._repository = repository
        self._records = Records(place / RECORDS)
        self._files = place / FILES
        self._clock = clock
        self._drafts: dict[str, DraftFolder] = {}
        self._placed: dict[NodeId, dict[bytes, DraftFolder]] = {}
        self.committing = Committing(self, repository, clock)

    def recover(self) -> None:
        """Take over what the last daemon left. Blocks. Raises OSError."""
        for folder in (self._records.folder, self._files):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for record in self._records.read():
            draft = DraftFolder(record)
            if not draft.path.is_dir():
                self._find_again(draft)
            self._put(draft)
        for leftover in self._files.iterdir():
            if leftover.name not in self._drafts and not self._records.place(leftover.name).exists():
                shutil.rmtree(leftover, ignore_errors=True)

    def _find_again(self, draft: DraftFolder) -> None:
        """Its folder is not there: it was about to be made, or its disk is away."""
        try:
            draft.path.mkdir(mode=0o700)
        except OSError as error:
            draft.record.error = f"its files are not at {draft.path}: {error.strerror}"
            log.error("the draft %s: %s", draft.name, draft.record.error)

    def __iter__(self) -> Iterator[DraftFolder]:
        return iter(list(self._drafts.values()))

    def failed(self) -> list[DraftFolder]:
        """Those whose last commit has failed."""
        return [draft for draft in self if draft.has_failed]

    # ---- naming ---------------------------------------------------------------------------------------------------

    def find(self, folder: NodeId, name: bytes) -> DraftFolder | None:
        """The draft of that name in a folder."""
        return self._placed.get(folder, {}).get(name)

    def within(self, folder: NodeId) -> dict[bytes, DraftFolder]:
        """The drafts in a folder."""
        return self._placed.get(folder, {})

    def of(self, node: NodeId) -> DraftFolder | None:
        """The draft that an id belongs to."""
        return self._drafts.get(node.removeprefix(DRAFT).partition("/")[0])

    def _put(self, draft: DraftFolder) -> None:
        self._drafts[draft.key] = draft
        self._placed.setdefault(draft.record.folder, {})[draft.record.name] = draft

    def lift(self, draft: DraftFolder) -> None:
        """It is seen no more; its record is still there."""
        there = self._placed.get(draft.record.folder, {})
        if there.get(draft.record.name) is draft:
            del there[draft.record.name]
        self._drafts.pop(draft.key, None)

    async def make(self, folder: Node, name: bytes) -> DraftFolder:
        """A new draft. Raises OSError."""
        key = secrets.token_hex(4)
        home = self._repository.draft_home(folder)
        path = (home or self._files) / key
        record = Record(
            key=key, folder=folder.id, folder_name=folder.name, name=name, path=str(path), given=home is not None
        )
        draft = DraftFolder(record)
        await self.save(draft.record)
        await trio.to_thread.run_sync(lambda: path.mkdir(mode=0o755, parents=True))
        draft.touched = self._clock()
        self._put(draft)
        return draft

    async def rename(self, draft: DraftFolder, folder: Node, name: bytes) -> None:
        """Another name or place, and still a draft. Raises OSError."""
        record = draft.record
        with self.changing(draft):
            self.lift(draft)
            if record.target == record.name:
                record.target = name  # what was to be committed under its own name still is
            record.folder, record.folder_name, record.name = folder.id, folder.name, name
            self._put(draft)
            await self.save(draft.record)

    # ---- going ----------------------------------------------------------------------------------------------------

    async def remove(self, draft: DraftFolder) -> None:
        """Somebody does not want it any more. Raises NotEmpty, OSError, and what the server says to the removal of what
        a commit may have left there."""
        with self.changing(draft):
            await self._abandon(draft)
            try:
                await trio.to_thread.run_sync(draft.path.rmdir)
            except FileNotFoundError:
                pass
            except OSError:
                raise NotEmpty("files are in the draft") from None
            await self.forget(draft)

    async def discard(self, draft: DraftFolder) -> None:
        """Give it up with all that is in it. Raises Busy while somebody writes in it, Immutable, OSError, and what the
        server says; what is left of it is then still a draft."""
        if draft.writers:
            raise Busy("files are open for writing")
        with self.changing(draft):
            await self._abandon(draft)
            log.warning("the draft %s is discarded as asked", draft.name)
            if draft.path.exists():
                await trio.to_thread.run_sync(shutil.rmtree, draft.path)
            await self.forget(draft)

    async def _abandon(self, draft: DraftFolder) -> None:
        if draft.record.ledger:
            await self._repository.abandon(draft.record.ledger)

    async def forget(self, draft: DraftFolder) -> None:
        """There is no such draft any more. Raises OSError."""
        self.lift(draft)
        await trio.to_thread.run_sync(self._records.remove, draft.key)

    # ---- keeping --------------------------------------------------------------------------------------------------

    @contextmanager
    def changing(self, draft: DraftFolder) -> Iterator[None]:
        """Somebody changes it, or what is in it: nobody commits it meanwhile. Raises Immutable."""
        draft.check_open()
        draft.writers += 1
        try:
            yield
        finally:
            draft.writers -= 1
            draft.touched = self._clock()

    async def save(self, record: Record) -> None:
        """What a record says now survives the machine. Raises OSError."""
        content = msgspec.msgpack.encode(record)
        await trio.to_thread.run_sync(self._records.write, record.key, content)
