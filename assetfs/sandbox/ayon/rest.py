"""The REST endpoints of the six kinds of entities: one table for all of them."""

from __future__ import annotations

from typing import Any

from assetfs.sandbox.ayon import access, entities
from assetfs.sandbox.ayon.context import Call, Reply, answered, done
from assetfs.sandbox.ayon.errors import NotValid, refused
from assetfs.sandbox.ayon.records import load, shown


def get(call: Call) -> Reply:
    """GET projects/{p}/{type}s/{id}."""
    kind = call.params[1]
    entity_id = call.identity(2, f"{kind}_id")
    project = call.project(call.params[0])
    access.check(call, project, "read")
    return answered(shown(project, kind, load(project, kind, entity_id)))


def create(call: Call) -> Reply:
    """POST projects/{p}/{type}s."""
    project = call.project(call.params[0])
    return answered({"id": _checked(call, entities.create, project, call.params[1], call.json())}, 201)


def update(call: Call) -> Reply:
    """PATCH projects/{p}/{type}s/{id}."""
    entity_id = call.identity(2, f"{call.params[1]}_id")
    project = call.project(call.params[0])
    _checked(call, entities.update, project, call.params[1], entity_id, call.json())
    return done()


def delete(call: Call) -> Reply:
    """DELETE projects/{p}/{type}s/{id}."""
    entity_id = call.identity(2, f"{call.params[1]}_id")
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
    task_id, project = call.identity(1, "task_id"), call.project(call.params[0])
    given = call.fields("mode", "users")
    task = load(project, "task", task_id)
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
