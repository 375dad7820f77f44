"""Capabilities: what a backend can do beyond reading, declared and never guessed."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec


class RecallPolicy(enum.Enum):
    """What opening and reading of a file does whose content is not ONLINE."""

    FAIL = "fail"
    """It is recalled, and open fails with NotOnline (EAGAIN) at once: come back later."""
    WAIT = "wait"
    """It is recalled, open succeeds, and the first read waits."""
    MANUAL = "manual"
    """Open fails with NotHere (ENODATA), and nothing is recalled but by `recall_verb`."""


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

    listings: bool = False
    """Several folders can be listed in one request (`Repository.listings`)."""
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
