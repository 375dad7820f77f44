"""Building an AYON sandbox: the server, its seed, and what the ready line says about it."""

from __future__ import annotations

from typing import Any

from assetfs.sandbox.ayon.app import Ayon
from assetfs.sandbox.ayon.seeds import bench, demo, empty
from assetfs.sandbox.options import Options, WrongUsage
from assetfs.sandbox.store import Store

SEEDS = {"empty": empty.plant, "demo": demo.plant, "bench": bench.plant}
PATH = ""  # the endpoint below the server's root: the base URL is the root itself


def build(store: Store, options: Options) -> tuple[Ayon, dict[str, Any]]:
    """A server over a store, seeded if the store is new, and the protocol's part of the ready line.

    Raises WrongUsage when there is no such seed.
    """
    if options.seed not in SEEDS:
        raise WrongUsage(f"no such seed: {options.seed}; there are {', '.join(SEEDS)}")
    ayon = Ayon(store)
    if ayon.server.empty():
        ayon.server.db.execute("BEGIN IMMEDIATE")
        SEEDS[options.seed](ayon.server, options)
        ayon.server.db.execute("COMMIT")
    project = ayon.server.db.execute("SELECT name FROM project ORDER BY rowid LIMIT 1").fetchone()["name"]
    return ayon, {
        "credential": empty.KEY,
        "project": project,
        "user": empty.ROBOT,
        "admin": {"name": empty.ADMIN, "password": empty.ADMIN_PASSWORD},
        "artist": {"name": empty.ARTIST, "password": empty.ARTIST_PASSWORD, "credential": empty.ARTIST_KEY},
        "local_root": str(ayon.server.local_root),
    }


def source(url: str) -> str:
    """What `assetfs mount` takes to mount this server."""
    return f"ayon+{url}"
