"""The composition root: builds one mount from a `MountConfig`, owns its tasks, and takes it down again.

    connect -> lock -> open cache and catalogue -> mount -> serve ... -> stop serving -> close everything

Whatever can fail does so before the mount exists, as one `MountFailed` line with an exit status. From then on the
mount lives until somebody unmounts it or the process is told to end. One nursery owns every task; one that dies takes
the mount down loudly.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import trio

from assetfs import __version__, names
from assetfs.backends import available
from assetfs.config import MountConfig
from assetfs.content.catalogue import Catalogue
from assetfs.content.disk import DiskCache
from assetfs.content.store import ContentStore
from assetfs.failure import Failure, Status
from assetfs.fuse.operations import Operations
from assetfs.fuse.session import Session, Tuning
from assetfs.observe.stacks import log_tasks
from assetfs.repository import (
    Forbidden,
    Identity,
    Kind,
    Node,
    NotAuthenticated,
    Offline,
    Repository,
    RepositoryError,
    Unavailable,
)
from assetfs.vfs.attributes import Ownership
from assetfs.vfs.filesystem import FileSystem, Timeouts
from assetfs.writeback.accounts import recorded
from assetfs.writeback.journal import Journal, JournalDamaged
from assetfs.writeback.writeback import Settings, WriteBack

log = logging.getLogger("assetfs")

PATIENCE = 5.0
"""Seconds that a program waits for a newer listing of a folder, at most a quarter of what one operation may take."""

LISTED = 1000
"""Uploads that the status document names one by one."""

SAVE_EVERY = 5.0
"""Seconds between two saves of the catalogue; what is lost at a crash is learned again."""

_STATUS: dict[type[RepositoryError], int] = {
    Offline: Status.UNREACHABLE,
    Unavailable: Status.UNREACHABLE,
    NotAuthenticated: Status.REFUSED,
    Forbidden: Status.REFUSED,
}


class MountFailed(Failure):
    """What prevented the mount; `status` is the exit status."""


def serve(config: MountConfig, *, ready: Callable[[], None]) -> int:
    """Mount, call `ready` once the mount answers, and return an exit status when it has been unmounted.

    Blocks. Raises MountFailed for anything that prevents the mount.
    """
    try:
        return trio.run(_serve, config, ready)
    except BaseException as raised:
        error = _single(raised)
        if isinstance(error, RepositoryError):
            raise MountFailed(str(error), _STATUS.get(type(error), Status.FAILED)) from None
        raise error from None


def _single(error: BaseException) -> BaseException:
    """The one error in the groups that nurseries make."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def _serve(config: MountConfig, ready: Callable[[], None]) -> int:
    with _locked(config):
        repository = available()[config.address.backend].open(config.address, config.transport)
        try:
            identity = await repository.connect()
            root = await _root(repository, config.root)
            async with _mounted(config, repository, identity, root, ready) as session:
                await session.serve()
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(5):
                await repository.close()
    return Status.DONE


def repository_key(config: MountConfig) -> str:
    """One repository: a server seen by one user. The same after every remount."""
    address = config.address
    return f"{address.backend}+{address.url.geturl()} {address.user or ''}"


def state_folder(config: MountConfig) -> Path:
    """Where the lock, the journal and the staging files of this repository are."""
    return config.state_dir / hashlib.blake2b(repository_key(config).encode(), digest_size=8).hexdigest()


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
                f"{self._source} is mounted already by process {holder}: unmount it first, or use another --state-dir"
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


@asynccontextmanager
async def _mounted(
    config: MountConfig, repository: Repository, identity: Identity, root: Node, ready: Callable[[], None]
) -> AsyncIterator[Session]:
    """Everything that lives as long as the mount."""
    catalogue = await trio.to_thread.run_sync(Catalogue, config.cache_dir / "catalogue.sqlite")
    read_only = config.read_only or not (repository.capabilities.upload or repository.capabilities.set_metadata)
    disk = None
    if config.cache:
        disk = await trio.to_thread.run_sync(
            lambda: DiskCache(
                config.cache_dir / "content", repository_key(config), limit=config.cache_size, free=config.cache_free
            )
        )
    try:
        async with trio.open_nursery() as nursery:
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
            status = StatusDocument(config, identity, repository, store)
            writeback = None if read_only else await trio.to_thread.run_sync(_write_back, config, repository, store)
            status.writeback = writeback
            if writeback is not None:
                await writeback.holding.refresh()
            fs = FileSystem(
                repository,
                root,
                store,
                nursery,
                owner=Ownership(config.uid, config.gid, config.umask, read_only),
                timeouts=Timeouts(
                    config.attr_timeout,
                    config.entry_timeout,
                    config.negative_timeout,
                    config.list_timeout,
                    patience=min(PATIENCE, config.timeout / 4),
                ),
                status=status.document,
                writeback=writeback,
                show_virtual=config.show_virtual,
            )
            hello = trio.Event()
            operations = Operations(fs, deadline=config.timeout, ready=hello.set)
            status.fs, status.operations = fs, operations
            try:
                session = Session.open(
                    operations,
                    config.mountpoint,
                    name=config.source,
                    allow_other=config.allow_other,
                    read_only=read_only,
                    more=config.kernel_options,
                )
            except RuntimeError as error:
                raise MountFailed(f"{config.mountpoint} cannot be mounted: {error}") from None
            try:
                nursery.start_soon(_announce, hello, session, config, status, ready)
                nursery.start_soon(_signals, session)
                nursery.start_soon(_save, catalogue)
                if writeback is not None:
                    nursery.start_soon(writeback.run)
                yield session
            finally:
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(session.close)
                    if writeback is not None:
                        await writeback.drain(config.drain)
            nursery.cancel_scope.cancel()
        if writeback is not None:
            writeback.close()
    finally:
        catalogue.close()


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


def owed(config: MountConfig) -> list[dict[str, object]]:
    """What the journal says is owed, without a mount; `missing` is how many bytes are still the server's. Changes
    nothing. Raises MountFailed when the journal cannot be read."""
    folder = state_folder(config)
    try:
        return [msgspec.to_builtins(account) for account in recorded(folder / "journal.sqlite", folder / "staging")]
    except JournalDamaged as damage:
        raise MountFailed(f"{damage}: what was written is in {folder / 'staging'}") from None


async def _announce(
    hello: trio.Event, session: Session, config: MountConfig, status: StatusDocument, ready: Callable[[], None]
) -> None:
    """Once the kernel has said hello: tune, then tell. In threads, because both may look at the mount itself."""
    await hello.wait()
    tuning = Tuning(read_ahead_kb=config.read_ahead >> 10, max_background=config.max_background)
    status.untuned = await trio.to_thread.run_sync(session.tune, tuning)
    await trio.to_thread.run_sync(ready)


async def _signals(session: Session) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGUSR1) as signals:
        async for number in signals:
            if number == signal.SIGUSR1:
                log_tasks()
                continue
            log.info("%s: unmounting", signal.Signals(number).name)
            session.stop()


async def _save(catalogue: Catalogue) -> None:
    while True:
        await trio.sleep(SAVE_EVERY)
        await catalogue.save()


class StatusDocument:
    """What `.assetfs/status.json` and `assetfs status` show. Holds no secret."""

    def __init__(self, config: MountConfig, identity: Identity, repository: Repository, store: ContentStore) -> None:
        self._config = config
        self._identity = identity
        self._repository = repository
        self._store = store
        self._started = datetime.now(UTC)
        self._since = time.monotonic()
        self.fs: FileSystem | None = None
        self.operations: Operations | None = None
        self.writeback: WriteBack | None = None
        self.untuned: dict[str, str] = {}

    def document(self) -> dict[str, object]:
        assert self.fs is not None
        assert self.operations is not None
        requests = self._repository.requests
        return {
            "state": "ok",
            "version": __version__,
            "source": self._config.source,
            "mountpoint": str(self._config.mountpoint),
            "pid": os.getpid(),
            "started": self._started.isoformat(timespec="seconds"),
            "uptime_seconds": round(time.monotonic() - self._since, 1),
            "backend": self._repository.name,
            "server": self._identity.server,
            "user": self._identity.user,
            "url": self._identity.url,
            "read_only": self.writeback is None,
            "requests": {"total": sum(requests.values()), "by_label": dict(requests)},
            "content": self._store.status(),
            "inodes": len(self.fs.inodes),
            "handles": len(self.fs.handles),
            "stale_listings_served": self.fs.folders.stale_served,
            "operations": dict(self.operations.counts),
            "errors": dict(self.operations.errors),
            "not_tuned": self.untuned,
            "uploads": self._uploads(),
        }

    def _uploads(self) -> dict[str, object]:
        """What is owed to the server: files that wait or are refused, and renames that are held back. All of them
        together are what an unmount would leave."""
        if self.writeback is None:
            return {"pending": 0, "failed": 0, "held": 0, "totals": {}, "happened": [], "list": []}
        accounts = self.writeback.accounts
        owed = [accounts.of(staged) for staged in accounts.owed()]
        failed = sum(account.state == "failed" for account in owed)
        return {
            "pending": len(owed) - failed,
            "failed": failed,
            "held": len(self.writeback.holding),
            "totals": dict(self.writeback.uploader.counts),
            "happened": list(accounts.conflicts),
            "list": owed[:LISTED],
        }
