"""What the suite must know about a backend besides the seam: one adapter per backend, in `backends/`.

A `World` is one running server and two people at it. We are the repository under test. Somebody else is `World` itself:
it speaks the wire protocol with a plain HTTP client, shares no code with the backend, and says what is really there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from assetfs.repository import Kind, Listing, Node, NodeId, Repository


@dataclass(frozen=True)
class Samples:
    """Values that fit the protocol's own rules."""

    name: str
    """A file name that a server takes; its extension is the one that all contents here may have."""
    refused_name: str | None
    """One whose type or form it never takes; None where it takes all."""
    hostile_names: Sequence[str]
    """Names that the server keeps and a file system cannot."""
    attribute: str
    """A writable attribute that a new file does not have."""
    value: bytes = field(default=b"Ann", kw_only=True)
    """A value that it may have."""
    read_only: str
    unknown: str
    bad_values: Mapping[str, bytes]
    """Writable attributes with values that the schema forbids."""
    changed_names: Sequence[str] = ("", " blank", "blank ", "nul\0")
    """Folder names that the server would refuse or change."""
    tag_attribute: str | None = None
    nested: bool = True
    """Folders can be made in folders, other than in the top one."""
    cross_scope: bool = False
    """The server has scopes between which nothing moves (`other_scope` names a folder in a second one)."""


@dataclass(frozen=True)
class Budget:
    """Requests, counted by the server, that an action may cost at most."""

    connect: int
    listing: int
    metadata_of_many: int
    """`metadata` of 50 files."""
    small_read: int
    upload: int
    replace: int
    measure_of_many: int = 50


@dataclass
class Entry:
    """What somebody else sees in a folder."""

    id: NodeId
    name: str
    content: bytes | None
    """None for a folder."""
    facts: dict[str, Any] = field(default_factory=dict)


class World(ABC):
    """One server, in one profile. `reset` before each count; ids are the backend's own node ids."""

    lacks: frozenset[str] = frozenset()
    """What tests may need and this server has not: names of capabilities that are not declared; `annotations`: files
    have an attribute that others see; `change`: what is in a folder is written, renamed and removed by others."""
    samples: Samples
    budget: Budget
    faults: bool
    """The server can be made to fail, and keeps a log of requests."""

    # ---- we -------------------------------------------------------------------------------------------------------

    @abstractmethod
    def open(self, *, credential: str | None = None, port: int | None = None, **options: Any) -> Repository:
        """A repository that is not connected. Another credential or port than the good one on request."""

    @property
    @abstractmethod
    def user(self) -> str:
        """Who the server says that we are."""

    # ---- somebody else --------------------------------------------------------------------------------------------

    @abstractmethod
    def top(self) -> NodeId:
        """A folder in which folders can be made."""

    @abstractmethod
    def make_folder(self, folder: NodeId, name: str) -> NodeId: ...

    def beside(self, folder: NodeId, name: str) -> NodeId:
        """One more folder for files, in this one where folders nest, and else next to it, under another name too."""
        return self.make_folder(folder, name)

    @abstractmethod
    def put(self, folder: NodeId, name: str, content: bytes) -> NodeId: ...

    @abstractmethod
    def overwrite(self, node: NodeId, content: bytes) -> NodeId: ...

    @abstractmethod
    def rename(self, node: NodeId, name: str) -> None:
        """Any text: also what no file system can hold."""

    @abstractmethod
    def destroy(self, node: NodeId) -> None:
        """A file, or a folder with all that is in it."""

    @abstractmethod
    def entries(self, folder: NodeId) -> list[Entry]: ...

    @abstractmethod
    def attributes(self, node: NodeId) -> Mapping[str, set[str]]:
        """Values by the attribute's name, for `samples.attribute` and the tags."""

    @abstractmethod
    def describe(self, node: NodeId, values: Sequence[str], tags: Sequence[str] = ()) -> None:
        """Give `samples.attribute` these values, and the node these tags."""

    def other_scope(self) -> NodeId:
        raise NotImplementedError

    def ghost(self, node: Node) -> Node:
        """A node as this one that the server never had."""
        private = msgspec.structs.replace(node.private, id=999_999_999) if node.private is not None else None
        return msgspec.structs.replace(node, id="r999999999", private=private)

    # ---- the server's side ----------------------------------------------------------------------------------------

    @abstractmethod
    def reset(self) -> None:
        """Forget requests and faults, where the server has them."""

    def requests(self) -> list[Mapping[str, Any]]:
        """What it was asked since `reset`."""
        return []

    def arm(self, fault: str, **options: Any) -> None:
        raise NotImplementedError


async def walked(repository: Repository, folder: Node) -> list[Listing]:
    """A folder and all below it, level by level."""
    listings: list[Listing] = []
    pending = [folder]
    while pending:
        here = pending.pop(0)
        nodes = [node async for page in repository.children(here) for node in page.nodes]
        listings.append(Listing(here, nodes))
        pending += [node for node in nodes if node.kind is Kind.FOLDER]
    return listings
