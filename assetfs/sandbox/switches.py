"""Switches: what a test can change for good while a server runs, as a typed table that each protocol adds to."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass
class Switchboard:
    """What every protocol has. A protocol derives its own table from this one."""

    keep_alive: float = 2.0  # seconds until an idle connection is closed

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
