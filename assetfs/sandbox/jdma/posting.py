"""POST `request`: one address for all four kinds. The checks stand in the order in which the server makes them.

Whatever is sent comes back, with the credentials blanked, and so does an exception's text: the server makes an answer
of whatever its own code raises. Nothing is undone then, so that a refused upload can leave a batch behind.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from assetfs.sandbox.jdma.context import CREDENTIALS, STORAGES, Call
from assetfs.sandbox.jdma.errors import Crash, Refused
from assetfs.sandbox.jdma.stages import FIRST, Kind
from assetfs.sandbox.jdma.users import not_initialised

Fields = dict[str, Any]
Branch = Callable[[Call, Fields, Kind], Fields]


class Bare(Exception):
    """Refused with nothing but the error's text in the answer."""


class Denied(Exception):
    """Refused with status 403."""


class Declined(Exception):
    """Refused with status 404."""


def post(call: Call, branches: dict[Kind, Branch]) -> Fields:
    """Take a request, or refuse it."""
    data = call.json()
    if not isinstance(data, dict):
        raise Crash
    note(call, data)
    echo = dict(data)
    if "credentials" in data:
        echo["credentials"] = {}
    if "name" not in data:
        raise Refused("No name supplied", **echo)
    if call.row("SELECT 1 FROM person WHERE name = ?", str(data["name"])) is None:
        raise Refused(not_initialised(data["name"]), 403, **echo)
    if "request_type" not in data:
        raise Refused("No request type supplied", **echo)
    kind = next((kind for kind in branches if kind.name == data["request_type"]), None)
    if kind is None:
        raise Refused("Invalid request method", **echo)
    try:
        return echo | branches[kind](call, data, kind)
    except Crash:
        raise
    except Bare as refusal:
        raise Refused(str(refusal)) from refusal
    except Denied as refusal:
        raise Refused(str(refusal), 403, **echo) from refusal
    except Exception as error:
        raise Refused(str(error), **echo) from error


def note(call: Call, data: Fields) -> None:
    """Keep every path that a request names."""
    named = data.get("filelist")
    word = str(data.get("request_type"))
    rows = [(word, str(path)) for path in named] if isinstance(named, list) else []
    rows += [(f"{word} target", str(data["target_path"]))] if "target_path" in data else []
    call.db.executemany("INSERT INTO named (call, path) VALUES (?, ?)", rows)


def check_storage(call: Call, storage: object, credentials: Any) -> None:
    """Refuse a storage that there is not, credentials that do not suffice, and a storage that does not answer."""
    if storage not in STORAGES:
        raise Bare(f"External storage: {storage} does not exist")
    required = CREDENTIALS[str(storage)]
    if any(key not in credentials for key in required):
        names = ", ".join(required)
        raise Bare(
            f"Required credentials for: {storage} not supplied  Required credentials for: {storage} are: {names}."
            f"  Supplied credentials: {credentials}."
        )
    if storage == call.switches.unreachable:
        raise Bare(f"External storage: {storage} not connecting.  Reason is: connection refused")


def find_batch(call: Call, data: Fields) -> sqlite3.Row:
    """The batch that a request is about. A text that is a number will do."""
    if "migration_id" not in data:
        raise Declined("No batch id supplied")
    try:
        found = call.by_id("batch", int(data["migration_id"]))
    except (ValueError, TypeError):
        found = None
    if found is None:
        raise Declined("Batch not found")
    return found


def record(
    call: Call, data: Fields, kind: Kind, batch: int, files: list[str] | None = None, target: str | None = None
) -> Fields:
    """Store a request that has passed all checks. Returns what its answer adds to the echo."""
    given = data.get("credentials", {})
    sealed = {key: len(given[key].encode()) for key in given}  # of a secret, only its length is kept
    stamp = call.switches.stamp()
    columns = {
        "owner": str(data["name"]),
        "batch_id": batch,
        "kind": kind,
        "stage": FIRST[kind],
        "date": stamp,
        "filelist": None if files is None else json.dumps(files),
        "target": target,
        "credentials": json.dumps(sealed),
        "since": call.switches.seconds(),
    }
    query = f"INSERT INTO request ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    number = call.db.execute(query, tuple(columns.values())).lastrowid
    return {
        "request_type": int(kind),
        "request_id": number,
        "batch_id": batch,
        "stage": int(FIRST[kind]),
        "registered_date": stamp,
    }
