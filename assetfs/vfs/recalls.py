"""Recalls: content that is not online is wished for when somebody opens it, and waited for where the policy says so.

    fail      open wishes, and fails with EAGAIN: nothing hangs, and who comes back later finds it
    wait      open wishes and succeeds, the first read waits: a process that waits in a read can be ended, one that
              waits in an open cannot (pyfuse3 hears of no interrupt). O_NONBLOCK means nothing here, as for any regular
              file: grep -r and tar open all files so
    manual    open fails with ENODATA; only the backend's verb wishes

Files that are opened within a tenth of a second are wished for together. Who walks through folders tells the backend
with it which folder that is, so that `grep -r`, which opens one file after the other, need not wait for one tape after
the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

import trio
from cachetools import LRUCache

from assetfs.observe.enduring import once
from assetfs.repository import (
    Availability,
    Change,
    Kind,
    Node,
    NodeId,
    NotHere,
    NotOnline,
    RecallPolicy,
    RepositoryError,
    VersionChanged,
)
from assetfs.vfs.errors import TimedOut
from assetfs.vfs.inodes import Inode

if TYPE_CHECKING:
    from assetfs.vfs.filesystem import FileSystem

GATHER = 0.1
"""Seconds for which wishes are gathered; an open waits so long."""

WALKERS, STEPS = 100, 10_000
"""Processes, and folders that one of them has listed, that are remembered."""


class Readable(Protocol):
    """What an open file is read from."""

    @property
    def node(self) -> Node: ...
    @property
    def size(self) -> int | None: ...
    async def learn_size(self) -> int: ...
    async def read(self, offset: int, count: int) -> bytes | memoryview: ...
    def close(self) -> None: ...


class _Wish:
    """Files that are wished for together."""

    def __init__(self) -> None:
        self.nodes: dict[NodeId, Node] = {}
        self.errors: dict[NodeId, RepositoryError] = {}
        self.taken = trio.Event()


class Recalls:
    """The wishes of a file system."""

    def __init__(self, fs: FileSystem, nursery: trio.Nursery) -> None:
        self._fs = fs
        self._nursery = nursery
        self._gathering: dict[NodeId | None, _Wish] = {}
        """By the folder that somebody walks through."""
        self.waiting: set[trio.CancelScope] = set()
        """Reads that wait now."""
        self._walkers: LRUCache[int, dict[int, None]] = LRUCache(WALKERS)
        """Numbers of the folders that a process has listed."""

    def end(self) -> None:
        """The mount is gone: nobody waits any more."""
        for waiting in list(self.waiting):
            waiting.cancel()

    # ---- who walks ------------------------------------------------------------------------------------------------

    def listed(self, process: int, folder: int) -> None:
        """A process has listed a folder."""
        if self._fs.repository.capabilities.recall:
            steps = self._walkers.setdefault(process, {})
            steps[folder] = None
            if len(steps) > STEPS:
                del steps[next(iter(steps))]

    def along(self, process: int, inode: Inode) -> Node | None:
        """The topmost folder above an inode that the process has listed."""
        steps = self._walkers.get(process, {})
        top: Node | None = None
        seen: set[int] = set()
        while inode.parent is not None and inode.number not in seen:
            seen.add(inode.number)
            parent = self._fs.inodes.known(inode.parent, Kind.FOLDER)
            if parent is None:
                break
            if parent.number in steps:
                top = parent.node
            inode = parent
        return top

    # ---- wishing --------------------------------------------------------------------------------------------------

    async def open(self, inode: Inode, *, process: int) -> WaitingReader:
        """Open a file whose content is not online. Raises NotHere, NotOnline, and what the backend refuses."""
        capabilities = self._fs.repository.capabilities
        node = inode.node
        if not capabilities.recall or capabilities.recall_policy is RecallPolicy.MANUAL:
            raise NotHere(f"{node.name} is {node.availability.value}")
        await self._wish(node, self.along(process, inode))
        if capabilities.recall_policy is RecallPolicy.FAIL:
            raise NotOnline(f"{node.name} is being brought: try again later")
        return WaitingReader(self._fs, inode, node)

    async def _wish(self, node: Node, along: Node | None) -> None:
        key = along.id if along is not None else None
        wish = self._gathering.get(key)
        if wish is None:
            wish = self._gathering[key] = _Wish()
            self._nursery.start_soon(once, self._send, wish, along)
        wish.nodes[node.id] = node
        await wish.taken.wait()
        if (error := wish.errors.get(node.id)) is not None:
            raise error

    async def _send(self, wish: _Wish, along: Node | None) -> None:
        await trio.sleep(GATHER)
        del self._gathering[along.id if along is not None else None]
        recall = self._fs.repository.recall
        try:
            try:
                await recall(list(wish.nodes.values()), along=along)
            except RepositoryError as error:
                if len(wish.nodes) == 1:
                    wish.errors = dict.fromkeys(wish.nodes, error)
                    return
                for id_, node in wish.nodes.items():  # the one that is refused must not hold the others up
                    try:
                        await recall([node], along=along)
                    except RepositoryError as refused:
                        wish.errors[id_] = refused
            self.moved(list(wish.nodes.values()))
        finally:
            wish.taken.set()

    async def explicit(self, inode: Inode) -> None:
        """Somebody wants a file, or all below a folder. Raises what the backend answers."""
        nodes = [node async for node in self._below(inode.node)]
        if nodes:
            await self._fs.repository.recall(nodes, explicit=True)
            self.moved(nodes)

    async def _below(self, node: Node) -> AsyncIterator[Node]:
        if node.kind is Kind.FILE and node.availability is not Availability.ONLINE:
            yield node
        elif node.kind is Kind.FOLDER:
            for _, entry in (await self._fs.folders.open(node)).entries:
                async for below in self._below(entry):
                    yield below

    def moved(self, nodes: list[Node]) -> None:
        """Where the content of these is has changed: what is known of them is asked for anew."""
        for node in nodes:
            self._fs.changes.take(Change(node=node.id, kind="availability"))


class WaitingReader:
    """An open file whose content is being brought. The first read waits for it."""

    def __init__(self, fs: FileSystem, inode: Inode, node: Node) -> None:
        self.node = node
        self._fs = fs
        self._inode = inode
        self._reader: Readable | None = None
        self._waiting = trio.Lock()
        self._closed = False

    @property
    def arrived(self) -> bool:
        return self._reader is not None

    @property
    def size(self) -> int | None:
        return self._reader.size if self._reader is not None else self.node.size

    async def learn_size(self) -> int:
        return (await self._arrival()).size or 0 if self.node.size is None else self.node.size

    async def read(self, offset: int, count: int) -> bytes | memoryview:
        """Raises what `recalled` raises, TimedOut, VersionChanged."""
        return await (await self._arrival()).read(offset, count)

    async def _arrival(self) -> Readable:
        async with self._waiting:
            if self._reader is None:
                repository = self._fs.repository
                node = self.node
                with trio.move_on_after(repository.capabilities.recall_wait) as patience:
                    self._fs.recalls.waiting.add(patience)
                    try:
                        node = await repository.recalled(self.node)
                    finally:
                        self._fs.recalls.waiting.discard(patience)
                if patience.cancelled_caught:
                    raise TimedOut(f"{node.name} has not come within {repository.capabilities.recall_wait:g} s")
                self._fs.recalls.moved([node])
                if node.version != self.node.version:
                    raise VersionChanged(f"{node.name} is not what it was when it was opened")
                reader = await self._fs.files.online(node)
                if self._closed:
                    reader.close()
                    raise TimedOut("closed meanwhile")
                self._reader = reader
            return self._reader

    def close(self) -> None:
        self._closed = True
        if self._reader is not None:
            self._reader.close()
