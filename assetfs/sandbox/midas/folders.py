"""Methods about folders."""

from __future__ import annotations

import re
import sqlite3

from assetfs.sandbox.midas import policies
from assetfs.sandbox.midas.context import Call, Json, new_uuid, shown
from assetfs.sandbox.midas.erasing import erase
from assetfs.sandbox.midas.errors import DENIED, INVALID, NO_FOLDER, NO_USER, TOKEN, Fatal, Refused
from assetfs.sandbox.midas.policies import ADMIN, READ, WRITE, allowed
from assetfs.sandbox.midas.registry import method

USER_ROOT, COMMUNITY_ROOT = -1, -2
UNTYPED = 0
KEPT_TAGS = [
    "a",
    "b",
    "br",
    "i",
    "p",
    "strong",
    "table",
    "thead",
    "tbody",
    "th",
    "tr",
    "td",
    "ul",
    "ol",
    "li",
    "style",
    "div",
    "span",
]
TAG = re.compile(r"</?(\w*)[^>]*>")


def filtered(text: str) -> str:
    """A description as it is stored: an HTML filter that is made for HTML, and destroys other text."""

    def judge(found: re.Match[str]) -> str:
        return found[0] if found[1].lower() in KEPT_TAGS else ""

    return TAG.sub(judge, text)


def add(call: Call, parent_id: int, name: str, description: str = "", uuid: str = "") -> int:
    """Make a folder, without any policy yet. Returns its id."""
    moment = call.stamp()
    folder_id = call.insert(
        "folder",
        parent_id=parent_id,
        name=name,
        description=filtered(description),
        date_update=moment,
        date_creation=moment,
        uuid=uuid or new_uuid(),
    )
    call.update("folder", folder_id, left_index=2 * folder_id, right_index=2 * folder_id + 1)
    return folder_id


def subfolders(call: Call, folder_id: int, user: sqlite3.Row | None) -> list[sqlite3.Row]:
    """The child folders that a user may read, by name."""
    rows = call.rows("SELECT * FROM folder WHERE parent_id = ? ORDER BY name, folder_id", folder_id)
    return [row for row in rows if allowed(call, "folder", row, user, READ)]


def contained(call: Call, folder_id: int, user: sqlite3.Row | None) -> list[sqlite3.Row]:
    """The items of a folder that a user may read, by name."""
    query = (
        "SELECT item.* FROM membership JOIN item USING (item_id) WHERE folder_id = ? ORDER BY item.name, item.item_id"
    )
    return [row for row in call.rows(query, folder_id) if allowed(call, "item", row, user, READ)]


def _named(call: Call, parent_id: int, name: str) -> sqlite3.Row | None:
    return call.row(f"SELECT * FROM folder WHERE parent_id = ? AND {call.name_is()}", parent_id, name)


def ancestors(call: Call, folder: sqlite3.Row) -> list[sqlite3.Row]:
    """A folder and those above it, up to a root."""
    found = [folder]
    while (above := call.get("folder", found[-1]["parent_id"])) is not None:
        found.append(above)
    return found


@method("user.folders")
def user_folders(call: Call) -> Json:
    """The folders of the caller's home; none for an anonymous caller."""
    user = call.user()
    return [] if user is None else [shown(row) for row in subfolders(call, user["folder_id"], user)]


@method("folder.get")
def get(call: Call) -> Json:
    """A folder and its parent."""
    folder = policies.require(call, "folder", call.id("id"), call.user(), READ, Refused(DENIED, NO_FOLDER))
    parent = call.get("folder", folder["parent_id"])
    return shown(folder, parent=None if parent is None else shown(parent))


@method("folder.children")
def children(call: Call) -> Json:
    """What is in a folder and may be read. The folder itself is not checked; an absent one is a fatal error."""
    user, folder_id = call.user(), call.id("id")
    if call.get("folder", folder_id) is None:
        raise Fatal("no such folder")
    return {
        "folders": [shown(row) for row in subfolders(call, folder_id, user)],
        "items": [shown(row, extraFields=[]) for row in contained(call, folder_id, user)],
    }


@method("folder.create")
def create(call: Call) -> Json:
    """A new folder; or, with the uuid of one that is there, its new name, description and privacy."""
    user = call.user()
    if user is None:
        raise Refused(DENIED, "Cannot create folder anonymously")
    (name,) = call.need("name")
    known = call.row("SELECT * FROM folder WHERE uuid = ?", call.params.get("uuid", ""))
    if known is not None:
        return _edit(call, known, user, name)
    parent_id = call.id("parentid")
    parent = call.get("folder", user["folder_id"] if parent_id == USER_ROOT else parent_id)
    if parent is None:
        raise Refused(INVALID, "Parent doesn't exist")
    if not allowed(call, "folder", parent, user, WRITE):
        raise Refused(DENIED, "Invalid policy")
    if not name:
        raise Refused(UNTYPED, "Name cannot be empty.")
    if "privacy" in call.params:
        policies.check_privacy(call.params["privacy"])
    taken = _named(call, parent["folder_id"], name)
    if taken is not None:
        if "reuseExisting" in call.params:
            return shown(taken)
        raise Refused(INVALID, "A folder already exists in that parent with that name. Pass reuseExisting to reuse it.")
    folder_id = add(call, parent["folder_id"], name, call.params.get("description", ""), call.params.get("uuid", ""))
    policies.inherit(call, "folder", folder_id, parent["folder_id"])
    policies.grant(call, "folder", folder_id, "user", user["user_id"], ADMIN)
    if "privacy" in call.params:
        policies.set_privacy(call, "folder", folder_id, call.params["privacy"])
    return _shown(call, folder_id)


def _shown(call: Call, folder_id: int) -> Json:
    row = call.get("folder", folder_id)
    assert row is not None
    return shown(row)


def _edit(call: Call, folder: sqlite3.Row, user: sqlite3.Row, name: str) -> Json:
    if not allowed(call, "folder", folder, user, WRITE):
        raise Refused(DENIED, "Invalid policy")
    if not name:
        raise Refused(UNTYPED, "Please set a name.")
    if call.switches.check_renames:
        taken = _named(call, folder["parent_id"], name)
        if taken is not None and taken["folder_id"] != folder["folder_id"]:
            raise Refused(UNTYPED, "This name is already used")
    if "privacy" in call.params:
        policies.set_privacy(call, "folder", folder["folder_id"], call.params["privacy"])
    call.update("folder", folder["folder_id"], name=name, date_update=call.stamp())
    answer = _shown(call, folder["folder_id"])
    if "description" in call.params:
        text = call.params["description"]
        call.update("folder", folder["folder_id"], description=filtered(text))
        answer["description"] = text  # the stored text shows with the next read only
    return answer


@method("folder.move")
def move(call: Call) -> Json:
    """Another parent for a folder."""
    user = call.user()
    gone = Refused(DENIED, NO_FOLDER)
    folder = policies.require(call, "folder", call.id("id"), user, ADMIN, gone)
    target = policies.require(call, "folder", call.id("dstfolderid"), user, WRITE, gone)
    if folder["parent_id"] == target["folder_id"]:
        return shown(folder)
    if folder["folder_id"] == target["folder_id"]:
        raise Refused(UNTYPED, "Folder == Parent")
    if folder["folder_id"] in [row["folder_id"] for row in ancestors(call, target)]:
        raise Refused(UNTYPED, "Parent is a child of Folder")
    if _named(call, target["folder_id"], folder["name"]) is not None:
        raise Refused(UNTYPED, "This name is already used")
    call.update("folder", folder["folder_id"], parent_id=target["folder_id"])
    return _shown(call, folder["folder_id"])


@method("folder.delete")
def delete(call: Call) -> Json:
    """A folder goes with all that is in it; items that are in other folders too stay there."""
    user = call.user()
    if user is None:
        raise Refused(TOKEN, NO_USER)
    # Two blanks: the server's own text.
    gone = Refused(DENIED, "This folder doesn't exist  or you don't have the permissions.")
    folder = policies.require(call, "folder", call.id("id"), user, ADMIN, gone)
    erase(call, folder["folder_id"])


@method("folder.set.privacy.recursive")
def set_privacy_recursive(call: Call) -> Json:
    """Privacy for a folder and all that is below it. Says on how many it was done."""
    call.need("privacy")
    refusal = Refused(DENIED, "Admin privileges required on the folder to set privacy.")
    user = call.user()
    folder = policies.require(call, "folder", call.id("folder_id"), user, ADMIN, refusal)
    policies.check_privacy(call.params["privacy"])
    counts = {"success": 0, "failure": 0}
    waiting = [("folder", folder)]
    while waiting:
        kind, row = waiting.pop()
        if not allowed(call, kind, row, user, ADMIN):
            counts["failure"] += 1
            continue
        policies.set_privacy(call, kind, row[f"{kind}_id"], call.params["privacy"])
        counts["success"] += 1
        if kind == "folder":
            waiting += [("folder", below) for below in subfolders(call, row["folder_id"], user)]
            waiting += [("item", below) for below in contained(call, row["folder_id"], user)]
    return {name: str(count) for name, count in counts.items()}


@method("folder.list.permissions")
def list_permissions(call: Call) -> Json:
    """Who may do what with a folder."""
    refusal = Refused(DENIED, "Admin privileges required on the folder to list permissions.")
    folder = policies.require(call, "folder", call.id("folder_id"), call.user(), ADMIN, refusal)
    return policies.listed(call, "folder", folder)
