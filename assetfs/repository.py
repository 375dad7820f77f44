"""The seam: what a repository is to the rest of assetfs.

A backend is one class that derives from `Repository`. Four methods and `metadata` are required; everything else is an
optional feature that the backend *declares* in `Capabilities` and that otherwise raises `Unsupported` without having
asked the server anything. Nothing here does I/O.

Words: a *node* is a folder, file or link with an id that never changes. An *entry* is a name in a folder that leads to
a node; a node may have several (hard links). A *version* is an opaque string: two equal versions of a node have equal
bytes. Names are the server's own text, not yet encoded for a file system (`names.py` does that).

Threads: every coroutine runs on the mount's one trio loop and must not hold it for more than a millisecond. Every
coroutine may be cancelled at any checkpoint and must leave no half-read connection in a pool.

Errors: backends raise the closed family at the end of this file and nothing else. They never import errno.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

NodeId = str


class Kind(enum.Enum):
    """What a node is. The pair (id, kind) has an inode number, so a node may change its kind."""

    FOLDER = "folder"
    FILE = "file"
    LINK = "link"


class Rights(enum.Flag):
    """What the credential may do with a node, as far as is known. A hint for mode bits; the server decides."""

    NONE = 0
    READ = enum.auto()
    WRITE = enum.auto()  # a file: replace its content; a folder: add, rename and remove entries
    ANNOTATE = enum.auto()  # change metadata
    ALL = READ | WRITE | ANNOTATE


class Availability(enum.Enum):
    """Where a file's content is. Only ONLINE content can be fetched; the rest must be recalled before."""

    ONLINE = "online"
    OFFLINE = "offline"
    RECALLING = "recalling"
    FAILED = "failed"
    """It could not be brought, or never arrived; `recall` says why, or tries again."""


class RecallPolicy(enum.Enum):
    """What opening and reading of a file does whose content is not ONLINE."""

    FAIL = "fail"
    """It is recalled, and open fails with NotOnline (EAGAIN) at once: come back later."""
    WAIT = "wait"
    """It is recalled, open succeeds, and the first read waits."""
    MANUAL = "manual"
    """Open fails with NotHere (ENODATA), and nothing is recalled but by `recall_verb`."""


class LocalContent(msgspec.Struct, frozen=True):
    """A local file that holds a node's bytes. It is opened when the node is opened, below `root` and without following
    a link at any step; it must be a regular file. Reads then go to it and not to `fetch`; nothing of it is cached.

    A file that is not there is NotHere (ENODATA), or is fetched where `fetchable` says so. With `exact`, a file of
    another size than `Node.size` is a ProtocolViolation (EIO); otherwise its own size and time are what is shown while
    it can be reached."""

    root: Path
    """Absolute; the backend's or the user's word. May itself be reached through links."""
    relative: str
    """The server's word, and not to be trusted: `..`, empty parts and NUL are refused, never resolved."""
    fetchable: bool = False
    exact: bool = False


class Node(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One folder, file or link as the server last described it.

    `size` is in bytes; None means that the server has not said, and that `measure` or a fetch will tell: `measure`
    where that is declared and `measurable` is True, else the first fetch, and until then stat says 0.
    `version` is None only where the backend cannot tell versions apart before it has fetched the content.
    Times are nanoseconds since the epoch, UTC; None where the server keeps none.
    """

    id: NodeId
    kind: Kind
    name: str
    label: str = ""
    """How the id looks in a decorated name, `stem~<label>.ext`. Lower labels (shorter first) keep the plain name."""
    size: int | None = None
    version: str | None = None
    stamp: str | None = None
    """Of a file whose `version` a listing leaves out and `stat` tells (`Capabilities.settles`): what else changes with
    its content. It is the same in both, and never None in either."""
    digest: str | None = None
    """`<algorithm>:<lower-case hex>` of the content, algorithm as hashlib names it."""
    mtime_ns: int | None = None
    ctime_ns: int | None = None
    birth_ns: int | None = None
    rights: Rights = Rights.ALL
    mime: str | None = None
    links: int | None = None
    """How many entries lead to it, where that is known without asking."""
    target: str | None = None
    """Of a LINK: what it points to. A relative path from the folder that the link is in, as names are shown: any number
    of `..` at its beginning, none after it; or a URL, which is shown as it is and leads nowhere. What would leave the
    mount is not given out (EPERM)."""
    leads_to: NodeId | None = None
    """Of a LINK without `target`: the node that it points to. The mount finds the way by `locate` when somebody reads
    the link."""
    measurable: bool = True
    """False: `measure` cannot tell the size of this file, only its first fetch can."""
    open_ended: bool = False
    """Of a folder: it answers to names that it does not list, so `hidden` is asked for every name that is not listed,
    and not only for those with `.` or `@` at the beginning."""
    local: LocalContent | None = None
    availability: Availability = Availability.ONLINE
    url: str | None = None
    """Where a browser shows it; never one that carries a secret."""
    always_decorated: bool = False
    """All siblings of this name show as `stem~<label>`, none keeps the plain name."""
    others: bool = True
    """False: others than those whom the server names may not read it, which mode bits then say."""
    exact_name: bool = True
    """False where `name` was completed from something else (an extension taken from another field)."""
    private: Any = None
    """The backend's own knowledge (project, parent, rendition); nobody else looks into it."""


class Attribute(msgspec.Struct, frozen=True, gc=False):
    """The value of one extended attribute. A writable one may be set or removed with `set_metadata`."""

    value: bytes
    writable: bool = False


Metadata = Mapping[str, Attribute]
"""Full attribute names (`user.jama.meta.Dublin_Core.title`) to values. Aliases and `user.assetfs.*` are not in it."""


class Alias(msgspec.Struct, frozen=True):
    """A desktop name for a backend's attribute. `separator` is how the alias joins several values, `stored` how the
    attribute does; both None where the value is taken as it is."""

    attribute: str
    separator: str | None = None
    stored: str | None = None


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend can do beyond reading. Declared once, after `connect`; never guessed.

    What is False here raises `Unsupported` when it is called and leaves the server untouched.
    """

    walk: bool = False
    measure: bool = False
    settles: bool = False
    """Listings may have files with a `stamp` and a size and no version: the mount asks `stat` before one is opened."""
    create_folder: bool = False
    remove_folder: bool = False
    upload: bool = False
    replace: bool = False
    replace_keeps_id: bool = False
    """A replacement keeps the node's id; otherwise `replace` returns a node with a new one."""
    judges_conflicts: bool = False
    """What becomes of content that was made from an older version is for `replace` to say, after a restart, too."""
    rename: bool = False
    move: bool = False
    link: bool = False
    remove: bool = False
    set_metadata: bool = False
    set_times: bool = False
    search: bool = False
    tags: bool = False
    hidden: bool = False
    changes: bool = False
    usage: bool = False
    locate: bool = False
    recent: bool = False
    chmod: bool = False
    """Whether others may read a node can be changed (`set_others`)."""
    symlinks: bool = False
    """Links can be made, and removed with `remove`."""
    recall: bool = False
    recall_policy: RecallPolicy = RecallPolicy.FAIL
    recall_wait: float = 3600.0
    """Seconds that a read waits at most under WAIT; then ETIMEDOUT."""
    recall_verb: str | None = None
    """An attribute whose setting, on a file or a folder, recalls it and all below it, whatever the policy. One of
    `verbs`; the mount then calls `recall` with `explicit` and not `perform`."""
    drafts: bool = False
    draft_links: bool = False
    """Symbolic and hard links may be made in drafts."""
    commit_verb: str | None = None
    """An attribute whose setting on a draft commits it; `commit_draft` gets its value. One of `verbs`."""
    claims: bool = False
    """Files can be kept from others while they are written (`claim`)."""
    bundle: int = 0
    """How many small files one request can bring (`expect`); 0: each is fetched alone."""
    ranges: bool = True
    """False: `fetch` always delivers from the start."""
    unique_content: bool = False
    """The server keeps identical bytes once in a scope: an upload may answer with an existing node."""
    unique_names: bool = False
    """Two entries of one folder never have one name on the server."""
    max_file_size: int | None = None
    verbs: frozenset[str] = frozenset()
    """Attributes that do something when they are set; never listed, never copied."""
    lazy_attributes: frozenset[str] = frozenset()
    """Attributes that cost a request each: they answer to `attribute`, and are not in `metadata`."""
    aliases: Mapping[str, Alias] = {}
    writable: tuple[str, ...] = ()
    """Shell patterns of attributes that a new file can be given. Others are read-only, and ignored on a new file, so
    that copying a file with its attributes works."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the server says that we are: the answer to `connect`. Shown in `status`; holds no secret."""

    server: str
    """Product and version or profile, as far as it can be told."""
    user: str
    url: str


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Space in bytes, for statfs. None where the server has no such number."""

    total: int | None = None
    free: int | None = None
    files: int | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody else did: what is known of `node`, and the listing of `folder`, are not to be believed
    any more. Both None: anything may have changed. A node that was moved is two changes, one for each folder."""

    node: NodeId | None = None
    folder: NodeId | None = None
    """The folder whose entries (names, sizes, versions of its children) have changed."""
    kind: str = "modified"
    """For people and counters: created, modified, metadata, moved, removed, availability."""
    subtree: bool = False
    """All below `node`, too: a removed or moved folder of which the server tells no more than that."""


class Page(msgspec.Struct, frozen=True):
    """Some children of one folder. The union of all pages is the folder; a node comes once."""

    nodes: Sequence[Node]
    total: int | None = None
    """How many the folder has in all, where the server says so."""


class Listing(msgspec.Struct, frozen=True):
    """All children of one folder, as `walk` delivers them."""

    folder: Node
    nodes: Sequence[Node]


class Sink(Protocol):
    """Where fetched bytes go: buffers that the caller lends, so that a socket can receive into them directly.

    Bytes arrive in order from the fetch's first byte. `lend(offset)` returns writable memory for the byte at `offset`
    of the file and those behind it; an empty view means that nothing more is wanted, and the fetch ends quietly.
    `landed(offset, count)` says that `count` bytes are now in the memory lent for `offset`: readers are woken at once.
    `total(size)` says the content's full size, as soon as a response head has told it.
    """

    def lend(self, offset: int) -> memoryview: ...
    def landed(self, offset: int, count: int) -> None: ...
    def total(self, size: int) -> None: ...


class Source(Protocol):
    """Content on its way out: a complete local file that does not change while it is being sent."""

    @property
    def size(self) -> int: ...

    async def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes at `offset` (fewer only at the end); read in a thread."""
        ...

    async def digest(self, algorithm: str) -> str:
        """Lower-case hex digest of the whole content; computed once, in a thread, and remembered."""
        ...


class Ledger(Protocol):
    """What a transfer of several steps has done so far, kept durably by the caller across crashes.

    A backend records a step *before* it does what cannot be repeated blindly, and reads `state` first when it starts.
    """

    @property
    def state(self) -> Mapping[str, Any]:
        """JSON values as last recorded; empty at the first try."""
        ...

    async def record(self, **state: Any) -> None:
        """Merge into the state; durable when it returns."""
        ...

    def progress(self, sent: int) -> None:
        """`sent` bytes of the content are on the server; not durable, for people who watch."""
        ...


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

    def walk(self, folder: Node) -> AsyncIterator[Listing]:
        """A whole subtree, folder before its children, in fewer requests than one per folder."""
        raise Unsupported(f"{self.name} has no bulk walk")

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


class Draft(Protocol):
    """A local folder that is to become a node as one unit."""

    @property
    def key(self) -> str:
        """Made up by the mount, never used twice, the same after a restart; fit for a file name."""
        ...

    @property
    def name(self) -> str:
        """Its name in its folder now."""
        ...

    @property
    def path(self) -> Path:
        """Where its files are, under the names that they have in the mount. Only the mount changes anything here."""
        ...

    @property
    def attributes(self) -> Mapping[str, bytes]:
        """Attributes that were set on it: those that fit `capabilities.writable`, and any outside of
        `user.<backend>.` and `user.assetfs.`."""
        ...

    def attributes_of(self, relative: str) -> Mapping[str, bytes]:
        """The same, of an entry in it. Blocks for a moment. Raises OSError."""
        ...


# ---- errors -------------------------------------------------------------------------------------------------------


class RepositoryError(Exception):
    """The family. The message is one line for people, and says what to do where that is known; it holds no secret."""

    transient = False
    """Trying again later, unchanged, may succeed."""


class NotFound(RepositoryError):
    """The node, folder or attribute is not there (any more)."""


class Forbidden(RepositoryError):
    """The credential is good, and may not do this."""


class Fixed(Forbidden):
    """Nobody may do this, whatever the credential: it is so for ever, or in this state (EPERM)."""


class NotAuthenticated(RepositoryError):
    """The credential is missing, wrong, expired or deactivated."""


class CodeWanted(NotAuthenticated):
    """The account has a second factor: a one-time code goes with the credential, behind it and a blank."""


class Conflict(RepositoryError):
    """Somebody else's state is in the way: a name is taken, a version is newer, the same content exists."""

    def __init__(self, message: str, node: Node | None = None) -> None:
        super().__init__(message)
        self.node = node
        """What is in the way, where that is known."""


class SameContent(Conflict):
    """The server keeps equal bytes once, and has these already, in `node`."""


class NotEmpty(RepositoryError):
    """A folder still has entries, perhaps some that this credential cannot see."""


class NameRejected(RepositoryError):
    """The server cannot keep this name as it is."""


class ValueRejected(RepositoryError):
    """An attribute's value does not fit the server's schema."""


class TooLarge(RepositoryError):
    """The content is larger than the server takes."""


class QuotaExceeded(RepositoryError):
    """There is no room left for this credential."""


class Offline(RepositoryError):
    """The server cannot be reached: name, network, TLS, nobody listens."""

    transient = True


class Unavailable(RepositoryError):
    """The server is there and cannot answer now: 5xx, 429, too slow, cut in the middle."""

    transient = True

    def __init__(self, message: str, *, retry_after: float | None = None, timeout: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that the server asked us to wait."""
        self.timeout = timeout
        """It took too long, rather than failed."""


class NotOnline(RepositoryError):
    """The content is not here now, and is being brought, or may be asked for again later."""


class NotHere(RepositoryError):
    """The content exists, and is not to be had at this place, or not without being asked for."""


class OutOfReach(RepositoryError):
    """The content is on a disk that this machine does not have."""


class NoSpace(RepositoryError):
    """There is no room for the content on this side."""


class Busy(RepositoryError):
    """Somebody is at work on it: a writer, a transfer, a lock."""


class Immutable(RepositoryError):
    """What is there can never be changed, by nobody."""


class VersionChanged(RepositoryError):
    """The server has another version of this node's content than the one asked for."""


class Unsupported(RepositoryError):
    """This repository cannot do that, and never could."""


class CrossScope(Unsupported):
    """Cannot be done between these two places (projects, destinations); copying works."""


class ProtocolViolation(RepositoryError):
    """The server answered something that the protocol does not have, or bytes that do not fit their digest."""
