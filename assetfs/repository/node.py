"""Nodes: what a repository consists of, as the server last described it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
