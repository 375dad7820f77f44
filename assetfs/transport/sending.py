"""A file's bytes on their way out, for whoever puts them into a request or onto a disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from assetfs.repository import Source

PIECE = 1 << 20
"""Bytes in memory at a time: one system call of a few hundred microseconds."""


async def pieces(
    source: Source, progress: Callable[[int], None], start: int = 0, stop: int | None = None, *, piece: int = PIECE
) -> AsyncGenerator[bytes, None]:
    """The bytes from `start` up to `stop` (None: the end). `progress` is told where each piece has ended, once somebody
    asks for the next one."""
    end = source.size if stop is None else stop
    while start < end:
        content = await source.read(start, min(piece, end - start))
        yield content
        start += len(content)
        progress(start)
