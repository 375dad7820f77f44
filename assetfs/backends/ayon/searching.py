"""What the server's own search finds, in all projects: `.assetfs/search/<words>/` (section 8.1).

The server looks for the words in paths, so that everything below something that is found is found with it. Folders,
tasks, products and workfiles are what people look for; versions and representations would bury them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from assetfs.backends.ayon.client import Lists
from assetfs.backends.ayon.queries import LISTED, Ask
from assetfs.backends.ayon.studio import Studio
from assetfs.backends.ayon.wire import Projects
from assetfs.repository import Forbidden, NameRejected, NotFound, Page

SOUGHT = ("folders", "tasks", "products", "workfiles")
MOST = 200
"""Of a sort, in one project."""


async def search(studio: Studio, words: str) -> AsyncIterator[Page]:
    """One request for the projects, and one for each of them. A project that we may not see has nothing for us."""
    if "\0" in words:
        raise NameRejected("nothing is called so")
    projects = await studio.client.get("api/projects?active=true", Projects, "projects")
    asked = [Ask(rows, {"search": words}, LISTED[rows], MOST) for rows in SOUGHT]
    for project in projects.projects:
        try:
            found = await studio.client.query(project.name, asked, "search", Lists)
        except (Forbidden, NotFound):
            continue
        lists = (found.folders, found.tasks, found.products, found.workfiles)
        rows = studio.shown(edge.node for list_ in lists for edge in list_.edges)
        yield Page([await studio.node(project.name, row) for row in rows])
