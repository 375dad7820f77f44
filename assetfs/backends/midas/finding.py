"""Finding: by the server's search, and every way from the root to a node.

The core's search is for a part of a name. A query with a field in it (`metadata:phantom`, `text-DICOM.Modality:MR`)
goes to Solr, where the server has it. What is found is named and no more: it shows as links, whose paths are asked for
when somebody follows them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from assetfs.backends.midas.client import Client
from assetfs.backends.midas.editing import Editing
from assetfs.backends.midas.hidden import is_hidden
from assetfs.backends.midas.nodes import COMMUNITIES, ROOT, USERS, Nodes, held, is_part, parse, synthetic
from assetfs.backends.midas.places import Places
from assetfs.backends.midas.wire import Community, Folder, Found, Item, number
from assetfs.repository import Forbidden, Node, NodeId, NotFound

SOLR = "solr"
MOST = 200
"""What the core's search finds at most, too."""
_FIELD = re.compile(r"(^|[\s(+-])[\w.-]+:\S")


class Finding:
    """`search` and `locate`."""

    def __init__(
        self,
        client: Client,
        nodes: Nodes,
        places: Places,
        editing: Editing,
        modules: frozenset[str],
        stat: Callable[[NodeId], Awaitable[Node]],
    ) -> None:
        self._client = client
        self._nodes = nodes
        self._places = places
        self._editing = editing
        self._modules = modules
        self._stat = stat

    async def search(self, query: str) -> Sequence[Node]:
        if SOLR in self._modules and _FIELD.search(query):
            lucene = f"({query}) AND id:item_*"
            hits = await self._client.call("solr.search.advanced", list[Found], query=lucene, limit=MOST)
            items = [Item(str(one.id), one.name, "", sizebytes=str(one.size)) for one in hits]
            return [self._nodes.listed(item) for item in items]
        found = await self._client.call("resource.search", dict[str, Any], search=query, order="name")
        results = [one for one in found.get("results", []) if isinstance(one, dict)]
        communities = [msgspec.convert(one, type=Community) for one in results if one.get("resultType") == "community"]
        self._nodes.note(communities)
        folders = [msgspec.convert(one, type=Folder) for one in results if one.get("resultType") == "folder"]
        items = [msgspec.convert(one, type=Item) for one in results if one.get("resultType") == "item"]
        tops = {f"f{one.folder_id}" for one in communities}
        return [
            *[await self._places.folder(number(one.folder_id)) for one in communities],
            *(node for one in folders if (node := self._nodes.folder(one)).id not in tops),
            *(self._nodes.listed(one) for one in items if not is_part(one.name)),
        ]

    async def locate(self, node: NodeId) -> Sequence[Sequence[Node]]:
        if node == ROOT:
            return []
        if node in (COMMUNITIES, USERS):
            return [[synthetic(node)]]
        if is_hidden(node):
            raise NotFound("this has no place of its own")
        kind, ident = parse(node)
        last = await self._stat(node)
        if kind == "f":
            return [await self._above(last)]
        item_id = held(last).item if kind == "b" else ident
        end = [await self._stat(f"i{item_id}"), last] if kind == "b" else [last]
        ways: list[Sequence[Node]] = []
        for folder in await self._editing.folders(item_id):
            try:
                ways.append([*await self._above(await self._places.folder(number(folder.folder_id))), *end])
            except (NotFound, Forbidden):
                continue  # shared from where we cannot look
        if not ways:
            raise NotFound(f"{node} is in no folder that may be seen")
        return ways

    async def _above(self, folder: Node) -> list[Node]:
        """The way to a folder, which is its last node."""
        mine = held(folder)
        if mine.top:
            return [synthetic(COMMUNITIES if mine.community else USERS), folder]
        chain = await self._client.call("path.from.root", list[dict[str, Any]], uuid=mine.uuid)
        records = [msgspec.convert(one, type=Folder) for one in chain if "folder_id" in one and "item_id" not in one]
        top = await self._places.folder(number(records[0].folder_id)) if records else folder
        place = synthetic(COMMUNITIES if held(top).community else USERS)
        return [place, top, *(self._nodes.folder(one) for one in records[1:-1]), folder]
