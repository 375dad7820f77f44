"""Building a JDMA sandbox: the server, its seed, and what the ready line says about it."""

from __future__ import annotations

import json
from typing import Any

from assetfs.sandbox.jdma import people
from assetfs.sandbox.jdma.app import Jdma
from assetfs.sandbox.jdma.seeds import bench, demo, empty
from assetfs.sandbox.jdma.seeds.planting import Planter
from assetfs.sandbox.options import Options, WrongUsage
from assetfs.sandbox.store import Store

SEEDS = {"empty": empty.plant, "demo": demo.plant, "bench": bench.plant}
PATH = "/jdma_control"  # the endpoint below the server's root


def build(store: Store, options: Options) -> tuple[Jdma, dict[str, Any]]:
    """A server over a store, seeded if the store is new, and the protocol's part of the ready line.

    Raises WrongUsage when there is no such seed or user.
    """
    if options.seed not in SEEDS:
        raise WrongUsage(f"no such seed: {options.seed}; there are {', '.join(SEEDS)}")
    try:
        around = people.known(options.login)
    except KeyError as error:
        raise WrongUsage(f"no such user on this machine: {options.login}") from error
    server = Jdma(store, around.user)
    if server.db.execute("SELECT count(*) FROM workspace").fetchone()[0] == 0:
        people.plant(server.db, server.disk, around)
        SEEDS[options.seed](Planter(server.worker.books, around), options)
        people.give(server.disk, around)
        people.let_in(store.folder, around)
    return server, {
        "credential": json.dumps({"username": around.user}),
        "name": around.user,
        "member": around.member,
        "manager": around.manager,
        "workspace": people.WORKSPACE,
        "other": people.OTHER,
        "buckets": people.BUCKETS,
        "stage": str(around.stage(server.disk)),
    }
