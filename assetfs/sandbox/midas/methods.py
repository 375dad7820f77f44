"""All RPC methods: importing their modules registers them."""

from assetfs.sandbox.midas import (
    bitstreams,
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
    "communities",
    "folders",
    "items",
    "metadata",
    "modules",
    "search",
    "system",
    "uploads",
]
