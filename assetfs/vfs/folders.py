"""Folders: complete listings, kept for a while, fetched once however many ask.

A listing is fetched whole, by a task of its own that no impatient caller can break off: a caller whose deadline passes
leaves, and the next one finds the listing further on. Because listings are complete, a name that is not in one does
not exist: a lookup costs no request of its own, found or not. Where the repository lists several folders in one
request, those that a walk will ask for next come along (`ahead.py`).

A listing past its time is fetched again as a whole (one listing, not one request per entry). When the server cannot
be reached, or takes longer than `patience`, the old listing goes on serving, and the server is asked again after a
while, not by every lookup; an unreachable server never looks like an empty folder.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import trio

from assetfs import names
from assetfs.content.catalogue import Catalogue, key_of
from assetfs.names import Names, Sibling
from assetfs.observe.enduring import once
from assetfs.repository import Kind, Node, NodeId, NotAuthenticated, NotFound, Repository, RepositoryError
from assetfs.vfs.ahead import Ahead

log = logging.getLogger("assetfs.vfs")

LARGE = 2_000
"""Entries from which names are assigned in a thread: 5 µs each, so this is ten milliseconds on the loop."""

KEPT = 1_000_000
"""Entries in all listings together; above it, listings that were used longest ago are dropped."""

AGAIN = 5.0
"""Seconds until a listing that could not be fetched again is tried once more: each try costs its caller the retries."""


class Listing:
    """One folder at one moment. Immutable: a handle that reads it is not disturbed by a newer one."""

    def __init__(self, folder: Node, assigned: Names[Node], fetched: float) -> None:
        self.folder = folder
        self.fetched = fetched
        self.good_until = float("-inf")
        """The server was away: whatever its age, it serves so long."""
        self.entries = list(assigned.shown.items())
        self._names = assigned

    def __len__(self) -> int:
        return len(self.entries)

    def find(self, name: bytes) -> Node | None:
        """The node that answers to a name here, shown or decorated."""
        return self._names.resolve(name)

    def name_of(self, node: NodeId) -> bytes | None:
        """The name that a node shows here."""
        return next((name for name, entry in self.entries if entry.id == node), None)


class _Loading:
    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.done = trio.Event()
        self.listing: Listing | None = None
        self.error: Exception | None = None
        self.outdated = False
        """Something happened in the folder since it was begun: its outcome is not to be believed for long."""


class Folders:
    """The listings of one repository. `ttl` is how long one is good, `patience` how long a newer one is waited for
    while there is an old one; both in seconds. `taken` are names that are not the repository's to give: `.assetfs` at
    the mount's root."""

    def __init__(
        self,
        repository: Repository,
        catalogue: Catalogue,
        nursery: trio.Nursery,
        clock: Callable[[], float],
        *,
        ttl: float,
        patience: float = 5.0,
        taken: Mapping[NodeId, bytes] | None = None,
    ) -> None:
        self._repository = repository
        self._catalogue = catalogue
        self._nursery = nursery
        self._clock = clock
        self._ttl = ttl
        self._patience = patience
        self._taken = taken or {}
        self._listings: dict[NodeId, Listing] = {}
        self._loading: dict[NodeId, _Loading] = {}
        self._entries = 0
        self._places: dict[NodeId, tuple[NodeId, ...]] = {}
        """The folders that list a node, where somebody may want to know."""
        capabilities = repository.capabilities
        self._ahead = Ahead(self._is_at_hand) if capabilities.listings else None
        self._indexed = capabilities.link or capabilities.changes or capabilities.recall
        self.stale_served = 0
        self.on_listed: Callable[[Listing], None] = lambda listing: None
        """Called with every new listing."""

    async def open(self, folder: Node) -> Listing:
        """A listing that is not past its time."""
        listing = self.peek(folder.id)
        if listing is not None:
            return listing
        loading = self._loading.get(folder.id)
        if loading is None:
            loading = self._begin(folder)
        old = self._listings.get(folder.id)
        if old is not None:
            with trio.move_on_after(max(0.0, loading.begun + self._patience - self._clock())):
                await loading.done.wait()
            if not loading.done.is_set():
                self.stale_served += 1
                return old
        await loading.done.wait()
        if loading.listing is not None:
            return loading.listing
        assert loading.error is not None
        raise loading.error

    def peek(self, folder: NodeId) -> Listing | None:
        """The listing if it is here and not past its time."""
        listing = self._listings.get(folder)
        if listing is None:
            return None
        now = self._clock()
        return listing if now - listing.fetched <= self._ttl or now < listing.good_until else None

    def _is_at_hand(self, folder: NodeId) -> bool:
        return folder in self._loading or self.peek(folder) is not None

    def last(self, folder: NodeId) -> Listing | None:
        """The listing that was fetched last, however old."""
        return self._listings.get(folder)

    def expire(self, folder: NodeId | None = None) -> None:
        """What is known of a folder (of all) is not to be believed any more; it is fetched again when asked for."""
        for id_ in [folder] if folder is not None else list(self._listings):
            if (listing := self._listings.get(id_)) is not None:
                listing.fetched = listing.good_until = float("-inf")
        for id_ in [folder] if folder is not None else list(self._loading):
            if (loading := self._loading.get(id_)) is not None:
                loading.outdated = True

    def _begin(self, folder: Node) -> _Loading:
        """Ask for a folder, and for those that a walk will come to next."""
        beside = self._ahead.beside(folder.id) if self._ahead is not None else []
        wanted = {one.id: (one, _Loading(self._clock())) for one in (folder, *beside)}
        loading = wanted[folder.id][1]
        for id_, (_, each) in wanted.items():
            self._loading[id_] = each
        if beside:
            self._nursery.start_soon(once, self._load_together, wanted)
        else:
            self._nursery.start_soon(once, self._load, folder, loading)
        return loading

    async def _load_together(self, wanted: dict[NodeId, tuple[Node, _Loading]]) -> None:
        """What does not come together is asked for alone, if somebody waits for it."""
        failure: RepositoryError | None = None
        try:
            async for listed in self._repository.listings([folder for folder, _ in wanted.values()]):
                folder, loading = wanted.pop(listed.folder.id)
                await self._load(folder, loading, listed.nodes)
        except RepositoryError as error:
            failure = error if error.transient else None
            log.debug("listing %d folders together: %s", len(wanted), error)
        except Exception:
            log.exception("listing %d folders together failed", len(wanted))
        for folder, loading in wanted.values():
            if loading.done.statistics().tasks_waiting:
                self._nursery.start_soon(once, self._load, folder, loading, failure)
            else:
                del self._loading[folder.id]

    async def _load(
        self, folder: Node, loading: _Loading, outcome: Sequence[Node] | RepositoryError | None = None
    ) -> None:
        """Make a listing of a folder's nodes, which are asked for where nobody has asked."""
        try:
            if isinstance(outcome, RepositoryError):
                raise outcome
            nodes = outcome if outcome is not None else await self._fetch(folder)
            loading.listing = await self._keep(folder, loading.begun, nodes)
        except RepositoryError as error:
            old = self._listings.get(folder.id)
            if (error.transient or isinstance(error, NotAuthenticated)) and old is not None:
                log.warning("listing %s again failed (%s): the old one goes on serving", folder.id, error)
                self.stale_served += 1
                old.good_until = self._clock() + AGAIN
                loading.listing = old
            else:
                if isinstance(error, NotFound):
                    self._forget(folder.id)
                loading.error = error
        except Exception as bug:
            log.exception("listing %s failed", folder.id)
            loading.error = bug
        finally:
            del self._loading[folder.id]
            if loading.outdated:
                self.expire(folder.id)
            loading.done.set()

    async def _fetch(self, folder: Node) -> list[Node]:
        return [node async for page in self._repository.children(folder) for node in page.nodes]

    async def _keep(self, folder: Node, begun: float, found: Sequence[Node]) -> Listing:
        nodes = {(node.id, node.kind): node for node in found}
        await self._catalogue.sizes(key for n in nodes.values() if n.size is None and (key := key_of(n)) is not None)
        siblings = [Sibling(n.name, n.label, n.kind is Kind.FOLDER, n.always_decorated, n) for n in nodes.values()]
        taken = (self._taken[folder.id],) if folder.id in self._taken else ()
        if len(siblings) < LARGE:
            assigned = names.assign(siblings, taken)
        else:
            assigned = await trio.to_thread.run_sync(names.assign, siblings, taken)
        listing = Listing(folder, assigned, begun)
        self._forget(folder.id)
        self._listings[folder.id] = listing
        self._entries += len(listing)
        if self._ahead is not None:
            self._ahead.learn(folder.id, [node for _, node in listing.entries if node.kind is Kind.FOLDER])
        if self._indexed:
            for node in nodes.values():
                self.linked(node.id, folder.id)
        while self._entries > KEPT and len(self._listings) > 1:
            self._forget(next(iter(self._listings)))
        self.on_listed(listing)
        return listing

    def _forget(self, folder: NodeId) -> None:
        old = self._listings.pop(folder, None)
        if old is None:
            return
        self._entries -= len(old)
        if self._ahead is not None:
            self._ahead.forget(folder)
        if self._places:
            for _, node in old.entries:
                self.unlinked(node.id, folder)

    def linked(self, node: NodeId, folder: NodeId) -> None:
        """A node is in a folder."""
        places = self._places.get(node, ())
        if folder not in places:
            self._places[node] = (*places, folder)

    def unlinked(self, node: NodeId, folder: NodeId) -> None:
        """It is not in that folder any more, or nobody knows."""
        places = self._places.get(node, ())
        if folder in places and len(places) > 1:
            self._places[node] = tuple(place for place in places if place != folder)
        elif folder in places:
            del self._places[node]

    def places(self, node: NodeId) -> tuple[NodeId, ...]:
        """The folders that are known to have a node."""
        return self._places.get(node, ())

    def latest(self, most: int) -> list[NodeId]:
        """The folders that were listed last."""
        return list(self._listings)[-most:]
