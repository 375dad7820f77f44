"""Building a Midas sandbox: the server, its seed, and what the ready line says about it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from assetfs.sandbox.midas.app import Midas
from assetfs.sandbox.midas.context import Call
from assetfs.sandbox.midas.seeds import bench, demo, empty, people
from assetfs.sandbox.options import Options, WrongUsage
from assetfs.sandbox.store import Store

SEEDS = {"empty": empty.plant, "demo": demo.plant, "bench": bench.plant}
PROFILES = ("current",)


def build(store: Store, options: Options) -> tuple[Midas, dict[str, Any]]:
    """A server over a store, seeded if the store is new, and the protocol's part of the ready line.

    Raises WrongUsage when there is no such seed or profile.
    """
    for kind, chosen, known in (("seed", options.seed, SEEDS), ("profile", options.profile, PROFILES)):
        if chosen not in known:
            raise WrongUsage(f"no such {kind}: {chosen}; there are {', '.join(known)}")
    server = Midas(store)
    if options.seed == "demo":
        server.switches.modules = "solr,thumbnailcreator,dicomextractor,tracker"
    call = Call(server.db, server.switches, {}, blobs=store.blobs)
    if call.scalar("SELECT count(*) FROM user") == 0:
        server.db.execute("BEGIN IMMEDIATE")
        SEEDS[options.seed](call, store.blobs, options)
        server.db.execute("COMMIT")
        server.db.execute("ANALYZE")
    return server, describe(call)


def describe(call: Call) -> dict[str, Any]:
    """Addresses, keys and folders of a seeded database: of the administrator, and of a second user who is none."""
    facts: dict[str, Any] = {}
    for prefix, person in (("", people.ADA), ("reader_", people.GRACE)):
        row = call.row("SELECT * FROM user JOIN userapi USING (user_id) WHERE email = ?", person.email)
        if row is None:
            continue
        home = call.rows("SELECT * FROM folder WHERE parent_id = ? ORDER BY name", row["folder_id"])
        facts |= {
            f"{prefix}email": person.email,
            f"{prefix}password": person.password,
            f"{prefix}credential": row["apikey"],
            f"{prefix}name": f"{person.first} {person.last}",
            **{f"{prefix}{folder['name'].lower()}_folder": folder["folder_id"] for folder in home},
        }
    return facts


def source(url: str) -> str:
    """What `assetfs mount` takes to mount this server."""
    scheme, _, rest = url.partition("://")
    return f"midas+{scheme}://{quote(people.ADA.email, safe='')}@{rest}"


PATH = "/"  # the endpoint below the server's root
