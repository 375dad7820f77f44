"""Building a SAMS sandbox: both servers, their seed, and what the ready line says about them."""

from __future__ import annotations

from typing import Any

from assetfs.sandbox.options import Options, WrongUsage
from assetfs.sandbox.sams.app import Sams
from assetfs.sandbox.sams.context import DESTINATIONS
from assetfs.sandbox.sams.seeds import bench, demo, empty
from assetfs.sandbox.store import Store

SEEDS = {"empty": empty.plant, "demo": demo.plant, "bench": bench.plant}
KEY = "7f2ababa423061c5"  # one that begins with B, a, s, i or c could never be used
PATH = "/"  # the endpoint below the server's root
MORE_PORTS = {"file_server_url": 50}  # the ready line's word for each further port, and its distance from the first


def build(store: Store, options: Options) -> tuple[Sams, dict[str, Any]]:
    """A server over a store, seeded if the store is new, and the protocol's part of the ready line.

    Raises WrongUsage when there is no such seed.
    """
    if options.seed not in SEEDS:
        raise WrongUsage(f"no such seed: {options.seed}; there are {', '.join(SEEDS)}")
    server = Sams(store, (KEY,))
    if server.db.execute("SELECT count(*) FROM sets").fetchone()[0] == 0:
        server.db.execute("BEGIN IMMEDIATE")
        SEEDS[options.seed](server.db, store.blobs, options)
        server.db.execute("COMMIT")
        server.db.execute("ANALYZE")
    return server, {"credential": KEY, "destinations": DESTINATIONS}


def source(url: str) -> str:
    """What `assetfs mount` takes to mount this server."""
    return f"sams+{url}"
