"""The REST endpoints of the six kinds of entities: one table for all of them."""

from __future__ import annotations

from typing import Any

from assetfs.sandbox.ayon import access, entities
from assetfs.sandbox.ayon.context import Call, Reply, answered, done
from assetfs.sandbox.ayon.errors import Complaint, NotValid, refused
from assetfs.sandbox.ayon.records import load, shown

ID_LENGTH = 32


def _wanted(call: Call, name: str) -> str:
    """The id in the path. Refuses one of another length."""
    given = call.params[2]
    if len(given) == ID_LENGTH:
        return given
    least = len(given) < ID_LENGTH
    message = f"ensure this value has at {'least' if least else 'most'} {ID_LENGTH} characters"
    kind = f"value_error.any_str.{'min' if least else 'max'}_length"
    complaint = Complaint((f"{name}_id",), message, kind, {"limit_value": ID_LENGTH})
    raise call.invalid(complaint, where="path")


def get(call: Call) -> Reply:
    """GET projects/{p}/{type}s/{id}."""
    kind = call.params[1]
    entity_id = _wanted(call, kind)
    project = call.project(call.params[0])
    access.check(call, project, "read")
    return answered(shown(project, kind, load(project, kind, entity_id)))


def create(call: Call) -> Reply:
    """POST projects/{p}/{type}s."""
    project = call.project(call.params[0])
    return answered({"id": _checked(call, entities.create, project, call.params[1], call.json())}, 201)


def update(call: Call) -> Reply:
    """PATCH projects/{p}/{type}s/{id}."""
    entity_id = _wanted(call, call.params[1])
    project = call.project(call.params[0])
    _checked(call, entities.update, project, call.params[1], entity_id, call.json())
    return done()


def delete(call: Call) -> Reply:
    """DELETE projects/{p}/{type}s/{id}."""
    entity_id = _wanted(call, call.params[1])
    project = call.project(call.params[0])
    entities.delete(call, project, call.params[1], entity_id, force=bool(call.flag("force")))
    return done()


def _checked(call: Call, work: Any, *arguments: Any) -> Any:
    try:
        return work(call, *arguments)
    except NotValid as wrong:
        raise wrong.in_request(call.method, call.path) from wrong


def assign(call: Call) -> Reply:
    """POST projects/{p}/tasks/{id}/assign."""
    project = call.project(call.params[0])
    given = call.json()
    task = load(project, "task", call.params[1])
    users, now = list(given.get("users") or []), list(task["assignees"])
    match given.get("mode"):
        case "add":
            users = now + [user for user in users if user not in now]
        case "remove":
            users = [user for user in now if user not in users]
        case "set":
            pass
        case mode:
            raise refused(400, f"Unknown assign mode: {mode}")
    entities.update(call, project, "task", task["id"], {"assignees": users})
    return done()
