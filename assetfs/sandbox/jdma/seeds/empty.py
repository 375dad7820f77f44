"""The seed `empty`: people and workspaces, no batch."""

from __future__ import annotations

from assetfs.sandbox.jdma.seeds.planting import Planter
from assetfs.sandbox.options import Options


def plant(planter: Planter, options: Options) -> None:
    """They are there already."""
