"""Methods about bitstreams, and the three download methods, which answer with a redirect."""

from __future__ import annotations

import sqlite3

from assetfs.sandbox.midas import policies
from assetfs.sandbox.midas.context import Call, Json, shown
from assetfs.sandbox.midas.errors import DENIED, INTERNAL, INVALID, NO_FOLDER, Refused
from assetfs.sandbox.midas.folders import contained, subfolders
from assetfs.sandbox.midas.items import readable
from assetfs.sandbox.midas.policies import ADMIN, READ, WRITE, allowed
from assetfs.sandbox.midas.registry import method
from assetfs.sandbox.midas.revisions import head, measure

NONE_SUCH = "The bitstream does not exist or you do not have the permissions"
THUMBNAIL = -1  # the revision of a bitstream that belongs to none


class Redirect(Exception):
    """The answer is a 302 to this place below the server's base, in the server's own spelling: nothing is encoded."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


def item_of(call: Call, bitstream: sqlite3.Row) -> sqlite3.Row | None:
    """The item that a bitstream belongs to."""
    query = "SELECT item.* FROM itemrevision JOIN item USING (item_id) WHERE itemrevision_id = ?"
    return call.row(query, bitstream["itemrevision_id"])


def _found(call: Call) -> sqlite3.Row:
    row = call.get("bitstream", call.id("id"))
    if row is None:
        raise Refused(INVALID, "Invalid bitstream id")
    if row["itemrevision_id"] == THUMBNAIL:
        raise Refused(INTERNAL, "Invalid revision id")
    return row


def _require(call: Call, wanted: int, refusal: str) -> sqlite3.Row:
    row = _found(call)
    if not allowed(call, "item", item_of(call, row), call.user(), wanted):
        raise Refused(DENIED, refusal)
    return row


@method("bitstream.get")
def get(call: Call) -> Json:
    """A bitstream, under other names than in an item."""
    row = _require(call, READ, "This bitstream doesn't exist or you don't have the permissions.")
    item = item_of(call, row)
    assert item is not None
    return {
        "id": str(row["bitstream_id"]),
        "name": row["name"],
        "size": str(row["sizebytes"]),
        "mimetype": row["mimetype"],
        "checksum": row["checksum"],
        "itemrevision_id": str(row["itemrevision_id"]),
        "item_id": str(item["item_id"]),
        "date": row["date"],
    }


@method("bitstream.edit")
def edit(call: Call) -> Json:
    """Another name or type. An empty name is taken."""
    row = _require(call, WRITE, "Write access on item is required")
    changes = {name: call.params[name] for name in ("name", "mimetype") if name in call.params}
    if changes:
        call.update("bitstream", row["bitstream_id"], **changes)
    return shown(_found(call))


@method("bitstream.delete")
def delete(call: Call) -> Json:
    """One file less. The item keeps the size that it had."""
    row = _require(call, ADMIN, "Admin privileges required on the containing item")
    call.db.execute("DELETE FROM bitstream WHERE bitstream_id = ?", (row["bitstream_id"],))
    if call.switches.fresh_sizes:
        revision = call.get("itemrevision", row["itemrevision_id"])
        assert revision is not None
        measure(call, revision)


@method("bitstream.count")
def count(call: Call) -> Json:
    """How many bitstreams there are in the head revisions of all that is below, and their bytes."""
    user, (uuid,) = call.user(), call.need("uuid")
    items: list[sqlite3.Row] = []
    item = call.row("SELECT * FROM item WHERE uuid = ?", uuid)
    folder = call.row("SELECT * FROM folder WHERE uuid = ?", uuid)
    community = call.row("SELECT folder_id FROM community WHERE uuid = ?", uuid)
    if community is not None:
        folder = call.get("folder", community["folder_id"])
    if folder is not None:
        if not allowed(call, "folder", folder, user, READ):
            raise Refused(DENIED, NO_FOLDER)
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            items += contained(call, here["folder_id"], user)
            waiting += subfolders(call, here["folder_id"], user)
    elif item is not None and allowed(call, "item", item, user, READ):
        items = [item]
    else:
        raise Refused(INVALID, "No resource for the given UUID.")
    size = number = 0
    for row in items:
        newest = head(call, row["item_id"])
        if newest is not None:
            query = "SELECT total(sizebytes), count(*) FROM bitstream WHERE itemrevision_id = ?"
            found = call.rows(query, newest["itemrevision_id"])[0]
            size, number = size + int(found[0]), number + found[1]
    return {"size": str(size), "count": str(number)}


def _with_token(call: Call, query: str) -> Redirect:
    token = call.params.get("token")
    return Redirect(f"/download/?{query}" + (f"&authToken={token}" if token else ""))


@method("item.download")
def item_download(call: Call) -> Json:
    """Where an item's bytes are."""
    item = readable(call, call.id("id"))
    revision = f",{call.params['revision']}" if "revision" in call.params else ""
    raise _with_token(call, f"items={item['item_id']}{revision}")


@method("folder.download")
def folder_download(call: Call) -> Json:
    """Where a folder's zip is."""
    refusal = Refused(DENIED, NO_FOLDER)
    folder = policies.require(call, "folder", call.id("id"), call.user(), READ, refusal)
    raise _with_token(call, f"folders={folder['folder_id']}")


@method("bitstream.download")
def bitstream_download(call: Call) -> Json:
    """Where a bitstream's bytes are, by id or by checksum."""
    user = call.user()
    if "id" in call.params:
        rows = call.rows("SELECT * FROM bitstream WHERE bitstream_id = ?", call.id("id"))
    else:
        rows = call.rows("SELECT * FROM bitstream WHERE checksum = ?", *call.need("checksum"))
    row = next((row for row in rows if allowed(call, "item", item_of(call, row), user, READ)), None)
    if row is None:
        raise Refused(INVALID, NONE_SUCH)
    offset, name = call.params.get("offset", "0"), call.params.get("name", row["name"])
    raise _with_token(call, f"bitstream={row['bitstream_id']}&offset={offset}&name={name}")
