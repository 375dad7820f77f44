"""Methods about communities."""

from __future__ import annotations

import sqlite3

from assetfs.sandbox.midas import folders, policies
from assetfs.sandbox.midas.context import Call, Json, new_uuid, shown
from assetfs.sandbox.midas.erasing import erase
from assetfs.sandbox.midas.errors import DENIED, NO_COMMUNITY, NO_USER, TOKEN, Refused
from assetfs.sandbox.midas.policies import ADMIN, ANONYMOUS, READ, WRITE
from assetfs.sandbox.midas.registry import method

UNTYPED = 0
GROUPS = {"admin": ADMIN, "moderator": WRITE, "member": READ}
JOINING = {"Everyone": 1, "Invitation": 0}


def add(call: Call, name: str, owner_id: int, description: str = "", *, public: bool = True, uuid: str = "") -> int:
    """Make a community with its groups and its folders Private and Public. Returns its id."""
    community_id = call.insert(
        "community",
        name=name[:1].upper() + name[1:],
        description=folders.filtered(description),
        creation=call.stamp(),
        privacy=0 if public else 1,
        can_join=1 if public else 0,
        uuid=uuid or new_uuid(),
    )
    root = folders.add(call, folders.COMMUNITY_ROOT, f"community_{community_id}")
    columns = {"folder_id": root}
    for word, level in GROUPS.items():
        group_id = call.insert("team", community_id=community_id, name=f"{word.capitalize()}s of {name}")
        columns[f"{word}group_id"] = group_id
        policies.grant(call, "folder", root, "group", group_id, level)
    call.update("community", community_id, **columns)
    for word in ("admin", "member"):
        join(call, columns[f"{word}group_id"], owner_id)
    if public:
        policies.grant(call, "folder", root, "group", ANONYMOUS, READ)
    policies.refresh(call, "folder", root)
    for folder_name, privacy in (("Private", "Private"), ("Public", "Public")):
        folder_id = folders.add(call, root, folder_name)
        policies.inherit(call, "folder", folder_id, root)
        policies.set_privacy(call, "folder", folder_id, privacy)
    return community_id


def join(call: Call, group_id: int, user_id: int) -> None:
    """Make a user a member of a group."""
    call.db.execute("INSERT OR IGNORE INTO teammate (group_id, user_id) VALUES (?, ?)", (group_id, user_id))


def level(call: Call, row: sqlite3.Row, user: sqlite3.Row | None) -> int:
    """The level of a user in a community: by its groups; a public one can be read by everybody."""
    if user is not None:
        if user["admin"]:
            return ADMIN
        for word, found in GROUPS.items():
            query = "SELECT 1 FROM teammate WHERE group_id = ? AND user_id = ?"
            if call.scalar(query, row[f"{word}group_id"], user["user_id"]):
                return found
    return READ if row["privacy"] == 0 else -1


def _readable(call: Call) -> sqlite3.Row:
    user = call.user()
    if "id" in call.params:
        found = call.get("community", call.id("id"))
    else:
        found = call.row(f"SELECT * FROM community WHERE {call.name_is()}", *call.need("name"))
    if found is None or level(call, found, user) < READ:
        raise Refused(DENIED, NO_COMMUNITY)
    return found


@method("community.list")
def listing(call: Call) -> Json:
    """Communities by name: all for an administrator; for others a limited number of public ones, and their own."""
    user = call.user()
    rows = call.rows("SELECT * FROM community ORDER BY name")
    if user is not None and user["admin"]:
        return [shown(row) for row in rows]
    public = {row["community_id"] for row in rows if row["privacy"] == 0}
    seen = set(sorted(public)[: call.switches.community_limit])
    if user is not None:
        query = "SELECT community_id FROM team JOIN teammate USING (group_id) WHERE user_id = ?"
        seen |= {row[0] for row in call.rows(query, user["user_id"])}
    return [shown(row) for row in rows if row["community_id"] in seen]


@method("community.get")
def get(call: Call) -> Json:
    """A community by id or name."""
    return shown(_readable(call))


@method("community.children")
def children(call: Call) -> Json:
    """The folders of a community."""
    row = _readable(call)
    return {"folders": [shown(folder) for folder in folders.subfolders(call, row["folder_id"], call.user())]}


@method("community.create")
def create(call: Call) -> Json:
    """A new community; or, with the uuid of one that is there, its new name, description, privacy and joining."""
    user = call.user()
    known = call.row("SELECT * FROM community WHERE uuid = ?", call.params.get("uuid", ""))
    if user is None:
        raise Refused(DENIED if known is not None else TOKEN, NO_USER)
    (name,) = call.need("name")
    if known is not None:
        return _edit(call, known, user, name)
    if not user["admin"]:
        raise Refused(DENIED, "User cannot create communities")
    if not name:
        raise Refused(UNTYPED, "Name cannot be empty.")
    if call.scalar(f"SELECT 1 FROM community WHERE {call.name_is()}", name[:1].upper() + name[1:]):
        raise Refused(UNTYPED, "Community already exists.")
    word = call.params.get("privacy", "Public")
    policies.check_privacy(word)
    description, uuid = call.params.get("description", ""), call.params.get("uuid", "")
    community_id = add(call, name, user["user_id"], description, public=word == "Public", uuid=uuid)
    if word == "Public":
        joining = JOINING.get(call.params.get("canjoin", "Everyone"), 1)
        call.update("community", community_id, can_join=joining)
    return _shown(call, community_id, view=None)


def _shown(call: Call, community_id: int, **changes: object) -> Json:
    row = call.get("community", community_id)
    assert row is not None
    return shown(row, **changes)


def _edit(call: Call, row: sqlite3.Row, user: sqlite3.Row, name: str) -> Json:
    wanted = ADMIN if {"privacy", "canjoin"} & call.params.keys() else WRITE
    if level(call, row, user) < wanted:
        raise Refused(DENIED, NO_COMMUNITY)
    changes: dict[str, object] = {"name": name}
    if "description" in call.params:
        changes["description"] = folders.filtered(call.params["description"])
    if "privacy" in call.params:
        policies.check_privacy(call.params["privacy"])
        changes["privacy"] = 0 if call.params["privacy"] == "Public" else 1
    if call.params.get("canjoin") in JOINING:
        changes["can_join"] = JOINING[call.params["canjoin"]]
    call.update("community", row["community_id"], **changes)
    return _shown(call, row["community_id"])


@method("sizequota.community.get")
def quota(call: Call) -> Json:
    """The quota of a community, which has none here, and the bytes below it."""
    row = call.get("community", call.id("community"))
    if row is None or level(call, row, call.user()) < READ:
        raise Refused(DENIED, NO_COMMUNITY)
    items, waiting = set[int](), [row["folder_id"]]
    while waiting:
        here = waiting.pop()
        items |= {found[0] for found in call.rows("SELECT item_id FROM membership WHERE folder_id = ?", here)}
        waiting += [found[0] for found in call.rows("SELECT folder_id FROM folder WHERE parent_id = ?", here)]
    query = "SELECT total(sizebytes) FROM bitstream JOIN itemrevision USING (itemrevision_id) WHERE item_id = ?"
    return {"quota": "", "used": str(int(sum(call.scalar(query, item) for item in items)))}


@method("community.delete")
def delete(call: Call) -> Json:
    """A community goes with all that is in it; one whose root folder is gone cannot go any more."""
    user = call.user()
    if user is None:
        raise Refused(TOKEN, NO_USER)
    row = call.get("community", call.id("id"))
    if row is None or level(call, row, user) < ADMIN:
        raise Refused(DENIED, NO_COMMUNITY)
    if call.get("folder", row["folder_id"]) is None:
        raise Refused(UNTYPED, "Should be a folder")
    erase(call, row["folder_id"])
    call.db.execute("DELETE FROM community WHERE community_id = ?", (row["community_id"],))
