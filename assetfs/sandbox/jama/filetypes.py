"""The table of file types that uploads are judged by, as `supported_file_types` of the real server tells it.

A file's type follows from its last extension alone; of several types with one extension the first counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

IIIF = {"application/pdf", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/tiff"}


@dataclass(frozen=True)
class FileType:
    """One row: a MIME type, which is also its title, and its extensions without dots."""

    mime: str
    extensions: tuple[str, ...]

    @property
    def iiif(self) -> bool:
        """Whether the server announces image renditions for it."""
        return self.mime in IIIF

    @property
    def hls(self) -> bool:
        """Whether the server announces video renditions for it."""
        return self.mime.startswith("video/")


@cache
def table() -> dict[str, FileType]:
    """All types by MIME type, in the server's order."""
    rows = (line.split() for line in Path(__file__).with_suffix(".txt").read_text().splitlines())
    return {mime: FileType(mime, tuple(extensions)) for mime, *extensions in rows}


@cache
def by_extension() -> dict[str, FileType]:
    """The type of each extension (lower case, no dot)."""
    return {extension: row for row in reversed(table().values()) for extension in row.extensions}
