"""The depot's own side: ids, paths, and what there is to say of an entry. Blocks for a moment, as a disk does."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

from assetfs.repository import Availability, Kind, LocalContent, Node, NodeId, NotFound, Rights

ID, NOTE, TAGS = "user.depot.id", "user.depot.note", "user.depot.tags"
SIZE = "user.depot.size"
"""On the placeholder of an offline file: how long the content is."""
LOCAL = "user.depot.local"
"""On the placeholder of a file whose content is on the shared disk: where, below `shared/`."""
FETCHABLE = "user.depot.fetchable"
"""On one that the server could also send."""


class Disk:
    """One depot's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        self.shared = folder / "shared"
        self.tape = folder / "tape"
        self.stage = folder / "stage"
        self.accepted = folder / "accepted"
        self.events = folder / "events.jsonl"
        self._paths: dict[NodeId, Path] = {}
        self._digests: dict[tuple[int, int, int], str] = {}

    def prepare(self) -> None:
        for place in (self.tree, self.shared, self.tape, self.stage, self.accepted):
            place.mkdir(exist_ok=True)
        self.events.touch()

    # ---- ids ------------------------------------------------------------------------------------------------------

    def id_of(self, path: Path) -> NodeId:
        """The id of an entry, given to it when it is first seen. Raises FileNotFoundError."""
        if path.is_symlink():
            where = blake2b(f"{self.id_of(path.parent)}/{path.name}".encode("utf-8", "surrogateescape"), digest_size=8)
            return f"l{where.hexdigest()}"
        letter = "d" if path.is_dir() else "f"
        number = attribute(path, ID)
        if number is None:
            number = secrets.token_hex(8).encode()
            os.setxattr(path, ID, number)
        return f"{letter}{number.decode()}"

    def path_of(self, node: NodeId) -> Path:
        """Where an entry is now. Raises NotFound."""
        path = self._paths.get(node)
        if path is None or not os.path.lexists(path) or self.id_of(path) != node:
            self._paths = {self.id_of(each): each for each in self.everything()}
            path = self._paths.get(node)
        if path is None:
            raise NotFound(f"{node} is not in the depot")
        return path

    def everything(self) -> Iterator[Path]:
        yield self.tree
        for folder, folders, files in os.walk(self.tree):
            yield from (Path(folder, name) for name in [*folders, *files])

    # ---- describing -----------------------------------------------------------------------------------------------

    def node(self, path: Path) -> Node:
        """Raises NotFound."""
        try:
            return self._node(path)
        except FileNotFoundError:
            raise NotFound(f"{path.name} is gone") from None

    def nodes(self, paths: Iterable[Path]) -> list[Node]:
        """Those that are still there."""
        found = []
        for path in paths:
            with suppress(NotFound):
                found.append(self.node(path))
        return found

    def _node(self, path: Path) -> Node:
        id_, found = self.id_of(path), path.lstat()
        self._paths[id_] = path
        name = "" if path == self.tree else path.name
        more: dict[str, Any] = {"mtime_ns": found.st_mtime_ns, "ctime_ns": found.st_mtime_ns, "label": id_[1:9]}
        more["rights"] = Rights.ALL
        if path.is_symlink():
            return Node(id=id_, kind=Kind.LINK, name=name, target=os.readlink(path), **more)
        if path.is_dir():
            return Node(id=id_, kind=Kind.FOLDER, name=name, **more)
        size = found.st_size
        if (offline := attribute(path, SIZE)) is not None:
            size = int(offline)
            more |= self._availability(id_)
        elif (local := attribute(path, LOCAL)) is not None:
            relative = local.decode("utf-8", "surrogateescape")
            fetchable = attribute(path, FETCHABLE) is not None
            more["local"] = LocalContent(self.shared, relative, fetchable=fetchable)
        digest = self.digest(path)
        return Node(id=id_, kind=Kind.FILE, name=name, size=size, version=digest, digest=f"sha256:{digest}", **more)

    def digest(self, path: Path) -> str:
        """Of what is in the tree: a placeholder is worth its attributes."""
        found = path.lstat()
        key = (found.st_ino, found.st_mtime_ns, found.st_size)
        if key not in self._digests:
            self._digests[key] = sha256(path.read_bytes()).hexdigest()
        return self._digests[key]

    def _availability(self, id_: NodeId) -> dict[str, Any]:
        if (self.stage / id_).exists():
            return {"local": LocalContent(self.stage, id_, exact=True)}
        if (self.tape / f"{id_}.broken").exists():
            return {"availability": Availability.FAILED}
        wanted = any(id_ in wish["nodes"] for wish in self.wishes())
        return {"availability": Availability.RECALLING if wanted else Availability.OFFLINE}

    # ---- the robot ------------------------------------------------------------------------------------------------

    def wish(self, **wish: Any) -> None:
        """Put a slip into the robot's tray."""
        with (self.tape / "wishes.jsonl").open("a") as tray:
            tray.write(json.dumps(wish) + "\n")

    def wishes(self) -> list[dict[str, Any]]:
        """The slips in the tray, oldest first."""
        tray = self.tape / "wishes.jsonl"
        return [json.loads(line) for line in tray.read_text().splitlines()] if tray.exists() else []

    # ---- tags -----------------------------------------------------------------------------------------------------

    def tags(self) -> list[str]:
        """All that were ever given."""
        book = self.folder / "tags"
        return book.read_text().splitlines() if book.exists() else []

    def note_tags(self, tags: Iterable[str]) -> None:
        known = {*self.tags(), *tags}
        (self.folder / "tags").write_text("".join(f"{tag}\n" for tag in sorted(known)))

    # ---- what happens ---------------------------------------------------------------------------------------------

    def tell(self, **event: Any) -> None:
        """Write an event for everybody."""
        with self.events.open("a") as events:
            events.write(json.dumps(event) + "\n")


def attribute(path: Path, name: str) -> bytes | None:
    """An extended attribute of an entry, not of what it leads to; None where it has none."""
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP, errno.EPERM):
            return None
        raise
