"""Batches of operations: meant as one transaction, with the gaps that the server's has.

Without `raiseOnError` only a failure that came from the database undoes what the batch did before; after any other the
earlier operations stay, without an event, and the cached list of folders does not know of them.
"""

from __future__ import annotations

from typing import Any

from assetfs.sandbox.ayon import entities
from assetfs.sandbox.ayon.context import Call, Reply, answered, camel, new_id
from assetfs.sandbox.ayon.errors import Complaint, NotValid, Refused, crashed, refused
from assetfs.sandbox.ayon.models import KINDS
from assetfs.sandbox.ayon.projects import cache_folders
from assetfs.sandbox.ayon.records import Project
from assetfs.sandbox.ayon.server import Job

TYPES = ("create", "update", "delete")
STATUS = {"create": 201, "update": 204, "delete": 204}


def post(call: Call) -> Reply:
    """POST projects/{p}/operations."""
    project = call.project(call.params[0])
    request = _read(call)
    result = run(call, project, request)
    call.memo["wait_for_events"] = bool(request["waitForEvents"])
    return answered(result)


def _read(call: Call) -> dict[str, Any]:
    """The request in camel case, with its defaults. Refuses what the server does not even begin."""
    given = call.fields()
    complaints, operations, seen = [], [], set()
    for number, item in enumerate(given.get("operations") or []):
        operation = {camel(key): value for key, value in item.items()}
        for name, known in (("type", TYPES), ("entityType", KINDS)):
            if operation.get(name) not in known:
                permitted = ", ".join(f"'{one}'" for one in known)
                message = f"unexpected value; permitted: {permitted}"
                complaints.append(Complaint(("operations", number, name), message, "value_error.const"))
        operations.append(operation)
    if complaints:
        raise call.invalid(*complaints)
    for operation in operations:
        operation["id"] = operation.get("id") or new_id()
        kind, entity_id = operation["entityType"], operation.get("entityId")
        if operation["type"] == "create":
            operation["entityId"] = entity_id or (operation.get("data") or {}).get("id") or new_id()
            continue
        if not entity_id:
            raise refused(400, "entity_id is required for update/delete")
        if (kind, entity_id) in seen:
            raise refused(400, f"Duplicate operation for {kind} {entity_id}")
        seen.add((kind, entity_id))
    flags = {name: bool(given.get(name)) for name in ("canFail", "waitForEvents", "raiseOnError")}
    return {"operations": operations, **flags}


def run(call: Call, project: Project, request: dict[str, Any]) -> dict[str, Any]:
    """Run a batch. Returns what the server answers; raises Refused for an HTTP error, which undoes everything."""
    results: list[dict[str, Any]] = []
    can_fail, success = request["canFail"], True
    known = dict(project.folder_list)
    _mark(project, "batch")
    for operation in request["operations"]:
        _mark(project, "operation")
        before = len(call.events)
        try:
            _one(call, project, operation)
        except (Refused, NotValid) as error:
            if request["raiseOnError"] and not can_fail:
                raise (crashed(str(error)) if isinstance(error, NotValid) else error) from error
            refusal = error.in_operation() if isinstance(error, NotValid) else error
            success = False
            results.append(_result(operation, refusal))
            _back(project, "operation")
            del call.events[before:]
            if can_fail:
                continue
            call.events.clear()
            if refusal.database:
                _back(project, "batch")
            else:
                _hide(project, known)
            break
        project.db.execute("RELEASE operation")
        results.append(_result(operation, None))
    return {"operations": results, "success": success}


def _mark(project: Project, name: str) -> None:
    project.db.execute(f"SAVEPOINT {name}")


def _back(project: Project, name: str) -> None:
    project.db.execute(f"ROLLBACK TO {name}")


def _hide(project: Project, known: dict[bool, bytes]) -> None:
    """What stays of a failed batch is not in the cached list of folders: that is the one from before."""
    project.folder_list = known
    for attrib in (False, True):
        cache_folders(project, attrib=attrib, before=True)


def _one(call: Call, project: Project, operation: dict[str, Any]) -> None:
    kind, entity_id, data = operation["entityType"], operation["entityId"], operation.get("data") or {}
    force = bool(operation.get("force"))
    actor, name = call.user_, operation.get("asUser")
    if name and call.user.service:
        call.user_ = call.server.user(name) or call.user_
    try:
        if operation["type"] == "create":
            entities.create(call, project, kind, {**data, "id": entity_id}, in_batch=True)
        elif operation["type"] == "update":
            entities.update(call, project, kind, entity_id, data, force=force)
        else:
            entities.delete(call, project, kind, entity_id, force=force)
    finally:
        call.user_ = actor


def _result(operation: dict[str, Any], refusal: Refused | None) -> dict[str, Any]:
    return {
        "id": operation["id"],
        "type": operation["type"],
        "entityType": operation["entityType"],
        "entityId": operation["entityId"],
        "success": refusal is None,
        "status": STATUS[operation["type"]] if refusal is None else refusal.status,
        "errorCode": None if refusal is None else refusal.error_code or None,
        "detail": None if refusal is None else refusal.detail,
    }


# In the background


def begin(call: Call) -> Reply:
    """POST projects/{p}/operations/background: answered at once, done after."""
    project = call.project(call.params[0])
    job = Job(new_id(), project.name, _read(call))
    call.server.memory.jobs[job.id] = job
    reply = _shown(job)
    reply.later = lambda later: _work(later, job)
    return reply


def _work(call: Call, job: Job) -> None:
    job.status = "in_progress"
    project = call.project(job.project)
    try:
        job.result = run(call, project, job.request)
    except Refused as refusal:
        project.db.execute("ROLLBACK")
        project.db.execute("BEGIN IMMEDIATE")
        call.events.clear()
        job.result = {"operations": [], "success": False, "detail": refusal.detail}
    job.status, job.progress = "completed", 100.0


def job(call: Call) -> Reply:
    """GET projects/{p}/operations/background/{id}."""
    project = call.project(call.params[0])
    found = call.server.memory.jobs.get(call.params[1])
    if found is None or found.project != project.name:
        raise refused(404, "Background operation not found")
    return _shown(found)


def _shown(job: Job) -> Reply:
    return answered({"id": job.id, "status": job.status, "progress": job.progress, "result": job.result})
