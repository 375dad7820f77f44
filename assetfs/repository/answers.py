"""Answers: what a repository says of itself, of its folders, and of what others do."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from assetfs.repository.node import Node, NodeId


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
    """All children of one folder, as `listings` delivers them."""

    folder: Node
    nodes: Sequence[Node]
