"""Module thumbnailcreator: small and big thumbnails of pictures, on demand."""

from __future__ import annotations

import hashlib
import io
import sqlite3

from PIL import Image, UnidentifiedImageError

from assetfs.sandbox.midas import policies
from assetfs.sandbox.midas.bitstreams import THUMBNAIL
from assetfs.sandbox.midas.context import Call, Json, shown
from assetfs.sandbox.midas.errors import DENIED, INTERNAL, INVALID, Refused
from assetfs.sandbox.midas.items import full
from assetfs.sandbox.midas.policies import WRITE
from assetfs.sandbox.midas.registry import method
from assetfs.sandbox.midas.revisions import head

SMALL, BIG = 100, 575
"""Pixels: of a square that the small one fits into, and the width of the big one."""
NO_WRITE = "You didn't log in or you don't have the write permission for the given item."


def writable(call: Call, name: str) -> sqlite3.Row:
    """The item of a call of a module, in the words of modules."""
    return policies.require(call, "item", call.id(name), call.user(), WRITE, Refused(DENIED, NO_WRITE))


def store_picture(call: Call, picture: Image.Image) -> int:
    """A picture as a bitstream of no revision. Returns its id."""
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG")
    content = out.getvalue()
    checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()
    query = "INSERT OR IGNORE INTO content (checksum, blob) VALUES (?, ?)"
    call.db.execute(query, (checksum, call.stored().put(content)))
    return call.insert(
        "bitstream",
        itemrevision_id=THUMBNAIL,
        name="thumbnail.jpeg",
        mimetype="image/jpeg",
        sizebytes=len(content),
        checksum=checksum,
        path=f"{checksum[:2]}/{checksum[2:4]}/{checksum}",
        date=call.stamp(),
    )


def opened(call: Call, bitstream: sqlite3.Row | None) -> Image.Image:
    """A bitstream as a picture. Refused where ImageMagick would fail."""
    query = "SELECT blob FROM content WHERE checksum = ?"
    blob = call.scalar(query, bitstream["checksum"]) if bitstream is not None else None
    try:
        if blob is None:
            raise UnidentifiedImageError
        with Image.open(call.stored().path(blob)) as picture:
            return picture.convert("RGB")
    except (OSError, UnidentifiedImageError):
        raise Refused(INTERNAL, "Could not create thumbnail from the bitstream") from None


@method("thumbnailcreator.create.small.thumbnail")
def small(call: Call) -> Json:
    """Of the first bitstream of the newest revision."""
    item = writable(call, "itemId")
    newest = head(call, item["item_id"])
    query = "SELECT * FROM bitstream WHERE itemrevision_id = ? ORDER BY bitstream_id"
    first = call.row(query, newest["itemrevision_id"]) if newest is not None else None
    if first is None:
        raise Refused(INVALID, "The head revision of the item does not contain any bitstream")
    picture = opened(call, first)
    picture.thumbnail((SMALL, SMALL))
    call.update("item", item["item_id"], thumbnail_id=store_picture(call, picture))
    return full(call, item["item_id"], pathToCreatedThumbnail="/var/www/tmp/thumbnail.jpg")


@method("thumbnailcreator.create.big.thumbnail")
def big(call: Call) -> Json:
    """Of any bitstream, in any width. Each item has one, under a number of its own."""
    item = writable(call, "itemId")
    picture = opened(call, call.get("bitstream", call.id("bitstreamId")))
    width = call.id("width") if "width" in call.params else BIG
    if width < 1:
        raise Refused(INTERNAL, "Could not create thumbnail from the bitstream")
    picture = picture.resize((width, max(1, picture.height * width // picture.width)))
    known = call.row("SELECT * FROM itemthumbnail WHERE item_id = ?", item["item_id"])
    bitstream_id = store_picture(call, picture)
    if known is None:
        number = call.insert("itemthumbnail", item_id=item["item_id"], thumbnail_id=bitstream_id)
    else:
        number = known["itemthumbnail_id"]
        call.db.execute("DELETE FROM bitstream WHERE bitstream_id = ?", (known["thumbnail_id"],))
        call.update("itemthumbnail", number, thumbnail_id=bitstream_id)
    row = call.get("itemthumbnail", number)
    assert row is not None
    return shown(row)
