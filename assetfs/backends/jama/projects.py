"""The dialect with projects: current servers, and older ones without batches and `client_configuration`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from assetfs.backends.jama.client import Call, Client
from assetfs.backends.jama.dialect import Dialect, What, together
from assetfs.backends.jama.errors import NoSuchMethod
from assetfs.backends.jama.listing import WINDOW, windows
from assetfs.backends.jama.names import extension
from assetfs.backends.jama.nodes import Scope
from assetfs.backends.jama.queries import terms_of
from assetfs.backends.jama.rights import Grants
from assetfs.backends.jama.uploads import Limits, encoded
from assetfs.backends.jama.wire import (
    ClientConfiguration,
    Collection,
    FieldSet,
    Items,
    Project,
    ProjectAccess,
    ProjectStats,
    Resource,
    Role,
    Tag,
    UploadInfos,
)
from assetfs.repository import NotFound, RepositoryError

log = logging.getLogger(__name__)

ORDER = "created_at"
"""Nearly unique, so windows seldom overlap."""


class ProjectDialect(Dialect):
    name = "project"
    keeps_ids = True
    first_chunk = 1
    by_url = False
    single_scope = False

    def __init__(self, client: Client, accesses: Sequence[ProjectAccess], wanted: str | None) -> None:
        super().__init__(client)
        self._projects, self._roles = _merged(accesses)
        if wanted:
            self._projects = [_chosen(self._projects, wanted)]
        self._one_call = True
        """`project_items` exists, as far as is known; else two calls list a folder."""
        self._searches_by_items = True
        """The same for searches: servers of unknown age are searched with the older `advanced_search`."""

    def configure(self, configuration: ClientConfiguration | None) -> None:
        """Take the server's limits; None: it is older than 0.7.0."""
        if configuration is None:
            self._searches_by_items = False
            return
        self.client.max_batch = max(1, configuration.max_batch)
        self.client.max_body = configuration.max_body
        self.limits = Limits(configuration.max_chunk, configuration.max_chunks)
        self.attaches = True

    # ---- procedures -----------------------------------------------------------------------------------------------

    async def scopes(self) -> Sequence[Scope]:
        outcomes = await self.client.many([self._stats(project.id) for project in self._projects])
        scopes = []
        for project, outcome in zip(self._projects, outcomes, strict=True):
            if isinstance(outcome, RepositoryError):
                log.warning("project %d is left out: %s", project.id, outcome)
                continue
            root = outcome.project_root_collection_id
            record = next((entry for entry in outcome.user_entry_points if entry.id == root), None)
            grants = Grants(self._roles[project.id])
            scopes.append(Scope(project.id, project.label, root, grants, record is None, record))
        return scopes

    async def entries(self, project: int) -> list[Collection]:
        return (await self.client.call(self._stats(project))).user_entry_points

    def listing(self, project: int, collection: int | None, *, hidden: bool) -> AsyncIterator[Items]:
        async def window(start: int, stop: int) -> Items:
            return await self._window(project, collection, start, stop)

        return windows(window, hidden=hidden)

    async def _window(self, project: int, collection: int | None, start: int, stop: int) -> Items:
        if self._one_call:
            try:
                return await self.client.call(self.items([], project, collection, start, stop))
            except NoSuchMethod:
                self._one_call = False
        return together(await self.client.many(self._two(collection, start, stop)))

    def _two(self, collection: int | None, start: int, stop: int) -> Sequence[Call[Any]]:
        """A window in the calls of the official client."""
        span = [start, stop]
        return [
            Call("collections", [collection, False, *span, False, False, ORDER, False], list[Collection]),
            Call("resources", [collection, False, *span, ORDER, False, None], list[Resource]),
        ]

    def whole(self, project: int, collection: int | None) -> Sequence[Call[Any]]:
        if self._one_call:
            return [self.items([], project, collection, 0, WINDOW)]
        return self._two(collection, 0, WINDOW)

    def searching(self, project: int, query: str) -> AsyncIterator[Items]:
        terms = terms_of(query)
        return self._plain(project, query) if terms is None else self._advanced(project, terms)

    def tagged(self, project: int, tag: str) -> AsyncIterator[Items]:
        return self._advanced(project, [{"tags": [tag]}])

    def _advanced(self, project: int, terms: Sequence[Mapping[str, Any]]) -> AsyncIterator[Items]:
        async def window(start: int, stop: int) -> Items:
            return await self.client.call(self._search(terms, project, start, stop))

        return windows(window, hidden=True)

    def _plain(self, project: int, query: str) -> AsyncIterator[Items]:
        async def window(start: int, stop: int) -> Items:
            return await self.client.call(Call("simple_search", [query, project, start, stop, "title"], Items))

        return windows(window, hidden=True)

    async def move_resource(self, resource: int, source: int, destination: int) -> None:
        assert source != destination, "within one collection this call drops the resource (11.10)"
        await self.client.call(Call("move_items", [source, destination, [], [resource]]))

    def upload_headers(self, name: str, digest: str, project: int, collection: int | None) -> Mapping[str, str]:
        headers = {"X-Project": str(project), "X-file-hash": digest, "X-file-name": encoded(name)}
        if collection is not None and self.attaches:
            headers["X-collection-id"] = str(collection)
        return headers

    # ---- calls ----------------------------------------------------------------------------------------------------

    def named(self, project: int, collection: int | None, name: str) -> Sequence[Call[Any]]:
        # `is` ignores case, so other spellings may take part of the window: hence a whole one. A title without the
        # extension shows as the same file name.
        titles = dict.fromkeys((name, name.removesuffix(extension(name))))
        terms = [{"property": "title", "term": "is", "value": title} for title in titles]
        if self._searches_by_items:
            return [self.items([term], project, collection, 0, WINDOW) for term in terms]
        return [self._search([term], project, 0, WINDOW, collection) for term in terms]

    def items(
        self, terms: Sequence[Mapping[str, Any]], project: int, collection: int | None, start: int, stop: int
    ) -> Call[Items]:
        return Call("project_items", [list(terms), project, False, collection, start, stop, ORDER, None], Items)

    def _search(
        self, terms: Sequence[Mapping[str, Any]], project: int, start: int, stop: int, collection: int | None = None
    ) -> Call[Items]:
        span = [start, stop]
        return Call(
            "advanced_search", [list(terms), project, False, collection, *span, "title", True, True, None], Items
        )

    def _stats(self, project: int) -> Call[ProjectStats]:
        return Call("project_stats", [project], ProjectStats)

    def resource(self, resource: int, metas: bool = False) -> Call[Resource]:
        return Call("resource", [resource, metas], Resource)

    def upload_infos(self, digest: str, project: int) -> Call[UploadInfos]:
        return Call("upload_infos", [digest, project], UploadInfos)

    def field_sets(self, project: int) -> Call[list[FieldSet]]:
        return Call("metadatasets", [project], list[FieldSet])

    def add_field_set(self, title: str, project: int) -> Call[int]:
        return Call("add_metadataset", [title, project], int)

    def add_field(self, title: str, field_set: int) -> Call[int]:
        return Call("add_metadata", [title, field_set], int)

    def tags(self, project: int) -> Call[list[Tag]]:
        return Call("tags", [project], list[Tag])

    def set_tag(self, uid: str, project: int) -> Call[Any]:
        return Call("set_tag", [uid, project, None, None])

    def add_value(self, what: What, target: int, field: int, value: str) -> Call[Any]:
        cascade = [False] if what == "collection" else []
        return Call(f"add_meta_to_{what}", [target, field, value, *cascade])

    def remove_value(self, what: What, target: int, value: int) -> Call[Any]:
        cascade = [False] if what == "collection" else []
        return Call(f"remove_meta_value_from_{what}", [target, value, *cascade])


def _merged(accesses: Sequence[ProjectAccess]) -> tuple[list[Project], dict[int, list[Role]]]:
    """Projects, each once and by id, and the roles in each: the server has one entry per project and role."""
    projects: dict[int, Project] = {}
    roles: dict[int, list[Role]] = {}
    for access in accesses:
        projects[access.project.id] = access.project
        mine = roles.setdefault(access.project.id, [])
        if access.role is not None:
            mine.append(access.role)
    return [projects[key] for key in sorted(projects)], roles


def _chosen(projects: Sequence[Project], wanted: str) -> Project:
    """The project with this label or id. Raises NotFound, and says what there is."""
    for project in projects:
        if wanted == project.label:
            return project
    for project in projects:
        if wanted == str(project.id):
            return project
    there = ", ".join(f"{project.label} ({project.id})" for project in projects[:20]) or "none"
    raise NotFound(f"no project {wanted} for this API key; there is: {there}")
