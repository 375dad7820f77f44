"""What the two dialects of the protocol have in common, and what each must say for itself.

`project` is the protocol since client 0.0.18: everything belongs to a project (sections 2 to 5). `classic` is the one
of client 0.0.14, without projects, windows, batches, times and `replace_file` (section 13). Most of a dialect is data:
which method with which parameters. What differs in the order of steps is a coroutine here and there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from assetfs.backends.jama.client import Call, Client, settled
from assetfs.backends.jama.nodes import Scope
from assetfs.backends.jama.types import FileTypes
from assetfs.backends.jama.uploads import Limits
from assetfs.backends.jama.wire import Collection, Deletion, Field, FieldSet, Items, Resource, Tag, UploadInfos

What = Literal["resource", "collection"]


class Welcome(msgspec.Struct, frozen=True):
    """What `connect` found out."""

    user: str
    server: str
    scopes: Sequence[Scope]
    types: FileTypes


class Dialect(ABC):
    """Calls and procedures of one dialect. `project` parameters are ignored where there are no projects."""

    name: str
    keeps_ids: bool
    """New content keeps the resource's id."""
    first_chunk: int
    """The number of an upload's first chunk."""
    by_url: bool
    """A resource's own URLs are a second way to its content."""
    single_scope: bool
    """No projects: `root` is where folders begin, and takes folders only."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.limits = Limits()
        self.attaches = False
        """An upload can name the collection that it goes to."""

    # ---- procedures -----------------------------------------------------------------------------------------------

    @abstractmethod
    async def scopes(self) -> Sequence[Scope]:
        """The projects that are mounted, asked again (their entry points may have changed)."""

    @abstractmethod
    async def entries(self, project: int) -> list[Collection]:
        """What stands at the top of a project whose root may not be read."""

    @abstractmethod
    def listing(self, project: int, collection: int | None, *, hidden: bool) -> AsyncIterator[Items]:
        """All entries of a collection, each once, in pieces."""

    @abstractmethod
    def searching(self, project: int, query: str) -> AsyncIterator[Items]:
        """What the server's search finds for a text."""

    @abstractmethod
    def tagged(self, project: int, tag: str) -> AsyncIterator[Items]: ...

    @abstractmethod
    async def move_resource(self, resource: int, source: int, destination: int) -> None:
        """From one collection to another, which is not the same. Idempotent; done or undone."""

    @abstractmethod
    def upload_headers(self, name: str, digest: str, project: int, collection: int | None) -> Mapping[str, str]: ...

    # ---- calls that differ ----------------------------------------------------------------------------------------

    @abstractmethod
    def named(self, project: int, collection: int | None, name: str) -> Sequence[Call[Any]]:
        """Calls for `together`: the collection's entries whose title is exactly `name`, and perhaps others."""

    @abstractmethod
    def resource(self, resource: int, metas: bool = False) -> Call[Resource]: ...

    @abstractmethod
    def upload_infos(self, digest: str, project: int) -> Call[UploadInfos]: ...

    @abstractmethod
    def field_sets(self, project: int) -> Call[list[FieldSet]]: ...

    @abstractmethod
    def add_field_set(self, title: str, project: int) -> Call[int]: ...

    @abstractmethod
    def add_field(self, title: str, field_set: int) -> Call[int]: ...

    @abstractmethod
    def tags(self, project: int) -> Call[list[Tag]]: ...

    @abstractmethod
    def set_tag(self, uid: str, project: int) -> Call[Any]: ...

    @abstractmethod
    def add_value(self, what: What, target: int, field: int, value: str) -> Call[Any]: ...

    @abstractmethod
    def remove_value(self, what: What, target: int, value: int) -> Call[Any]: ...

    @abstractmethod
    def whole(self, project: int, collection: int | None) -> Sequence[Call[Any]]:
        """Calls for `together`: all entries of a collection that has no more than a window."""

    # ---- calls that are the same ----------------------------------------------------------------------------------

    def collection(self, collection: int) -> Call[Collection]:
        return Call("collection", [collection], Collection)

    def chains(self, resource: int) -> Call[list[list[Collection]]]:
        """One chain of collections, root first, for every collection that the resource is in and we may read."""
        return Call("ancestors_from_resource", [resource], list[list[Collection]])

    def chain(self, collection: int) -> Call[list[Collection]]:
        """The collection's ancestors, root first, itself last."""
        return Call("ancestors_from_collection", [collection, True], list[Collection])

    def fields(self, field_set: int) -> Call[list[Field]]:
        return Call("metadatas", [field_set], list[Field])

    def change_value(self, what: What, value: int, text: str) -> Call[Any]:
        return Call(f"change_{what}_meta_value", [value, text])

    def add_tag(self, what: What, target: int, uid: str) -> Call[Any]:
        return Call(f"add_tag_to_{what}", [uid, target])

    def remove_tag(self, what: What, target: int, uid: str) -> Call[Any]:
        return Call(f"remove_tag_from_{what}", [uid, target])

    def add_collection(self, title: str, parent: int | None) -> Call[Collection]:
        return Call("add_collection", [title, parent], Collection)

    def rename(self, what: What, target: int, title: str) -> Call[bool]:
        """A collection answers false when a sibling, perhaps a deleted one, has the title."""
        return Call(f"rename_{what}", [target, title], bool)

    def move_collection(self, collection: int, parent: int | None) -> Call[bool]:
        return Call("move_collection", [collection, parent], bool)

    def delete_collection(self, collection: int) -> Call[Deletion | bool]:
        return Call("delete_collection", [collection, False], Deletion | bool)

    def delete_resource(self, resource: int) -> Call[bool]:
        return Call("delete_resource", [resource], bool)

    def attach(self, resource: int, collection: int) -> Call[Any]:
        return Call("add_resource_to_collection", [resource, collection])

    def detach(self, resource: int, collection: int) -> Call[Any]:
        return Call("remove_resource_from_collection", [resource, collection])


def together(outcomes: Sequence[Any]) -> Items:
    """Results of listing calls, of either form, as one."""
    collections: list[Collection] = []
    resources: list[Resource] = []
    for outcome in outcomes:
        result = settled(outcome)
        if isinstance(result, Items):
            collections += result.collections
            resources += result.resources
        else:
            collections += [one for one in result if isinstance(one, Collection)]
            resources += [one for one in result if isinstance(one, Resource)]
    return Items(collections, resources)
