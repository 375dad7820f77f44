"""One repository of a mount: everything that lives as long as it is served.

    lock -> connect -> open cache, catalogue and journal -> file system -> ... -> close everything

A mount has one part, or several side by side (`fuse/several.py`); each has a lock, a journal and a cache of its own.
Whatever can fail does so before the mount exists, as one `MountFailed` line with an exit status.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio

from assetfs import names
from assetfs.config import MountConfig
from assetfs.config import source as sources
from assetfs.content.catalogue import Catalogue
from assetfs.content.disk import DiskCache
from assetfs.content.store import ContentStore
from assetfs.daemon.renewing import Renewing, renewing
from assetfs.daemon.status import StatusDocument
from assetfs.failure import Failure, Status
from assetfs.fuse.operations import Operations
from assetfs.observe.enduring import enduring
from assetfs.repository import Kind, Node, Repository
from assetfs.vfs.attributes import Ownership
from assetfs.vfs.filesystem import FileSystem, Timeouts
from assetfs.writeback import draft
from assetfs.writeback.accounts import recorded
from assetfs.writeback.drafts import Drafts
from assetfs.writeback.journal import Journal, JournalDamaged
from assetfs.writeback.writeback import Settings, WriteBack

PATIENCE = 5.0
"""Seconds that a program waits for a newer listing of a folder, at most a quarter of what one operation may take."""

SAVE_EVERY = 5.0
"""Seconds between two saves of the catalogue; what is lost at a crash is learned again."""


class MountFailed(Failure):
    """What prevented the mount; `status` is the exit status."""


class Part(msgspec.Struct):
    """One repository, ready to be served."""

    config: MountConfig
    repository: Renewing
    operations: Operations
    writeback: WriteBack | None
    """None where nothing may be written."""
    status: StatusDocument
    disk: DiskCache | None
    patience: float
    """Seconds that an unmount waits for uploads."""

    @property
    def fs(self) -> FileSystem:
        return self.operations.fs

    async def drain(self) -> None:
        if self.writeback is not None:
            await self.writeback.drain(self.patience)


@asynccontextmanager
async def opened(
    config: MountConfig, *, hello: Callable[[], None], metrics: Callable[[], bytes]
) -> AsyncIterator[Part]:
    """The repository as long as the block runs. `hello` is called when the kernel has greeted, `metrics` makes what
    `.assetfs/metrics` shows. Raises MountFailed and the errors of the repository."""
    with _locked(config):
        backend = sources.backend(config.address.backend)
        repository = renewing(config, lambda address: backend.open(address, config.transport))
        try:
            identity = await repository.connect()
            root = await _root(repository, config.root)
            catalogue = await trio.to_thread.run_sync(Catalogue, config.cache_dir / "catalogue.sqlite")
            try:
                async with trio.open_nursery() as nursery:
                    part = await _assembled(config, repository, root, catalogue, nursery, hello, metrics)
                    part.status.identity = identity
                    nursery.start_soon(enduring, lambda: _now_and_then(catalogue, part.status.store))
                    nursery.start_soon(enduring, part.operations.notifier.run)
                    nursery.start_soon(enduring, part.fs.changes.run)
                    if part.fs.drafting is not None:
                        nursery.start_soon(enduring, part.fs.drafting.drafts.committing.run)
                    if part.writeback is not None:
                        nursery.start_soon(enduring, part.writeback.run)
                    yield part
                    nursery.cancel_scope.cancel()
                if part.writeback is not None:
                    part.writeback.close()
            finally:
                catalogue.close()
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(5):
                await repository.close()


async def _assembled(
    config: MountConfig,
    repository: Renewing,
    root: Node,
    catalogue: Catalogue,
    nursery: trio.Nursery,
    hello: Callable[[], None],
    metrics: Callable[[], bytes],
) -> Part:
    read_only = config.read_only or not (repository.capabilities.upload or repository.capabilities.set_metadata)
    disk = await trio.to_thread.run_sync(disk_cache, config) if config.cache else None
    store = ContentStore(
        repository,
        catalogue,
        disk,
        nursery,
        memory=config.memory,
        downloads=config.downloads,
        window=config.prefetch,
        verify=config.verify,
    )
    status = StatusDocument(config, repository, store)
    writeback = None if read_only else await trio.to_thread.run_sync(_write_back, config, repository, store)
    if writeback is not None:
        await writeback.holding.refresh()
    drafts = await trio.to_thread.run_sync(_drafts, config, repository) if writeback is not None else None
    fs = FileSystem(
        repository,
        root,
        store,
        nursery,
        owner=Ownership(config.uid, config.gid, config.umask, read_only),
        timeouts=timeouts(config),
        status=status.document,
        metrics=metrics,
        writeback=writeback,
        drafts=drafts,
        show_virtual=config.show_virtual,
    )
    operations = Operations(fs, deadline=config.timeout, ready=hello)
    status.fs, status.operations, status.writeback = fs, operations, writeback
    return Part(config, repository, operations, writeback, status, disk, config.drain)


def timeouts(config: MountConfig) -> Timeouts:
    return Timeouts(
        config.attr_timeout,
        config.entry_timeout,
        config.negative_timeout,
        config.list_timeout,
        patience=min(PATIENCE, config.timeout / 4),
    )


# ---- places -------------------------------------------------------------------------------------------------------


def repository_key(config: MountConfig) -> str:
    """One repository: a server seen by one user. The same after every remount."""
    address = config.address
    return f"{address.backend}+{address.url.geturl()} {address.user or ''}"


def state_folder(config: MountConfig) -> Path:
    """Where the lock, the journal and the staging files of this repository are."""
    return config.state_dir / hashlib.blake2b(repository_key(config).encode(), digest_size=8).hexdigest()


def disk_cache(config: MountConfig) -> DiskCache:
    """The cache of this repository. Blocks."""
    folder = config.cache_dir / "content"
    return DiskCache(folder, repository_key(config), limit=config.cache_size, free=config.cache_free)


class _locked:  # noqa: N801 - used as a statement
    """One daemon per repository and state folder: the lock file names the process that holds it."""

    def __init__(self, config: MountConfig) -> None:
        self._path = state_folder(config) / "lock"
        self._source = config.source
        self._file = -1

    def __enter__(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise MountFailed(
                f"{self._source} is mounted already by process {holder}: unmount it first, wait until that has"
                " ended if it is unmounted, or use another --state-dir"
            ) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


async def _root(repository: Repository, path: str) -> Node:
    """The folder to mount: `path` from the repository's root, in names as a mount shows them."""
    node = await repository.root()
    for part in filter(None, path.split("/")):
        siblings: list[names.Sibling[Node]] = []
        async for page in repository.children(node):
            siblings += [
                names.Sibling(n.name, n.label, n.kind is Kind.FOLDER, n.always_decorated, n) for n in page.nodes
            ]
        found = names.assign(siblings).resolve(part.encode())
        if found is None or found.kind is not Kind.FOLDER:
            raise MountFailed(f"there is no folder {part!r} for root = {path}: mount without root to see", Status.USAGE)
        node = found
    return node


# ---- what is owed -------------------------------------------------------------------------------------------------


def _write_back(config: MountConfig, repository: Repository, store: ContentStore) -> WriteBack:
    """Open the journal, and take over what the last daemon left. Blocks."""
    folder = state_folder(config) / "staging"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = Settings(
        delay=config.write_back_delay,
        through=config.write_mode == "through",
        fsync_server=config.fsync == "server",
        uploads=config.uploads,
        local_only=config.local_only,
        backups=config.backup,
    )
    try:
        journal = Journal(state_folder(config) / "journal.sqlite")
        writeback = WriteBack(repository, store, journal, folder, settings)
        writeback.recover()
    except JournalDamaged as damage:
        raise MountFailed(
            f"{damage}: nothing was changed; what was written is in {folder}. Move both away, or mount with --read-only"
        ) from None
    except OSError as error:
        raise MountFailed(f"{folder} cannot be written: {error.strerror}; mount with --read-only, or mend it") from None
    return writeback


def _drafts(config: MountConfig, repository: Repository) -> Drafts | None:
    """The drafts that the last daemon left, where the repository has such. Blocks."""
    if not repository.capabilities.drafts:
        return None
    drafts = Drafts(repository, state_folder(config) / "drafts")
    try:
        drafts.recover()
    except OSError as error:
        raise MountFailed(f"the drafts of {config.source} cannot be read: {error}; mount with --read-only") from None
    return drafts


def owed(config: MountConfig) -> list[dict[str, object]]:
    """What the journal and the records of drafts say is owed, without a mount; `missing` is how many bytes are still
    the server's. Changes nothing. Raises MountFailed when the journal cannot be read."""
    folder = state_folder(config)
    try:
        files = recorded(folder / "journal.sqlite", folder / "staging")
        return [msgspec.to_builtins(account) for account in (*files, *draft.recorded(folder / "drafts"))]
    except JournalDamaged as damage:
        raise MountFailed(f"{damage}: what was written is in {folder / 'staging'}") from None


async def _now_and_then(catalogue: Catalogue, store: ContentStore) -> None:
    while True:
        await trio.sleep(SAVE_EVERY)
        store.pool.rest()
        await catalogue.save()
