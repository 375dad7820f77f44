"""The depot as a `Repository`."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from assetfs.backends import Address
from assetfs.repository import (
    Attribute,
    Availability,
    Capabilities,
    Change,
    Conflict,
    Draft,
    Forbidden,
    Identity,
    Kind,
    Ledger,
    Metadata,
    NameRejected,
    Node,
    NodeId,
    NotAuthenticated,
    NotEmpty,
    NotFound,
    Offline,
    Page,
    ProtocolViolation,
    RecallPolicy,
    Repository,
    Rights,
    Sink,
    Source,
    Unsupported,
    ValueRejected,
    VersionChanged,
)
from assetfs.transport import TransportOptions
from tests.example.disk import ID, NOTE, TAGS, Disk, attribute

NOTES = ".notes"
"""A hidden folder of every folder: the notes of its files, as files whose size nobody tells."""
DRAFT = ".draft"
COMMIT, RECALL = "user.depot.commit", "user.depot.recall"
LOOK = 0.02
"""Seconds between two looks at what somebody else may have changed."""


class Depot(Repository):
    """One folder."""

    name = "depot"

    def __init__(self, address: Address, options: TransportOptions) -> None:
        given = address.options
        self._secret = address.secret
        self.disk = Disk(Path(given["folder"]))
        self._drafts_here = bool(given.get("drafts_here"))
        self._idle = float(given.get("idle") or 0.0)
        self._counts: Counter[str] = Counter()
        self.capabilities = Capabilities(
            measure=True,
            create_folder=True,
            remove_folder=True,
            upload=True,
            replace=True,
            replace_keeps_id=True,
            rename=True,
            move=True,
            remove=True,
            set_metadata=True,
            search=True,
            tags=True,
            recent=True,
            hidden=True,
            symlinks=True,
            changes=True,
            locate=True,
            unique_names=True,
            recall=True,
            recall_policy=RecallPolicy(given.get("recall") or "fail"),
            recall_wait=float(given.get("recall_wait") or 3600.0),
            recall_verb=RECALL,
            drafts=True,
            draft_links=True,
            commit_verb=COMMIT,
            verbs=frozenset((COMMIT, RECALL)),
            writable=(NOTE, TAGS),
        )

    @property
    def requests(self) -> Mapping[str, int]:
        return self._counts

    async def connect(self) -> Identity:
        if not self.disk.folder.is_dir():
            raise Offline(f"there is no folder {self.disk.folder}")
        self.disk.prepare()
        key = self.disk.folder / "key"
        if key.exists() and key.read_text() != self._secret:
            raise NotAuthenticated("this is not the depot's key")
        return Identity(server="a depot", user="anybody", url=self.disk.folder.as_uri())

    async def close(self) -> None:
        return

    async def _asked(self, what: str) -> None:
        """Every question to the server passes here."""
        self._counts[what] += 1
        await trio.lowlevel.checkpoint()
        if (self.disk.folder / "down").exists():
            raise Offline("the depot is closed")

    # ---- reading --------------------------------------------------------------------------------------------------

    async def root(self) -> Node:
        return self.disk.node(self.disk.tree)

    async def children(self, folder: Node) -> AsyncIterator[Page]:
        await self._asked("list")
        if folder.id.startswith("n"):
            yield Page(self._notes(folder.id))
            return
        path = self._folder(folder.id)
        yield Page(self.disk.nodes(sorted(path.iterdir())))

    async def stat(self, node: NodeId) -> Node:
        await self._asked("stat")
        if node.startswith("n"):
            return self._notes_of(self._folder("d" + node[1:]))
        if node.startswith("t"):
            return self._note(self.disk.path_of("f" + node[1:]))
        return self.disk.node(self.disk.path_of(node))

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        await self._asked("fetch")
        if node.id.startswith("t"):
            content = attribute(self.disk.path_of("f" + node.id[1:]), NOTE) or b""
        else:
            path = self.disk.path_of(node.id)
            if self.disk.node(path).version != node.version:
                raise VersionChanged(f"{node.name} was replaced")
            content = await trio.to_thread.run_sync(path.read_bytes)
        sink.total(len(content))
        while start < min(stop, len(content)) and len(room := sink.lend(start)):
            piece = content[start : min(start + len(room), stop)]
            room[: len(piece)] = piece
            sink.landed(start, len(piece))
            start += len(piece)

    async def measure(self, nodes: Sequence[Node]) -> Mapping[NodeId, int]:
        await self._asked("measure")
        there = [(node, arrived) for node in nodes if (arrived := self._arrived(node.id)) is not None]
        return {node.id: now.size for node, now in there if now.size is not None}

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        await self._asked("metadata")
        found: dict[NodeId, Metadata] = {}
        for node in nodes:
            try:
                found[node.id] = self._attributes(node.id)
            except NotFound:
                continue
        return found

    def _attributes(self, node: NodeId) -> Metadata:
        if node[0] in "nt":
            return {}
        path = self.disk.path_of(node)
        if path.is_symlink():
            return {ID: Attribute(node[1:].encode())}
        values = {name: attribute(path, name) for name in (ID, NOTE, TAGS)}
        return {name: Attribute(value, writable=name != ID) for name, value in values.items() if value is not None}

    # ---- hidden ---------------------------------------------------------------------------------------------------

    async def hidden(self, folder: Node, name: str) -> Node:
        if name != NOTES or not folder.id.startswith("d"):
            raise NotFound(f"there is no {name}")
        await self._asked("hidden")
        return self._notes_of(self._folder(folder.id))

    async def hidden_entries(self, folder: Node) -> Sequence[Node]:
        return [await self.hidden(folder, NOTES)] if folder.id.startswith("d") else ()

    def _notes_of(self, folder: Path) -> Node:
        return Node(id=f"n{self.disk.id_of(folder)[1:]}", kind=Kind.FOLDER, name=NOTES, rights=Rights.READ)

    def _notes(self, id_: NodeId) -> list[Node]:
        files = [path for path in self._folder("d" + id_[1:]).iterdir() if path.is_file() and not path.is_symlink()]
        return [self._note(path) for path in files if attribute(path, NOTE) is not None]

    def _note(self, path: Path) -> Node:
        return Node(
            id=f"t{self.disk.id_of(path)[1:]}",
            kind=Kind.FILE,
            name=f"{path.name}.txt",
            measurable=False,
            version=None,
            rights=Rights.READ,
        )

    # ---- finding --------------------------------------------------------------------------------------------------

    async def locate(self, node: NodeId) -> Sequence[Sequence[Node]]:
        await self._asked("locate")
        path = self.disk.path_of(node).relative_to(self.disk.tree)
        return [[self.disk.node(self.disk.tree / part) for part in [*reversed(path.parents), path][1:]]]

    async def search(self, query: str) -> AsyncIterator[Page]:
        await self._asked("search")
        yield Page([self.disk.node(path) for path in self.disk.everything() if query in path.name])

    async def tags(self) -> Sequence[str]:
        await self._asked("tags")
        return self.disk.tags()

    async def tagged(self, tag: str) -> AsyncIterator[Page]:
        await self._asked("tagged")
        yield Page([self.disk.node(path) for path in self.disk.everything() if tag in _tags(path)])

    async def recent(self) -> AsyncIterator[Page]:
        await self._asked("recent")
        paths = sorted(self.disk.everything(), key=lambda path: -path.lstat().st_mtime_ns)
        yield Page([self.disk.node(path) for path in paths if path != self.disk.tree])

    async def changes(self) -> AsyncIterator[Change]:
        await self._asked("changes")
        with self.disk.events.open() as events:
            events.seek(0, os.SEEK_END)
            yield Change()
            while True:
                if (self.disk.folder / "events.down").exists():
                    raise Offline("the events are cut off")
                for line in events.readlines():
                    yield Change(**json.loads(line))
                await trio.sleep(LOOK)

    # ---- recall ---------------------------------------------------------------------------------------------------

    async def recall(self, nodes: Sequence[Node], *, explicit: bool = False, along: Node | None = None) -> None:
        await self._asked("recall")
        new = [node.id for node in nodes if node.availability is not Availability.RECALLING]
        if new:
            self.disk.wish(nodes=new, explicit=explicit, along=along.name if along is not None else None)

    async def recalled(self, node: Node) -> Node:
        while True:
            now = self.disk.node(self.disk.path_of(node.id))
            if now.availability is Availability.ONLINE:
                return now
            if now.availability is Availability.FAILED:
                raise ProtocolViolation("the tape is broken")
            await trio.sleep(LOOK)

    # ---- writing --------------------------------------------------------------------------------------------------

    def admit(self, folder: Node, name: str, kind: Kind) -> None:
        if not name or name in (".", "..") or set(name) & {"/", "\0"} or len(name.encode()) > 255:
            raise NameRejected("a depot keeps names of a disk only")
        if not folder.id.startswith("d"):
            raise Unsupported("notes are attributes of their files")
        if Rights.WRITE not in folder.rights:
            raise Forbidden("nothing may be put there")

    async def create_folder(self, folder: Node, name: str) -> Node:
        path = await self._place(folder, name, Kind.FOLDER)
        path.mkdir()
        return self._done(path, "created")

    async def remove_folder(self, node: Node, folder: Node) -> None:
        await self._asked("remove folder")
        path = self._folder(node.id)
        try:
            path.rmdir()
        except OSError:
            raise NotEmpty(f"{path.name} is not empty") from None
        self._told(node.id, folder.id, "removed")

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        if (made := ledger.state.get("id")) is not None and (arrived := self._arrived(made)) is not None:
            return arrived
        path = await self._place(folder, name, Kind.FILE)
        number = secrets.token_hex(8)
        await ledger.record(id=f"f{number}")
        await self._put(source, path, ledger, {ID: number.encode()})
        return self._done(path, "created")

    def _arrived(self, node: NodeId) -> Node | None:
        try:
            return self.disk.node(self.disk.path_of(node))
        except NotFound:
            return None

    async def replace(self, node: Node, folder: Node, source: Source, ledger: Ledger) -> Node:
        await self._asked("replace")
        path = self.disk.path_of(node.id)
        now = self.disk.node(path)
        if now.version == await source.digest("sha256"):
            return now
        if now.version != node.version:
            raise Conflict("somebody else has replaced it", now)
        await ledger.record(begun=node.version)
        kept = {name: value for name in (NOTE, TAGS) if (value := attribute(path, name)) is not None}
        await self._put(source, path, ledger, {ID: node.id[1:].encode(), **kept})
        return self._done(path, "modified")

    async def _put(self, source: Source, path: Path, ledger: Ledger, attributes: Mapping[str, bytes]) -> None:
        """Content arrives beside the tree, and is there at once."""
        incoming = self.disk.folder / f"incoming-{secrets.token_hex(4)}"
        try:
            with incoming.open("wb") as file:
                at = 0
                while at < source.size:
                    piece = await source.read(at, 1 << 20)
                    file.write(piece)
                    at += len(piece)
                    ledger.progress(at)
            for name, value in attributes.items():
                os.setxattr(incoming, name, value)
            incoming.replace(path)
        finally:
            incoming.unlink(missing_ok=True)

    async def rename(self, node: Node, folder: Node, name: str, over: Node | None = None) -> Node:
        return await self.move(node, folder, folder, name, over)

    async def move(self, node: Node, source: Node, destination: Node, name: str, over: Node | None = None) -> Node:
        await self._asked("move")
        self.admit(destination, name, node.kind)
        old, new = self.disk.path_of(node.id), self._folder(destination.id) / name
        if over is None and new != old and os.path.lexists(new):
            raise Conflict(f"there is a {name}", self.disk.node(new))
        if over is not None and over.kind is Kind.FILE:
            if self.disk.node(self.disk.path_of(over.id)).version != over.version:
                raise Conflict(f"somebody else has replaced {name}")
            for each in (ID, NOTE, TAGS):  # its content goes into the other, which stays what it is
                _give(old, each, attribute(new, each))
        try:
            old.replace(new)
        except OSError as error:
            raise NotEmpty(f"{name}: {error.strerror}") from None
        self._told(node.id, source.id, "moved")
        return self._done(new, "moved")

    async def symlink(self, folder: Node, name: str, target: str, to: Node | None) -> Node:
        path = await self._place(folder, name, Kind.LINK)
        if to is None and "://" not in target:
            raise ValueRejected("a link leads to something of the depot, or to a URL")
        path.symlink_to(target)
        return self._done(path, "created")

    async def remove(self, node: Node, folder: Node) -> None:
        await self._asked("remove")
        self.disk.path_of(node.id).unlink()
        self._told(node.id, folder.id, "removed")

    async def set_metadata(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        path = self.disk.path_of(node.id)
        await self._asked("set metadata")
        self._check(changes)
        if any(value is None and attribute(path, name) is None for name, value in changes.items()):
            raise NotFound("it has no such attribute")
        for name, value in changes.items():
            _give(path, name, _lines(value) if value is not None else None)
        self.disk.note_tags(_tags(path))
        self._told(node.id, self.disk.id_of(path.parent), "metadata")
        return self._attributes(node.id)

    def admit_metadata(self, changes: Mapping[str, bytes]) -> None:
        self._check(changes)

    @staticmethod
    def _check(changes: Mapping[str, bytes | None]) -> None:
        for name, value in changes.items():
            if name == ID:
                raise Forbidden("the depot gives ids")
            if name not in (NOTE, TAGS):
                raise Unsupported(f"a depot has no {name}")
            try:
                (value or b"").decode()
            except UnicodeDecodeError:
                raise ValueRejected(f"{name} is text") from None

    # ---- drafts ---------------------------------------------------------------------------------------------------

    def drafts_in(self, folder: Node, name: str) -> bool:
        return folder.id.startswith("d") and name.endswith(DRAFT)

    def draft_home(self, folder: Node) -> Path | None:
        return self.disk.folder / "drafts" if self._drafts_here else None

    def admit_draft(self, draft: Draft, relative: str, kind: Kind) -> None:
        if relative.rpartition("/")[2] == "forbidden":
            raise NameRejected("nothing may be called so")

    def draft_commits(self, draft: Draft, name: str) -> bool:
        return not name.endswith(DRAFT)

    def draft_idle(self, draft: Draft) -> float | None:
        return self._idle or None

    def draft_metadata(self, draft: Draft, state: Mapping[str, Any]) -> Metadata:
        return {"user.depot.stage": Attribute(b"sent" if state else b"draft")}

    async def commit_draft(self, draft: Draft, folder: Node, name: str, value: bytes, ledger: Ledger) -> Node | None:
        name = name.removesuffix(DRAFT)
        if (made := ledger.state.get("id")) is not None and (arrived := self._arrived(made)) is not None:
            return arrived
        if not any(path.is_file() for path in draft.path.rglob("*")):
            raise ValueRejected("a draft without a file is nothing")
        await self._place(folder, name, Kind.FOLDER)
        if value == b"slow":
            await ledger.record(slow=True)
            return None
        return await self._take(draft, folder, name, ledger)

    async def finish_draft(self, draft: Draft, folder: Node, name: str, ledger: Ledger) -> Node:
        verdict = self.disk.accepted / name.removesuffix(DRAFT)
        while not verdict.exists():
            await trio.sleep(LOOK)
        if (reason := verdict.read_text()) != "yes":
            verdict.unlink()
            raise ValueRejected(reason)
        return await self._take(draft, folder, name.removesuffix(DRAFT), ledger)

    async def _take(self, draft: Draft, folder: Node, name: str, ledger: Ledger) -> Node:
        """The whole at once: a copy beside the tree, and one rename."""
        number = secrets.token_hex(8)
        await ledger.record(id=f"d{number}")
        incoming = self.disk.folder / f"incoming-{draft.key}"
        await self._held("before")
        shutil.rmtree(incoming, ignore_errors=True)
        await trio.to_thread.run_sync(lambda: shutil.copytree(draft.path, incoming, symlinks=True))
        os.setxattr(incoming, ID, number.encode())
        for attribute_name, value in draft.attributes.items():
            os.setxattr(incoming, attribute_name, value)
        path = self._folder(folder.id) / name
        if path.exists():
            raise Conflict(f"there is a {name}")
        incoming.rename(path)
        await self._held("after")
        if self._drafts_here:
            shutil.rmtree(draft.path)
        return self._done(path, "created")

    async def _held(self, when: str) -> None:
        """A file `hold-before` or `hold-after` stops a commit there."""
        while (self.disk.folder / f"hold-{when}").exists():
            await trio.sleep(LOOK)

    # ---- the server's side ----------------------------------------------------------------------------------------

    def _folder(self, id_: NodeId) -> Path:
        path = self.disk.path_of(id_)
        if not path.is_dir():
            raise NotFound(f"{id_} is no folder")
        return path

    async def _place(self, folder: Node, name: str, kind: Kind) -> Path:
        """Where a new entry goes. Raises Conflict."""
        self.admit(folder, name, kind)
        await self._asked("make")
        path = self._folder(folder.id) / name
        if os.path.lexists(path):
            raise Conflict(f"there is a {name}", self.disk.node(path))
        return path

    def _done(self, path: Path, kind: str) -> Node:
        node = self.disk.node(path)
        self._told(node.id, self.disk.id_of(path.parent), kind)
        return node

    def _told(self, node: NodeId, folder: NodeId, kind: str) -> None:
        """The depot tells everybody of everything, us too."""
        self.disk.tell(node=node, folder=folder, kind=kind)


def _give(path: Path, name: str, value: bytes | None) -> None:
    if value is not None:
        os.setxattr(path, name, value)
    elif attribute(path, name) is not None:
        os.removexattr(path, name)


def _lines(value: bytes) -> bytes:
    """Values, one a line, as the depot keeps them."""
    return b"\n".join(sorted({line.strip() for line in value.split(b"\n") if line.strip()}))


def _tags(path: Path) -> list[str]:
    return (attribute(path, TAGS) or b"").decode().split("\n") if attribute(path, TAGS) else []
