"""Revisions: complete sets of bitstreams and of metadata. The newest one is the head."""

from __future__ import annotations

import sqlite3

from assetfs.sandbox.midas.context import Call, new_uuid


def head(call: Call, item_id: int) -> sqlite3.Row | None:
    """The newest revision."""
    return call.row("SELECT * FROM itemrevision WHERE item_id = ? ORDER BY revision DESC", item_id)


def numbered(call: Call, item_id: int, number: str) -> sqlite3.Row | None:
    """A revision by the number that it has at present."""
    if not number.isdigit():
        return None
    return call.row("SELECT * FROM itemrevision WHERE item_id = ? AND revision = ?", item_id, int(number))


def revision_of(
    call: Call, item_id: int, user_id: int, changes: str = "", license_id: str | None = None
) -> sqlite3.Row:
    """Make the next revision, without any bitstream or metadata."""
    newest = head(call, item_id)
    revision_id = call.insert(
        "itemrevision",
        item_id=item_id,
        revision=1 if newest is None else newest["revision"] + 1,
        date=call.stamp(),
        changes=changes,
        user_id=user_id,
        license_id=license_id,
        uuid=new_uuid(),
    )
    made = call.get("itemrevision", revision_id)
    assert made is not None
    return made


def attach(call: Call, revision: sqlite3.Row, name: str, checksum: str, size: int, mime: str) -> int:
    """Add a bitstream that refers to stored bytes; the item's size becomes that of this revision. Returns its id."""
    bitstream_id = call.insert(
        "bitstream",
        itemrevision_id=revision["itemrevision_id"],
        name=name,
        mimetype=mime,
        sizebytes=size,
        checksum=checksum,
        path=f"{checksum[:2]}/{checksum[2:4]}/{checksum}",
        date=call.stamp(),
    )
    measure(call, revision)
    return bitstream_id


def measure(call: Call, revision: sqlite3.Row) -> None:
    """Make an item's size that of one revision."""
    query = "SELECT total(sizebytes) FROM bitstream WHERE itemrevision_id = ?"
    size = int(call.scalar(query, revision["itemrevision_id"]))
    call.update("item", revision["item_id"], sizebytes=size, date_update=call.stamp())


def set_value(call: Call, revision_id: int, kind: int, element: str, qualifier: str, value: str) -> None:
    """Set one metadata value of a revision."""
    key = (kind, element, qualifier)
    call.db.execute("INSERT OR IGNORE INTO metadata (metadatatype, element, qualifier) VALUES (?, ?, ?)", key)
    query = "SELECT metadata_id FROM metadata WHERE metadatatype = ? AND element = ? AND qualifier = ?"
    call.db.execute(
        "INSERT OR REPLACE INTO metadatavalue (itemrevision_id, metadata_id, value) VALUES (?, ?, ?)",
        (revision_id, call.scalar(query, *key), value),
    )
