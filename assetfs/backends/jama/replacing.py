"""New content for an existing file (section 5.6, 13.1).

Where the server has `replace_file(from, to)`: the bytes go up as a resource of their own, in no collection and under a
name that nobody else would give (`assetfs-<token>.<ext>`), and are then handed over in one call that deletes the
bearer. The token is in the ledger before the first byte: after a break it proves which resource is ours, since
`replace_file` destroys its source and must never be given somebody else's.

    nothing -> token recorded -> bytes on the server -> handed over (the target's hash says so)

The classic dialect has no such call. There the new resource becomes a copy of the old one (title, values, tags,
places), and then the old one is deleted: the id changes. Each step can be done twice.

    nothing -> digest recorded -> bytes on the server, `fresh` recorded -> copied -> `deleting` recorded -> deleted
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
import trio

from assetfs.backends.jama import attributes
from assetfs.backends.jama.client import Call, settled
from assetfs.backends.jama.editing import Wanted, difference
from assetfs.backends.jama.names import extension, file_name
from assetfs.backends.jama.nodes import held
from assetfs.backends.jama.wire import Collection, Resource, UploadInfos
from assetfs.backends.jama.writing import Writing, mismatch, refused
from assetfs.repository import Conflict, Ledger, Node, NotFound, RepositoryError, SameContent, Source, Unsupported

log = logging.getLogger(__name__)

UNDO_SECONDS = 30.0


class Replacing:
    """`replace`, in the way that the dialect has."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._dialect = writing.dialect
        self._client = writing.client

    async def replace(self, node: Node, folder: Node, source: Source, ledger: Ledger) -> Node:
        if node.version is None:
            raise Unsupported("this resource has no content that could be replaced")
        replace = self._in_place if self._dialect.keeps_ids else self._by_copy
        async with self._writing.turn(await source.digest("sha256")):
            record = await replace(node, source, ledger)
        new = self._writing.nodes.resource(record, held(folder).special)
        return msgspec.structs.replace(new, size=source.size)

    def _expect_version(self, record: Resource, node: Node, folder_special: Any = None) -> None:
        if record.hash != node.version:
            raise Conflict(
                "somebody else has changed the file meanwhile", self._writing.nodes.resource(record, folder_special)
            )

    # ---- replace_file ---------------------------------------------------------------------------------------------

    async def _in_place(self, node: Node, source: Source, ledger: Ledger) -> Resource:
        target, project = held(node).id, held(node).project
        digest = await source.digest("sha256")
        current, infos = await self._client.many(
            [self._dialect.resource(target), self._dialect.upload_infos(digest, project)]
        )
        record: Resource = settled(current)
        if record.hash == digest:
            return record  # the same bytes, or handed over by a try whose answer was lost
        self._expect_version(record, node)
        suffix = extension(record.original_name or record.title)
        self._writing.admit_content(f"a{suffix}")
        token = ledger.state.get("token") if ledger.state.get("digest") == digest else None
        if token is None:
            token = f"assetfs-{secrets.token_hex(8)}{suffix}"
            fresh = await self._known_content(settled(infos), token)
            await ledger.record(
                digest=digest, project=project, target=target, token=token, since=self._client.server_time
            )
        else:
            fresh = await self._known_content(settled(infos), token)
        if fresh is None:
            fresh = await self._writing.deliver(source, token, digest, project, None, settled(infos), ledger)
        await self._check_bearer(fresh, token, node)
        return await self._hand_over(fresh, target, digest)

    async def _known_content(self, infos: UploadInfos, token: str) -> int | None:
        """The resource that has the bytes, if it is ours. Conflict if it is somebody else's."""
        if infos.status != "available" or infos.id is None:
            return None
        try:
            record = await self._client.call(self._dialect.resource(infos.id))
        except RepositoryError as error:
            if error.transient:
                raise
            raise SameContent("the project has the same content elsewhere, out of this API key's sight") from None
        if record.title == token:
            return record.id
        other = self._writing.nodes.resource(record)
        raise SameContent(f"the project has the same content in another file: {other.id}", other)

    async def _check_bearer(self, fresh: int, token: str, node: Node) -> None:
        """Nothing may stand between the bytes and their file: not a place of their own, not a newer version."""
        target = held(node).id
        outcomes = await self._client.many(
            [self._dialect.chains(fresh), self._dialect.resource(fresh), self._dialect.resource(target)]
        )
        chains, bearer, current = (settled(outcome) for outcome in outcomes)
        if fresh == target or bearer.title != token:
            raise SameContent(
                "the same content came from somewhere else meanwhile", self._writing.nodes.resource(bearer)
            )
        if any(chains) or current.hash != node.version:
            await self._client.call(self._dialect.delete_resource(fresh))
            self._expect_version(current, node)
            raise SameContent("the same content was once deleted here together with its collection, which is back")

    async def _hand_over(self, fresh: int, target: int, digest: str) -> Resource:
        assert fresh != target, "replacing a resource by itself wipes it (trap 11.5)"
        done, now = await self._client.many([Call("replace_file", [fresh, target]), self._dialect.resource(target)])
        failure = refused(done)
        if failure is not None:
            with trio.move_on_after(UNDO_SECONDS, shield=True):
                await self._client.many([self._dialect.delete_resource(fresh)])
            raise failure
        record: Resource = settled(now)
        mismatch(record, digest)
        return record

    # ---- classic --------------------------------------------------------------------------------------------------

    async def _by_copy(self, node: Node, source: Source, ledger: Ledger) -> Resource:
        target, project = held(node).id, held(node).project
        digest = await source.digest("sha256")
        current, infos = await self._client.many(
            [self._dialect.resource(target, metas=True), self._dialect.upload_infos(digest, project)]
        )
        state = ledger.state if ledger.state.get("digest") == digest else {}
        if isinstance(current, NotFound) and state.get("deleting"):
            return await self._client.call(self._dialect.resource(int(state["fresh"])))
        old: Resource = settled(current)
        if old.hash == digest:
            return old
        self._expect_version(old, node)
        name = old.original_name or file_name(old.title, None)
        self._writing.admit_content(name)
        fresh = await self._copy_begun(settled(infos), old, name, bool(state))
        if fresh is None:
            if not state:
                await ledger.record(digest=digest, project=project, target=target, name=name)
            fresh = await self._writing.deliver(source, name, digest, project, None, settled(infos), ledger)
        await ledger.record(fresh=fresh)
        await self._copy(old, fresh)
        new = await self._client.call(self._dialect.resource(fresh, metas=True))
        mismatch(new, digest)
        self._expect_version(await self._client.call(self._dialect.resource(target)), node)
        await ledger.record(deleting=True)
        await self._client.call(self._dialect.delete_resource(target))
        return new

    async def _copy_begun(self, infos: UploadInfos, old: Resource, name: str, begun: bool) -> int | None:
        """The copy of an earlier try. It can be nothing else: there was none when that try began, and it is nowhere
        that the old one is not."""
        if infos.status != "available" or infos.id is None:
            return None
        record, mine, theirs = (
            settled(outcome)
            for outcome in await self._client.many(
                [self._dialect.resource(infos.id), self._dialect.chains(infos.id), self._dialect.chains(old.id)]
            )
        )
        if begun and record.original_name == name and _ends(mine) <= _ends(theirs):
            return infos.id
        other = self._writing.nodes.resource(record)
        raise SameContent(f"the same content exists in another file: {other.id}", other)

    async def _copy(self, old: Resource, fresh: int) -> None:
        new, places, present = (
            settled(outcome)
            for outcome in await self._client.many(
                [self._dialect.resource(fresh, metas=True), self._dialect.chains(old.id), self._dialect.chains(fresh)]
            )
        )
        fields = {
            number: [value.value for value in values]
            for number, (field, values) in attributes.by_field(old.metas).items()
            if field.set_title not in attributes.AUTOMATIC_SETS
        }
        wanted = Wanted(fields, attributes.tag_uids(old.tags))
        calls: list[Call[Any]] = difference(self._dialect, "resource", fresh, new, wanted)
        if new.title != old.title:
            calls.append(self._dialect.rename("resource", fresh, old.title))
        calls += [self._dialect.attach(fresh, place) for place in sorted(_ends(places) - _ends(present))]
        for outcome in await self._client.many(calls):
            settled(outcome)


def _ends(chains: Sequence[Sequence[Collection]]) -> set[int]:
    return {chain[-1].id for chain in chains if chain}
