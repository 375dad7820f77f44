"""Events as they are kept: what happened, for the history and for whoever asks for one by its id."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

from assetfs.sandbox.ayon.context import Call, Reply, answered, done
from assetfs.sandbox.ayon.errors import refused


def keep(db: sqlite3.Connection, events: list[dict[str, Any]]) -> None:
    """Write the events of a request down, but for those that are only for who listens."""
    for event in events:
        if event["store"]:
            values = (event["id"], event["topic"], event["project"], event["user"], json.dumps(event), _now(), _now())
            db.execute(
                "INSERT INTO event (id, topic, project, user, document, created_at, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _row(call: Call) -> sqlite3.Row:
    row = call.db.execute("SELECT * FROM event WHERE id = ?", (call.identity(0, "event_id"),)).fetchone()
    if row is None:
        raise refused(404, "Event not found")
    if not call.user.manager and row["user"] != call.user.name:
        raise refused(403, "You do not have access to this event")
    assert isinstance(row, sqlite3.Row)
    return row


def get(call: Call) -> Reply:
    """GET events/{id}."""
    row = _row(call)
    event = json.loads(row["document"])
    event |= {"hash": event.get("hash") or event["id"], "retries": 0, "payload": event.get("payload") or {}}
    event |= {"createdAt": row["created_at"], "updatedAt": row["updated_at"]}
    return answered({key: value for key, value in event.items() if key not in ("store", "senderType")})


def post(call: Call) -> Reply:
    """POST events: managers only."""
    call.only(managers=True, what="Not allowed to dispatch events")
    given = call.fields("topic")
    finished = given.get("finished", True)
    event = call.emit(
        given["topic"],
        given.get("description") or "",
        given.get("summary") or {},
        given.get("project"),
        store=given.get("store", True),
        hash=given.get("hash"),
        payload=given.get("payload") or {},
        dependsOn=given.get("dependsOn"),
        status="finished" if finished else "pending",
        progress=100 if finished else 0,
    )
    if given.get("sender"):
        event["sender"] = given["sender"]
    return answered({"id": event["id"]})


def patch(call: Call) -> Reply:
    """PATCH events/{id}: the progress of what somebody does."""
    row, given = _row(call), call.fields()
    event = json.loads(row["document"])
    names = ("sender", "project", "status", "progress", "description", "summary", "payload")
    event |= {name: given[name] for name in names if given.get(name) is not None}
    call.db.execute(
        "UPDATE event SET document = ?, updated_at = ? WHERE id = ?", (json.dumps(event), _now(), event["id"])
    )
    call.events.append({**event, "store": False, "updatedAt": datetime.now().isoformat(timespec="microseconds")})
    return done()


def delete(call: Call) -> Reply:
    """DELETE events/{id}."""
    call.only(managers=False)
    call.db.execute("DELETE FROM event WHERE id = ?", (_row(call)["id"],))
    return done()
