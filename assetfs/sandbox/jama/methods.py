"""All RPC methods of each profile: importing the modules registers what is in them."""

from __future__ import annotations

from assetfs.sandbox.jama import annotations as notes
from assetfs.sandbox.jama import (
    classic,
    collections,
    metas,
    projects,
    recycling,
    resources,
    roles,
    search,
    tags,
    uploads,
)
from assetfs.sandbox.jama.profiles import Profile
from assetfs.sandbox.jama.registry import CLASSIC, LEGACY, METHODS, Method

MODULES = (*(notes, classic, collections, metas, projects, recycling, resources, roles, search, tags, uploads),)


def methods_of(profile: Profile) -> dict[str, Method]:
    """The table of methods that a profile answers to."""
    if not profile.projects:
        return CLASSIC
    methods = METHODS | (LEGACY if profile.lacking else {})
    return {name: function for name, function in methods.items() if name not in profile.lacking}
