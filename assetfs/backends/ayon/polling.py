"""What others change, where there is no event stream to be had: looked for every half minute (section 9).

One request per project that was touched: what has changed since the newest change that is known. What was deleted is
not told so; a listing of its folder tells, when it is asked for anew.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from assetfs.backends.ayon.ids import Ref, entity, place
from assetfs.backends.ayon.queries import COMMON, LIST_OF, Ask
from assetfs.backends.ayon.studio import Studio
from assetfs.repository import Change, Forbidden, NodeId, NotFound

EVERY = 30.0
"""Seconds between two looks."""
SKEW = timedelta(minutes=5)
"""How far the server's clock may be behind ours when we begin."""
MOST = 1_000
FIELDS = {
    "folder": "parentId",
    "task": "folderId",
    "product": "folderId",
    "version": "productId version",
    "representation": "versionId",
}
"""What is looked for, and the fields that say what and where it is."""


class Poller:
    """What has changed since the last look, of all projects that were touched."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._since = (datetime.now(UTC) - SKEW).isoformat()
        self._newest: dict[str, str] = {}
        self._told: dict[str, set[tuple[str, str]]] = {}
        """Entities with the times of their changes that were seen at the last look: the next one sees some again."""

    async def look(self) -> list[Change]:
        """Changes, late and without those that remove something."""
        changes = []
        for project in self._studio.touched():
            since = self._newest.get(project, self._since)
            rows = await _changed(self._studio, project, since)
            seen = {(row.id, row.updated_at or "") for _, row in rows}
            known, self._told[project] = self._told.get(project, set()), seen
            self._newest[project] = max([since, *(when for _, when in seen)])
            for what, row in rows:
                if (row.id, row.updated_at or "") not in known:
                    node = Ref(what, project, (row.id,)).node
                    changes.append(Change(node=node, folder=_home(project, what, row), kind="seen"))
        return changes


async def _changed(studio: Studio, project: str, since: str) -> list[tuple[str, Any]]:
    """Types and rows of what was changed since then."""
    condition = {"key": "updatedAt", "operator": "gte", "value": since}
    filters = {"filter": json.dumps({"operator": "and", "conditions": [condition]})}
    asked = [Ask(LIST_OF[what], filters, f"{COMMON} {fields}", MOST) for what, fields in FIELDS.items()]
    try:
        found = await studio.client.lists(project, asked, "poll")
    except (Forbidden, NotFound):
        return []
    return [(what, edge.node) for what in FIELDS for edge in getattr(found, LIST_OF[what]).edges]


def _home(project: str, what: str, row: Any) -> NodeId:
    """The folder that lists an entity."""
    if what == "folder":
        return place(project, row.parent_id)
    if what in ("task", "product"):
        return Ref(f"{what}s", project, (row.folder_id,)).node
    parent, field = {"version": ("product", "product_id"), "representation": ("version", "version_id")}[what]
    return entity(parent, project, getattr(row, field))
