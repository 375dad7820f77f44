"""The journal of the stage: which request brings what to which folder (7.8).

The server cannot be asked for the target of a request, so what is not written down is lost. One file per record,
written beside and renamed, durable when `save` returns. An intent is written before its request is sent; whoever finds
one without an answer asks the server what came of it before anything is sent again.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from assetfs.backends.jdma.tree import packed, unpacked
from assetfs.backends.jdma.wire import Content

log = logging.getLogger("assetfs.jdma")
T = TypeVar("T")


ORIGINALS = "/"
"""The target of a record of files that are read where they were put from: never to be removed."""


class State(enum.Enum):
    """Where a retrieval is."""

    SENDING = "sending"
    """Intended: the server may have it or not."""
    SENT = "sent"
    """The server has it, under the number in `request`."""
    ARRIVED = "arrived"
    """It is over on the server; files are being checked."""
    DONE = "done"
    """What is there has been checked."""
    FAILED = "failed"
    """Nothing came, or nothing will."""


NEXT: dict[State, frozenset[State]] = {
    State.SENDING: frozenset({State.SENT, State.FAILED}),
    State.SENT: frozenset({State.ARRIVED, State.FAILED}),
    State.ARRIVED: frozenset({State.DONE, State.FAILED}),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
}


class Item(msgspec.Struct, gc=False, array_like=True):
    """One file of a retrieval, by its number. `relative` is where it lies below the target, known from the answer on;
    `seen` tells the copy that was checked from another one (inode, time of change in nanoseconds), None before."""

    pk: int
    path: str
    size: int
    relative: str = ""
    seen: tuple[int, int] | None = None
    failure: str = ""


class Retrieval(msgspec.Struct, kw_only=True):
    """One GET: what it was to bring, and where to."""

    key: str
    batch: int
    target: str
    """The folder that it goes to, below the stage: in `get/`, or a draft's own in `drafts/`; or ORIGINALS."""
    items: list[Item]
    after: int
    """The newest request of ours that the server had before this one was sent."""
    created: float
    state: State = State.SENDING
    request: int | None = None
    top: str = ""
    """Folders above files are named as far up as this one."""
    mark: str = ""
    """A name in the request that no batch has: it tells this request from any other."""
    common: str = ""
    """The folder that was uploaded, as this request's answer betrayed it."""
    failure: str = ""
    stray: bool = False
    """Found on the disk, without a record: nobody has asked for it, as far as we know."""

    @property
    def original(self) -> bool:
        """Nothing was brought: the files are where they were."""
        return self.target == ORIGINALS

    def step(self, state: State) -> None:
        """Go on to another state; one that the table does not have is a fault of ours."""
        if state not in NEXT[self.state]:
            raise AssertionError(f"a retrieval cannot become {state.value} from {self.state.value}")
        self.state = state


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One file of a draft as it was handed over. `seen` as in an item."""

    path: str
    size: int
    adler32: int
    sha256: str
    seen: tuple[int, int]


class Manifest(msgspec.Struct, kw_only=True):
    """What was handed over, and which batch it became."""

    key: str
    """The draft's."""
    entries: list[Entry]
    batch: int | None = None
    source: str = ""
    """The folder that the server is told, below the stage."""


class Journal:
    """Opened once per stage. Everything blocks; call it in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("requests", "drafts", "files"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        for place in folder.glob("*/*.new-*"):
            place.unlink(missing_ok=True)

    # ---- retrievals -----------------------------------------------------------------------------------------------

    def retrievals(self) -> list[Retrieval]:
        """All of them, oldest first. One that cannot be read is left where it is, and said."""
        found = list(self._read(Retrieval, "requests"))
        return sorted(found, key=lambda one: one.created)

    def save(self, record: Retrieval) -> None:
        """Durable when it returns."""
        self._write("requests", record.key, msgspec.json.encode(record))

    def has(self, key: str) -> bool:
        """Whether there is a record of this key."""
        return (self._folder / "requests" / f"{_plain(key)}.json").exists()

    def remove(self, record: Retrieval) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self._folder / "requests" / f"{record.key}.json").unlink()

    # ---- drafts ---------------------------------------------------------------------------------------------------

    def manifests(self) -> list[Manifest]:
        """What was handed over, and is not through yet."""
        return list(self._read(Manifest, "drafts"))

    def manifest(self, key: str) -> Manifest | None:
        try:
            return msgspec.json.decode((self._folder / "drafts" / f"{_plain(key)}.json").read_bytes(), type=Manifest)
        except (OSError, msgspec.MsgspecError):
            return None

    def save_manifest(self, manifest: Manifest) -> None:
        self._write("drafts", _plain(manifest.key), msgspec.json.encode(manifest))

    def remove_manifest(self, key: str) -> None:
        (self._folder / "drafts" / f"{_plain(key)}.json").unlink(missing_ok=True)

    # ---- pins, and what was learned of batches --------------------------------------------------------------------

    def pins(self) -> set[int]:
        """Numbers of the files that are never evicted."""
        try:
            return msgspec.json.decode((self._folder / "pins.json").read_bytes(), type=set[int])
        except (OSError, msgspec.MsgspecError):
            return set()

    def save_pins(self, pins: set[int]) -> None:
        self._write("", "pins", msgspec.json.encode(sorted(pins)))

    def bases(self) -> dict[int, str]:
        """The folder that was uploaded, by batch: no answer tells it but that to a retrieval."""
        try:
            return msgspec.json.decode((self._folder / "bases.json").read_bytes(), type=dict[int, str])
        except (OSError, msgspec.MsgspecError):
            return {}

    def save_bases(self, bases: dict[int, str]) -> None:
        self._write("", "bases", msgspec.json.encode(bases))

    # ---- listings -------------------------------------------------------------------------------------------------

    def listing(self, batch: int) -> Content | None:
        """The files of a batch that is on storage, if they were listed before. They never change."""
        try:
            content = unpacked((self._folder / "files" / f"{int(batch)}.json").read_bytes())
        except (OSError, msgspec.MsgspecError):
            return None
        return content if content.id == batch else None

    def listed(self, batch: int) -> bool:
        return (self._folder / "files" / f"{int(batch)}.json").exists()

    def save_listing(self, content: Content) -> None:
        self._write("files", str(content.id), packed(content))

    # ---- files ----------------------------------------------------------------------------------------------------

    def _read(self, kind: type[T], name: str) -> Iterator[T]:
        for place in sorted((self._folder / name).glob("*.json")):
            try:
                yield msgspec.json.decode(place.read_bytes(), type=kind)
            except (OSError, msgspec.MsgspecError) as damage:
                log.warning("%s cannot be read, and is left alone: %s", place, damage)

    def _write(self, name: str, key: str, data: bytes) -> None:
        folder = self._folder / name if name else self._folder
        place = folder / f"{key}.json"
        beside = folder / f"{key}.new-{secrets.token_hex(4)}"
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        except BaseException:
            os.close(handle)
            beside.unlink(missing_ok=True)
            raise
        os.close(handle)
        os.rename(beside, place)
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _plain(key: str) -> str:
    """A key as a file name."""
    if not key or "/" in key or key.startswith("."):
        raise AssertionError("a key that is no file name")
    return key
