"""What is true of a whole project: its anatomy, and where its roots are here (sections 3.4, 4.1).

Asked for at the first touch of a project: one request for the project, one for the roots, and kept until the event
stream tells of a change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import trio

from assetfs.backends.ayon.client import Client, of_project
from assetfs.backends.ayon.roots import Found, find, rooted, usable
from assetfs.backends.ayon.wire import ProjectFacts
from assetfs.repository import RepositoryError

PLATFORM = "linux"


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """One project. `roots` are read, `writable` are written, too."""

    facts: ProjectFacts
    roots: dict[str, Path] = {}
    writable: dict[str, Path] = {}
    media: bool = False
    """Reviewables stand in for files that are not here."""

    def find(self, path: str) -> Found | None:
        """The local file of a stored path, if it is here. Touches the disk: for threads."""
        place = rooted(path)
        root = self.roots.get(place.root) if place is not None else None
        return find(root, place.parts) if place is not None and root is not None else None

    async def remove(self, paths: Sequence[str]) -> None:
        """Remove local files of stored paths, as far as they are at roots that are ours to write."""

        def work() -> None:
            for path in paths:
                place = rooted(path)
                found = self.find(path) if place is not None and place.root in self.writable else None
                if found is not None:
                    (found.content.root / found.content.relative).unlink(missing_ok=True)

        await trio.to_thread.run_sync(work)


class Projects:
    """Remembers projects. `mapped` are the roots that the mount's options name: they win, and are written."""

    def __init__(self, client: Client, mapped: Mapping[str, Path], *, ask: bool, media: bool) -> None:
        self._client = client
        self._mapped = dict(mapped)
        self._ask = ask
        self._media = media
        self._known: dict[str, Project] = {}
        self._asking: dict[str, trio.Lock] = {}

    def known(self, name: str) -> Project | None:
        """A project that was touched before."""
        return self._known.get(name)

    async def get(self, name: str) -> Project:
        """A project: two requests at first touch. Raises NotFound, Forbidden."""
        async with self._asking.setdefault(name, trio.Lock()):
            if name not in self._known:
                facts = await self._client.get(of_project(name), ProjectFacts, "project")
                self._known[name] = Project(
                    facts=facts,
                    roots={**await self._site_roots(name), **self._mapped},
                    writable=dict(self._mapped),
                    media=self._media,
                )
            return self._known[name]

    async def _site_roots(self, name: str) -> dict[str, Path]:
        if not self._ask:
            return {}
        path = f"{of_project(name, 'siteRoots')}?platform={PLATFORM}"
        try:
            return usable(await self._client.get(path, dict[str, object], "site roots"))
        except RepositoryError as error:
            if error.transient:
                raise
            return {}  # servers before 1.0.4 have no such thing

    def forget(self, name: str | None = None) -> None:
        """A project (all) may have changed."""
        for known in [name] if name is not None else list(self._known):
            self._known.pop(known, None)
