"""The seed `bench`: much of everything, made quickly and the same every time.

"ten-thousand" has small texts, "thousand-10k" has 1,000 files of 10 KiB, "large" one file of 1 GiB, and "big" (only
with --bench-big N) has N resources that share no content but are one line each.
"""

from __future__ import annotations

import sqlite3

from assetfs.sandbox.jama import setup
from assetfs.sandbox.jama.seeds import people
from assetfs.sandbox.jama.seeds.planting import Planter
from assetfs.sandbox.makings import block, pattern
from assetfs.sandbox.options import Options
from assetfs.sandbox.store import Blobs

SMALL = 10 * 1024


def plant(db: sqlite3.Connection, blobs: Blobs, options: Options) -> None:
    """Make the project "Bench"."""
    users = people.add(db)
    project_id = setup.add_project(db, "Bench")
    people.admit(db, users, project_id)
    planter = Planter(db, blobs, project_id)
    many = planter.collection("ten-thousand")
    planter.files(((f"note-{n:06d}.txt", b"note %d\n" % n) for n in range(options.bench_files)), many)
    small = planter.collection("thousand-10k")
    planter.files(((f"scan-{n:04d}.bin", block(n, SMALL)) for n in range(1000)), small)
    planter.file("large.bin", pattern(options.bench_size), planter.collection("large"))
    if options.bench_big:
        big = planter.collection("big")
        planter.files(((f"item-{n:07d}.txt", b"item %d\n" % n) for n in range(options.bench_big)), big)
    setup.limit(db, users.limited, project_id, [small])
