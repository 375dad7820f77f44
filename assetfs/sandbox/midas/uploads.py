"""Uploading: tokens, the shortcut for bytes that are known, and what becomes of bytes that have arrived.

A token is `user/item/random` and names a file in the scratch folder; whoever has it may write. The file grows with
every request until it has the length announced; then it becomes a bitstream. What is longer is cut off.
"""

from __future__ import annotations

import hashlib
import io
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from assetfs.sandbox.midas import items, policies, system
from assetfs.sandbox.midas.bitstreams import THUMBNAIL, item_of
from assetfs.sandbox.midas.context import Call, Json, random_text
from assetfs.sandbox.midas.errors import (
    DENIED,
    INVALID,
    METHOD,
    NO_FOLDER,
    UPLOAD_FAILED,
    UPLOAD_TOKEN,
    Fatal,
    Refused,
)
from assetfs.sandbox.midas.policies import READ, WRITE, allowed
from assetfs.sandbox.midas.registry import method
from assetfs.sandbox.midas.revisions import attach, head, numbered, revision_of
from assetfs.sandbox.store import PIECE, Blobs

UNTYPED = 0
READ_SIZE = 8192  # bytes that the receiving loop asks for at once
THUMBNAIL_SIZE = 100  # pixels
PICTURES = ("image/jpeg", "image/png", "image/gif")
MAGIC = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x1f\x8b", "application/x-gzip"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"II*\x00", "image/tiff"),
    (8, b"WAVE", "audio/x-wav"),
    (128, b"DICM", "application/dicom"),
)


def sniffed(start: bytes) -> str:
    """The MIME type of a content by its first bytes, as far as this server knows it."""
    for offset, mark, mime in MAGIC:
        if start[offset : offset + len(mark)] == mark:
            return mime
    if not start:
        return "application/x-empty"
    text = b"\0" not in start and not re.search(rb"[\x01-\x08\x0e-\x1a]", start)
    return "text/plain" if text else "application/octet-stream"


@dataclass(frozen=True)
class Content:
    """Complete bytes in the store."""

    checksum: str
    size: int
    mime: str
    thumbnail: bytes | None = None


def keep(blobs: Blobs, path: Path) -> tuple[Content, str]:
    """Make a finished file a blob. Returns what it is and the blob's digest. Blocks."""
    md5, sha, size, start = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0, b""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            start = start or piece[:4096]
            md5.update(piece)
            sha.update(piece)
            size += len(piece)
    mime = sniffed(start)
    thumbnail = small_picture(path) if mime in PICTURES else None
    blobs.adopt(path, sha.hexdigest())
    return Content(md5.hexdigest(), size, mime, thumbnail), sha.hexdigest()


def small_picture(path: Path) -> bytes | None:
    """A thumbnail of a picture as JPEG; None when it is broken."""
    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
            small.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    except (OSError, UnidentifiedImageError):
        return None
    out = io.BytesIO()
    small.save(out, "JPEG")
    return out.getvalue()


def remember(call: Call, content: Content, digest: str) -> None:
    """Note which blob has the bytes of a checksum."""
    call.db.execute("INSERT OR IGNORE INTO content (checksum, blob) VALUES (?, ?)", (content.checksum, digest))


def place(call: Call, blobs: Blobs, revision: sqlite3.Row, name: str, content: Content) -> int:
    """Put stored bytes into a revision, with a thumbnail for the item of a picture. Returns the bitstream's id."""
    bitstream_id = attach(call, revision, name, content.checksum, content.size, content.mime)
    if content.thumbnail:
        small = content.thumbnail
        checksum = hashlib.md5(small, usedforsecurity=False).hexdigest()
        remember(call, Content(checksum, len(small), "image/jpeg"), blobs.put(small))
        thumbnail_id = call.insert(
            "bitstream",
            itemrevision_id=THUMBNAIL,
            name="thumbnail.jpeg",
            mimetype="image/jpeg",
            sizebytes=len(small),
            checksum=checksum,
            path=f"{checksum[:2]}/{checksum[2:4]}/{checksum}",
            date=call.stamp(),
        )
        call.update("item", revision["item_id"], thumbnail_id=thumbnail_id)
    return bitstream_id


@method("upload.generatetoken")
def generatetoken(call: Call) -> Json:
    """A token for one file; none when a readable bitstream has these bytes, which are then added by reference."""
    user = call.user()
    if user is None:
        raise Refused(DENIED, "Anonymous users may not upload")
    (name,) = call.need("filename")
    if "itemid" in call.params and "folderid" in call.params:
        raise Refused(INVALID, "Parameter itemid or folderid must be defined, but not both")
    if "itemid" in call.params:
        refusal = Refused(UNTYPED, "Error in parameter itemdao or policy when checking Item policy.")
        item = call.get("item", call.id("itemid"))
        if item is None:
            raise refusal
        if not allowed(call, "item", item, user, WRITE):
            raise Refused(DENIED, "Invalid permissions on the item")
    elif "folderid" in call.params:
        folder = policies.require(call, "folder", call.id("folderid"), user, WRITE, Refused(DENIED, NO_FOLDER))
        wanted = items.free_name(call, folder["folder_id"], call.params.get("itemname", name))
        item_id = items.add(call, folder["folder_id"], wanted, call.params.get("itemdescription", ""))
        policies.grant(call, "item", item_id, "user", user["user_id"], policies.ADMIN)
        item = call.get("item", item_id)
    else:
        raise Refused(INVALID, "Parameter itemid or folderid must be defined")
    assert item is not None
    if "checksum" in call.params and _known(call, item, user, name):
        return {"token": ""}
    token = f"{user['user_id']}/{item['item_id']}/{random_text(64)}"
    call.insert("upload", token=token, user_id=user["user_id"], item_id=item["item_id"])
    return {"token": token}


def _known(call: Call, item: sqlite3.Row, user: sqlite3.Row, name: str) -> bool:
    """Whether the first bitstream with the checksum may be read; it is then added to the head revision."""
    query = "SELECT * FROM bitstream WHERE checksum = ? ORDER BY bitstream_id"
    found = call.row(query, call.params["checksum"])
    if found is None:
        return False
    if found["itemrevision_id"] == THUMBNAIL:
        raise Fatal("the bitstream belongs to no revision")
    if not allowed(call, "item", item_of(call, found), user, READ):
        return False
    newest = head(call, item["item_id"])
    if newest is None:
        newest = revision_of(call, item["item_id"], user["user_id"], "Initial revision")
    query = "SELECT 1 FROM bitstream WHERE itemrevision_id = ? AND name = ?"
    taken = call.scalar(query, newest["itemrevision_id"], name) is not None
    if not taken or call.switches.keep_duplicates:
        attach(call, newest, name, found["checksum"], found["sizebytes"], found["mimetype"])
    return True


def file_of(scratch: Path, token: str) -> Path:
    """Where the bytes of a token arrive."""
    return scratch / f"upload-{hashlib.sha256(token.encode()).hexdigest()}"


@dataclass(frozen=True)
class Arrival:
    """One request of `upload.perform` whose parameters are good."""

    token: str
    name: str
    length: int
    item_id: int
    user_id: int


def expected(call: Call) -> Arrival:
    """Check the parameters of `upload.perform`, before its body is read."""
    token, name, _ = call.need("uploadtoken", "filename", "length")
    if call.verb not in ("POST", "PUT"):
        raise Refused(METHOD, "POST or PUT method required")
    row = call.row("SELECT * FROM upload WHERE token = ?", token)
    if row is None:
        raise Refused(UPLOAD_TOKEN, f"Invalid upload token {token}")
    number = call.params.get("revision", "head")
    if number != "head" and numbered(call, row["item_id"], number) is None:
        raise Refused(INVALID, "Unable to find revision")
    return Arrival(token, name, call.id("length"), row["item_id"], row["user_id"])


def missing(arrival: Arrival, have: int) -> Refused:
    """The answer to a body that was too short."""
    return Refused(UPLOAD_FAILED, f"Failed to upload file - {have}/{arrival.length} bytes transferred")


def received(path: Path, before: int, zero_text: bool) -> int:
    """How many bytes the server has of what was sent: its loop ends at a piece that is the text 0. Blocks."""
    size = path.stat().st_size
    if zero_text and (size - before) % READ_SIZE == 1:
        with path.open("rb+") as file:
            file.seek(size - 1)
            if file.read(1) == b"0":
                file.truncate(size - 1)
                return size - 1
    return size


def finish(call: Call, blobs: Blobs, arrival: Arrival, content: Content, digest: str) -> Json:
    """Make complete bytes a bitstream: of a new revision, of the newest, or of one with a number."""
    if call.switches.quota:
        free = call.switches.quota - system.used(call, arrival.user_id)
        if content.size > free:
            raise Refused(DENIED, f"Upload quota exceeded. Free space: {max(0, free)}. Attempted size: {content.size}")
    remember(call, content, digest)
    changes, license_id = call.params.get("changes", ""), call.params.get("license")
    number = call.params.get("revision")
    found = head(call, arrival.item_id) if number == "head" else numbered(call, arrival.item_id, number or "")
    if found is None:
        found = revision_of(call, arrival.item_id, arrival.user_id, changes, license_id)
    else:
        call.update("itemrevision", found["itemrevision_id"], changes=changes)
    place(call, blobs, found, arrival.name, content)
    call.db.execute("DELETE FROM upload WHERE token = ?", (arrival.token,))
    return items.full(call, arrival.item_id)


def offset(call: Call, scratch: Path) -> Json:
    """`upload.getoffset`: how many bytes of a token have arrived; nothing when the token is gone."""
    (token,) = call.need("uploadtoken")
    if call.scalar("SELECT 1 FROM upload WHERE token = ?", token) is None:
        return {"offset": ""}
    path = file_of(scratch, token)
    return {"offset": str(path.stat().st_size if path.exists() else 0)}
