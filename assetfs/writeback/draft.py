"""A draft: a folder that exists only here until it is handed over as one unit, and the record that survives of it.

A draft's files are real files in a real folder, so that everything works in them that works on a disk, and so that a
backend may hard-link or read them where they are. Beside it stands a record, which is written anew and renamed into
place at every change that counts; what the record says is what the next daemon goes on with.

    DRAFT        can be changed. `error` says why the last commit failed
    COMMITTING   `commit_draft` is at work, or its end is not known: nobody can change it
    TAKEN        the server has it and works on; `finish_draft` waits for the end
    (gone)       it is a node of the server
"""

from __future__ import annotations

import enum
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import trio

from assetfs import names
from assetfs.repository import Immutable, Kind, Node, NodeId, RepositoryError, Rights
from assetfs.writeback.accounts import Account

log = logging.getLogger("assetfs.writeback")

DRAFT = "draft:"
"""How the ids of drafts (`draft:<key>`) and of what is in them (`draft:<key>/<file>`) begin."""


def is_draft(node: NodeId) -> bool:
    """Whether an id is that of a draft, or of something in one."""
    return node.startswith(DRAFT)


class State(enum.Enum):
    DRAFT = "draft"
    COMMITTING = "committing"
    TAKEN = "taken"


class Record(msgspec.Struct, kw_only=True):
    """What survives of a draft beside its files."""

    key: str
    folder: NodeId
    """The folder that it is in."""
    folder_name: str = ""
    """Of that folder, for people."""
    name: bytes
    path: str
    given: bool
    """The backend has said where it lies; what becomes of its files there is the backend's business."""
    state: State = State.DRAFT
    attributes: dict[str, bytes] = {}
    ledger: dict[str, Any] = {}
    error: str = ""
    target: bytes = b""
    """The name under which it is being committed, or was tried to be committed last."""
    value: bytes = b""
    """Of the commit verb."""
    size: int = 0
    """Bytes of its files, when a commit failed last."""


class DraftFolder:
    """One draft; what backends know as `Draft`."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.writers = 0
        """Files that are open for writing, and changes that are under way."""
        self.touched = 0.0
        """When it was changed last; seconds of the mount's clock."""
        self.refused_at = -1.0
        """`touched`, when an idle commit was refused: not again before it is changed."""
        self.decided = trio.Event()
        """Whoever asked for the commit need not wait any longer."""
        self.failure: RepositoryError | None = None

    @property
    def key(self) -> str:
        return self.record.key

    @property
    def id(self) -> NodeId:
        return DRAFT + self.record.key

    @property
    def name(self) -> str:
        return names.decode(self.record.name)

    @property
    def path(self) -> Path:
        return Path(self.record.path)

    @property
    def attributes(self) -> Mapping[str, bytes]:
        return self.record.attributes

    def attributes_of(self, relative: str) -> Mapping[str, bytes]:
        path = self.path / relative
        there = (name for name in os.listxattr(path, follow_symlinks=False) if name.startswith("user."))
        return {name: os.getxattr(path, name, follow_symlinks=False) for name in there}

    @property
    def has_failed(self) -> bool:
        """The last commit has failed, and nobody has begun another one."""
        return self.record.state is State.DRAFT and bool(self.record.error)

    @property
    def state(self) -> str:
        """For people."""
        if self.record.state is State.DRAFT:
            return "failed" if self.record.error else "draft"
        return "uploading"

    def check_open(self) -> None:
        """Raises Immutable while it is being committed."""
        if self.record.state is not State.DRAFT:
            raise Immutable("it is being committed: nothing in it can be changed now")

    def node(self) -> Node:
        return Node(id=self.id, kind=Kind.FOLDER, name=self.name, label=f"draft{self.key}", rights=Rights.ALL)


class Records:
    """The records of all drafts, one file each in `folder`. Everything here blocks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, key: str) -> Path:
        return self.folder / f"{key}.draft"

    def read(self) -> Iterator[Record]:
        """All that can be read, in an order that stays. Raises OSError."""
        for path in sorted(self.folder.glob("*.draft")):
            try:
                yield msgspec.msgpack.decode(path.read_bytes(), type=Record)
            except msgspec.MsgspecError as damage:
                log.error("the draft %s cannot be read: %s; its files are left where they are", path, damage)

    def write(self, key: str, content: bytes) -> None:
        """Survives the machine when it returns. Raises OSError."""
        place = self.place(key)
        fresh = place.with_suffix(f".{secrets.token_hex(4)}")
        try:
            file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, content)
                os.fsync(file)
            finally:
                os.close(file)
            fresh.replace(place)
        finally:
            fresh.unlink(missing_ok=True)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, key: str) -> None:
        self.place(key).unlink(missing_ok=True)


def account(record: Record) -> Account:
    """A draft whose commit has failed, for people."""
    return Account(
        number=int(record.key, 16),
        place=f"{record.folder_name or record.folder}/{names.decode(record.name)}",
        state="failed",
        size=record.size,
        sent=0,
        attempts=1,
        error=record.error,
        node=None,
        staging_file=record.path,
        folder=True,
    )


def recorded(place: Path) -> Iterator[Account]:
    """Failed drafts in a mount's place for drafts, while no daemon has them. Blocks."""
    for record in Records(place / RECORDS).read():
        if DraftFolder(record).has_failed:
            yield account(record)


RECORDS, FILES = "records", "files"
"""In a mount's place for drafts: the records, and the files of those for which the backend gives no place."""


def bytes_in(folder: Path) -> int:
    """The size of all files in a folder. Blocks; what cannot be looked at counts for nothing."""
    size = 0
    for place, _, found in os.walk(folder):
        for name in found:
            try:
                size += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return size
