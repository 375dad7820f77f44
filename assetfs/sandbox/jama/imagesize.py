"""Width and height of a picture, from its header, as the server stores them at upload.

Only pictures that have renditions are looked at; content that is no picture has no size.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

PICTURES = {"image/bmp", "image/gif", "image/jpeg", "image/png", "image/tiff"}


def measure(path: Path, mime: str) -> tuple[int | None, int | None]:
    """(width, height) in pixels, or (None, None)."""
    if mime not in PICTURES:
        return None, None
    try:
        with Image.open(path) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None, None
