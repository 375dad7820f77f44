"""Assets: creating, changing, moving and deleting them, with the checks that the server makes and no others."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from assetfs.sandbox.sams import content, wire
from assetfs.sandbox.sams.context import DESTINATIONS, Call, Reply, changing, creating
from assetfs.sandbox.sams.documents import Document, is_id
from assetfs.sandbox.sams.errors import crashed, framework, invalid, not_changed, not_inserted, refused
from assetfs.sandbox.sams.renditions import original
from assetfs.sandbox.sams.schema import ASSET, complaints, unfolded, without_times

CONSUME, PRODUCE = "consume/assets", "produce/assets"
PARSED = ("tags", "extra")  # fields that are JSON text in a form that makes an asset


def get(call: Call) -> Reply:
    """GET consume/assets/{id}: the record, which is the truth."""
    asset = call.documents.asset(call.params[0])
    if asset is None:
        raise framework(404)
    wanted = wire.projection(call)
    for needed in ("set_id", "state"):  # the server's own code looks at them
        if wanted and needed not in wanted:
            raise crashed(f"'{needed}'")
    shown = {name: value for name, value in asset.items() if not wanted or name in wanted or name[0] == "_"}
    return wire.item(call, shown, CONSUME, **wire.public_link(call, asset))


def create(call: Call) -> Reply:
    """POST produce/assets."""
    document = wire.posted(call)[0]
    if call.form is not None:
        if call.form.strange and call.form.file_named:
            raise crashed("maximum recursion depth exceeded")
        try:
            document |= {name: json.loads(document[name]) for name in PARSED if name in document}
        except ValueError as error:
            raise crashed(error) from error
    if "binary" in document:
        raise not_inserted(_no_file(document["binary"]))
    if "_id" in document and not is_id(document["_id"]):
        raise not_inserted({"_id": "must be of objectid type"})
    return wire.created(call, [{**add(call, document), "binary": None}], PRODUCE, CONSUME)


def _no_file(value: Any) -> dict[str, str]:
    return {"binary": "null value not allowed" if value is None else "must be of media type"}


def add(call: Call, document: Document, pieces: Iterable[bytes] | None = None) -> Document:
    """Write a new asset with the form's file (or `pieces`, for seeds) as its content."""
    if "set_id" not in document:
        raise crashed("'set_id'")
    folder = call.documents.set(document["set_id"])
    if folder is None:
        raise crashed("'NoneType' object has no attribute 'get'")
    if folder["state"] != "usable":
        raise refused("08003")
    if pieces is None and (call.form is None or not call.form.file_named):
        raise refused("08001")
    if wrong := complaints(ASSET, without_times(document), call.exists):
        raise invalid(wrong)
    if call.form is not None:
        check_size(call, folder, call.form.size)
    if document.get("_media_id"):  # what is said to be the old content is cleared away
        _drop(call, document["_media_id"], folder)
    _take_content(call, document, folder, pieces if pieces is not None else _pieces(call))
    try:
        call.documents.insert_asset(creating(call, document))
    except sqlite3.IntegrityError as error:
        raise framework(409) from error
    return document


def _pieces(call: Call) -> Iterable[bytes]:
    return call.form.pieces() if call.form is not None else ()


def check_size(call: Call, folder: Document, size: int) -> None:
    """Refuse what is larger than the set or the server allows."""
    limits = [limit for limit in (folder.get("maximum_asset_size"), call.switches.maximum_asset_size) if limit]
    if limits and size > min(limits):
        raise refused("08004", _rounded(size), _rounded(min(limits)))


def _rounded(size: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f"{size} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def _take_content(call: Call, document: Document, folder: Document, pieces: Iterable[bytes]) -> None:
    row, head = content.store(call, pieces, folder["destination_name"], document["filename"])
    document |= {"binary": row["id"], "_media_id": row["id"], "length": row["size"]}
    document["mimetype"] = content.mimetype(document.get("mimetype"), head, document["filename"])
    if (document["mimetype"] or "").startswith("image/") and "renditions" not in document:
        picture = original(call, document, row)
        if picture is not None:
            document["renditions"] = [picture]


def update(call: Call) -> Reply:
    """PATCH produce/assets/{id}: metadata as JSON; content, with some fields beside it, as a form."""
    asset = call.documents.asset(call.params[0])
    if asset is None:
        raise framework(404)
    call.check_etag(asset)
    changes = wire.patched(call, asset)
    if "binary" in changes:
        raise not_changed(_no_file(changes["binary"]))
    if call.form is not None and call.form.file is not None and not call.form.file_named:
        raise not_changed({"binary": "must be of media type"})
    folder = call.documents.set(asset["set_id"])
    if folder is None:
        raise framework(400)
    if folder["state"] != "usable":
        raise refused("08003")
    if "parent_id" in changes and changes["parent_id"] is None:
        raise framework(400)
    if "set_id" in changes and changes["set_id"] is None:
        raise invalid({})
    changes = unfolded(changes)
    if wrong := complaints(ASSET, changes, call.exists, partial=True):
        raise invalid(wrong)
    if call.form is not None and call.form.file is not None:
        _replace_content(call, asset, changes, folder)
    else:
        asset |= changes
    call.documents.update_asset(changing(call, asset), stored=not call.switches.lost_patches)
    return wire.changed({**asset, "binary": None}, PRODUCE)


def _replace_content(call: Call, asset: Document, changes: Document, folder: Document) -> None:
    """New bytes at the destination of the set that the asset will be in; the old are deleted where it was.

    What was made of the old bytes (renditions) stays listed. An empty `_media_id` in the form keeps the old bytes.
    """
    target = call.documents.set(changes.get("set_id", asset["set_id"])) or folder
    check_size(call, target, call.form.size if call.form is not None else 0)
    old, keep = asset["_media_id"], "_media_id" in changes
    if not keep:
        _drop(call, old, target)
    asset |= {"mimetype": None, **changes}
    _take_content(call, asset, target, _pieces(call))


def _drop(call: Call, media_id: str, folder: Document) -> None:
    """Delete a binary at a set's destination. Media ids of the one storage make the other's code fail."""
    if DESTINATIONS[folder["destination_name"]] == "MongoGridFS" and not is_id(media_id):
        raise crashed(f"'{media_id}' is not a valid ObjectId, it must be a 12-byte input or a 24-character hex string")
    call.documents.drop_media(media_id, folder["destination_name"])


def delete(call: Call) -> Reply:
    """DELETE produce/assets/{id}, with its binary and renditions. Locks and the set's state do not matter."""
    asset = call.documents.asset(call.params[0])
    if asset is None:
        return Reply(204)
    call.check_etag(asset)
    call.documents.db.execute("DELETE FROM asset WHERE id = ?", (asset["_id"],))
    folder = call.documents.set(asset["set_id"])
    if folder is None:
        raise refused("07006", asset["set_id"], keep=True)
    for part in [asset, *asset.get("renditions", [])]:
        call.documents.drop_media(part["_media_id"], folder["destination_name"])
    return Reply(204)
