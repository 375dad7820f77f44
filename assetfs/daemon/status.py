"""What a mount says of itself: the types of `.assetfs/status.json`, and who fills them in.

`assetfs status --schema` prints the JSON schema that is made of these types; new fields may come, none of these goes or
changes its meaning. Nothing here holds a secret.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

from assetfs import __version__
from assetfs.config import MountConfig
from assetfs.content.store import ContentStore
from assetfs.observe import traffic
from assetfs.observe.transfers import Transfer
from assetfs.observe.troubles import TROUBLES, Trouble
from assetfs.repository import Identity
from assetfs.transport.origin import origin_of
from assetfs.vfs.changes import ChangesStatus
from assetfs.writeback.accounts import Account, Happened
from assetfs.writeback.writeback import WriteBack

if TYPE_CHECKING:
    from assetfs.daemon.renewing import Renewing
    from assetfs.fuse.operations import Operations
    from assetfs.vfs.filesystem import FileSystem

LISTED = 1000
"""Uploads that the status document names one by one."""


class Requests(msgspec.Struct, kw_only=True):
    """Requests to the server since the mount began."""

    total: int
    by_label: dict[str, int]


class Uploads(msgspec.Struct, kw_only=True):
    """What is owed to the server. All of it together is what an unmount would leave."""

    pending: Annotated[int, msgspec.Meta(description="files that wait, or are being sent")] = 0
    failed: Annotated[int, msgspec.Meta(description="files and drafts that need somebody's help")] = 0
    held: Annotated[int, msgspec.Meta(description="renames to backup names that wait for what comes next")] = 0
    bytes: Annotated[int, msgspec.Meta(description="size of all of them")] = 0
    oldest_seconds: Annotated[float, msgspec.Meta(description="age of the oldest")] = 0.0
    totals: Annotated[dict[str, int], msgspec.Meta(description="since the mount: uploaded, failed, conflicts")] = {}
    happened: Sequence[Happened] = []
    list: Annotated[Sequence[Account], msgspec.Meta(description="one by one, oldest first, 1000 at most")] = []


class Cache(msgspec.Struct, kw_only=True):
    """Bytes."""

    disk_used: int
    disk_limit: int
    memory_in_use: int
    memory_limit: int


class LastHour(msgspec.Struct, kw_only=True):
    """Warnings and errors of the daemon's log in the last hour."""

    counts: dict[str, int]
    messages: Annotated[list[Trouble], msgspec.Meta(description="the last 50 at most")]


class Document(msgspec.Struct, kw_only=True):
    """One repository, mounted; or several in one mount, whose own documents are in `parts`."""

    state: Annotated[str, msgspec.Meta(description="ok: the mount answers")] = "ok"
    health: Annotated[
        str, msgspec.Meta(description="ok; refused: the credential; unreachable: the server; failing: uploads failed")
    ]
    reason: Annotated[str, msgspec.Meta(description="why it is not ok")] = ""
    version: str = __version__
    source: str
    mountpoint: str
    pid: int
    started: Annotated[str, msgspec.Meta(description="ISO 8601")]
    uptime_seconds: float
    backend: str = ""
    server: Annotated[str, msgspec.Meta(description="product and version")] = ""
    user: str = ""
    url: str = ""
    read_only: bool = False
    latency_seconds: Annotated[
        float | None, msgspec.Meta(description="median of the last 100 answers; null before the first")
    ] = None
    heard: Annotated[str | None, msgspec.Meta(description="when the server answered last")] = None
    requests: Requests
    transfers: Annotated[list[Transfer], msgspec.Meta(description="uploads and downloads in flight")] = []
    sent_bytes: int = 0
    received_bytes: int = 0
    cache: Cache | None = None
    content: dict[str, int] = {}
    inodes: int = 0
    handles: int = 0
    stale_listings_served: int = 0
    operations: Annotated[dict[str, int], msgspec.Meta(description="kernel requests by kind")] = {}
    errors: Annotated[dict[str, int], msgspec.Meta(description="errors that programs were given, by errno")] = {}
    last_hour: LastHour
    not_tuned: Annotated[dict[str, str], msgspec.Meta(description="what the kernel refused, and why")] = {}
    changes: Annotated[ChangesStatus, msgspec.Meta(description="what others do, where the repository tells")] = (
        ChangesStatus()
    )
    uploads: Uploads
    parts: Annotated[dict[str, Document], msgspec.Meta(description="by folder")] = {}


class StatusDocument:
    """Fills in the document of one repository."""

    def __init__(self, config: MountConfig, repository: Renewing, store: ContentStore) -> None:
        self._config = config
        self._repository = repository
        self.store = store
        self.address = origin_of(config.address.url.geturl()).authority
        self.server = traffic.server(self.address)
        self._started = datetime.now(UTC)
        self._since = time.monotonic()
        self._first_seen: dict[int, float] = {}
        """When a number was first seen owed: the age of what the journal holds."""
        self.identity: Identity | None = None
        self.fs: FileSystem | None = None
        self.operations: Operations | None = None
        self.writeback: WriteBack | None = None
        self.untuned: dict[str, str] = {}

    def document(self) -> Document:
        assert self.fs is not None
        assert self.operations is not None
        assert self.identity is not None
        requests = self._repository.requests
        uploads = self.uploads()
        health, reason = self._judged(uploads)
        content = self.store.status()
        return Document(
            health=health,
            reason=reason,
            source=self._config.source,
            mountpoint=str(self._config.mountpoint),
            pid=os.getpid(),
            started=self._started.isoformat(timespec="seconds"),
            uptime_seconds=round(time.monotonic() - self._since, 1),
            backend=self._repository.name,
            server=self.identity.server,
            user=self.identity.user,
            url=self.identity.url,
            read_only=self.writeback is None,
            latency_seconds=None if self.server.latency is None else round(self.server.latency, 5),
            heard=_iso(self.server.heard),
            requests=Requests(total=sum(requests.values()), by_label=dict(requests)),
            transfers=self.store.transfers.now(),
            sent_bytes=self.server.sent_bytes,
            received_bytes=self.server.received_bytes,
            cache=Cache(
                disk_used=content["disk_used"],
                disk_limit=self._config.cache_size if self.store.disk else 0,
                memory_in_use=content["memory_in_use"],
                memory_limit=self._config.memory,
            ),
            content=content,
            inodes=len(self.fs.inodes),
            handles=len(self.fs.handles),
            stale_listings_served=self.fs.folders.stale_served,
            operations=dict(self.operations.counts),
            errors=dict(self.operations.errors),
            last_hour=last_hour(),
            not_tuned=self.untuned,
            changes=self.fs.changes.status(),
            uploads=uploads,
        )

    def health(self) -> str:
        """In one word."""
        return self._judged(self.uploads())[0]

    def _judged(self, uploads: Uploads) -> tuple[str, str]:
        if self._repository.refused:
            return "refused", self._repository.refused
        if self.server.trouble:
            return "unreachable", f"the last request: {self.server.trouble}"
        if uploads.failed:
            files = "1 file is" if uploads.failed == 1 else f"{uploads.failed} files are"
            return "failing", f"{files} refused by the server: assetfs uploads says why"
        return "ok", ""

    def uploads(self) -> Uploads:
        """Files that wait or are refused, drafts that could not be committed, and renames that are held back."""
        if self.writeback is None or self.fs is None:
            return Uploads()
        owed = [one.account() for one in self.fs.uploads.owed()]
        failed = sum(account.state == "failed" for account in owed)
        return Uploads(
            pending=len(owed) - failed,
            failed=failed,
            held=len(self.writeback.holding),
            bytes=sum(account.size for account in owed),
            oldest_seconds=round(self._oldest([account.number for account in owed]), 1),
            totals=dict(self.writeback.uploader.counts),
            happened=list(self.writeback.accounts.conflicts),
            list=owed[:LISTED],
        )

    def _oldest(self, numbers: Sequence[int]) -> float:
        now = time.monotonic()
        self._first_seen = {number: self._first_seen.get(number, now) for number in numbers}
        return now - min(self._first_seen.values(), default=now)


def last_hour() -> LastHour:
    return LastHour(counts=TROUBLES.last_hour(), messages=TROUBLES.recent())


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def together(config: MountConfig, parts: Sequence[tuple[str, StatusDocument]]) -> Document:
    """One document for several repositories: sums, the worst state, and theirs."""
    documents = {name: part.document() for name, part in parts}
    each = list(documents.values())
    worst = next((one for one in each if one.health != "ok"), each[0])
    name = next(name for name, one in documents.items() if one is worst)
    return Document(
        health=worst.health,
        reason=f"{name}: {worst.reason}" if worst.reason else "",
        source=config.source,
        mountpoint=str(config.mountpoint),
        pid=os.getpid(),
        started=min(one.started for one in each),
        uptime_seconds=max(one.uptime_seconds for one in each),
        read_only=all(one.read_only for one in each),
        requests=Requests(
            total=sum(one.requests.total for one in each),
            by_label=_summed([one.requests.by_label for one in each]),
        ),
        transfers=[transfer for one in each for transfer in one.transfers],
        sent_bytes=sum(one.sent_bytes for one in each),
        received_bytes=sum(one.received_bytes for one in each),
        inodes=sum(one.inodes for one in each),
        handles=sum(one.handles for one in each),
        operations=_summed([one.operations for one in each]),
        errors=_summed([one.errors for one in each]),
        last_hour=last_hour(),
        uploads=Uploads(
            pending=sum(one.uploads.pending for one in each),
            failed=sum(one.uploads.failed for one in each),
            held=sum(one.uploads.held for one in each),
            bytes=sum(one.uploads.bytes for one in each),
            oldest_seconds=max(one.uploads.oldest_seconds for one in each),
            totals=_summed([one.uploads.totals for one in each]),
        ),
        parts=documents,
    )


def _summed(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for one in counts for name in one)
    return {name: sum(one.get(name, 0) for one in counts) for name in names}
