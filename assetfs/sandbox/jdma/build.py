"""Building a JDMA sandbox: the server, its seed, and what the ready line says about it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from assetfs.sandbox.jdma import people
from assetfs.sandbox.jdma.app import Jdma
from assetfs.sandbox.jdma.seeds import bench, demo, empty
from assetfs.sandbox.options import Options, WrongUsage
from assetfs.sandbox.store import Store

SEEDS = {"empty": empty.plant, "demo": demo.plant, "bench": bench.plant}
PATH = "/jdma_control"  # the endpoint below the server's root


def build(store: Store, options: Options) -> tuple[Jdma, dict[str, Any]]:
    """A server over a store, seeded if the store is new, and the protocol's part of the ready line.

    Raises WrongUsage when there is no such seed.
    """
    if options.seed not in SEEDS:
        raise WrongUsage(f"no such seed: {options.seed}; there are {', '.join(SEEDS)}")
    server = Jdma(store)
    if server.db.execute("SELECT count(*) FROM workspace").fetchone()[0] == 0:
        SEEDS[options.seed](server.worker.books, options)
    named = people.names()
    return server, {
        "credential": json.dumps({"username": named["user"]}),
        "name": named["user"],
        "member": named["member"],
        "manager": named["manager"],
        "workspace": people.WORKSPACE,
        "other": people.OTHER,
        "buckets": people.BUCKETS,
        "stage": str(people.stage(server.disk)),
    }


def source(url: str) -> str:
    """What `assetfs mount` takes to mount this server."""
    scheme, _, rest = url.partition("://")
    return f"jdma+{scheme}://{quote(people.names()['user'], safe='')}@{rest}"
