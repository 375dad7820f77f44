"""Nodes and their ids (8.1, 8.2).

    root                    w:<workspace>
    b<batch>                b<batch>f<file>       b<batch>/<relative path of a folder>

Numbers are the server's own and are never used again; a folder inside a batch has none, but its path never changes.
What a batch is called does: its id does not.
"""

from __future__ import annotations

import re

import msgspec

from assetfs.backends.jdma.copies import Copies
from assetfs.backends.jdma.recalls import AVAILABILITY, Recalls, Where
from assetfs.backends.jdma.tree import TOP, Row, Tree
from assetfs.backends.jdma.wire import Batch, time_ns
from assetfs.repository import Availability, Kind, Node, NotFound, Rights

ROOT = "root"
_ID = re.compile(r"b(\d{1,18})(?:f(\d{1,18})|/(.+))?", re.DOTALL)


class Place(msgspec.Struct, frozen=True):
    """What an id says: a batch, a file in it, or a folder in it."""

    batch: int
    file: int | None = None
    folder: str = TOP


def place_of(node: str) -> Place:
    """Take the id of something in a batch apart. Raises NotFound."""
    found = _ID.fullmatch(node)
    if found is None:
        raise NotFound("there is no such node")
    return Place(int(found[1]), int(found[2]) if found[2] else None, found[3] or TOP)


def workspace_of(node: str) -> str | None:
    """The workspace whose id this is."""
    return node[2:] if node.startswith("w:") and len(node) > 2 else None


def numbered(batch: Batch) -> str:
    """The name that a batch always answers to."""
    return f"batch-{batch.id}"


class Nodes:
    """Makes nodes. `recalls` None: there is no stage, and no content. `name` is who we are."""

    def __init__(self, name: str, recalls: Recalls | None, *, stage: bool) -> None:
        self._name = name
        self._recalls = recalls
        self._stage = stage

    def root(self) -> Node:
        """Workspaces that nothing is known of answer to their names, too: the server does not list them."""
        return Node(id=ROOT, kind=Kind.FOLDER, name="", rights=Rights.READ | Rights.ANNOTATE, open_ended=True)

    def workspace(self, name: str) -> Node:
        """Its batches answer to their numbers, too."""
        return Node(id=f"w:{name}", kind=Kind.FOLDER, name=name, label=name, open_ended=True)

    def batch(self, batch: Batch) -> Node:
        """A batch. Its label shows bare only as long as no other one has it; without one it shows its number."""
        ours = Rights.ANNOTATE if batch.user == self._name else Rights.NONE
        time = time_ns(batch.registered_date)
        return Node(
            id=f"b{batch.id}",
            kind=Kind.FOLDER,
            name=batch.label or numbered(batch),
            label=str(batch.id),
            always_decorated=True,
            mtime_ns=time,
            ctime_ns=time,
            birth_ns=time,
            rights=Rights.READ | ours,
            private=batch,
        )

    def folder(self, batch: Batch, path: str) -> Node:
        """A folder in a batch, made up from the paths of the files in it."""
        time = time_ns(batch.registered_date)
        name = path.rpartition("/")[2]
        return Node(
            id=f"b{batch.id}/{path}",
            kind=Kind.FOLDER,
            name=name,
            mtime_ns=time,
            ctime_ns=time,
            rights=Rights.READ,
            private=batch,
        )

    def file(self, batch: Batch, row: Row) -> Node:
        """A file. Times are those of the batch, also after a recall: its bytes never change."""
        file, time = row.file, time_ns(batch.registered_date)
        kind, digest = file.digest_format.lower(), file.digest.lower()
        return Node(
            id=f"b{batch.id}f{file.pk}",
            kind=Kind.FILE,
            name=row.name,
            label=str(file.pk),
            size=file.size,
            version=f"{file.pk} {file.size} {digest}",
            digest=f"sha256:{digest}" if kind == "sha256" else None,
            mtime_ns=time,
            ctime_ns=time,
            rights=Rights.READ | Rights.ANNOTATE if self._stage else Rights.READ,
            local=self._copies.local(file.pk) if self._copies is not None else None,
            availability=self._availability(batch, row),
            private=row,
        )

    @property
    def _copies(self) -> Copies | None:
        return self._recalls.copies if self._recalls is not None else None

    def _availability(self, batch: Batch, row: Row) -> Availability:
        if self._recalls is not None:
            return AVAILABILITY[self._recalls.where(batch, row)]
        return Availability.ONLINE if row.file.size == 0 else Availability.OFFLINE

    def where(self, batch: Batch, row: Row) -> Where:
        """Where a file is, as `user.jdma.state` says it."""
        if self._recalls is not None:
            return self._recalls.where(batch, row)
        return Where.ONLINE if row.file.size == 0 else Where.OFFLINE

    def entries(self, batch: Batch, tree: Tree, folder: str) -> list[Node]:
        """What is in a folder of a batch. Raises NotFound."""
        if folder not in tree.folders:
            raise NotFound("there is no such folder in the batch")
        return [
            *(self.folder(batch, path) for path in tree.folders[folder]),
            *(self.file(batch, row) for row in tree.files[folder]),
        ]

    def chain(self, batch: Batch, path: str) -> list[Node]:
        """A batch and the folders in it on the way to a path, that of the path itself last."""
        found = [self.workspace(batch.workspace), self.batch(batch)]
        for end in [at for at, letter in enumerate(path) if letter == "/"] + [len(path)] * bool(path):
            found.append(self.folder(batch, path[:end]))
        return found
