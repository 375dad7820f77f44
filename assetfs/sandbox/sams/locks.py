"""Locks: advisory, by user and session, and never looked at by anything that changes an asset."""

from __future__ import annotations

import json

from assetfs.sandbox.sams import wire
from assetfs.sandbox.sams.context import HTML, Call, Reply, changing
from assetfs.sandbox.sams.documents import Document
from assetfs.sandbox.sams.errors import crashed, invalid, refused

AT_ONCE = 10  # assets that one unlock_user_session reaches: the size of a search that names none
FIELDS = ("lock_action", "lock_user", "lock_session", "lock_time")


def _given(call: Call) -> Document:
    """The body, which has to be an object."""
    given = call.json()
    if not isinstance(given, dict):
        raise crashed(f"'{type(given).__name__}' object has no attribute 'get'")
    return given


def _asset(call: Call) -> Document:
    asset = call.documents.asset(call.params[0].lower())
    if asset is None:
        raise crashed("'NoneType' object has no attribute 'get'")
    return asset


def _caller(call: Call) -> tuple[str, str]:
    if not call.user:
        raise refused("08005")
    if not call.session:
        raise refused("08006")
    return call.user, call.session


def _answer(call: Call, asset: Document, changes: Document) -> Reply:
    asset |= changes
    call.documents.update_asset(changing(call, asset))
    also = ["versioncreated", "_etag", "_updated", *(["version_creator"] if call.user else [])]
    return Reply(200, wire.dumped({name: asset[name] for name in (*changes, *also)}))


def lock(call: Call) -> Reply:
    """PATCH produce/assets/lock/{id}. Without a `lock_action` the asset counts as free all the same."""
    action = _given(call).get("lock_action")
    asset = _asset(call)
    if asset.get("lock_action") is not None:
        raise refused("08009")
    user, session = _caller(call)
    if action is not None and not isinstance(action, str):
        raise invalid({"lock_action": ["must be of string type"]})
    values = (action, user, session, call.documents.moment())
    return _answer(call, asset, dict(zip(FIELDS, values, strict=True)))


def unlock(call: Call) -> Reply:
    """PATCH produce/assets/unlock/{id}, by whoever locked it, or with `force` by anybody."""
    given = _given(call)
    asset = _asset(call)
    if not given.get("force"):
        if asset.get("lock_action") is None:
            raise refused("08010")
        user, session = _caller(call)
        if asset.get("lock_user") != user:
            raise refused("08007")
        if asset.get("lock_session") != session:
            raise refused("08008")
    return _answer(call, asset, dict.fromkeys(FIELDS))


def unlock_session(call: Call) -> Reply:
    """PATCH produce/assets/unlock_user_session: a session's locks, a few at a time."""
    user, session = call.user, call.session
    rows = call.documents.db.execute(
        "SELECT doc FROM asset WHERE json_extract(doc, '$.lock_user') = ? AND json_extract(doc, '$.lock_session') = ?"
        " LIMIT ?",
        (user, session, AT_ONCE),
    ).fetchall()
    for row in rows:
        _answer(call, json.loads(row[0]), dict.fromkeys(FIELDS))
    return Reply(200, b"", HTML)
