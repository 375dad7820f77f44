"""Pages for people that a client needs too: they know their visitor by the session's cookie, not by a token."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from assetfs.sandbox.midas import policies
from assetfs.sandbox.midas.context import Call
from assetfs.sandbox.midas.erasing import erase_revision, unlink
from assetfs.sandbox.midas.errors import Fatal
from assetfs.sandbox.midas.policies import ADMIN, READ, WRITE, allowed
from assetfs.sandbox.midas.revisions import head, measure

FORBIDDEN = b"<html><body>Permission error</body></html>"


@dataclass(frozen=True)
class Page:
    """An answer; `blob` is the digest of a stored body."""

    status: int = 200
    body: bytes = b""
    location: str | None = None
    blob: str | None = None


def _saved(done: bool) -> Page:
    return Page(body=json.dumps(["1", "Changes saved"] if done else ["0", "Permission error"]).encode())


def remove_item(call: Call) -> Page:
    """Take one share away; the item goes with its last."""
    user, item_id, folder_id = call.session_user(), call.id("itemId"), call.id("folderId")
    item, folder = call.get("item", item_id), call.get("folder", folder_id)
    if not allowed(call, "item", item, user, ADMIN) or not allowed(call, "folder", folder, user, WRITE):
        return _saved(False)
    unlink(call, item_id, folder_id)
    return _saved(True)


def delete_revision(call: Call) -> Page:
    """Remove one revision; later ones get lower numbers."""
    user, item_id = call.session_user(), call.id("itemId")
    revision = call.get("itemrevision", call.id("itemrevisionId"))
    if not allowed(call, "item", call.get("item", item_id), user, ADMIN) or revision is None:
        return Page(403, FORBIDDEN)
    erase_revision(call, revision["itemrevision_id"])
    call.db.execute(
        "UPDATE itemrevision SET revision = revision - 1 WHERE item_id = ? AND revision > ?",
        (item_id, revision["revision"]),
    )
    newest = head(call, item_id)
    if newest is not None:
        measure(call, newest)
    return Page(302, location=f"/item/{item_id}")


def thumbnail(call: Call) -> Page:
    """An item's small picture; an empty page when there is none."""
    item = call.get("item", call.id("itemId"))
    if item is None:
        return Page(404, b"<html><body>Not found</body></html>")
    if not allowed(call, "item", item, call.session_user(), READ):
        return Page(403, FORBIDDEN)
    query = "SELECT blob FROM bitstream JOIN content USING (checksum) WHERE bitstream_id = ?"
    return Page(blob=call.scalar(query, item["thumbnail_id"]))


def big_thumbnail(call: Call) -> Page:
    """A thumbnail of the module thumbnailcreator, by the number that it was made under."""
    found = call.get("itemthumbnail", call.id("itemthumbnail"))
    if found is None or not allowed(call, "item", call.get("item", found["item_id"]), call.session_user(), READ):
        raise Fatal("Invalid itemthumbnail parameter")
    query = "SELECT blob FROM bitstream JOIN content USING (checksum) WHERE bitstream_id = ?"
    return Page(blob=call.scalar(query, found["thumbnail_id"]))


def check_shared(call: Call) -> Page:
    """Whether an item is in several folders."""
    shares = call.scalar("SELECT count(*) FROM membership WHERE item_id = ?", call.id("itemId"))
    return Page(body=b'"1"' if shares > 1 else b'"0"')


def max_policy(call: Call) -> Page:
    """The visitor's level on a folder or item."""
    kind = call.params.get("type", "")
    if kind not in ("folder", "item"):
        return Page(404)
    found = policies.level(call, kind, call.id("id"), call.session_user())
    return Page(body=json.dumps({"policy": str(found)}).encode())


PAGES: dict[str, Callable[[Call], Page]] = {
    "/folder/removeitem": remove_item,
    "/item/deleteitemrevision": delete_revision,
    "/item/thumbnail": thumbnail,
    "/thumbnailcreator/thumbnail/item": big_thumbnail,
    "/item/checkshared": check_shared,
    "/browse/getmaxpolicy": max_policy,
}
