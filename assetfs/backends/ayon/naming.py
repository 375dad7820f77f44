"""Names on the drive for what the server keeps paths and numbers of (section 8.1). Pure."""

from __future__ import annotations

import re

from assetfs.backends.ayon.wire import Version

TASKS, PRODUCTS, HERO = "@tasks", "@products", "@hero"
REVIEW, LINKS, LISTS = ".review", ".links", ".lists"
THUMBNAILS = (".thumbnail.png", ".thumbnail.jpg")
RESERVED = frozenset({REVIEW, LINKS, LISTS, *THUMBNAILS})
LONGEST = 255

_NUMBER = re.compile(r"v(\d{1,9})")
_DRAFT = re.compile(r"(?:v\d{1,9}|next)\.draft")
MEDIA = {
    **dict.fromkeys(("jpg", "jpeg"), "image/jpeg"),
    **{name: f"image/{name}" for name in ("png", "gif", "webp", "bmp")},
    **dict.fromkeys(("tif", "tiff"), "image/tiff"),
    **dict.fromkeys(("mov", "qt"), "video/quicktime"),
    **dict.fromkeys(("mp4", "m4v"), "video/mp4"),
    **{name: f"video/{name}" for name in ("webm", "mpeg")},
    "exr": "image/x-exr",
    "mkv": "video/x-matroska",
    "avi": "video/x-msvideo",
    "mxf": "application/mxf",
    "ogv": "video/ogg",
}
"""What the server takes for a reviewable, by extension."""


def file_name(path: str, representation: str) -> str:
    """The name of a file of a representation: the last element of its path, where that can be one."""
    name = path.replace("\\", "/").rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name or len(name.encode("utf-8", "surrogatepass")) > LONGEST:
        extension = name.rpartition(".")[2] if "." in name else ""
        plain = extension if extension.isascii() and extension.isalnum() and len(extension) <= 8 else "bin"
        return f"{representation}.{plain}"
    return f"{representation}~{name}" if name in RESERVED else name


def version_name(version: Version) -> str:
    """`v001`, or `@hero`."""
    return HERO if version.version < 0 else f"v{version.version:03d}"


def version_number(name: str) -> int | None:
    """The number that a name asks for; None where it asks for the next one."""
    match = _NUMBER.fullmatch(name)
    return int(match[1]) if match else None


def is_draft(name: str) -> bool:
    """Whether a folder made under this name in a product is a draft of a version."""
    return _DRAFT.fullmatch(name) is not None


def pointers(versions: list[Version]) -> dict[str, Version]:
    """The links of a product: `hero`, `latest`, `approved`, each with the version that it leads to."""
    active = [one for one in versions if one.active]
    numbered = [one for one in active if one.version >= 0]
    done = [one for one in numbered if one.is_latest_done]
    found = {"hero": [one for one in active if one.version < 0], "latest": numbered, "approved": done}
    return {name: max(ones, key=lambda one: one.version) for name, ones in found.items() if ones}


def extension(name: str) -> str:
    """What stands behind a name's last dot, in small letters."""
    return name.rpartition(".")[2].lower()
