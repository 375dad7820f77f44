"""Who may do what: READ, WRITE and ADMIN per user and group, on folders and on items independently of each other.

Group 0 is everybody. A site administrator passes every check. `privacy_status` is a cached word for "has group 0".
"""

from __future__ import annotations

import sqlite3

from assetfs.sandbox.midas.context import Call
from assetfs.sandbox.midas.errors import INVALID, Refused

READ, WRITE, ADMIN = 0, 1, 2
NAMES = {READ: "Read", WRITE: "Write", ADMIN: "Admin"}
ANONYMOUS = 0
PUBLIC, PRIVATE = 0, 2
PRIVACIES = {"Public": PUBLIC, "Private": PRIVATE}


def level(call: Call, kind: str, node_id: int, user: sqlite3.Row | None) -> int:
    """The highest level that a user (None: anybody) has on a folder or item; -1 for none."""
    if user is not None and user["admin"]:
        return ADMIN
    user_id = -1 if user is None else user["user_id"]
    found = call.scalar(
        "SELECT max(level) FROM policy WHERE kind = ? AND node_id = ? AND ("
        " (holder = 'group' AND (holder_id = 0 OR holder_id IN (SELECT group_id FROM teammate WHERE user_id = ?)))"
        " OR (holder = 'user' AND holder_id = ?))",
        *(kind, node_id, user_id, user_id),
    )
    return -1 if found is None else int(found)


def allowed(call: Call, kind: str, row: sqlite3.Row | None, user: sqlite3.Row | None, wanted: int) -> bool:
    """Whether the node is there and the user has this level on it."""
    return row is not None and level(call, kind, row[f"{kind}_id"], user) >= wanted


def require(
    call: Call, kind: str, node_id: int, user: sqlite3.Row | None, wanted: int, refusal: Refused
) -> sqlite3.Row:
    """The folder or item with this id; refused when it is not there or the level is not reached."""
    row = call.get(kind, node_id)
    if row is None or not allowed(call, kind, row, user, wanted):
        raise refusal
    return row


def grant(call: Call, kind: str, node_id: int, holder: str, holder_id: int, wanted: int) -> None:
    """Give a level, unless there is a higher one."""
    call.db.execute(
        "INSERT INTO policy (kind, node_id, holder, holder_id, level) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET level = max(level, excluded.level)",
        (kind, node_id, holder, holder_id, wanted),
    )


def inherit(call: Call, kind: str, node_id: int, folder_id: int, *, read_only: bool = False) -> None:
    """Add a folder's policies to a node: when it is made there, moved there, or (`read_only`) shared there."""
    rows = call.rows("SELECT * FROM policy WHERE kind = 'folder' AND node_id = ?", folder_id)
    for row in rows:
        grant(call, kind, node_id, row["holder"], row["holder_id"], READ if read_only else row["level"])
    refresh(call, kind, node_id)


def refresh(call: Call, kind: str, node_id: int) -> None:
    """Compute the cached privacy again."""
    query = "SELECT 1 FROM policy WHERE kind = ? AND node_id = ? AND holder = 'group' AND holder_id = 0"
    public = call.scalar(query, kind, node_id) is not None
    call.update(kind, node_id, privacy_status=PUBLIC if public else PRIVATE)


def set_privacy(call: Call, kind: str, node_id: int, word: str) -> None:
    """Open a node to everybody, or close it. Refused for other words than Public and Private."""
    check_privacy(word)
    if PRIVACIES[word] == PUBLIC:
        grant(call, kind, node_id, "group", ANONYMOUS, READ)
    else:
        query = "DELETE FROM policy WHERE kind = ? AND node_id = ? AND holder = 'group' AND holder_id = 0"
        call.db.execute(query, (kind, node_id))
    refresh(call, kind, node_id)


def check_privacy(word: str) -> None:
    """Refuse what is not one of the two words."""
    if word not in PRIVACIES:
        raise Refused(INVALID, "privacy should be one of [Public|Private]")


def forget(call: Call, kind: str, node_id: int) -> None:
    """Drop the policies of a node that goes."""
    call.db.execute("DELETE FROM policy WHERE kind = ? AND node_id = ?", (kind, node_id))


def listed(call: Call, kind: str, row: sqlite3.Row) -> dict[str, object]:
    """The policies of a node, in the words of the permission calls."""
    rows = call.rows("SELECT * FROM policy WHERE kind = ? AND node_id = ?", kind, row[f"{kind}_id"])
    users = [
        {
            "user_id": str(policy["holder_id"]),
            "policy": NAMES[policy["level"]],
            "email": call.scalar("SELECT email FROM user WHERE user_id = ?", policy["holder_id"]),
        }
        for policy in rows
        if policy["holder"] == "user"
    ]
    groups = [
        {
            "group_id": str(policy["holder_id"]),
            "policy": NAMES[policy["level"]],
            "name": call.scalar("SELECT name FROM team WHERE group_id = ?", policy["holder_id"]) or "Anonymous",
        }
        for policy in rows
        if policy["holder"] == "group"
    ]
    word = next(word for word, status in PRIVACIES.items() if status == row["privacy_status"])
    return {"privacy": word, "user": users, "group": groups}
