"""`user`: read, create and edit the users of the service. Nobody proves to be anybody."""

from __future__ import annotations

from typing import Any

from assetfs.sandbox.jdma.context import Call
from assetfs.sandbox.jdma.errors import Crash, Refused

LONGEST = 256
BOOLEANS = (True, False, "t", "True", "1", "f", "False", "0")  # what the framework takes for one

Fields = dict[str, Any]


def read(call: Call) -> Fields:
    """GET: one user."""
    if not call.query:
        raise Refused("No name supplied")
    name = call.query.get("name", "")
    if not name:
        raise Refused("Error with name parameter.", name="")
    found = call.row("SELECT * FROM person WHERE name = ?", name)
    if found is None:
        raise Refused(not_initialised(name) + ".", 403, name=name)
    return {"name": found["name"], "email": found["email"], "notify": bool(found["notify"])}


def not_initialised(name: object) -> str:
    """What every other call says of an unknown user; only this one ends it with a dot."""
    return f"User {name} not initialised yet.  Run jdma.py init first"


def create(call: Call) -> Fields:
    """POST: a new user. Whether to notify is not asked."""
    data = call.json()
    if "name" not in data:
        raise Refused("No name supplied")
    name = data["name"]
    if "email" not in data:
        raise Refused("No email supplied", **data)
    if call.row("SELECT 1 FROM person WHERE name = ?", str(name)) is not None:
        raise Refused("JDMA already initialized for this user.", 403, **data)
    call.db.execute("INSERT INTO person (name, email) VALUES (?, ?)", (_column(name), _column(data["email"])))
    return {"name": name, "email": data["email"]}


def edit(call: Call) -> Fields:
    """PUT: change address or notification of the user that the query names."""
    if not call.query:
        raise Refused("No name supplied.")
    data, name = call.json(), call.query.get("name", "")
    if not isinstance(data, dict):
        raise Crash
    if not name:
        raise Refused("Error with name parameter.", **{**data, "name": ""})
    found = call.row("SELECT * FROM person WHERE name = ?", name)
    if found is None:
        raise Refused(not_initialised(name) + ".", 403, **data)
    if data.get("email") == "":
        raise Refused("No email supplied.", **data)
    email, notify = data.get("email", found["email"]), data.get("notify", bool(found["notify"]))
    if isinstance(notify, list | dict) or notify not in BOOLEANS:
        raise Crash
    stored = notify in (True, "t", "True", "1")
    call.db.execute("UPDATE person SET email = ?, notify = ? WHERE name = ?", (_column(email), stored, name))
    return {"name": name, "email": email, "notify": notify}


def _column(value: object) -> str:
    """A value as the database takes it."""
    if value is None or len(str(value)) > LONGEST:
        raise Crash
    return str(value)
