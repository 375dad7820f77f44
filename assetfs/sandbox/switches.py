"""Switches: what a test can change for good while a server runs, as a typed table that each protocol adds to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass
class Switchboard:
    """What every protocol has. A protocol derives its own table from this one."""

    keep_alive: float = 2.0  # seconds until an idle connection is closed

    def read(self, texts: Sequence[str]) -> dict[str, Any]:
        """Switches and their values out of texts, `name=value`. Raises ValueError for what is not of that form."""
        known = {item.name: type(getattr(self, item.name)) for item in fields(self)}
        found = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals or name not in known:
                raise ValueError(f"no such switch: {text}; there are {', '.join(known)}, each with = and a value")
            found[name] = value.lower() in ("1", "true", "yes", "on") if known[name] is bool else known[name](value)
        return found

    def change(self, values: dict[str, Any]) -> None:
        """Set some switches. Raises ValueError when a name or a value's type is not known."""
        known = {item.name: type(getattr(self, item.name)) for item in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"no such switch: {name}; there are {', '.join(known)}")
            wanted: type | tuple[type, ...] = (int, float) if known[name] is float else known[name]
            if not isinstance(value, wanted):
                raise ValueError(f"{name} takes a {known[name].__name__}")
        for name, value in values.items():
            setattr(self, name, value)
