"""`migration/`: batches, one or many, and the change of a label."""

from __future__ import annotations

import sqlite3
from typing import Any

from assetfs.sandbox.jdma.context import Call
from assetfs.sandbox.jdma.errors import Crash, Refused

LONGEST_LABEL = 1024
FIELDS = {
    "migration_id": "id",
    "user": "owner",
    "workspace": "workspace",
    "label": "label",
    "stage": "stage",
    "storage": "storage",
    "registered_date": "registered",
}

Fields = dict[str, Any]


def read(call: Call) -> Fields:
    """GET: one batch by id or label, or a list."""
    name = call.caller()
    if "migration_id" not in call.query and "label" not in call.query:
        where, values = call.scope("view batches")
        rows = call.rows(f"SELECT * FROM batch WHERE {where.format(owner='batch')} ORDER BY id", *values)
        return {"migrations": [_shown(row) for row in rows]}
    found = _find(call)
    if found is None:
        given: Fields = {"migration_id": call.integer("migration_id"), "label": call.query.get("label")}
        given = {key: value for key, value in given.items() if value}
        if "workspace" in call.query:
            given["workspace"] = call.query["workspace"]
        raise Refused("Batch not found.", name=name, **given)
    call.admit(name, found["workspace"], "view batches")
    external = {"external_id": found["external"]} if found["external"] else {}
    return _shown(found) | external


def _find(call: Call) -> sqlite3.Row | None:
    """By id, or else by label among everybody's batches in all workspaces: the one of the lowest stage."""
    number = call.integer("migration_id")
    if number is not None:
        return call.by_id("batch", number)
    return call.row("SELECT * FROM batch WHERE label = ? ORDER BY stage, id LIMIT 1", call.query["label"])


def _shown(row: sqlite3.Row) -> Fields:
    return {key: row[column] for key, column in FIELDS.items()}


def label(call: Call) -> Fields:
    """PUT: change the label; everything else that is sent comes back unused."""
    if "name" not in call.query:
        raise Refused("No name supplied.")
    if "migration_id" not in call.query:
        raise Refused("No batch id supplied.")
    name, number = call.query["name"], call.integer("migration_id") or 0
    found = call.by_id("batch", number)
    if found is None:
        raise Refused("Batch not found.", migration_id=number, name=name)
    if found["owner"] != name:
        text = f"User {name} cannot edit this batch as they do not own it!"
        raise Refused(text, 403, migration_id=number, name=name)
    data: Fields = call.json()
    if "label" in data:
        if data["label"] == "":
            raise Refused("No label supplied.", **data)
        call.db.execute("UPDATE batch SET label = ? WHERE id = ?", (label_column(data["label"]), number))
    return data


def label_column(value: object) -> str | None:
    """A label as the database takes it; one that is too long breaks the answer."""
    if value is not None and len(str(value)) > LONGEST_LABEL:
        raise Crash
    return None if value is None else str(value)
