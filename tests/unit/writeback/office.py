"""A repository in memory that does what the test says, and a write-back on it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from assetfs.content.catalogue import Catalogue
from assetfs.content.store import ContentStore
from assetfs.repository import (
    Capabilities,
    Conflict,
    Identity,
    Kind,
    Ledger,
    Metadata,
    Node,
    NodeId,
    NotFound,
    Page,
    Repository,
    Sink,
    Source,
)
from assetfs.writeback.journal import Journal
from assetfs.writeback.staging import Staged
from assetfs.writeback.writeback import Settings, WriteBack

FOLDER = Node(id="c1", kind=Kind.FOLDER, name="letters", private="known")


def node(id_: str, name: str, data: bytes) -> Node:
    digest = hashlib.sha256(data).hexdigest()
    return Node(
        id=id_, kind=Kind.FILE, name=name, size=len(data), version=digest, digest=f"sha256:{digest}", private="known"
    )


class Office(Repository):
    """Files of one folder. `script` may raise, or wait, at every call; `calls` are those that were made."""

    name = "office"
    capabilities = Capabilities(upload=True, replace=True, replace_keeps_id=True, set_metadata=True, rename=True)

    def __init__(self) -> None:
        self.files: dict[str, tuple[str, bytes]] = {}
        self.attributes: dict[str, dict[str, bytes | None]] = {}
        self.calls: list[str] = []
        self.running = self.most = 0
        self.script: Callable[[str], Any] = lambda call: None
        self.gate: trio.Event | None = None
        self.abandoned: list[Mapping[str, Any]] = []
        self._next = 1

    async def _called(self, call: str) -> None:
        self.calls.append(call)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await trio.lowlevel.checkpoint()
            if self.gate is not None:
                await self.gate.wait()
            if (error := self.script(call)) is not None:
                raise error
        finally:
            self.running -= 1

    def has(self, name: str) -> bytes | None:
        return next((data for title, data in self.files.values() if title == name), None)

    def seed(self, name: str, data: bytes) -> Node:
        id_ = f"r{self._next}"
        self._next += 1
        self.files[id_] = (name, data)
        return node(id_, name, data)

    async def connect(self) -> Identity:
        return Identity(server="office", user="me", url="")

    async def close(self) -> None: ...

    async def root(self) -> Node:
        return FOLDER

    async def children(self, folder: Node) -> AsyncIterator[Page]:
        yield Page([node(id_, name, data) for id_, (name, data) in self.files.items()])

    async def stat(self, id_: NodeId) -> Node:
        await self._called(f"stat {id_}")
        if id_ == FOLDER.id:
            return FOLDER
        if id_ not in self.files:
            raise NotFound(id_)
        return node(id_, *self.files[id_])

    async def fetch(self, asked: Node, start: int, stop: int, sink: Sink) -> None:
        data = self.files[asked.id][1]
        sink.total(len(data))
        at = start
        while at < min(stop, len(data)):
            memory = sink.lend(at)
            count = min(len(memory), min(stop, len(data)) - at)
            if not count:
                return
            memory[:count] = data[at : at + count]
            sink.landed(at, count)
            at += count
            await trio.lowlevel.checkpoint()

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        return {}

    def admit(self, folder: Node, name: str, kind: Kind) -> None: ...

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        data = await source.read(0, source.size)
        if ledger.state.get("name") == name and self.has(name) == data:
            return next(node(id_, *file) for id_, file in self.files.items() if file[0] == name)
        if self.has(name) is not None:
            raise Conflict(f"{name} is there")
        await ledger.record(name=name)
        await self._called(f"upload {name}")
        return self.seed(name, data)

    async def replace(self, old: Node, folder: Node, source: Source, ledger: Ledger) -> Node:
        data = await source.read(0, source.size)
        new = node(old.id, old.name, data)
        if old.id not in self.files:
            raise NotFound(old.id)
        now = node(old.id, *self.files[old.id])
        if now.version == new.version:
            return now
        if now.version != old.version:
            raise Conflict("somebody else was faster", now)
        await ledger.record(target=old.id, version=new.version)
        await self._called(f"replace {old.id}")
        self.files[old.id] = (self.files[old.id][0], data)
        return new

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        await self._called("abandon")
        self.abandoned.append(state)
        target = state.get("target")
        if target in self.files and node(target, *self.files[target]).version == state["version"]:
            return node(target, *self.files[target])
        return None

    async def rename(self, old: Node, folder: Node, name: str, over: Node | None = None) -> Node:
        await self._called(f"rename {old.id} {name}")
        self.files[old.id] = (name, self.files[old.id][1])
        return node(old.id, *self.files[old.id])

    async def set_metadata(self, of: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        await self._called(f"set {of.id}")
        self.attributes.setdefault(of.id, {}).update(changes)
        return {}


class Desk:
    """What a program does: whole files, by name."""

    def __init__(self, office: Office, writeback: WriteBack, journal: Journal) -> None:
        self.office = office
        self.writeback = writeback
        self.journal = journal

    async def write(self, staged: Staged, data: bytes, at: int = 0) -> None:
        self.writeback.touch(staged)
        await staged.write(at, data)

    async def close(self, staged: Staged) -> None:
        await self.writeback.flush(staged)
        self.writeback.written(staged)

    async def save(self, name: str, data: bytes) -> Staged:
        staged = self.writeback.making.create(FOLDER, name.encode())
        await self.write(staged, data)
        await self.close(staged)
        return staged

    async def overwrite(self, target: Node, data: bytes) -> Staged:
        assert target.size is not None
        staged = self.writeback.making.stage(target, FOLDER, target.name.encode(), target.size)
        self.writeback.touch(staged)
        await self.writeback.truncate(staged, 0)
        await self.write(staged, data)
        await self.close(staged)
        return staged

    async def sent(self) -> None:
        """Until nothing waits any more; tests run on a clock that jumps."""
        with trio.fail_after(10_000):
            while any(s.entry.state.value in ("queued", "uploading") for s in self.writeback.accounts.owed()):
                await trio.sleep(1)


@asynccontextmanager
async def at_work(office: Office, place: Path, **options: Any) -> AsyncIterator[Desk]:
    """A write-back at work; used again with the same place, it takes over what the last one left."""
    (place / "staging").mkdir(exist_ok=True)
    catalogue = Catalogue(place / "catalogue")
    journal = Journal(place / "journal")
    try:
        async with trio.open_nursery() as nursery:
            store = ContentStore(office, catalogue, None, nursery, memory=1 << 24, downloads=2, window=1 << 20)
            writeback = WriteBack(
                office, store, journal, place / "staging", Settings(delay=1.0, **options), clock=trio.current_time
            )
            writeback.recover()
            nursery.start_soon(writeback.run)
            yield Desk(office, writeback, journal)
            nursery.cancel_scope.cancel()
        writeback.close()
    finally:
        catalogue.close()
