"""Records into nodes: ids, names, times, rights.

Node ids: `root` for the list of projects (and for the classic dialect's root), `p<id>` for a project, which is also its
root collection, `c<id>` and `r<id>` for the rest; a collection and a resource may have the same number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from assetfs.backends.jama.names import file_name
from assetfs.backends.jama.rights import Grants, May
from assetfs.backends.jama.wire import Collection, Resource, nanoseconds
from assetfs.repository import Kind, Node, NodeId, NotFound, Rights

ROOT: NodeId = "root"
CLASSIC_PROJECT = 0
"""The one scope of a server that has no projects."""

_ID = re.compile(r"([pcr])([1-9][0-9]{0,17})", re.ASCII)


class Held(msgspec.Struct, frozen=True, gc=False):
    """What a node keeps for us in `Node.private`. `id` is the collection's or the resource's; 0 for `root`."""

    project: int
    id: int
    title: str = ""
    original_name: str | None = None
    special: May | None = None
    """Flags that take the place of the class's here and below."""
    weight: int = 0
    """Of a collection: how many entries it had when its parent was listed."""
    urls: tuple[str, ...] = ()
    """Of a resource in the classic dialect only: where else its content may be."""


class Scope(msgspec.Struct, frozen=True):
    """A project as it is mounted. `limited`: its root cannot be read, `entries` stand at its top."""

    id: int
    label: str
    root: int
    grants: Grants
    limited: bool = False
    root_record: Collection | None = None


def parse(node: NodeId) -> tuple[str, int]:
    """`c12` as (`c`, 12). Raises NotFound for what is no id of ours."""
    match = _ID.fullmatch(node)
    if match is None:
        raise NotFound("no such node")
    return match[1], int(match[2])


def held(node: Node) -> Held:
    """The node's private part."""
    private = node.private
    if not isinstance(private, Held):
        raise NotFound("not a node of this repository")
    return private


def parent_id(node: Node) -> int | None:
    """The collection that a folder is, as a parameter of calls; None for the classic dialect's root."""
    return held(node).id or None


class Nodes:
    """Makes nodes for the projects that are mounted. `keep_urls`: the classic dialect needs them."""

    def __init__(self, scopes: Iterable[Scope], *, keep_urls: bool = False) -> None:
        self.scopes: Mapping[int, Scope] = {scope.id: scope for scope in scopes}
        self._roots = {scope.root: scope for scope in self.scopes.values() if scope.root}
        self._keep_urls = keep_urls

    def scope(self, project: int) -> Scope:
        try:
            return self.scopes[project]
        except KeyError:
            raise NotFound("in a project that is not mounted here") from None

    def root(self, rights: Rights) -> Node:
        return Node(id=ROOT, kind=Kind.FOLDER, name="", rights=rights, private=Held(CLASSIC_PROJECT, 0))

    def project(self, scope: Scope, record: Collection | None = None) -> Node:
        """A project; `record` is its root collection as it is now, by default as it was at `connect`."""
        record = record or scope.root_record
        return Node(
            id=f"p{scope.id}",
            kind=Kind.FOLDER,
            name=scope.label,
            label=str(scope.id),
            mtime_ns=nanoseconds(record.updated_at) if record else None,
            ctime_ns=nanoseconds(record.updated_at) if record else None,
            birth_ns=nanoseconds(record.created_at) if record else None,
            rights=Rights.READ if scope.limited else scope.grants.folder(scope.root),
            private=Held(scope.id, scope.root, scope.label, None, scope.grants.special("collection", scope.root)),
        )

    def collection(self, record: Collection, inherited: May | None = None) -> Node:
        """A folder; a project's root collection is the project."""
        if record.id in self._roots:
            return self.project(self._roots[record.id], record)
        project = record.project_id or CLASSIC_PROJECT
        grants = self.scope(project).grants
        updated = nanoseconds(record.updated_at)
        return Node(
            id=f"c{record.id}",
            kind=Kind.FOLDER,
            name=record.title,
            label=str(record.id),
            mtime_ns=updated,
            ctime_ns=updated,
            birth_ns=nanoseconds(record.created_at),
            rights=grants.folder(record.id, inherited),
            private=Held(
                project,
                record.id,
                record.title,
                special=grants.special("collection", record.id, inherited),
                weight=record.children_count + record.resources_count,
            ),
        )

    def resource(self, record: Resource, inherited: May | None = None) -> Node:
        """A file. One without a hash has no content: empty, and nothing to write to."""
        project = record.project_id or CLASSIC_PROJECT
        rights = self.scope(project).grants.file(record.id, inherited)
        updated = nanoseconds(record.updated_at)
        name = file_name(record.title, record.original_name)
        return Node(
            id=f"r{record.id}",
            kind=Kind.FILE,
            name=name,
            label=str(record.id),
            size=None if record.hash else 0,
            version=record.hash,
            digest=f"sha256:{record.hash}" if record.hash else None,
            mtime_ns=updated,
            ctime_ns=updated,
            birth_ns=nanoseconds(record.created_at),
            rights=rights if record.hash else rights & ~Rights.WRITE,
            mime=record.type,
            exact_name=name == record.title,
            private=Held(project, record.id, record.title, record.original_name, inherited, urls=self._urls(record)),
        )

    def _urls(self, record: Resource) -> tuple[str, ...]:
        if not self._keep_urls or not record.urls:
            return ()
        values = record.urls.values() if isinstance(record.urls, dict) else record.urls
        return tuple(value for value in values if isinstance(value, str))
