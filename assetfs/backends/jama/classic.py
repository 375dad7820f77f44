"""The dialect without projects (section 13): no windows, no batches, no times, one scope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from assetfs.backends.jama.client import Call
from assetfs.backends.jama.dialect import Dialect, What, together
from assetfs.backends.jama.nodes import CLASSIC_PROJECT, Scope
from assetfs.backends.jama.queries import terms_of
from assetfs.backends.jama.rights import Grants
from assetfs.backends.jama.uploads import encoded_plain
from assetfs.backends.jama.wire import Collection, FieldSet, Items, Resource, Tag, UploadInfos


class ClassicDialect(Dialect):
    name = "classic"
    keeps_ids = False
    first_chunk = 0
    by_url = True
    single_scope = True

    async def scopes(self) -> Sequence[Scope]:
        return [Scope(CLASSIC_PROJECT, "", 0, Grants())]

    async def entries(self, project: int) -> list[Collection]:
        return await self.client.call(self._collections(None))

    async def listing(self, project: int, collection: int | None, *, hidden: bool) -> AsyncIterator[Items]:
        yield together(await self.client.many(self.whole(project, collection)))

    async def searching(self, project: int, query: str) -> AsyncIterator[Items]:
        terms = terms_of(query)
        if terms is None:
            yield await self.client.call(Call("simple_search", [query], Items))
        else:
            yield await self.client.call(Call("advanced_search", [terms], Items))

    async def tagged(self, project: int, tag: str) -> AsyncIterator[Items]:
        yield await self.client.call(Call("advanced_search", [[{"tags": [tag]}]], Items))

    async def move_resource(self, resource: int, source: int, destination: int) -> None:
        # In this order nothing is lost when the second half fails: both are idempotent, and the first is no harm.
        await self.client.call(self.attach(resource, destination))
        await self.client.call(self.detach(resource, source))

    def upload_headers(self, name: str, digest: str, project: int, collection: int | None) -> Mapping[str, str]:
        return {"X-file-hash": digest, "X-file-name": encoded_plain(name)}

    # ---- calls ----------------------------------------------------------------------------------------------------

    def named(self, project: int, collection: int | None, name: str) -> Sequence[Call[Any]]:
        """All entries: the search of this dialect knows no collection. The root holds collections only."""
        if collection is None:
            return [self._collections(None)]
        return [self._collections(collection), self._resources(collection)]

    def whole(self, project: int, collection: int | None) -> Sequence[Call[Any]]:
        return self.named(project, collection, "")

    def _collections(self, parent: int | None) -> Call[list[Collection]]:
        return Call("collections", [parent, False], list[Collection])

    def _resources(self, collection: int) -> Call[list[Resource]]:
        return Call("resources", [collection, False], list[Resource])

    def resource(self, resource: int, metas: bool = False) -> Call[Resource]:
        return Call("resource", [resource], Resource)

    def upload_infos(self, digest: str, project: int) -> Call[UploadInfos]:
        return Call("upload_infos", [digest], UploadInfos)

    def field_sets(self, project: int) -> Call[list[FieldSet]]:
        return Call("metadatasets", [], list[FieldSet])

    def add_field_set(self, title: str, project: int) -> Call[int]:
        return Call("add_metadataset", [title], int)

    def add_field(self, title: str, field_set: int) -> Call[int]:
        return Call("add_metadata", [title, field_set, None], int)

    def tags(self, project: int) -> Call[list[Tag]]:
        return Call("tags", [], list[Tag])

    def set_tag(self, uid: str, project: int) -> Call[Any]:
        return Call("set_tag", [uid, None, None])

    def add_value(self, what: What, target: int, field: int, value: str) -> Call[Any]:
        return Call(f"add_meta_to_{what}", [target, field, value])

    def remove_value(self, what: What, target: int, value: int) -> Call[Any]:
        return Call(f"remove_meta_from_{what}", [target, value])
