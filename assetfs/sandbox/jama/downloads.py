"""Downloading: which bytes a Range header means to this server, and what a download is called.

The rules are the server's own and not those of HTTP: an open range at or past the end is the whole file with 200, a
closed one is 416; several ranges, other units and nonsense are ignored. No validator is sent or heard.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass

WHOLE = 200
PART = 206
NOT_SATISFIABLE = 416


@dataclass(frozen=True)
class Span:
    """What to answer: the status, and the bytes `start` to `stop` (exclusive)."""

    status: int
    start: int
    stop: int


def _single(text: str, size: int) -> tuple[int, int] | None:
    units, found, spec = text.partition("=")
    spec = spec.strip()
    if not found or units.strip().lower() != "bytes" or "," in spec or "-" not in spec:
        return None
    first, _, last = spec.partition("-")
    if not first:
        return (max(0, size - int(last)), size) if int(last) >= 0 else None
    start, stop = int(first), int(last) + 1 if last else size
    return (start, stop) if start < stop else None


def span(range_header: str | None, size: int) -> Span:
    """What a Range header (None when absent) means for a file of `size` bytes."""
    try:
        wanted = _single(range_header, size) if range_header else None
    except ValueError:
        wanted = None
    if wanted is None:
        return Span(WHOLE, 0, size)
    start, stop = wanted
    if start >= size:
        return Span(NOT_SATISFIABLE, 0, 0)
    return Span(PART, start, min(stop, size))


def file_name(title: str, original_name: str) -> str:
    """A download's name: an ASCII slug of the title without its extension, and the original extension in lower case."""
    text = unicodedata.normalize("NFKD", os.path.splitext(title)[0]).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text)).strip("-_")
    return slug + os.path.splitext(original_name)[1].lower()
