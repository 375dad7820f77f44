"""Extended attributes: what the server knows of a node, under the names that people and desktops use.

    user.<backend>.…                     from the backend, in the server's own terms
    user.xdg.tags, user.dublincore.…     aliases: the same value under the name that file managers know
    user.assetfs.…                       what assetfs knows: id, digest, version, state, cached, url

A name that cannot exist costs no request. The second node of a folder whose attributes are asked for says that
somebody is walking through it (`getfattr -R`, `rsync -X`): those that follow it in the listing are fetched with it.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Awaitable, Callable, Mapping

import trio
from cachetools import LRUCache

from assetfs.repository import Alias, Attribute, Forbidden, Kind, Metadata, Node, NodeId, Repository, ValueRejected
from assetfs.vfs.errors import NoAttribute, NotPermitted, NotSupported, TooBig
from assetfs.vfs.folders import Folders
from assetfs.vfs.inodes import Inode
from assetfs.writeback.staging import Staged, is_local

log = logging.getLogger("assetfs.vfs")

AHEAD = 100
"""Nodes whose attributes are fetched together when somebody walks through a folder: one batch of the Jama protocol."""

KEPT = 20_000
"""Nodes whose attributes are remembered; some 20 MB for assets with twenty attributes each."""

VALUE_LIMIT = 64 << 10
"""Bytes in a value: XATTR_SIZE_MAX of Linux."""

LIST_LIMIT = 64 << 10
"""Bytes in a list of names: XATTR_LIST_MAX of Linux."""

OWN = "user.assetfs."


class Xattrs:
    """Reads attributes. `facts(inode)` tells the values of `user.assetfs.…`; `clock` and `ttl` are the mount's."""

    def __init__(
        self,
        repository: Repository,
        folders: Folders,
        clock: Callable[[], float],
        facts: Callable[[Inode], Mapping[str, bytes]],
        staged: Callable[[Inode], Staged | None],
        save: Callable[[Staged], None],
        *,
        ttl: float,
    ) -> None:
        self._repository = repository
        self._folders = folders
        self._clock = clock
        self._facts = facts
        self._staged = staged
        self._save = save
        self._ttl = ttl
        self._known: LRUCache[NodeId, tuple[float, Metadata]] = LRUCache(KEPT)
        self._loading: dict[NodeId, trio.Event] = {}
        self._walker: tuple[NodeId, int] | None = None
        self._refused: LRUCache[NodeId, str] = LRUCache(KEPT)
        self.perform: Callable[[Inode, str, bytes | None], Awaitable[None]]
        """Does what a verb stands for."""

    async def get(self, inode: Inode, name: str) -> bytes:
        """The value. Raises NoAttribute, NotSupported (another namespace), TooBig."""
        if not name.startswith("user."):
            raise NotSupported(name)
        capabilities = self._repository.capabilities
        if name.startswith(OWN):
            value = self._facts(inode).get(name)
        elif (alias := capabilities.aliases.get(name)) is not None:
            value = present(alias, (await self.metadata(inode)).get(alias.attribute))
        elif name in capabilities.lazy_attributes:
            value = await self._repository.attribute(inode.node, name)
        elif name.startswith(f"user.{self._repository.name}.") and name not in capabilities.verbs:
            attribute = (await self.metadata(inode)).get(name)
            value = attribute.value if attribute is not None else None
        else:
            value = None
        if value is None:
            raise NoAttribute(name)
        if len(value) > VALUE_LIMIT:
            raise TooBig(f"{name} has {len(value)} bytes")
        return value

    async def names(self, inode: Inode) -> list[str]:
        """All names, those that a full list has no room for left out: the longest group goes first."""
        metadata = await self.metadata(inode)
        aliases = [n for n, a in self._repository.capabilities.aliases.items() if a.attribute in metadata]
        names = [*sorted(self._facts(inode)), *sorted(aliases), *sorted(metadata)]
        while sum(len(name.encode()) + 1 for name in names) > LIST_LIMIT:
            names.pop()
        return names

    def refuse(self, node: NodeId, reason: str) -> None:
        """Remember why a value was refused, for `user.assetfs.error`."""
        self._refused[node] = reason

    def refused(self, node: NodeId) -> str | None:
        reason: str | None = self._refused.get(node)
        return reason

    async def set(self, inode: Inode, name: str, value: bytes | None) -> None:
        """Set an attribute, or remove it (None). On a file that the server does not have yet, what can be set is kept
        to travel with it, and the rest is ignored, so that copying a file with its attributes works."""
        staged = self._staged(inode)
        node = inode.node.id if staged is None else staged.id
        try:
            await self._set(inode, name, value)
        except ValueRejected as reason:
            log.warning("%s: %s", inode.node.name, reason)
            self.refuse(node, str(reason))
            raise
        if name not in self._repository.capabilities.verbs:
            self._refused.pop(node, None)

    async def _set(self, inode: Inode, name: str, value: bytes | None) -> None:
        if not name.startswith("user."):
            raise NotSupported(name)
        capabilities = self._repository.capabilities
        alias = capabilities.aliases.get(name)
        if alias is not None:
            name, value = alias.attribute, stored(alias, value)
        staged = self._staged(inode)
        if staged is not None and is_local(staged.id):
            self._set_staged(inode, staged, name, value)
            return
        if name in capabilities.verbs:
            await self.perform(inode, name, value)
            return
        if name.startswith(OWN) or name in capabilities.lazy_attributes:
            await self._set_fixed(name, value, self._facts(inode).get(name))
            return
        if not name.startswith(f"user.{self._repository.name}."):
            raise NotSupported(name)
        present_now = (await self.metadata(inode)).get(name)
        if present_now is not None and present_now.value == value:
            return
        if present_now is None and value is None:
            raise NoAttribute(name)
        if present_now is not None and not present_now.writable:
            raise NotPermitted(f"{name} is read-only")
        if not capabilities.set_metadata:
            raise NotPermitted(f"{name} cannot be changed in this repository")
        begun = self._clock()
        try:
            self._known[inode.node.id] = (begun, await self._repository.set_metadata(inode.node, {name: value}))
        except Forbidden as reason:
            if self._can_be_set(name):
                raise
            raise NotPermitted(str(reason)) from None

    def _can_be_set(self, name: str) -> bool:
        """Whether the attribute is one that somebody may set, if not everybody."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self._repository.capabilities.writable)

    def unaliased(self, name: str, value: bytes | None) -> tuple[str, bytes | None]:
        """The attribute that a desktop's name stands for, and the value as it is kept."""
        alias = self._repository.capabilities.aliases.get(name)
        return (name, value) if alias is None else (alias.attribute, stored(alias, value))

    def kept(self, name: str, value: bytes | None) -> bool:
        """Whether an attribute of what the server does not have is kept, or ignored, as copying programs need it.
        Raises NotSupported, ValueRejected."""
        if not name.startswith("user."):
            raise NotSupported(name)
        if self._can_be_set(name):
            if value is not None:
                self._repository.admit_metadata({name: value})
            return True
        return not name.startswith((OWN, f"user.{self._repository.name}."))

    async def _set_fixed(self, name: str, value: bytes | None, now: bytes | None) -> None:
        """A read-only attribute: the value that is there is accepted."""
        if value is None or value != now:
            raise NotPermitted(f"{name} is read-only")

    def _set_staged(self, inode: Inode, staged: Staged, name: str, value: bytes | None) -> None:
        """An attribute of a file that the server does not have yet."""
        attributes = staged.entry.attributes
        if value is None:
            if name in attributes:
                del attributes[name]
            elif name not in self._facts(inode):  # what it shows of itself is listed: rsync -X takes it away
                raise NoAttribute(name)
        elif self._can_be_set(name):
            self._repository.admit_metadata({name: value})
            attributes[name] = value
        elif not name.startswith((OWN, f"user.{self._repository.name}.")):
            raise NotSupported(name)
        if staged.saved >= 0:
            self._save(staged)

    async def metadata(self, inode: Inode) -> Metadata:
        """What the backend knows of a node; one request for many neighbours when somebody walks."""
        staged = self._staged(inode)
        if staged is not None and is_local(staged.id):
            return {name: Attribute(value, writable=True) for name, value in staged.entry.attributes.items()}
        node = inode.node
        self._take_described(inode)
        while (found := self._fresh(node.id)) is None:
            if (event := self._loading.get(node.id)) is not None:
                await event.wait()
                continue
            await self._load(self._with_neighbours(node, inode.parent))
            if self._fresh(node.id) is None:
                raise NoAttribute(f"{node.id} is gone")
        return found

    def _take_described(self, inode: Inode) -> None:
        """What came with the folder's listing need not be asked for as long as that is good."""
        listing = self._folders.last(inode.parent) if inode.parent is not None else None
        if listing is None or inode.seen != listing.fetched or self._fresh(inode.node.id) is not None:
            return
        described = self._repository.described(inode.node)
        if described is not None:
            self._known[inode.node.id] = (listing.fetched, described)

    def expire(self, node: NodeId | None = None) -> None:
        """Somebody changed the node (all of them): ask again."""
        if node is None:
            self._known.clear()
        else:
            self._known.pop(node, None)

    def _fresh(self, node: NodeId) -> Metadata | None:
        entry = self._known.get(node)
        return entry[1] if entry is not None and self._clock() - entry[0] <= self._ttl else None

    def _with_neighbours(self, node: Node, folder: NodeId | None) -> list[Node]:
        """The node, and those behind it if this is the second one of its folder."""
        walking = folder is not None and self._walker is not None and self._walker[0] == folder
        if folder is not None:
            self._walker = (folder, 1)
        listing = self._folders.last(folder) if walking and folder is not None else None
        if listing is None:
            return [node]
        order = [entry for _, entry in listing.entries]
        at = next((i for i, entry in enumerate(order) if entry.id == node.id), len(order))
        rest = (n for n in order[at + 1 :] + order[:at] if self._fresh(n.id) is None and n.id not in self._loading)
        return [node, *(n for n, _ in zip(rest, range(AHEAD - 1), strict=False))]

    async def _load(self, nodes: list[Node]) -> None:
        event = trio.Event()
        self._loading.update(dict.fromkeys((n.id for n in nodes), event))
        try:
            begun = self._clock()
            for id_, metadata in (await self._repository.metadata(nodes)).items():
                self._known[id_] = (begun, metadata)
        finally:
            for node in nodes:
                self._loading.pop(node.id, None)
            event.set()


def present(alias: Alias, attribute: Attribute | None) -> bytes | None:
    """An attribute's value as its alias shows it."""
    if attribute is None or alias.separator is None or alias.stored is None:
        return attribute.value if attribute is not None else None
    return alias.separator.encode().join(attribute.value.split(alias.stored.encode()))


def stored(alias: Alias, value: bytes | None) -> bytes | None:
    """A value as it was given to an alias, as the attribute keeps it."""
    if value is None or alias.separator is None or alias.stored is None:
        return value
    parts = (part.strip() for part in value.split(alias.separator.strip().encode() or b" "))
    return alias.stored.encode().join(part for part in parts if part)


def facts_of(node: Node, *, cached: int, state: str, error: str | None = None) -> dict[str, bytes]:
    """The values of `user.assetfs.…`."""
    values = {
        "id": node.id,
        "state": state,
        "error": error,
        "digest": node.digest,
        "version": node.version,
        "cached": str(cached) if node.kind is Kind.FILE else None,
        "url": node.url,
    }
    return {f"{OWN}{name}": value.encode() for name, value in values.items() if value is not None}
