"""All RPC methods, and the pages that are made of them: importing their modules registers them."""

from assetfs.sandbox.midas import (
    bitstreams,
    browsing,
    communities,
    folders,
    items,
    metadata,
    modules,
    search,
    system,
    uploads,
)
from assetfs.sandbox.midas.registry import METHODS

__all__ = [
    "METHODS",
    "bitstreams",
    "browsing",
    "communities",
    "folders",
    "items",
    "metadata",
    "modules",
    "search",
    "system",
    "uploads",
]
