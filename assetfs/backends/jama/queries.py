"""Words of a search into the server's search terms (section 4.5). Pure.

A plain text goes to the server's simple search, which looks at titles. `title:night tag:PAINT -tag:DRAFT` are
conditions that must all hold. The server ignores terms that it does not understand, and then finds *everything*: so
only shapes that it knows are made here.
"""

from __future__ import annotations

import re
from typing import Any

from assetfs.repository import ValueRejected

MAX_TERMS = 10

_TERM = re.compile(r'(-?)(title|tag):(?:"([^"]*)"|(\S+))')


def terms_of(query: str) -> list[dict[str, Any]] | None:
    """Search terms, or None for a plain text. Raises ValueRejected for more than ten."""
    text = query.strip()
    matches = list(_TERM.finditer(text))
    if not matches or _TERM.sub("", text).strip():
        return None
    if len(matches) > MAX_TERMS:
        raise ValueRejected(f"the server takes at most {MAX_TERMS} search terms")
    return [_term(bool(match[1]), match[2], match[3] if match[3] is not None else match[4]) for match in matches]


def _term(negated: bool, kind: str, value: str) -> dict[str, Any]:
    if kind == "tag":
        return {"exclude_tags" if negated else "tags": [value]}
    return {"property": "title", "term": "does_not_contain" if negated else "contains", "value": value}
