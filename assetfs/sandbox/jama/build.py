"""Building a Jama sandbox: the server, its seed, and what the ready line says about it."""

from __future__ import annotations

import sqlite3
from typing import Any

from assetfs.sandbox.jama.app import Jama
from assetfs.sandbox.jama.profiles import PROFILES
from assetfs.sandbox.jama.seeds import bench, demo, empty
from assetfs.sandbox.options import Options, WrongUsage
from assetfs.sandbox.store import Store

SEEDS = {"empty": empty.plant, "demo": demo.plant, "bench": bench.plant}


def build(store: Store, options: Options) -> tuple[Jama, dict[str, Any]]:
    """A server over a store, seeded if the store is new, and the protocol's part of the ready line.

    Raises WrongUsage when there is no such seed or profile.
    """
    for kind, chosen, known in (("seed", options.seed, SEEDS), ("profile", options.profile, PROFILES)):
        if chosen not in known:
            raise WrongUsage(f"no such {kind}: {chosen}; there are {', '.join(known)}")
    server = Jama(store, PROFILES[options.profile], options.accel_prefix)
    if server.db.execute("SELECT count(*) FROM project").fetchone()[0] == 0:
        server.db.execute("BEGIN IMMEDIATE")
        SEEDS[options.seed](server.db, store.blobs, options)
        server.db.execute("COMMIT")
        server.db.execute("ANALYZE")
    return server, describe(server.db)


def describe(db: sqlite3.Connection) -> dict[str, Any]:
    """Keys and ids of a seeded database."""
    keys = dict(db.execute("SELECT u.username, k.key FROM api_key k JOIN user u ON u.id = k.user_id").fetchall())
    project_id, root = db.execute("SELECT id, root_id FROM project ORDER BY id").fetchone()
    limits = db.execute(
        "SELECT DISTINCT p.object_pk FROM permission p JOIN access a ON a.role_id = p.role_id"
        " JOIN user u ON u.id = a.user_id"
        " WHERE u.username = 'limited' AND p.object_pk IS NOT NULL"
    ).fetchall()
    return {
        "credential": keys["admin"],
        "project": project_id,
        "root": root,
        "readonly_credential": keys["reader"],
        "limited_credential": keys["limited"],
        "limited_collections": [row[0] for row in limits],
    }


def source(url: str) -> str:
    """What `assetfs mount` takes to mount this server."""
    return f"jama+{url}"


PATH = "/rpc/"  # the endpoint below the server's root
