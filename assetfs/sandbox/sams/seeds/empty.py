"""The seed `empty`: two destinations and nothing else."""

from __future__ import annotations

import sqlite3

from assetfs.sandbox.options import Options
from assetfs.sandbox.store import Blobs


def plant(db: sqlite3.Connection, blobs: Blobs, options: Options) -> None:
    """Leave the store as it is."""
