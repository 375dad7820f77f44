"""The seed `empty`: an administrator who owns nothing but the home folders, and no community."""

from __future__ import annotations

from assetfs.sandbox.midas.context import Call
from assetfs.sandbox.midas.seeds import people
from assetfs.sandbox.options import Options
from assetfs.sandbox.store import Blobs


def plant(call: Call, blobs: Blobs, options: Options) -> None:
    """Make the users."""
    people.add(call, people.ADA)
    people.add(call, people.GRACE)
