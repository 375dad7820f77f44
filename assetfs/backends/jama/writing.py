"""New files, and what a broken transfer left behind (sections 5 and 8.3).

The server keeps identical bytes once per project and ignores the name of the second arrival; it also says before the
first byte whether it has them. So `upload_infos` is always asked first, together with the question who has the name.
An upload then goes on from whatever an earlier try has reached, because the state is the server's: parts, or the
finished resource under our name. The ledger only says that we had begun, and when.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

import msgspec
import trio

from assetfs.backends.jama.arranging import Arranging
from assetfs.backends.jama.client import Call, settled
from assetfs.backends.jama.dialect import Dialect, together
from assetfs.backends.jama.names import file_name
from assetfs.backends.jama.nodes import Nodes, held
from assetfs.backends.jama.types import FileTypes
from assetfs.backends.jama.uploads import Uploads, WrongContent
from assetfs.backends.jama.wire import Resource, UploadInfos, nanoseconds
from assetfs.repository import (
    Conflict,
    Forbidden,
    Kind,
    Ledger,
    NameRejected,
    Node,
    NotFound,
    ProtocolViolation,
    RepositoryError,
    SameContent,
    Source,
)

log = logging.getLogger(__name__)

ASKED = 8 << 20
"""Bytes of an upload that takes long enough for somebody else's of the same to come first: one more call is nothing
beside it."""

CLOCK_SLACK = 2.0
"""Seconds: the Date header has no fractions, and a resource is made a moment after it."""


class Writing:
    """Transfers to the server. `replacing` builds on `deliver`, `is_new` and `discard`."""

    def __init__(
        self, dialect: Dialect, nodes: Nodes, types: FileTypes, arranging: Arranging, uploads: Uploads
    ) -> None:
        self.dialect = dialect
        self.client = dialect.client
        self.nodes = nodes
        self._types = types
        self._arranging = arranging
        self._uploads = uploads
        self._turns: WeakValueDictionary[str, trio.Lock] = WeakValueDictionary()

    def turn(self, digest: str) -> trio.Lock:
        """Held while bytes of this digest are sent. The server takes the second of two simultaneous uploads of equal
        bytes for the first one, and forgets its name without a word; one after the other, it says that it has them."""
        lock = self._turns.get(digest)
        if lock is None:
            lock = self._turns[digest] = trio.Lock()
        return lock

    def admit(self, folder: Node, name: str) -> None:
        """Raise where a new file of this name cannot be stored in this folder."""
        self._arranging.check_place(folder, Kind.FILE)
        if "\0" in name or not name:
            raise NameRejected("the server cannot keep this name")
        self._types.admit(name)

    def admit_content(self, name: str) -> None:
        """Raise Unsupported where the server does not take the type."""
        self._types.admit(name)

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        self.admit(folder, name)
        digest = await source.digest("sha256")
        async with self.turn(digest):
            return await self._upload(folder, name, source, digest, ledger)

    async def _upload(self, folder: Node, name: str, source: Source, digest: str, ledger: Ledger) -> Node:
        at = held(folder)
        begun = ledger.state.get("digest") == digest
        infos, *found = await self.client.many(
            [self.dialect.upload_infos(digest, at.project), *self._arranging.named(folder, name)]
        )
        known: UploadInfos = settled(infos)
        other = self._arranging.taken(together(found), name, folder)
        if other is not None:
            if begun and other.version == digest:
                return self._sized(other, source)
            raise Conflict(f"an entry of this name exists in the folder: {other.id}", other)
        if known.status == "available" and known.id is not None:
            return self._sized(await self._adopt(folder, name, known.id), source)
        if not begun:
            await ledger.record(
                digest=digest, project=at.project, collection=at.id, name=name, since=self.client.server_time
            )
        number = await self.deliver(source, name, digest, at.project, at.id, known, ledger)
        if not self.dialect.attaches:
            await self.client.call(self.dialect.attach(number, at.id))
        if source.size >= ASKED:
            await self._expect_name(number, name)
        return self._sized(self._as_sent(folder, number, name, digest), source)

    async def _expect_name(self, number: int, name: str) -> None:
        """Somebody else's upload of the same bytes may have been done while ours was on its way."""
        record = await self.client.call(self.dialect.resource(number))
        if file_name(record.title, record.original_name) != name:
            node = self.nodes.resource(record)
            raise SameContent(f"the same content came under another name meanwhile: {node.id}", node)

    def _sized(self, node: Node, source: Source) -> Node:
        return msgspec.structs.replace(node, size=source.size)

    def _as_sent(self, folder: Node, number: int, name: str, digest: str) -> Node:
        """The new node without asking for it: all but the exact time is known."""
        at = held(folder)
        now = self.client.server_time
        stamp = None if now is None or self.dialect.single_scope else datetime.fromtimestamp(now, UTC).isoformat()
        return self.nodes.resource(
            Resource(
                id=number,
                title=name,
                original_name=name,
                type=self._types.mime(name),
                hash=digest,
                created_at=stamp,
                updated_at=stamp,
                project_id=at.project,
            ),
            at.special,
        )

    async def _adopt(self, folder: Node, name: str, number: int) -> Node:
        """The bytes are on the server: under this name, it becomes an entry here; under another, it is in the way."""
        try:
            record = await self.client.call(self.dialect.resource(number))
        except Forbidden:
            raise SameContent("the project has the same content, where this API key may not look") from None
        node = self.nodes.resource(record, held(folder).special)
        if file_name(record.title, record.original_name) != name:
            raise SameContent(f"the project has the same content under another name: {node.id}, {node.name!r}", node)
        await self.client.call(self.dialect.attach(number, held(folder).id))
        return node

    # ---- what uploading and replacing share -----------------------------------------------------------------------

    async def deliver(
        self,
        source: Source,
        name: str,
        digest: str,
        project: int,
        collection: int | None,
        known: UploadInfos,
        ledger: Ledger,
    ) -> int:
        """Bring the bytes to the server as a resource of this name; its id. What arrives wrong is removed again."""
        headers = self.dialect.upload_headers(name, digest, project, collection)

        async def infos() -> UploadInfos:
            return await self.client.call(self.dialect.upload_infos(digest, project))

        since = ledger.state.get("since")
        for attempt in range(2):
            try:
                return await self._uploads.send(source, headers, known, infos, ledger)
            except WrongContent as error:
                log.warning("a part of another upload was in the way: sending all of it again")
                await self._remove_if_new(error.resource, since)
                if attempt:
                    raise
                known = UploadInfos("incomplete")
            except Forbidden:
                await self._explain(collection)
                raise
        raise AssertionError("unreachable")

    async def _explain(self, collection: int | None) -> None:
        """A 403 to an upload has three causes: ask, and raise NotAuthenticated or NotFound if it is one of those."""
        await self.client.call(Call("ping", []) if collection is None else self.dialect.collection(collection))

    def is_new(self, record: Resource, since: Any) -> bool:
        """The resource was made after we began; false where the server keeps no times."""
        born = nanoseconds(record.created_at)
        return born is not None and isinstance(since, int | float) and born / 1e9 >= since - CLOCK_SLACK

    async def _remove_if_new(self, number: int, since: Any) -> None:
        """Remove a resource of wrong content, unless it was there before us."""
        record = await self.client.call(self.dialect.resource(number))
        if self.is_new(record, since):
            await self.client.call(self.dialect.delete_resource(number))
        else:
            log.error("resource %d may hold wrong content and is older than our upload: left as it is", number)

    # ---- giving up ------------------------------------------------------------------------------------------------

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        """Remove what a transfer left: the finished resource, if it is provably ours. Chunks vanish by themselves.
        Where the content has reached its file, it stays there, and the file is returned."""
        digest, project = state.get("digest"), state.get("project")
        if not isinstance(digest, str) or not isinstance(project, int):
            return None
        known = await self.client.call(self.dialect.upload_infos(digest, project))
        if known.status != "available" or known.id is None:
            return None
        record, chains = await self.client.many([self.dialect.resource(known.id), self.dialect.chains(known.id)])
        if isinstance(record, NotFound):
            return None
        places = {chain[-1].id for chain in settled(chains) if chain}
        if await self._is_ours(settled(record), places, state):
            await self.client.call(self.dialect.delete_resource(known.id))
            return None
        arrived = known.id in (state.get("target"), state.get("fresh"))
        return self.nodes.resource(settled(record)) if arrived else None

    async def _is_ours(self, record: Resource, places: set[int], state: Mapping[str, Any]) -> bool:
        if "token" in state:
            return record.title == state["token"] and not places
        if "target" in state:
            # A copy under way (classic). Once the old one is deleted, the copy is the file.
            (old,) = await self.client.many([self.dialect.resource(int(state["target"]))])
            begun = record.id == state["fresh"] if "fresh" in state else not places
            return begun and record.original_name == state.get("name") and not isinstance(old, NotFound)
        fits = record.title == state.get("name") and places <= {state.get("collection")}
        return fits and self.is_new(record, state.get("since"))


def refused(outcome: Any) -> RepositoryError | None:
    """The error of an outcome of `many`, if it is one."""
    return outcome if isinstance(outcome, RepositoryError) else None


def mismatch(record: Resource, digest: str) -> None:
    """Raise ProtocolViolation where the server has other bytes than were sent."""
    if record.hash != digest:
        raise ProtocolViolation("the server has other bytes than were sent")
