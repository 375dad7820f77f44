"""What goes when something is deleted: there is no trash."""

from __future__ import annotations

from assetfs.sandbox.midas import policies
from assetfs.sandbox.midas.context import Call


def erase(call: Call, folder_id: int) -> None:
    """Remove a folder and everything below it; items that are in other folders too lose this link only."""
    for row in call.rows("SELECT folder_id FROM folder WHERE parent_id = ?", folder_id):
        erase(call, row["folder_id"])
    for row in call.rows("SELECT item_id FROM membership WHERE folder_id = ?", folder_id):
        unlink(call, row["item_id"], folder_id)
    policies.forget(call, "folder", folder_id)
    call.db.execute("DELETE FROM folder WHERE folder_id = ?", (folder_id,))


def unlink(call: Call, item_id: int, folder_id: int) -> None:
    """Take an item out of a folder; it goes with its last one."""
    call.db.execute("DELETE FROM membership WHERE item_id = ? AND folder_id = ?", (item_id, folder_id))
    if call.scalar("SELECT 1 FROM membership WHERE item_id = ?", item_id) is None:
        erase_item(call, item_id)


def erase_item(call: Call, item_id: int) -> None:
    """Remove an item from all folders, with all its revisions."""
    for row in call.rows("SELECT itemrevision_id FROM itemrevision WHERE item_id = ?", item_id):
        erase_revision(call, row["itemrevision_id"])
    policies.forget(call, "item", item_id)
    for table in ("membership", "upload", "item"):
        call.db.execute(f"DELETE FROM {table} WHERE item_id = ?", (item_id,))


def erase_revision(call: Call, revision_id: int) -> None:
    """Remove a revision with its bitstreams and metadata."""
    for table in ("bitstream", "metadatavalue", "itemrevision"):
        call.db.execute(f"DELETE FROM {table} WHERE itemrevision_id = ?", (revision_id,))
