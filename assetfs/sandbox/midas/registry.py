"""The RPC methods by name. A name is found without its dots and in any case: `midas.VER.sion` is `version`."""

from __future__ import annotations

from collections.abc import Callable

from assetfs.sandbox.midas.context import Call, Json

Method = Callable[[Call], Json]
METHODS: dict[str, Method] = {}


def key(name: str) -> str:
    """What a method's name is looked up by."""
    return name.removeprefix("midas.").replace(".", "").lower()


def method(name: str) -> Callable[[Method], Method]:
    """Make a function an RPC method, under a name without the prefix."""

    def register(function: Method) -> Method:
        METHODS[key(name)] = function
        return function

    return register
