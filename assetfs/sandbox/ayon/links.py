"""Links between entities: their types, making them alone or many at once, and deleting them."""

from __future__ import annotations

import json
from typing import Any

from assetfs.sandbox.ayon.attributes import Wrong
from assetfs.sandbox.ayon.context import Call, Reply, answered, camel, done, moment, new_id
from assetfs.sandbox.ayon.errors import Complaint, refused
from assetfs.sandbox.ayon.models import identity
from assetfs.sandbox.ayon.records import Project, find


def types(call: Call) -> Reply:
    """GET projects/{p}/links/types."""
    return answered({"types": call.project(call.params[0]).anatomy["linkTypes"]})


LINKED = ("folder", "product", "version", "representation", "task")


def _parts(link_type: str) -> list[str]:
    parts = link_type.split("|")
    if len(parts) != 3:
        raise refused(400, "Link type must be in the format 'name|input_type|output_type'")
    return parts


def _type(call: Call) -> list[str]:
    """The link type in the path. Refuses one between other kinds: an anatomy may have such, and it cannot be made."""
    parts = _parts(call.params[1])
    for side, kind in zip(("input", "output"), parts[1:], strict=True):
        if kind not in LINKED:
            *most, last = (f"'{one}'" for one in LINKED)
            raise refused(400, f"Link type {side} type must be one of {', '.join(most)}, or {last}")
    return parts


def add_type(call: Call) -> Reply:
    """PUT projects/{p}/links/types/{type}: not for workfiles."""
    project = call.project(call.params[0])
    call.only(managers=True)
    name, source, target = _type(call)
    data = call.fields().get("data") or {}
    entry = {"name": call.params[1], "linkType": name, "inputType": source, "outputType": target, "data": data}
    others = [kept for kept in project.anatomy["linkTypes"] if kept["name"] != entry["name"]]
    project.anatomy["linkTypes"] = [*others, entry]
    call.server.save_project(project)
    return done()


def delete_type(call: Call) -> Reply:
    """DELETE projects/{p}/links/types/{type}, with all its links."""
    project = call.project(call.params[0])
    call.only(managers=True)
    _type(call)
    project.anatomy["linkTypes"] = [kept for kept in project.anatomy["linkTypes"] if kept["name"] != call.params[1]]
    project.db.execute("DELETE FROM link WHERE link_type = ?", (call.params[1],))
    call.server.save_project(project)
    return done()


def create(call: Call) -> Reply:
    """POST projects/{p}/links. The same pair may be linked any number of times."""
    project = call.project(call.params[0])
    return answered({"id": _add(call, project, call.fields("input", "output"))["id"]})


def create_many(call: Call) -> Reply:
    """POST projects/{p}/links/bulk: all or none."""
    project = call.project(call.params[0])
    told = len(call.events)
    made = [_add(call, project, {camel(k): v for k, v in given.items()}) for given in call.fields("links")["links"]]
    del call.events[told:]
    call.emit("links.created", f"Created {len(made)} links", {"links": made}, project.name)
    return answered({"created": made})


def _add(call: Call, project: Project, given: dict[str, Any]) -> dict[str, Any]:
    link_type = given.get("linkType") or given.get("link")
    if link_type is None:
        raise refused(400, "Link type is not specified")
    name, source, target = _parts(link_type)
    sides = [_end(call, given, side) for side in ("input", "output")]
    if source == target and sides[0] == sides[1]:
        raise refused(400, "Cannot link an entity to itself.")
    for side, kind, entity_id in zip(("Input", "Output"), (source, target), sides, strict=True):
        if find(project, kind, entity_id) is None:
            raise refused(404, f"{side} entity {entity_id} not found.")
    if link_type not in [known["name"] for known in project.anatomy["linkTypes"]]:
        raise refused(400, "Unsupported link type.")
    link_id = identity(given["id"]) if given.get("id") else new_id()
    project.db.execute(
        "INSERT INTO link (id, name, link_type, input_type, input_id, output_type, output_id, author, data, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            link_id,
            given.get("name"),
            link_type,
            source,
            sides[0],
            target,
            sides[1],
            call.user.name,
            json.dumps(given.get("data") or {}),
            moment(),
        ),
    )
    _say(call, project, "created", link_id, name, source, sides[0], target, sides[1])
    return {"id": link_id, "input": sides[0], "output": sides[1], "linkType": link_type}


def _end(call: Call, given: dict[str, Any], side: str) -> str:
    try:
        return identity(given.get(side))
    except Wrong as wrong:
        raise call.invalid(Complaint((side,), wrong.msg, wrong.kind, wrong.ctx)) from wrong


def _say(call: Call, project: Project, what: str, link_id: str, name: str, *ends: str) -> None:
    source, input_id, target, output_id = ends
    text = f"{what.capitalize()} {name} link between {source} {input_id} and {target} {output_id}."
    summary = {
        "id": link_id,
        "linkType": name,
        "inputId": input_id,
        "outputId": output_id,
        "inputType": source,
        "outputType": target,
    }
    call.emit(f"link.{what}", text, summary, project.name)


def delete(call: Call) -> Reply:
    """DELETE projects/{p}/links/{id}."""
    link_id, project = call.identity(1, "link_id"), call.project(call.params[0])
    row = project.db.execute("SELECT * FROM link WHERE id = ?", (link_id,)).fetchone()
    if row is None:
        raise refused(404, f"Link {link_id} not found.")
    if row["author"] != call.user.name and not call.user.manager:
        raise refused(403, "You do not have permission to delete this link.")
    project.db.execute("DELETE FROM link WHERE id = ?", (row["id"],))
    ends = (row["input_type"], row["input_id"], row["output_type"], row["output_id"])
    _say(call, project, "deleted", row["id"], row["link_type"].split("|")[0], *ends)
    return done()
