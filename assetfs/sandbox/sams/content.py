"""Binaries: storing them at a destination, finding them again, and the heads that they are sent with.

A binary stays where it was stored. An asset that moved to a set of another destination is looked up there and is not
found, which is what the real server does.
"""

from __future__ import annotations

import hashlib
import io
import json
import mimetypes
import re
import sqlite3
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from assetfs.sandbox.sams.context import DESTINATIONS, HTML, Body, Call, Reply
from assetfs.sandbox.sams.documents import Document, http_date, is_id
from assetfs.sandbox.sams.errors import crashed, refused

CACHEABLE = ("cache-control", "max-age=2592000, public")
RANGE = re.compile(r"bytes=(\d+)-(\d*)")
BELIEVED = ("image", "video", "audio")
HEADS = {  # the first bytes of a file, as far as this server tells types from them
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
    b"%PDF-": "application/pdf",
    b"PK\x03\x04": "application/zip",
    b"OggS": "audio/ogg",
    b"ID3": "audio/mpeg",
    b"\x1f\x8b": "application/gzip",
}
RIFF = {b"WAVE": "audio/x-wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}
WITH_CHARSET = ("application/xml", "application/javascript", "application/ecmascript", "application/sql")
TRUE = ("y", "yes", "t", "true", "on", "1")
HEAD = 4096  # bytes that decide
NO_TEXT = set(range(32)) - set(b"\t\n\r\f\x08\x1b")
EXTENSIONS = mimetypes.MimeTypes()


def mimetype(given: str | None, head: bytes, filename: str) -> str | None:
    """An asset's type: a picture's, film's or sound's is believed, else the bytes decide, else the extension."""
    if given and given.startswith(BELIEVED):
        return given
    if not head:
        return "application/x-empty"
    if head.startswith(b"RIFF") and head[8:12] in RIFF:
        return RIFF[head[8:12]]
    found = next((kind for magic, kind in HEADS.items() if head.startswith(magic)), None)
    if found:
        return found
    if not NO_TEXT & set(head) and _is_utf8(head):
        return _text(head)
    return EXTENSIONS.guess_type(filename)[0] if filename else "application/octet-stream"


def _text(head: bytes) -> str:
    start = head.lstrip()[:64].lower()
    if start.startswith(b"<?xml"):
        return "text/xml"
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return "text/html"
    try:
        return "application/json" if isinstance(json.loads(head), dict | list) else "text/plain"
    except ValueError:
        return "text/plain"


def is_true(text: str) -> bool:
    """What the server takes for a yes; everything else is a no."""
    return text.lower() in TRUE


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # cut in the middle of a letter
    return True


def store(call: Call, pieces: Iterable[bytes], destination: str, filename: str) -> tuple[sqlite3.Row, bytes]:
    """Store a binary. Returns its row of `media` and its first bytes."""
    sha1, head = hashlib.sha1(usedforsecurity=False), bytearray()

    def watched() -> Iterator[bytes]:
        for piece in pieces:
            sha1.update(piece)
            if len(head) < HEAD:
                head.extend(piece[: HEAD - len(head)])
            yield piece

    digest, size = call.blobs.write(watched())
    media_id = call.documents.new_id()
    if DESTINATIONS[destination] == "AmazonS3":
        name = PurePosixPath(re.sub(r"[^\w.-]", "", filename))
        media_id = f"{name.stem}-{media_id}{name.suffix}"
    row = call.documents.db.execute(
        "INSERT INTO media VALUES (?, ?, ?, ?, ?) RETURNING *", (media_id, destination, digest, sha1.hexdigest(), size)
    ).fetchone()
    return row, bytes(head)


def home(call: Call, asset: Document) -> Document:
    """The set that an asset is in. Refuses when it is gone."""
    document = call.documents.set(asset["set_id"])
    if document is None:
        raise refused("07006", asset["set_id"])
    return document


def media_of(call: Call, asset: Document, media_id: str) -> sqlite3.Row:
    """A binary of an asset, looked for at the destination of the asset's set."""
    row = call.documents.media(media_id, home(call, asset)["destination_name"])
    if row is None:
        raise refused("08002", media_id)
    return row


def wanted(call: Call, asset_id: str) -> Document:
    """An asset, or the refusal of the hand-written routes, which takes malformed ids as well."""
    asset = call.documents.asset(asset_id.lower())
    if asset is None:
        raise refused("08002", asset_id)
    return asset


def binary(call: Call) -> Reply:
    """GET consume/assets/binary/{id}."""
    asset = wanted(call, call.params[0])
    return sent(call, asset, asset)


def sent(call: Call, asset: Document, part: Document) -> Reply:
    """The bytes of an asset or of one of its renditions; `part` has the media id, length, file name and time."""
    row = media_of(call, asset, part["_media_id"])
    name = part["filename"]
    if "\n" in name or "\r" in name:
        raise crashed("Detected newline in header value.  This is a potential security problem")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        return Reply(400, b"<html><body><h1>Bad Request</h1></body></html>", "text/html")
    if call.switches.unnamable and any(ord(letter) > 0xFF for letter in name):
        return Reply(500, b"<html><body><h1>Internal Server Error</h1></body></html>", "text/html")
    modified = http_date(asset["_updated"] if part is asset else part["versioncreated"])
    shown = name.encode("latin-1", "replace").decode("latin-1")
    how = "Attachment" if is_true(call.query.get("download", "")) else "Inline"
    headers = [
        ("etag", f'"{row["sha1"]}"'),
        CACHEABLE,
        ("content-disposition", f"{how}; filename={shown}".strip()),
    ]
    if call.unchanged(row["sha1"], modified):
        return Reply(304, headers=headers)
    headers.append(("last-modified", modified))
    kind = asset["mimetype"] or "text/html"
    if kind.startswith("text/") or kind.endswith("+xml") or kind in WITH_CHARSET:
        kind += "; charset=utf-8"
    body = Body(call.blobs.path(row["digest"]), row["size"], part["length"])
    other = call.headers.get("if-match", row["sha1"]).removeprefix("W/").strip('"') not in (row["sha1"], "*")
    return _ranged(call, Reply(412 if other else 200, b"", kind, headers, body))


def _ranged(call: Call, reply: Reply) -> Reply:
    """What a caching proxy in front of the server makes of a Range; the server itself does not look at it."""
    asked = RANGE.fullmatch(call.headers.get("range", ""))
    if not call.switches.proxy_ranges or reply.content is None:
        return reply
    reply.headers.append(("accept-ranges", "bytes"))
    if asked is None:
        return reply
    size = reply.content.size
    start, stop = int(asked[1]), min(int(asked[2]) + 1 if asked[2] else size, size)
    if start >= size:
        return Reply(416, headers=[("content-range", f"bytes */{size}")], content_type=HTML)
    reply.status = 206
    reply.headers.append(("content-range", f"bytes {start}-{stop - 1}/{size}"))
    reply.content = Body(reply.content.path, stop - start, stop - start, start)
    return reply


def zipped(call: Call) -> Reply:
    """GET consume/assets/compressed_binary/{ids}: stored members in the order of the ids, names as they are."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name are meant
        for asset_id in call.params[0].split(","):
            if not is_id(asset_id.lower()):
                raise crashed(
                    f"'{asset_id}' is not a valid ObjectId, it must be a 12-byte input or a 24-character hex string"
                )
            asset = wanted(call, asset_id)
            row = media_of(call, asset, asset["_media_id"])
            archive.writestr(asset["filename"], call.blobs.path(row["digest"]).read_bytes())
    content = out.getvalue()
    headers = [
        ("etag", f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'),
        ("content-disposition", "Inline"),
    ]
    return Reply(200, content, "application/zip", headers)


def public(call: Call) -> Reply:
    """GET /assets/{set}/{asset} on the file server: what is public in a usable set, and nothing else."""
    set_id, asset_id = call.params
    asset, folder = call.documents.asset(asset_id), call.documents.set(set_id)
    shown = asset and folder and asset["set_id"] == set_id and asset["state"] == "public"
    if asset is None or folder is None or not shown or folder["state"] != "usable":
        return Reply(404, b"", HTML)
    return sent(call, asset, asset)
