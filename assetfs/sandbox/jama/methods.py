"""All RPC methods of each profile: importing the modules registers what is in them."""

from __future__ import annotations

from assetfs.sandbox.jama import classic, collections, metas, projects, recycling, resources, search, tags, uploads
from assetfs.sandbox.jama.profiles import Profile
from assetfs.sandbox.jama.registry import CLASSIC, METHODS, Method

MODULES = (classic, collections, metas, projects, recycling, resources, search, tags, uploads)


def methods_of(profile: Profile) -> dict[str, Method]:
    """The table of methods that a profile answers to."""
    return METHODS if profile.projects else CLASSIC
