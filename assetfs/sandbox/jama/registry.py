"""The tables of RPC methods: a function is a method when it is registered, and its signature is its wire signature.

A method takes the `Call` first and then exactly the positional parameters of the protocol, with their defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from assetfs.sandbox.jama.context import Call
from assetfs.sandbox.jama.errors import SUPERUSERS_ONLY, Refused

Method = Callable[..., Any]

METHODS: dict[str, Method] = {}  # profiles `current` and, where not overridden, `legacy`
LEGACY: dict[str, Method] = {}  # what had other parameters then
CLASSIC: dict[str, Method] = {}  # profile `classic`


def method(function: Method) -> Method:
    """Register a method of today's API under its own name."""
    METHODS[function.__name__] = function
    return function


def superuser(function: Method) -> Method:
    """Register a method that only a superuser may call: for anybody else the parameters do not matter."""

    def guarded(call: Call, *params: Any) -> Any:
        if not call.user.is_superuser:
            raise Refused(SUPERUSERS_ONLY)
        return invoke(function, call, list(params))

    METHODS[function.__name__] = guarded
    return function


def legacy(function: Method) -> Method:
    """Register the older form of a method; the prefix `legacy_` of its name is dropped."""
    LEGACY[function.__name__.removeprefix("legacy_")] = function
    return function


def classic(function: Method) -> Method:
    """Register a method of the classic API; a trailing underscore of its name is dropped."""
    CLASSIC[function.__name__.rstrip("_")] = function
    return function


def invoke(function: Method, call: Call, params: list[Any]) -> Any:
    """Call a method. Raises TypeError (400 on the wire) when the number of parameters is wrong."""
    inspect.signature(function).bind(call, *params)
    return function(call, *params)
