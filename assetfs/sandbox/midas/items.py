"""Methods about items: making, editing, finding, moving, sharing and deleting them."""

from __future__ import annotations

import itertools
import sqlite3

from assetfs.sandbox.midas import policies
from assetfs.sandbox.midas.context import Call, Fields, Json, new_uuid, shown
from assetfs.sandbox.midas.erasing import erase_item
from assetfs.sandbox.midas.errors import DENIED, INVALID, NO_FOLDER, NO_ITEM, NO_USER, TOKEN, Fatal, Refused
from assetfs.sandbox.midas.folders import filtered
from assetfs.sandbox.midas.policies import ADMIN, READ, WRITE, allowed
from assetfs.sandbox.midas.registry import method
from assetfs.sandbox.midas.revisions import head, revision_of, set_value

UNTYPED = 0
FRESH: Fields = {"view": None, "download": None}  # as they show in the answer that makes an item


def add(call: Call, folder_id: int, name: str, description: str = "", uuid: str = "") -> int:
    """Make an item in a folder, with the folder's policies. Returns its id."""
    moment = call.stamp()
    item_id = call.insert(
        "item",
        name=name,
        description=filtered(description),
        date_creation=moment,
        date_update=moment,
        uuid=uuid or new_uuid(),
    )
    call.insert("membership", item_id=item_id, folder_id=folder_id)
    policies.inherit(call, "item", item_id, folder_id)
    return item_id


def named(call: Call, folder_id: int, name: str) -> sqlite3.Row | None:
    """The first item of a name in a folder."""
    query = (
        "SELECT item.* FROM membership JOIN item USING (item_id)"
        f" WHERE folder_id = ? AND {call.name_is('item.name')} ORDER BY item_id"
    )
    return call.row(query, folder_id, name)


def free_name(call: Call, folder_id: int, name: str) -> str:
    """The name, or the name with the first number that is free."""
    tries = itertools.chain([name], (f"{name} ({number})" for number in itertools.count(1)))
    return next(tried for tried in tries if named(call, folder_id, tried) is None)


def first_folder(call: Call, item_id: int) -> int | None:
    """The folder that an item shows as its own: where it came first."""
    found = call.scalar("SELECT folder_id FROM membership WHERE item_id = ? ORDER BY position", item_id)
    return None if found is None else int(found)


def full(call: Call, item_id: int, **changes: object) -> Fields:
    """An item as an answer's fields."""
    row = call.get("item", item_id)
    assert row is not None
    return shown(row, **changes)


def readable(call: Call, item_id: int) -> sqlite3.Row:
    """An item that the caller may read."""
    return policies.require(call, "item", item_id, call.user(), READ, Refused(DENIED, NO_ITEM))


@method("item.get")
def get(call: Call) -> Json:
    """An item with its revisions and their bitstreams; with `head`, the newest revision only."""
    item = readable(call, call.id("id"))
    revisions = call.rows("SELECT * FROM itemrevision WHERE item_id = ? ORDER BY revision", item["item_id"])
    if "head" in call.params:
        revisions = revisions[-1:]
    folder = first_folder(call, item["item_id"])
    query = "SELECT * FROM bitstream WHERE itemrevision_id = ? ORDER BY bitstream_id"
    written = [
        shown(row, bitstreams=[shown(bits) for bits in call.rows(query, row["itemrevision_id"])]) for row in revisions
    ]
    return shown(item, folder_id=str(folder), revisions=written, extraFields=[])


@method("item.create")
def create(call: Call) -> Json:
    """A new item, under a free name; or, with the uuid of one that is there, its new name and more."""
    user = call.user()
    if user is None:
        raise Refused(DENIED, "Cannot create item anonymously")
    (name,) = call.need("name")
    known = call.row("SELECT * FROM item WHERE uuid = ?", call.params.get("uuid", ""))
    if known is not None:
        return _edit(call, known, user, name)
    folder = call.get("folder", call.id("parentid"))
    if folder is None:
        raise Refused(INVALID, "Parent folder doesn't exist")
    if not allowed(call, "folder", folder, user, WRITE):
        raise Refused(DENIED, "Invalid permissions")
    if not name:
        raise Refused(UNTYPED, "Name cannot be empty.")
    if "privacy" in call.params:
        policies.check_privacy(call.params["privacy"])
    description, uuid = call.params.get("description", ""), call.params.get("uuid", "")
    item_id = add(call, folder["folder_id"], free_name(call, folder["folder_id"], name), description, uuid)
    policies.grant(call, "item", item_id, "user", user["user_id"], ADMIN)
    if "privacy" in call.params:
        policies.set_privacy(call, "item", item_id, call.params["privacy"])
    return full(call, item_id, sizebytes=None, **FRESH)


def _edit(call: Call, item: sqlite3.Row, user: sqlite3.Row, name: str) -> Json:
    if not allowed(call, "item", item, user, WRITE):
        raise Refused(DENIED, "Invalid permissions")
    item_id, newest = item["item_id"], head(call, item["item_id"])
    if call.switches.check_renames:
        taken = named(call, first_folder(call, item_id) or 0, name)
        if taken is not None and taken["item_id"] != item_id:
            raise Refused(UNTYPED, "This name is already used")
    if "privacy" in call.params:
        policies.set_privacy(call, "item", item_id, call.params["privacy"])
    changes = {"name": name, "date_update": call.stamp()}
    if "description" in call.params:
        changes["description"] = filtered(call.params["description"])
    call.update("item", item_id, **changes)
    if "updatebitstream" in call.params:
        if newest is None:
            raise Fatal("no revision to take the bitstream of")
        files = call.rows("SELECT * FROM bitstream WHERE itemrevision_id = ?", newest["itemrevision_id"])
        if len(files) == 1:
            call.update("bitstream", files[0]["bitstream_id"], name=name)
    for element in (key for key in call.params if key.startswith("_")):
        if newest is None:
            raise Refused(DENIED, "The item must have at least one revision to have metadata")
        set_value(call, newest["itemrevision_id"], 0, element[1:], "", call.params[element])
    return full(call, item_id)


def _placed(call: Call, verb: str, wanted: int) -> tuple[sqlite3.Row, sqlite3.Row]:
    """The item and the destination of a move, share or duplicate."""
    user = call.user()
    if user is None:
        raise Refused(DENIED, f"Cannot {verb} item anonymously")
    item = policies.require(call, "item", call.id("id"), user, wanted, Refused(DENIED, NO_ITEM))
    refusal = Refused(DENIED, NO_FOLDER)
    return item, policies.require(call, "folder", call.id("dstfolderid"), user, WRITE, refusal)


def _owning(call: Call, item_id: int) -> list[Fields]:
    query = "SELECT folder.* FROM membership JOIN folder USING (folder_id) WHERE item_id = ? ORDER BY position"
    return [shown(row) for row in call.rows(query, item_id)]


@method("item.move")
def move(call: Call) -> Json:
    """From one folder to another, under a free name. Whether it is in the first is not looked at."""
    item, folder = _placed(call, "move", ADMIN)
    item_id, folder_id, source_id = item["item_id"], folder["folder_id"], call.id("srcfolderid")
    if call.get("folder", source_id) is None:
        raise Refused(DENIED, NO_FOLDER)
    name = free_name(call, folder_id, item["name"])
    call.db.execute("DELETE FROM membership WHERE item_id = ? AND folder_id = ?", (item_id, source_id))
    call.db.execute("INSERT OR IGNORE INTO membership (item_id, folder_id) VALUES (?, ?)", (item_id, folder_id))
    call.update("item", item_id, name=name, date_update=call.stamp())
    policies.inherit(call, "item", item_id, folder_id)
    return full(call, item_id, owningfolders=_owning(call, item_id))


@method("item.share")
def share(call: Call) -> Json:
    """One more folder. The answer shows all of them, and the privacy as it was."""
    item, folder = _placed(call, "share", READ)
    item_id, folder_id = item["item_id"], folder["folder_id"]
    if call.scalar("SELECT 1 FROM membership WHERE item_id = ? AND folder_id = ?", item_id, folder_id) is None:
        call.insert("membership", item_id=item_id, folder_id=folder_id)
        policies.inherit(call, "item", item_id, folder_id, read_only=True)
    return shown(item, owningfolders=_owning(call, item_id))


@method("item.duplicate")
def duplicate(call: Call) -> Json:
    """A copy with all revisions and metadata."""
    item, folder = _placed(call, "duplicate", READ)
    user = call.user()
    assert user is not None
    name = free_name(call, folder["folder_id"], item["name"])
    copy_id = add(call, folder["folder_id"], name, item["description"])
    policies.grant(call, "item", copy_id, "user", user["user_id"], ADMIN)
    for row in call.rows("SELECT * FROM itemrevision WHERE item_id = ? ORDER BY revision", item["item_id"]):
        columns = {name: row[name] for name in ("revision", "date", "changes", "user_id", "license_id")}
        new_id = call.insert("itemrevision", item_id=copy_id, uuid=new_uuid(), **columns)
        call.db.execute(
            "INSERT INTO bitstream (itemrevision_id, assetstore_id, name, mimetype, sizebytes, checksum, path, date)"
            " SELECT ?, assetstore_id, name, mimetype, sizebytes, checksum, path, date FROM bitstream"
            " WHERE itemrevision_id = ? ORDER BY bitstream_id",
            (new_id, row["itemrevision_id"]),
        )
        call.db.execute(
            "INSERT INTO metadatavalue (itemrevision_id, metadata_id, value)"
            " SELECT ?, metadata_id, value FROM metadatavalue WHERE itemrevision_id = ?",
            (new_id, row["itemrevision_id"]),
        )
    call.update("item", copy_id, sizebytes=item["sizebytes"], thumbnail_id=item["thumbnail_id"])
    return full(call, copy_id, **FRESH)


@method("item.delete")
def delete(call: Call) -> Json:
    """An item goes from all folders."""
    user = call.user()
    if user is None:
        raise Refused(TOKEN, NO_USER)
    item = policies.require(call, "item", call.id("id"), user, ADMIN, Refused(DENIED, NO_ITEM))
    erase_item(call, item["item_id"])


@method("item.exists")
def exists(call: Call) -> Json:
    """Whether a folder has an item of a name."""
    user, (name,) = call.user(), call.need("name")
    folder = call.get("folder", call.id("parentid"))
    if folder is None:
        raise Refused(INVALID, "Invalid parentid")
    if not allowed(call, "folder", folder, user, READ):
        raise Refused(DENIED, "Read permission required on folder")
    found = named(call, folder["folder_id"], name)
    if found is None or not allowed(call, "item", found, user, READ):
        return {"exists": False}
    return {"exists": True, "item": shown(found)}


@method("item.list.permissions")
def list_permissions(call: Call) -> Json:
    """Who may do what with an item."""
    refusal = Refused(DENIED, "Admin privileges required on the item to list permissions.")
    item = policies.require(call, "item", call.id("item_id"), call.user(), ADMIN, refusal)
    return policies.listed(call, "item", item)


@method("link.create")
def link_create(call: Call) -> Json:
    """An item whose one bitstream is a URL. It takes any length and checksum."""
    user = call.user()
    if user is None:
        raise Refused(DENIED, "Anonymous users may not create a link")
    call.post_only()
    (url,) = call.need("url")
    folder = policies.require(call, "folder", call.id("folderid"), user, WRITE, Refused(DENIED, NO_FOLDER))
    name = free_name(call, folder["folder_id"], call.params.get("itemname", url))
    item_id = add(call, folder["folder_id"], name)
    policies.grant(call, "item", item_id, "user", user["user_id"], ADMIN)
    size = call.id("length") if "length" in call.params else 0
    revision = revision_of(call, item_id, user["user_id"], "Initial revision")
    checksum = call.params.get("checksum") or " "
    call.insert(
        "bitstream",
        itemrevision_id=revision["itemrevision_id"],
        name=url,
        mimetype="url",
        sizebytes=size,
        checksum=checksum,
        path=url,
        date=call.stamp(),
    )
    call.update("item", item_id, sizebytes=size)
    return full(call, item_id, **FRESH)
