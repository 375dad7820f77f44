"""Pictures in other sizes: made when they are asked for, kept, and listed in the asset.

A GET that makes one changes the asset; so does a HEAD.
"""

from __future__ import annotations

import io
import sqlite3
from pathlib import PurePosixPath
from typing import Any

from PIL import Image, UnidentifiedImageError

from assetfs.sandbox.sams import content
from assetfs.sandbox.sams.context import HTML, Call, Reply, changing
from assetfs.sandbox.sams.documents import Document
from assetfs.sandbox.sams.errors import crashed, refused

QUALITY = 85
TOO_SMALL = "height and width must be > 0"


def original(call: Call, asset: Document, row: sqlite3.Row) -> Document | None:
    """The entry for the asset's own bytes, or None when they are no picture."""
    try:
        with Image.open(call.blobs.path(row["digest"])) as picture:
            width, height = picture.size
    except (UnidentifiedImageError, OSError):
        return None
    return {
        "name": "original",
        "_media_id": row["id"],
        "width": width,
        "height": height,
        "params": {"width": width, "height": height, "keep_proportions": True},
        "versioncreated": call.documents.moment(),
        "filename": asset["filename"],
        "length": row["size"],
    }


def download(call: Call) -> Reply:
    """GET consume/assets/images/{id}: the content, or the rendition of the size that is asked for."""
    asset = content.wanted(call, call.params[0])
    width, height, keep = _size(call)
    if not width and not height:
        return content.sent(call, asset, asset)
    return content.sent(call, asset, _found(asset, width, height, keep) or make(call, asset, width, height, keep))


def generate(call: Call) -> Reply:
    """POST produce/assets/images/{id}: make a rendition, with a name."""
    asset = content.wanted(call, call.params[0])
    width, height, keep = _size(call)
    if not width and not height:
        raise refused("10001")
    if _found(asset, width, height, keep) is None:
        make(call, asset, width, height, keep, call.query.get("name") or None)
    return Reply(200, b"", HTML)


def _size(call: Call) -> tuple[int | None, int | None, bool]:
    given = [call.query.get(name) for name in ("width", "height")]
    try:
        width, height = (int(text) if text else None for text in given)
    except ValueError as error:
        raise crashed(error) from error
    return width, height, content.is_true(call.query.get("keep_proportions", "true"))


def _found(asset: Document, width: int | None, height: int | None, keep: bool) -> Document | None:
    """The first rendition that was asked for alike; a side that is not given now matches any."""
    for rendition in asset.get("renditions") or []:
        params: dict[str, Any] = rendition.get("params") or {}
        sides = ((width, params.get("width")), (height, params.get("height")))
        if all(not wanted or wanted == had for wanted, had in sides) and params.get("keep_proportions") is keep:
            return dict(rendition)
    return None


def make(
    call: Call, asset: Document, width: int | None, height: int | None, keep: bool, name: str | None = None
) -> Document:
    """Make, store and record a rendition. Sizes are pixels; one of them may be missing if proportions are kept."""
    row = content.media_of(call, asset, asset["_media_id"])
    path = call.blobs.path(row["digest"])
    try:
        with Image.open(path) as picture:
            wide, high = fitted(picture.size, width, height, keep)
            out = io.BytesIO()
            picture.resize((wide, high)).save(out, picture.format or "PNG", quality=QUALITY)
    except UnidentifiedImageError as error:
        wrapper = "sams.storage.providers.mongo.GridfsFileWrapper"
        raise crashed(f"cannot identify image file <{wrapper} object at 0x{id(call):x}>") from error
    except (ZeroDivisionError, TypeError, ValueError, OSError) as error:
        raise crashed(error) from error
    folder = content.home(call, asset)
    limits = [limit for limit in (folder.get("maximum_asset_size"), call.switches.maximum_asset_size) if limit]
    if limits and out.tell() > min(limits):
        raise refused("08004", f"{out.tell()} bytes", f"{min(limits)} bytes")
    stored, _ = content.store(call, [out.getvalue()], folder["destination_name"], asset["filename"])
    file = PurePosixPath(asset["filename"])
    rendition = {
        "name": name,
        "_media_id": stored["id"],
        "width": wide,
        "height": high,
        "params": {"width": width, "height": height, "keep_proportions": keep},
        "versioncreated": call.documents.moment(),
        "filename": f"{file.stem}-{wide}x{high}{file.suffix}",
        "length": stored["size"],
    }
    asset["renditions"] = [*(asset.get("renditions") or []), rendition]
    call.documents.update_asset(changing(call, asset))
    return rendition


def fitted(size: tuple[int, int], width: int | None, height: int | None, keep: bool) -> tuple[int, int]:
    """The size of a rendition, by the server's arithmetic, which truncates.

    Raises ZeroDivisionError, TypeError or ValueError as the server's code does.
    """
    wide, high = size
    if not keep:
        if width is None or height is None:
            raise TypeError("an integer is required (got type NoneType)")
    elif width is None:
        width = int((height or 0) * (wide / high))
    elif height is None:
        height = int(width / (wide / high))
    elif wide / width > high / height:
        height = int(high / (wide / width))
    else:
        width = int(wide / (high / height))
    if width <= 0 or height is None or height <= 0:
        raise ValueError(TOO_SMALL)
    return width, height
