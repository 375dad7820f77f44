"""Trackers: numbers that a community's programs have reported over time, as tables.

The module has no call that lists anything. Its pages do: the producers of a community and the trends of a producer
stand as links in pages for people, and the scalars of many trends come as JSON. All three know their visitor by the
session's cookie. A table is made when its folder is listed, so that its size is known.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from assetfs.backends.midas.client import Client
from assetfs.backends.midas.errors import Broke
from assetfs.backends.midas.nodes import Held
from assetfs.backends.midas.wire import undone
from assetfs.repository import Kind, Node, NotFound, ProtocolViolation, Rights

MODULE = "tracker"
COLUMNS = ("submit_time", "value", "producer_revision", "branch", "official", "build_results_url", "scalar_id")
"""Of a scalar, as far as the server has them: the older module keeps them with the scalar, the newer elsewhere."""
BEGINNING, END = "1970-01-02", "2038-01-01"
"""Dates that a PHP of 32 bits understands: without them the page shows a month."""
_PRODUCER = re.compile(r'href="[^"]*/tracker/producer/view\?producerId=(\d+)"[^>]*>\s*(.*?)\s*</a>', re.DOTALL)
_TREND = re.compile(r'href="[^"]*/tracker/trend/view\?trendId=(\d+)"[^>]*>\s*(.*?)\s*</a>', re.DOTALL)


class Trackers:
    """Producers and trends as nodes, scalars as CSV."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names: dict[str, str] = {}
        """Of what was listed, by id: nothing else tells them cheaply."""

    async def producers(self, community: int) -> Sequence[Node]:
        """The folders below `.trackers` of a community."""
        text = await self._page("tracker/producer/list", communityId=community)
        return [self._producer(ident, name) for ident, name in _PRODUCER.findall(text)]

    def _producer(self, ident: str, name: str) -> Node:
        self._names[f"kp{ident}"] = name
        return Node(
            id=f"kp{ident}", kind=Kind.FOLDER, name=name or ident, label=ident, rights=Rights.READ, private=Held()
        )

    async def trends(self, producer: int) -> Sequence[Node]:
        """The tables of a producer, with their contents."""
        text = await self._page("tracker/producer/view", producerId=producer)
        names = dict(_TREND.findall(text))
        tables = await self._scalars(list(names)) if names else []
        return [self._table(ident, name, rows) for (ident, name), rows in zip(names.items(), tables, strict=True)]

    def _table(self, ident: str, name: str, rows: Sequence[Mapping[str, Any]]) -> Node:
        self._names[f"kt{ident}"] = name
        content = table(rows)
        return Node(
            id=f"kt{ident}",
            kind=Kind.FILE,
            name=f"{name or ident}.csv",
            label=ident,
            size=len(content),
            version=hashlib.sha256(content).hexdigest(),
            digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
            mime="text/csv",
            rights=Rights.READ,
            private=Held(content=content),
        )

    async def stat(self, kind: str, ident: int) -> Node:
        """A producer or trend again, under the name that it was listed by."""
        name = self._names.get(f"{kind}{ident}", "")
        if kind == "kp":
            await self._page("tracker/producer/view", producerId=ident)
            return self._producer(str(ident), name)
        return self._table(str(ident), name, (await self._scalars([str(ident)]))[0])

    async def table(self, trend: int) -> bytes:
        """The content of a trend's file."""
        return table((await self._scalars([str(trend)]))[0])

    async def _page(self, path: str, **params: object) -> str:
        try:
            answer = await self._client.page(path, verb="GET", **params)
        except Broke:
            raise NotFound("this community has no such tracker, or it may not be seen") from None
        if answer.status != 200:
            raise NotFound("this community has no such tracker, or it may not be seen")
        return answer.content.decode("utf-8", "replace")

    async def _scalars(self, trends: Sequence[str]) -> list[list[Mapping[str, Any]]]:
        text = await self._page("tracker/trend/scalars", trendId=",".join(trends), startDate=BEGINNING, endDate=END)
        try:
            found: list[list[Mapping[str, Any]]] = undone(json.loads(text)["scalars"])
        except (ValueError, LookupError, TypeError):
            raise ProtocolViolation("the scalars of a trend are not what the module has") from None
        if len(found) != len(trends):
            raise ProtocolViolation("the server answers for other trends than it was asked for")
        return found


def table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Scalars as CSV, oldest first."""
    columns = [name for name in COLUMNS if not rows or any(name in row for row in rows)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if row.get(name) is None else row[name] for name in columns] for row in rows])
    return out.getvalue().encode()
