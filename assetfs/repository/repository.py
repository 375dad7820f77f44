"""The seam itself: the methods of a backend. The package says what holds for all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assetfs.repository.answers import Change, Identity, Listing, Page, Usage
from assetfs.repository.capabilities import Capabilities
from assetfs.repository.errors import (
    Unsupported,
)
from assetfs.repository.node import Kind, Metadata, Node, NodeId
from assetfs.repository.transfers import Draft, Ledger, Sink, Source


class Repository(ABC):
    """One server seen with one credential.

    Life: `connect()` once, then anything in any order and in parallel, then `close()`. An instance belongs to one
    trio run. Methods take the `Node` they were given earlier, never a bare id, except `stat`.
    """

    name: str
    """The backend's name: `jama`, `ayon`, …; the second word of `user.<name>.…`."""

    capabilities: Capabilities
    """Final once `connect` has returned."""

    lasting_secret: str | None = None
    """After `connect` with a code that serves once: what opens the repository from now on. Nothing shows it."""

    @property
    def requests(self) -> Mapping[str, int]:
        """How many requests were sent to the server, by kind: for the status document, and for tests that count."""
        return {}

    # ---- required -------------------------------------------------------------------------------------------------

    @abstractmethod
    async def connect(self) -> Identity:
        """One authenticated round trip (or as few as the protocol allows) that says who we are.

        Raises NotAuthenticated (credential refused), Offline (no server there), ProtocolViolation (not such a server).
        May be called again after Offline.
        """

    @abstractmethod
    async def close(self) -> None:
        """Free connections. Idempotent; asks the server nothing that may block."""

    @abstractmethod
    async def root(self) -> Node:
        """The folder that is mounted when no part of the repository is asked for. Costs no request after `connect`."""

    @abstractmethod
    def children(self, folder: Node) -> AsyncIterator[Page]:
        """All entries of a folder, in pages as they arrive. The order is the backend's; names may repeat.

        Raises NotFound when the folder is gone, Forbidden. A page that cannot be completed raises; it is never short
        without saying so. Hidden nodes are not in it.
        """

    @abstractmethod
    async def stat(self, node: NodeId) -> Node:
        """The node as it is now: one round trip at most where the protocol can. Raises NotFound, Forbidden."""

    @abstractmethod
    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        """Deliver bytes [start, stop) of exactly `node.version` to the sink; 0 <= start < stop.

        `stop` may lie behind the end: delivery then ends at the end, and `sink.total` has said where that is. A server
        without ranges delivers from 0 and as much as the sink will take. Where the server serves another version, it
        raises VersionChanged before a byte of it has landed. Raises also NotFound, Forbidden, Offline, Unavailable,
        ProtocolViolation. What has landed before an error is good and stays.
        """

    def expect(self, nodes: Sequence[Node]) -> None:
        """Small files that will be fetched soon, from their beginning, in this order: a backend with `bundle` may bring
        them together. No I/O; nothing is owed if the fetches do not come."""
        return

    @abstractmethod
    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Metadata]:
        """Attributes of many nodes in as few requests as the protocol has. Nodes that are gone are left out.

        Names are complete (`user.<backend>.…`), at most 255 bytes; values are UTF-8 or the server's own bytes. Lazy
        attributes and verbs are not in it.
        """

    def described(self, node: Node) -> Metadata | None:
        """The metadata that the node came with, as of the moment when it was described; None where `metadata` must be
        asked. No I/O."""
        return None

    # ---- optional: reading ----------------------------------------------------------------------------------------

    def listings(self, folders: Sequence[Node]) -> AsyncIterator[Listing]:
        """Several folders in one request, or in few: the first, and as many of the others as go well with it.
        What is left out is asked for with `children`, if somebody wants it; so are folders that are gone, or refused.

        The mount calls it for somebody who waits for the first and seems to walk through the others next."""
        raise Unsupported(f"{self.name} lists folders one by one")

    async def measure(self, nodes: Sequence[Node]) -> Mapping[NodeId, int]:
        """Sizes of files whose size the listing left out. Nodes that are gone or refused are left out."""
        raise Unsupported(f"{self.name} cannot measure")

    async def attribute(self, node: Node, name: str) -> bytes | None:
        """One of `capabilities.lazy_attributes`; None when the node has no such value."""
        raise Unsupported(f"{self.name} has no attribute {name}")

    async def hidden(self, folder: Node, name: str) -> Node:
        """A node that answers to its name in `folder` and is not listed (`.renditions`). Raises NotFound.

        Asked for names that begin with `.` or `@`, and in `open_ended` folders for every name, when nothing listed has
        it. Must cost no request for names that it could not have: editors and desktops look for their own droppings.
        The answer is remembered as long as a listing. What it returns is a node like any other: a folder lists its
        `children`, has `hidden` nodes of its own, takes new files if it has Rights.WRITE; `stat` knows its id."""
        raise Unsupported(f"{self.name} has no hidden nodes")

    async def hidden_entries(self, folder: Node) -> Sequence[Node]:
        """The hidden nodes of a folder that are worth listing, for `--show-virtual`. Called once per opendir."""
        return ()

    def hides(self, folder: Node, name: str) -> bool:
        """Whether what is made under this name becomes a hidden node: then it is not listed here either. No I/O."""
        return False

    async def locate(self, node: NodeId) -> Sequence[Sequence[Node]]:
        """Every way from the root to a node: chains of nodes, the root left out, the node itself last."""
        raise Unsupported(f"{self.name} cannot locate nodes")

    def search(self, query: str) -> AsyncIterator[Page]:
        """Nodes that the server's own search finds, best first where it ranks. The mount takes the first 500 and shows
        them as links to where `locate` says that they are, which it asks when a link is read."""
        raise Unsupported(f"{self.name} has no search")

    async def tags(self) -> Sequence[str]:
        """All tags that nodes can have."""
        raise Unsupported(f"{self.name} has no tags")

    def tagged(self, tag: str) -> AsyncIterator[Page]:
        """Nodes that have the tag."""
        raise Unsupported(f"{self.name} has no tags")

    def recent(self) -> AsyncIterator[Page]:
        """Nodes that were changed last, by whomever, the newest first. The mount takes the first 500."""
        raise Unsupported(f"{self.name} does not tell what is recent")

    def changes(self) -> AsyncIterator[Change]:
        """What others changed, until cancelled: from the server's events, or from a poll of the backend's own.

        The first thing that it yields, as soon as it listens, is `Change()`: what happened before is not known. When
        the stream breaks it raises (Offline, Unavailable, NotAuthenticated); the mount calls it again, later each time,
        and believes nothing that it knew before. Echoes of what we did ourselves are best left out, and do no harm."""
        raise Unsupported(f"{self.name} has no events")

    async def usage(self) -> Usage:
        """Space, for statfs."""
        raise Unsupported(f"{self.name} does not tell its space")

    async def recall(self, nodes: Sequence[Node], *, explicit: bool = False, along: Node | None = None) -> None:
        """Take the wish for content that is not ONLINE, of many files at once; returns without waiting for it.
        Idempotent: a wish for what is on its way already changes nothing.

        The mount gathers what is opened within a tenth of a second; a backend may gather longer. `along` is the topmost
        folder that the reader is walking through (`grep -r`), so that what is offline below it can be asked for too.
        `explicit`: by `recall_verb`, and not by somebody who happened to open a file. Raises NotHere (it is not to be
        brought: too much was asked for), NotOnline (not now), NoSpace, OutOfReach, Offline, Unavailable."""
        raise Unsupported(f"{self.name} has nothing offline")

    async def recalled(self, node: Node) -> Node:
        """Wait until the content of a node that was recalled is ONLINE; returns the node as it is then, whose content
        `fetch` delivers or `local` holds. Cancelled when nobody waits any more, which does not take the wish back.
        Raises what `recall` raises, and what went wrong."""
        raise Unsupported(f"{self.name} has nothing offline")

    # ---- optional: writing ----------------------------------------------------------------------------------------

    def admit(self, folder: Node, name: str, kind: Kind) -> None:
        """Say before a byte is staged whether the folder could take such an entry: no I/O, from what is known.

        Raises NameRejected (not storable as it is), Unsupported (this type, this place), Forbidden.
        """
        raise Unsupported(f"{self.name} cannot be written")

    async def create_folder(self, folder: Node, name: str) -> Node:
        """Make a folder. Raises Conflict when an entry of that name exists, NameRejected, Forbidden."""
        raise Unsupported(f"{self.name} cannot create folders")

    async def remove_folder(self, node: Node, folder: Node) -> None:
        """Remove an empty folder from `folder`. Raises NotEmpty — never removes content — NotFound, Forbidden."""
        raise Unsupported(f"{self.name} cannot remove folders")

    async def upload(self, folder: Node, name: str, source: Source, ledger: Ledger) -> Node:
        """A new file. Nothing is visible under its name before it is complete.

        Repeated with the ledger of a broken try it continues, and never makes a second node. Raises Conflict when an
        entry of that name is there, SameContent when the same content is there under another name (`node` says which),
        NameRejected, TooLarge, QuotaExceeded, Forbidden, Unsupported (type), ProtocolViolation (what arrived differs).
        """
        raise Unsupported(f"{self.name} cannot take new files")

    async def replace(self, node: Node, folder: Node, source: Source, ledger: Ledger) -> Node:
        """New content for an existing file; metadata, tags, links and (`replace_keeps_id`) its id stay.

        `node.version` is the version that the new content was made from: when the server has another one, it raises
        Conflict and leaves both as they are; SameContent as in `upload`. Visible at once or not at all. Continues like
        `upload`.
        """
        raise Unsupported(f"{self.name} cannot replace content")

    async def abandon(self, state: Mapping[str, Any]) -> Node | None:
        """Remove what a transfer with this ledger state may have left on the server. Idempotent.

        A replacement that had come to its end stays: the node is then returned, as it is now."""
        return None

    async def rename(self, node: Node, folder: Node, name: str, over: Node | None = None) -> Node:
        """Give a node of `folder` another name there. Raises Conflict when the name is taken, NameRejected.

        `over` is the node that has the name now and is to give way: a file's content goes into it where the protocol
        can (then it is `over`, with its own id, that is returned), else it is removed; an empty folder is removed.
        Nothing is removed before the name is sure to be had."""
        raise Unsupported(f"{self.name} cannot rename")

    async def move(self, node: Node, source: Node, destination: Node, name: str, over: Node | None = None) -> Node:
        """Take a node from one folder to another, under `name`. Raises Conflict; Unsupported across scopes that the
        protocol keeps apart (the caller then copies). Either done or undone when it returns or raises. `over` as in
        `rename`."""
        raise Unsupported(f"{self.name} cannot move")

    async def link(self, node: Node, folder: Node, name: str) -> Node:
        """One more entry for a file. Raises Unsupported where the name must be the node's own and is not, Conflict."""
        raise Unsupported(f"{self.name} has no links")

    async def symlink(self, folder: Node, name: str, target: str, to: Node | None) -> Node:
        """Make a link. `target` is its text as it was given; `to` is the node that it leads to inside the mount, None
        where it leads to nothing here (a URL, say). Raises Conflict, NameRejected, ValueRejected, Unsupported."""
        raise Unsupported(f"{self.name} makes no links")

    async def remove(self, node: Node, folder: Node) -> None:
        """Take a file's or a link's entry out of `folder`; a file goes with its last entry. Raises NotFound,
        Forbidden."""
        raise Unsupported(f"{self.name} cannot remove files")

    async def set_metadata(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        """Set (bytes) or remove (None) writable attributes, all or nothing as far as the protocol can; returns what
        the node has now. Raises ValueRejected (with a reason for people) before anything is sent where the schema
        forbids it, Unsupported for names that the node cannot have, NotFound for a removal of what is not there."""
        raise Unsupported(f"{self.name} cannot change metadata")

    def admit_metadata(self, changes: Mapping[str, bytes]) -> None:
        """Say before anything is sent whether such values could be set on a new file: no I/O, from what is known.

        Raises ValueRejected, Unsupported."""
        return

    async def set_times(self, node: Node, mtime_ns: int) -> Node:
        """Set the modification time where the server stores it."""
        raise Unsupported(f"{self.name} stores no times")

    async def set_others(self, node: Node, readable: bool) -> Node:
        """Let others than those whom the server names read a node, or no longer. Raises Forbidden, NotFound."""
        raise Unsupported(f"{self.name} has no modes")

    async def expect_writable(self, node: Node) -> None:
        """Raises Forbidden where the credential may not change a file's content or add to a folder, before anything is
        staged: for servers that tell rights only when they are asked. Returns where it is not known, and soon: a server
        that cannot answer now is no reason to refuse."""
        return

    async def perform(self, node: Node, verb: str, value: bytes) -> None:
        """Do what one of `capabilities.verbs` stands for; b"" where it was removed. What is known of the node and of
        the folder that it is in is asked for anew afterwards."""
        raise Unsupported(f"{self.name} has no {verb}")

    async def claim(self, node: Node) -> None:
        """Keep a file from others: somebody is about to write it. Idempotent. Raises Busy where somebody else has it;
        never because the server cannot be reached, for then a conflict is noticed when the content arrives."""
        raise Unsupported(f"{self.name} cannot claim files")

    async def release(self, node: NodeId) -> None:
        """Give a claim of ours back, also one of an earlier life; nothing where there is none."""
        raise Unsupported(f"{self.name} cannot claim files")

    # ---- optional: drafts -----------------------------------------------------------------------------------------
    #
    # A draft is a folder that exists only here until it is committed. The mount owns it: it keeps its files, whose
    # folder is a real one on a disk, its attributes and its ledger, across restarts, and shows it in `folder` beside
    # what `children` lists. The backend says what a draft is, and commits it.

    def drafts_in(self, folder: Node, name: str) -> bool:
        """Whether a folder made here under this name is a draft. No I/O. Also asked before a draft is renamed within
        its folder or into another one; False there is NameRejected, unless `draft_commits`."""
        return False

    def draft_home(self, folder: Node) -> Path | None:
        """A local folder in which drafts of this folder are to be kept, each in one of its own with a name that the
        mount makes up; None for the mount's own state folder. No I/O. The path of a draft never changes. After a commit
        a folder in the mount's own place is deleted; one in a place that the backend gave is the backend's."""
        return None

    def admit_draft(self, draft: Draft, relative: str, kind: Kind) -> None:
        """Say whether a draft may have such an entry: no I/O. Raises NameRejected, Unsupported."""
        return

    def draft_commits(self, draft: Draft, name: str) -> bool:
        """Whether renaming the draft to this name in its folder commits it. No I/O."""
        return False

    def draft_idle(self, draft: Draft) -> float | None:
        """Seconds without a change and without a writer after which it is committed by itself; None: never. No I/O."""
        return None

    def draft_metadata(self, draft: Draft, state: Mapping[str, Any]) -> Metadata:
        """Attributes of a draft folder beside those that were set on it; `state` is its ledger's. No I/O."""
        return {}

    async def commit_draft(self, draft: Draft, folder: Node, name: str, value: bytes, ledger: Ledger) -> Node | None:
        """Hand a draft over as one unit under `name`, visible whole or not at all. `value` is that of `commit_verb`,
        b"" where a rename or idleness commits. Nobody can change the draft meanwhile; it stays readable.

        Returns the node that it has become (its name may be another one than `name`); or None when the server has
        taken it and works on: whoever asked need not wait any longer, and `finish_draft` waits for the end.
        Raises ValueRejected, NameRejected, Conflict, … with the reason: the draft then stays, and can be changed again.
        Nobody calls it again after an error but who commits again. Begun again with the ledger of a try that was cut
        off (by a crash) it continues, and never makes a second node."""
        raise Unsupported(f"{self.name} has no drafts")

    async def finish_draft(self, draft: Draft, folder: Node, name: str, ledger: Ledger) -> Node:
        """After `commit_draft` returned None: wait until the server has done its part, for hours if need be; runs as a
        task of the mount, and again after a remount. Errors as in `commit_draft`; one that is `transient` is tried
        again later. `children` must not list what the draft becomes before this has returned it."""
        raise Unsupported(f"{self.name} has no drafts")
