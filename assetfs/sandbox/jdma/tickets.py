"""GET `request`: the requests of a user or a workspace, and one request in detail."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from assetfs.sandbox.jdma.context import Call
from assetfs.sandbox.jdma.errors import Refused
from assetfs.sandbox.jdma.stages import FAILURES

TASK = "list requests"
SELECT = """
SELECT request.*, batch.label AS label, batch.workspace AS workspace, batch.storage AS storage
FROM request JOIN batch ON batch.id = request.batch_id WHERE """
FIELDS = {
    "request_id": "id",
    "user": "owner",
    "request_type": "kind",
    "migration_id": "batch_id",
    "label": "label",
    "workspace": "workspace",
    "storage": "storage",
    "stage": "stage",
    "date": "date",
}

Fields = dict[str, Any]


def read(call: Call) -> Fields:
    """One request by id, whoever's of the caller's workspaces, or a list. Nowhere does it say where files went."""
    name, number = call.caller(), call.integer("request_id")
    if number is None:
        where, values = call.scope(TASK)
        rows = call.rows(SELECT + where.format(owner="request") + " ORDER BY request.id", *values)
        return {"requests": [_shown(row) for row in rows]}
    found = call.row(SELECT + "request.id = ?", number) if abs(number) < 1 << 31 else None
    if found is None:
        stray: Fields = {"workspace": call.query["workspace"]} if "workspace" in call.query else {}
        raise Refused("Request not found.", request_id=number, name=name, **stray)
    call.admit(name, found["workspace"], TASK)
    shown = _shown(found)
    if found["filelist"] is not None:
        shown["filelist"] = json.loads(found["filelist"])
    if found["stage"] in FAILURES:
        shown["failure_reason"] = found["failure"]
    return shown


def _shown(row: sqlite3.Row) -> Fields:
    return {key: row[column] for key, column in FIELDS.items()}
