"""Making, naming, moving and removing entries (section 8.3).

The server does not keep two files of one name apart, returns the existing collection instead of refusing to make a
second, and revives deleted ones. So every change that takes a name asks first who has it. What another client does
between the question and the change can still give two files of one name; both are then shown.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from assetfs.backends.jama.client import Call, settled
from assetfs.backends.jama.dialect import Dialect, What, together
from assetfs.backends.jama.errors import DELETIONS, NoUpdateAccess, refusal
from assetfs.backends.jama.names import check_collection_title, file_name, title_for
from assetfs.backends.jama.nodes import ROOT, Nodes, held, parent_id
from assetfs.backends.jama.wire import Collection, Deletion, Items, nanoseconds
from assetfs.repository import (
    Conflict,
    CrossScope,
    Forbidden,
    Kind,
    Node,
    NotEmpty,
    NotFound,
    Offline,
    ProtocolViolation,
    RepositoryError,
    Unavailable,
    Unsupported,
)

log = logging.getLogger(__name__)

UNDO_SECONDS = 30.0
REVIVED_SECONDS = 5.0
"""A collection that was just made and is older than this was not made: it was there, or was revived."""


class Arranging:
    """Changes to the tree."""

    def __init__(self, dialect: Dialect, nodes: Nodes) -> None:
        self._dialect = dialect
        self._client = dialect.client
        self._nodes = nodes

    def check_place(self, folder: Node, kind: Kind) -> None:
        """Raise Unsupported or Forbidden where a folder takes no entries of this kind from us."""
        if kind is Kind.LINK:
            raise Unsupported("Jama has no symbolic links")
        if folder.id == ROOT:
            if not self._dialect.single_scope:
                raise Unsupported("the top level lists the projects; they are made by the server's administrator")
            if kind is Kind.FILE:
                raise Unsupported("a file needs a collection: it cannot stand at the top level")
            return
        if folder.id.startswith("p") and self._nodes.scope(held(folder).project).limited:
            raise Forbidden("this API key may not change the top level of the project")

    def taken(self, items: Items, name: str, folder: Node) -> Node | None:
        """Who among the entries found has the name."""
        special = held(folder).special
        for collection in items.collections:
            if collection.title == name:
                return self._nodes.collection(collection, special)
        for resource in items.resources:
            if file_name(resource.title, resource.original_name) == name:
                return self._nodes.resource(resource, special)
        return None

    def named(self, folder: Node, name: str) -> Sequence[Any]:
        """The calls whose outcomes tell `taken`."""
        return self._dialect.named(held(folder).project, parent_id(folder), name)

    def _free(self, outcomes: Sequence[Any], folder: Node, name: str, but: Node | None = None) -> None:
        other = self.taken(together(outcomes), name, folder)
        if other is not None and (but is None or other.id != but.id):
            raise Conflict(f"an entry of this name exists in the folder: {other.id}", other)

    # ---- folders --------------------------------------------------------------------------------------------------

    async def create_folder(self, folder: Node, name: str) -> Node:
        self.check_place(folder, Kind.FOLDER)
        check_collection_title(name)
        self._free(await self._client.many(self.named(folder, name)), folder, name)
        record = await self._client.call(self._dialect.add_collection(name, parent_id(folder)))
        if record.title != name:
            raise ProtocolViolation("the server made a folder of another name")
        born, now = nanoseconds(record.created_at), self._client.server_time
        if born is not None and now is not None and born / 1e9 < now - REVIVED_SECONDS:
            log.warning("collection %d was deleted once and is back, with what it was known by", record.id)
        return self._nodes.collection(record, held(folder).special)

    async def remove_folder(self, node: Node) -> None:
        collection = self._movable(node)
        try:
            answer = await self._client.call(self._dialect.delete_collection(collection))
        except (Unavailable, Offline):
            (there,) = await self._client.many([self._dialect.collection(collection)])
            if isinstance(there, NotFound):
                return  # only the answer was lost
            raise
        if not isinstance(answer, Deletion):
            if not answer:
                await self._client.call(self._dialect.collection(collection))  # NotFound
                raise NotEmpty("the collection has entries")
            return
        meaning = DELETIONS.get(answer.status)
        if meaning == "not empty":
            raise NotEmpty(f"{answer.status}, perhaps some that this API key cannot see")
        if meaning == "gone":
            raise NotFound("the collection is gone")
        if not answer.success:
            raise refusal(answer.status, "delete_collection")

    def _movable(self, node: Node) -> int:
        if node.id[0] != "c":
            raise Unsupported("projects are made, named and removed by the server's administrator")
        return held(node).id

    # ---- names and places -----------------------------------------------------------------------------------------

    async def rename(self, node: Node, folder: Node, name: str, over: Node | None = None) -> Node:
        if over is not None:
            return await self._rename_over(node, folder, folder, name, over)
        if node.kind is Kind.FOLDER:
            self._movable(node)
        title = self._title(node, name)
        if title == held(node).title:
            return node
        self._free(await self._client.many(self.named(folder, name)), folder, name, node)
        return await self._retitle(node, folder, title)

    def _title(self, node: Node, name: str) -> str:
        mine = held(node)
        if node.kind is Kind.FOLDER:
            # Renaming strips nothing, unlike making; what making refuses is refused here too, so that both agree.
            check_collection_title(name)
            return name
        return title_for(name, mine.title, mine.original_name)

    async def _retitle(self, node: Node, folder: Node, title: str) -> Node:
        what: What = "collection" if node.kind is Kind.FOLDER else "resource"
        done, now = await self._client.many([self._dialect.rename(what, held(node).id, title), self._read(node)])
        if settled(done) is False:
            settled(now)  # NotFound
            raise Conflict("the name is taken in this folder, perhaps by a deleted collection, which keeps its name")
        return self._node(settled(now), folder)

    def _read(self, node: Node) -> Any:
        number = held(node).id
        return self._dialect.collection(number) if node.kind is Kind.FOLDER else self._dialect.resource(number)

    def _node(self, record: Any, folder: Node) -> Node:
        make: Callable[..., Node] = self._nodes.collection if isinstance(record, Collection) else self._nodes.resource
        return make(record, held(folder).special)

    async def move(self, node: Node, source: Node, destination: Node, name: str, over: Node | None = None) -> Node:
        if over is not None:
            return await self._rename_over(node, source, destination, name, over)
        if source.id == destination.id:
            return await self.rename(node, source, name)
        self.check_place(destination, node.kind)
        if node.kind is Kind.FOLDER:
            self._movable(node)
        if held(node).project != held(destination).project:
            raise CrossScope("between two projects only copying works")
        title = self._title(node, name)
        if node.kind is Kind.FOLDER:
            self._free(await self._client.many(self.named(destination, name)), destination, name)
            return await self._move_folder(node, source, destination, title)
        await self._expect_entry(node, source, destination, name)
        return await self._move_file(node, source, destination, title)

    async def _expect_entry(self, node: Node, source: Node, destination: Node, name: str) -> None:
        """NotFound unless the file is in `source`; Conflict if it, or its name, is in `destination`."""
        chains, *found = await self._client.many([self._dialect.chains(held(node).id), *self.named(destination, name)])
        places = _places(settled(chains))
        if held(source).id not in places:
            raise NotFound("the file is not in this folder any more")
        if held(destination).id in places:
            raise Conflict("the file is in that folder already", node)
        self._free(found, destination, name)

    async def _move_file(self, node: Node, source: Node, destination: Node, title: str) -> Node:
        mine, here, there = held(node), held(source).id, held(destination).id
        async with _undone_by(lambda: self._dialect.move_resource(mine.id, there, here)):
            await self._dialect.move_resource(mine.id, here, there)
            if title != mine.title:
                return await self._retitle(node, destination, title)
            return self._node(await self._client.call(self._read(node)), destination)

    async def _move_folder(self, node: Node, source: Node, destination: Node, title: str) -> Node:
        """Its old name may be taken at the new place, or its new name at the old one: so in either order."""
        old = held(node).title
        if title == old:
            await self._reparent(node, destination)
            return self._node(await self._client.call(self._read(node)), destination)
        try:
            await self._reparent(node, destination)
        except Conflict:
            async with _undone_by(lambda: self._retitle(node, source, old)):
                await self._retitle(node, source, title)
                await self._reparent(node, destination)
            return self._node(await self._client.call(self._read(node)), destination)
        async with _undone_by(lambda: self._reparent(node, source)):
            return await self._retitle(node, destination, title)

    async def _reparent(self, node: Node, folder: Node) -> None:
        """Move a collection. A lost answer is looked up: asked again, the server would find the moved one there."""
        number, parent = held(node).id, parent_id(folder)
        try:
            done = await self._client.call(self._dialect.move_collection(number, parent))
        except (Unavailable, Offline):
            if (await self._client.call(self._dialect.collection(number))).parent != parent:
                raise
            return
        if done is False:
            await self._client.call(self._dialect.collection(number))  # NotFound
            raise Conflict("the server did not move the collection: it, or its name, is in the way there")

    # ---- over what has the name -----------------------------------------------------------------------------------

    async def _rename_over(self, node: Node, source: Node, destination: Node, name: str, over: Node) -> Node:
        """A name that `over` has. A file's content goes into `over` where the file is nowhere else (8.3); otherwise
        `over` gives way, after the name was had: titles of files need not differ, those of folders must."""
        if held(node).project != held(over).project:
            raise CrossScope("between two projects only copying works")
        if node.kind is Kind.FOLDER:
            return await self._folder_over(node, source, destination, name, over)
        places = await self._expect_both(node, source, destination, over)
        if self._dialect.keeps_ids and len(places) == 1:
            return await self._content_over(node, destination, over)
        title = self._title(node, name)
        if source.id == destination.id:
            moved = await self._retitle(node, source, title)
        else:
            moved = await self._move_file(node, source, destination, title)
        await self.remove(over, destination)
        return moved

    async def _expect_both(self, node: Node, source: Node, destination: Node, over: Node) -> set[int]:
        """The places of `node`. NotFound unless it is in `source`; Conflict unless `over` is what it was, and where."""
        chains, theirs, now = await self._client.many(
            [self._dialect.chains(held(node).id), self._dialect.chains(held(over).id), self._read(over)]
        )
        places = _places(settled(chains))
        if held(source).id not in places:
            raise NotFound("the file is not in this folder any more")
        current = self._node(settled(now), destination)
        if held(destination).id not in _places(settled(theirs)) or current.version != over.version:
            raise Conflict("somebody else has changed the file that was to give way", current)
        return places

    async def _content_over(self, node: Node, folder: Node, over: Node) -> Node:
        """`over` takes the content, and stays what it is otherwise. A lost answer is looked up: asked again, the server
        would miss the resource that it has just used up."""
        assert node.id != over.id, "replacing a resource by itself wipes it (trap 11.5)"
        replace: Call[Any] = Call("replace_file", [held(node).id, held(over).id])
        try:
            done, now = await self._client.many([replace, self._read(over)])
        except (Unavailable, Offline):
            current = self._node(await self._client.call(self._read(over)), folder)
            if current.version != node.version:
                raise
            return current
        settled(done)
        return self._node(settled(now), folder)

    async def _folder_over(self, node: Node, source: Node, destination: Node, name: str, over: Node) -> Node:
        """An empty folder gives way. Deleted collections keep their titles, so it is first given another."""
        self._movable(node)
        aside = f"{held(over).title} (replaced by {node.id} at {time.time_ns()})"
        async with _undone_by(lambda: self._retitle(over, destination, held(over).title)):
            await self._retitle(over, destination, aside)
            await self.remove_folder(over)
        if source.id == destination.id:
            return await self._retitle(node, source, self._title(node, name))
        return await self._move_folder(node, source, destination, self._title(node, name))

    # ---- links ----------------------------------------------------------------------------------------------------

    async def link(self, node: Node, folder: Node, name: str) -> Node:
        self.check_place(folder, Kind.FILE)
        if node.kind is not Kind.FILE:
            raise Unsupported("only files can be in several collections")
        if held(node).project != held(folder).project:
            raise CrossScope("between two projects only copying works")
        if name != node.name:
            raise Unsupported("a file has one name in all its collections: the link must have it too")
        chains, *found = await self._client.many([self._dialect.chains(held(node).id), *self.named(folder, name)])
        if held(folder).id in _places(settled(chains)):
            raise Conflict("the file is in that folder already", node)
        self._free(found, folder, name)
        attached, now = await self._client.many(
            [self._dialect.attach(held(node).id, held(folder).id), self._read(node)]
        )
        settled(attached)
        return self._node(settled(now), folder)

    async def remove(self, node: Node, folder: Node) -> None:
        if node.kind is not Kind.FILE:
            raise Unsupported("not a file")
        number, here = held(node).id, held(folder).id
        chains = await self._client.call(self._dialect.chains(number))
        places = _places(chains)
        if here not in places:
            raise NotFound("the file is not in this folder any more")
        if len(places) > 1:
            await self._client.call(self._dialect.detach(number, here))
            return
        try:
            await self._client.call(self._dialect.delete_resource(number))
        except (NotFound, NoUpdateAccess):
            # It is also in a deleted collection, or in one that we cannot see (8.3, trap 11.9).
            await self._client.call(self._dialect.detach(number, here))
            log.warning("resource %d could only be taken out of its collection, not deleted", number)


def _places(chains: Sequence[Sequence[Collection]]) -> set[int]:
    """The collections that a resource is in."""
    return {chain[-1].id for chain in chains if chain}


@asynccontextmanager
async def _undone_by(undo: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Steps that are either all done or undone: whatever ends the block early, a cancellation too, runs `undo`."""
    try:
        yield
    except BaseException:
        with trio.move_on_after(UNDO_SECONDS, shield=True):
            try:
                await undo()
            except RepositoryError as error:
                log.error("a half-done move could not be undone: %s", error)
        raise
