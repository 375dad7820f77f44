"""What answers where. Most patterns are beginnings: whatever follows is of no interest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assetfs.sandbox.jdma import batches, listings, posting, tickets, users
from assetfs.sandbox.jdma.context import STORAGES, Call
from assetfs.sandbox.jdma.deleting import delete
from assetfs.sandbox.jdma.getting import get
from assetfs.sandbox.jdma.putting import put
from assetfs.sandbox.jdma.stages import Kind

ROOT = "/jdma_control/api/v1/"
BRANCHES: dict[Kind, posting.Branch] = {Kind.PUT: put, Kind.MIGRATE: put, Kind.GET: get, Kind.DELETE: delete}

Handler = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True)
class Route:
    """A path's beginning, the word for it, and a handler per method; with `any`, the one handler takes all methods."""

    start: str
    methods: dict[str, Handler]
    any: Handler | None = None

    @property
    def kind(self) -> str:
        """This protocol's word for the path."""
        return self.start.rstrip("/")

    @property
    def allow(self) -> str:
        """The methods that it answers."""
        return ", ".join([*self.methods, "HEAD", "OPTIONS"])


def _storages(call: Call) -> dict[str, Any]:
    return dict(STORAGES)


def _post(call: Call) -> dict[str, Any]:
    return posting.post(call, BRANCHES)


ROUTES = (
    Route("user", {"GET": users.read, "POST": users.create, "PUT": users.edit}),
    Route("request", {"GET": tickets.read, "POST": _post}),
    Route("migration/", {"GET": batches.read, "PUT": batches.label}),
    Route("file/", {"GET": listings.files}),
    Route("archive/", {"GET": listings.archives}),
    Route("list_backends/", {}, _storages),
)


def find(path: str) -> Route | None:
    """The route of a path."""
    if not path.startswith(ROOT):
        return None
    return next((route for route in ROUTES if path.removeprefix(ROOT).startswith(route.start)), None)
