"""What a request asks for in a word, for whoever counts requests or makes one fail."""

from __future__ import annotations

import json
import re

NAME = re.compile(r"\b(?:query|mutation)\s+(\w+)")


def named(kind: str, body: bytes) -> list[str] | None:
    """The names of GraphQL operations, or `create version` and so on for a batch; None where there are no names."""
    if kind not in ("graphql", "operations"):
        return None
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return []
    if not isinstance(document, dict):
        return []
    if kind == "graphql":
        return NAME.findall(str(document.get("query") or ""))
    return [f"{item.get('type')} {item.get('entityType')}" for item in document.get("operations") or []]
