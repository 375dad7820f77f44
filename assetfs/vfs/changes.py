"""Changes: what others do is seen here at once, where the backend can tell.

The backend's stream is consumed by a task of the mount. Each change takes back what is known: attributes, metadata, the
listings that name a node. A folder that the kernel looks into is then listed again, and what is different in it is told
to the kernel, which otherwise believes names for a second and missing names for five. Changes that come together are
gathered, so that a folder in which much happens is listed twice a second at most.

Nothing that was written here is touched: a listing shows through the overlay, and a pin holds what is open. An echo of
our own change costs a listing, and changes nothing.

A stream that breaks is opened again, later each time; what happened meanwhile is not known, so nothing that was known
before is believed.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Protocol

import msgspec
import trio

from assetfs.repository import Change, Kind, NodeId, RepositoryError, Unavailable, Unsupported
from assetfs.vfs.folders import Listing
from assetfs.vfs.inodes import Inode

if TYPE_CHECKING:
    from assetfs.vfs.filesystem import FileSystem

log = logging.getLogger("assetfs.vfs")

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds until a broken stream is opened again: doubled each time, with up to half as much again at random."""

GATHER = 0.05
"""Seconds for which changes are gathered."""

PAUSE = 0.5
"""Seconds between two listings of one folder that were asked for by changes."""

LARGE = 5_000
"""A folder with more entries is listed when somebody looks, and not at every change."""

AFTER_GAP = 100
"""Folders that are listed again after a gap, those that were used last; the others when somebody looks."""


class Kernel(Protocol):
    """What is told to the kernel; never waits."""

    def entry(self, parent: int, name: bytes, child: int, *, deleted: bool) -> None:
        """A name in a folder is not what it was. `child` is the inode that it led to, 0 if nobody knows."""
        ...


class ChangesStatus(msgspec.Struct, frozen=True):
    """How it stands with the stream."""

    state: Annotated[str, msgspec.Meta(description="off, connecting, listening, broken")] = "off"
    error: Annotated[str, msgspec.Meta(description="why it is broken")] = ""
    counts: Annotated[
        dict[str, int], msgspec.Meta(description="changes by kind; gaps, broken streams, folders listed again")
    ] = {}


class Changes:
    """The stream of one repository. `run` is a task of the mount."""

    def __init__(self, fs: FileSystem) -> None:
        self._fs = fs
        self.kernel: Kernel | None = None
        self._wanted: dict[NodeId, tuple[float, Listing]] = {}
        """Folders to list again: when they may be, and what the kernel believes; somebody may list one before us."""
        self._listed: dict[NodeId, float] = {}
        self._wake = trio.Event()
        self.state = "off"
        self.error = ""
        self.counts: Counter[str] = Counter()

    def status(self) -> ChangesStatus:
        """For the status document."""
        return ChangesStatus(state=self.state, error=self.error, counts=dict(self.counts))

    async def run(self) -> None:
        """Follow the stream for ever; returns at once where there is none."""
        capabilities = self._fs.repository.capabilities
        if not capabilities.changes:
            if capabilities.recall:
                await self._list_again()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._list_again)
            await self._follow()

    async def _follow(self) -> None:
        wait = FIRST_WAIT
        while True:
            self.state, begun = "connecting", trio.current_time()
            try:
                async for change in self._fs.repository.changes():
                    if self.state != "listening":
                        self.state, self.error = "listening", ""
                    self.take(change)
                error: RepositoryError = Unavailable("the stream of changes has ended")
            except Unsupported as never:
                self.state, self.error = "off", str(never)
                return
            except RepositoryError as broken:
                error = broken
            except Exception as bug:
                log.exception("the stream of changes failed")
                error = Unavailable(f"a fault of assetfs: {type(bug).__name__}")
            if trio.current_time() - begun > LONGEST_WAIT:
                wait = FIRST_WAIT
            self.state, self.error = "broken", str(error)
            self.counts["broken"] += 1
            log.warning("changes of others are not told: %s; again in %.0f s", error, wait)
            await trio.sleep(wait * random.uniform(1.0, 1.5))
            wait = min(2 * wait, LONGEST_WAIT)

    # ---- what is not to be believed any more ------------------------------------------------------------------------

    def take(self, change: Change) -> None:
        """Something happened."""
        if change.node is None and change.folder is None:
            self._everything()
            return
        self.counts[change.kind] += 1
        self._fs.links.expire()
        if change.node is not None:
            self._node(change.node)
            if change.subtree:
                self._below(change.node)
        if change.folder is not None:
            self._folder(change.folder)

    def _everything(self) -> None:
        fs = self._fs
        self.counts["gaps"] += 1
        fs.folders.expire()
        fs.hidden.expire()
        fs.links.expire()
        fs.xattrs.expire()
        for inode in fs.inodes:
            inode.seen = float("-inf")
        for folder in fs.folders.latest(AFTER_GAP):
            self._list_soon(folder)

    def _node(self, node: NodeId) -> None:
        """A node is not what it was: nor are the listings that describe it."""
        fs = self._fs
        fs.xattrs.expire(node)
        for inode in fs.inodes.of(node):
            self._doubt(inode)
            if inode.parent is not None:
                self._folder(inode.parent)
        for folder in fs.folders.places(node):
            self._folder(folder)
        if fs.folders.last(node) is not None:
            self._folder(node)

    def _folder(self, folder: NodeId) -> None:
        """The entries of a folder are not what they were."""
        self._fs.folders.expire(folder)
        self._fs.hidden.expire(folder)
        if (inode := self._fs.inodes.known(folder, Kind.FOLDER)) is not None:
            self._doubt(inode)
        self._list_soon(folder)

    def _below(self, top: NodeId) -> None:
        """Nothing that is known below a folder is true."""
        below = {top}
        for inode in self._fs.inodes:
            way = [inode.node.id]
            at: Inode | None = inode
            while at is not None and at.parent is not None and at.parent not in below and len(way) < 100:
                way.append(at.parent)
                at = self._fs.inodes.known(at.parent, Kind.FOLDER)
            if at is not None and at.parent in below:
                below.update(way)
                self._doubt(inode)
                self._fs.xattrs.expire(inode.node.id)
        for folder in below:
            self._fs.folders.expire(folder)
            self._fs.hidden.expire(folder)

    def _doubt(self, inode: Inode) -> None:
        inode.seen = float("-inf")
        self._fs.forget_attributes(inode.number)

    # ---- listing again ----------------------------------------------------------------------------------------------

    def _list_soon(self, folder: NodeId) -> None:
        """A folder that the kernel looks into is listed again."""
        listing = self._fs.folders.last(folder)
        if listing is None or len(listing) > LARGE or self._fs.inodes.known(folder, Kind.FOLDER) is None:
            return
        due = max(trio.current_time() + GATHER, self._listed.get(folder, 0.0) + PAUSE)
        self._wanted.setdefault(folder, (due, listing))
        self._wake.set()

    async def _list_again(self) -> None:
        while True:
            self._wake = trio.Event()
            now = trio.current_time()
            for folder in [folder for folder, (due, _) in self._wanted.items() if due <= now]:
                _, old = self._wanted.pop(folder)
                self._listed[folder] = now
                await self._compare(folder, old)
            if len(self._listed) > AFTER_GAP:
                self._listed = {folder: at for folder, at in self._listed.items() if at + PAUSE > now}
            soonest = min((due for due, _ in self._wanted.values()), default=now + LONGEST_WAIT)
            with trio.move_on_at(max(soonest, now + 0.01)):
                await self._wake.wait()

    async def _compare(self, folder: NodeId, old: Listing) -> None:
        """List a folder, and tell the kernel what is different."""
        inode = self._fs.inodes.known(folder, Kind.FOLDER)
        if inode is None:
            return
        try:
            new = await self._fs.folders.open(inode.node)
            if self._fs.folders.peek(folder) is None:  # it was begun before the change
                new = await self._fs.folders.open(inode.node)
        except RepositoryError as error:
            log.debug("%s cannot be listed again: %s", folder, error)
            return
        self.counts["listed_again"] += 1
        if new is not old:
            self._tell(inode, old, new)

    def _tell(self, folder: Inode, old: Listing, new: Listing) -> None:
        fs, before, after = self._fs, dict(old.entries), dict(new.entries)
        overlay = fs.writeback.overlay if fs.writeback is not None else None
        for name in before.keys() | after.keys():
            was, now = before.get(name), after.get(name)
            known = fs.inodes.known(was.id, was.kind) if was is not None else None
            if was is not None and now is not None and (was.id, was.kind) == (now.id, now.kind):
                if was != now and known is not None:
                    fs.forget_attributes(known.number)
            elif self.kernel is not None and (overlay is None or overlay.find(folder.node.id, name) is None):
                number = known.number if known is not None else 0
                self.kernel.entry(folder.number, name, number, deleted=now is None)
