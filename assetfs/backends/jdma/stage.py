"""The shared disk: our own folder on it, which the server sees under another path perhaps.

    get/<batch>-<random>/      what a retrieval brought: the server makes it, and gives its files away
    put/<random>/<label>/      what an upload is made of: a clone of a draft, handed to the server
    drafts/                    folders that are not committed yet
    stuck/                     what could not be removed
    .assetfs/                  the journal, and listings of batches

The server acts as root on whatever path it is told. So the only paths that ever go to it are made by `server_path`:
below our folder, without `..`, with no symbolic link on the way, by a plain replacement of the prefix. What lies there
comes from other people: it is opened below its folder, without following a link at any component.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath

from assetfs import names
from assetfs.repository import Forbidden, NotFound, ProtocolViolation

FOLDERS = ("get", "put", "drafts", "stuck", ".assetfs")
PRIVATE = 0o700
ROOM = 0.05
"""What must be free beyond the bytes that are brought: the server writes folders and archives besides."""

_TARGET = re.compile(r"(\d{1,18})-[0-9a-f]{8}")


class BadStage(Forbidden):
    """The folder cannot be used as a stage; the message says what to do."""


class Stage:
    """One folder of the shared disk. `local` is where we see it, `server` where the server does. Blocks: call what does
    I/O in a thread."""

    def __init__(self, local: Path, server: str | None = None) -> None:
        self.local = local
        self.server = server or str(local)
        if not self.server.startswith("/") or ".." in PurePosixPath(self.server).parts or "//" in self.server:
            raise BadStage(f"stage_server = {self.server} is no absolute path without ..")
        self.server = self.server.rstrip("/")
        if not self.server:
            raise BadStage("the root of a disk cannot be a stage")
        self._owner: tuple[int, int] | None = None

    @property
    def top(self) -> str:
        """The first component of every path that we name to the server: an entry of this name at the top of a batch is
        lost when it is brought back (trap 12)."""
        return self.server.split("/")[1]

    def prepare(self) -> None:
        """Check the folder and make ours in it. Raises BadStage."""
        try:
            if os.path.realpath(self.local) != str(self.local):
                raise BadStage(f"stage = {self.local} leads over a symbolic link: name {os.path.realpath(self.local)}")
            here = os.lstat(self.local)
            if not stat.S_ISDIR(here.st_mode):
                raise BadStage(f"stage = {self.local} is no folder")
            if here.st_uid != os.geteuid() and os.geteuid() != 0:
                raise BadStage(f"stage = {self.local} belongs to somebody else: use a folder of your own")
            if here.st_mode & 0o022:
                raise BadStage(f"stage = {self.local} can be changed by others: chmod go-w it")
            if here.st_mode & 0o700 != 0o700:
                raise BadStage(f"stage = {self.local} is closed: chmod u+rwx it")
            self._owner = (here.st_uid, here.st_gid)
            for name in FOLDERS:
                self.make(self.local / name)
                if os.lstat(self.local / name).st_dev != here.st_dev:
                    raise BadStage(f"{self.local / name} is on another disk than the stage")
        except OSError as error:
            raise BadStage(f"stage = {self.local} cannot be used: {error.strerror}") from None

    def make(self, folder: Path) -> None:
        """A private folder of ours, if it is not there yet. It belongs to whom the stage belongs to, also where root
        mounts: the server looks at the owner. Raises BadStage where a link stands in the way."""
        with suppress(FileExistsError):
            os.mkdir(folder, PRIVATE)
            if self._owner is not None and os.geteuid() == 0:
                os.chown(folder, *self._owner)
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise BadStage(f"{folder} is in the way: it should be a folder")

    @property
    def owner(self) -> tuple[int, int] | None:
        """User and group that what we make belongs to, where root mounts."""
        return self._owner if os.geteuid() == 0 else None

    # ---- paths ----------------------------------------------------------------------------------------------------

    def server_path(self, place: Path) -> str:
        """What the server calls a place of ours. Raises ProtocolViolation for anything that is not below the stage, and
        named plainly."""
        try:
            relative = place.relative_to(self.local)
        except ValueError:
            raise ProtocolViolation("a path outside the stage was about to be named to the server") from None
        parts = relative.parts
        if not parts or any(part in ("..", ".", "") or "\0" in part for part in parts):
            raise ProtocolViolation("a path with .. was about to be named to the server")
        existing = place if os.path.lexists(place) else place.parent
        if os.path.realpath(existing) != str(existing):
            raise ProtocolViolation("a path over a symbolic link was about to be named to the server")
        return f"{self.server}/{relative}"

    def local_path(self, path: str) -> str | None:
        """Where we see what the server calls so; None where that cannot be told."""
        if self.server == str(self.local):
            return path
        below = path.removeprefix(f"{self.server}/")
        return f"{self.local}/{below}" if below != path else None

    def new_target(self, batch: int) -> Path:
        """A place for a retrieval, that does not exist: one that exists would be given away by the server."""
        while True:
            place = self.local / "get" / f"{int(batch)}-{secrets.token_hex(4)}"
            if not os.path.lexists(place):
                return place

    @contextmanager
    def new_source(self, label: str) -> Iterator[tuple[Path, int]]:
        """A new, empty folder for an upload, in a random one that is ours alone: its place, and a handle of it, so that
        what is made in it is made there whatever its name leads to meanwhile. Raises BadStage where `put` is no folder
        but a link, before anything is made."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        above, name = secrets.token_hex(4), source_name(label)
        with ExitStack() as open_ones:

            def opened(part: str | Path, at: int | None = None) -> int:
                handle = os.open(part, flags, dir_fd=at)
                open_ones.callback(os.close, handle)
                return handle

            try:
                handle = opened("put", opened(self.local))
            except OSError as error:
                raise BadStage(f"{self.local / 'put'} is in the way: it should be a folder") from error
            for part in (above, name):
                os.mkdir(part, PRIVATE, dir_fd=handle)
                handle = opened(part, handle)
                if self.owner is not None:
                    os.fchown(handle, *self.owner)
            yield self.local / "put" / above / name, handle

    def free(self) -> int:
        """Bytes that may still be written by who owns the stage."""
        found = os.statvfs(self.local)
        return found.f_bavail * found.f_frsize

    def has_room(self, size: int) -> bool:
        """Whether so many bytes can be brought. The server itself does not look."""
        return size * (1 + ROOM) <= self.free()

    def usage(self) -> tuple[int, int]:
        """Bytes in all, and free."""
        found = os.statvfs(self.local)
        return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize

    def targets(self) -> dict[str, int]:
        """Folders that look as if a retrieval had made them: names, and the batches in them."""
        found = ((name, _TARGET.fullmatch(name)) for name in os.listdir(self.local / "get"))
        return {name: int(match[1]) for name, match in found if match}

    # ---- what lies there ------------------------------------------------------------------------------------------

    def remove(self, place: Path) -> bool:
        """Remove a folder of ours with all that is in it; what cannot be removed is put aside. False: it was."""
        assert place.parent.parent == self.local or place.parent.parent.parent == self.local
        if not os.path.lexists(place):
            return True
        shutil.rmtree(place, ignore_errors=True)
        if not os.path.lexists(place):
            return True
        with suppress(OSError):
            os.rename(place, self.local / "stuck" / f"{place.name}-{secrets.token_hex(4)}")
        return False


def source_name(label: str) -> str:
    """What the folder of a batch is called on the disk."""
    return names.encode(label)[: names.LIMIT].decode("utf-8", "ignore") or "batch"


@contextmanager
def beneath(root: Path, parts: Sequence[str], flags: int = os.O_RDONLY) -> Iterator[int]:
    """An open file below a folder, with no symbolic link at any component. Raises NotFound where there is none, or
    something that is no regular file."""
    handle = -1
    try:
        handle = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            kind = flags | os.O_NONBLOCK if last else os.O_PATH | os.O_DIRECTORY
            below = os.open(part, kind | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            os.close(handle)
            handle = below
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NotFound("what is there is no file")
        yield handle
    except OSError as error:
        raise NotFound(f"it is not there: {error.strerror}") from None
    finally:
        if handle >= 0:
            os.close(handle)
