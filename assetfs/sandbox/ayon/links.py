"""Links between entities: their types, making them alone or many at once, and deleting them."""

from __future__ import annotations

import json
from typing import Any

from assetfs.sandbox.ayon import access
from assetfs.sandbox.ayon.anatomy import PALETTE
from assetfs.sandbox.ayon.context import Call, Reply, answered, done, moment, new_id
from assetfs.sandbox.ayon.errors import refused
from assetfs.sandbox.ayon.models import KINDS, identity
from assetfs.sandbox.ayon.records import Project, find


def types(call: Call) -> Reply:
    """GET projects/{p}/links/types."""
    return answered({"types": call.project(call.params[0]).anatomy["linkTypes"]})


def _parts(link_type: str) -> list[str]:
    parts = link_type.split("|")
    if len(parts) != 3 or not all(parts):
        raise refused(400, "Link type must be in the format 'name|input_type|output_type'")
    return parts


def add_type(call: Call) -> Reply:
    """PUT projects/{p}/links/types/{type}: not for workfiles."""
    project = call.project(call.params[0])
    call.only(managers=True)
    name, source, target = _parts(call.params[1])
    known = [kind for kind in KINDS if kind != "workfile"]
    if source not in known or target not in known:
        raise refused(400, "Link type contains an invalid entity type.")
    data = {"color": PALETTE[0], "style": "solid", **((call.json() or {}).get("data") or {} if call.body else {})}
    entry = {"name": call.params[1], "linkType": name, "inputType": source, "outputType": target, "data": data}
    others = [kept for kept in project.anatomy["linkTypes"] if kept["name"] != entry["name"]]
    project.anatomy["linkTypes"] = [*others, entry]
    call.server.save_project(project)
    return done()


def delete_type(call: Call) -> Reply:
    """DELETE projects/{p}/links/types/{type}, with all its links."""
    project = call.project(call.params[0])
    call.only(managers=True)
    project.anatomy["linkTypes"] = [kept for kept in project.anatomy["linkTypes"] if kept["name"] != call.params[1]]
    project.db.execute("DELETE FROM link WHERE link_type = ?", (call.params[1],))
    call.server.save_project(project)
    return done()


def create(call: Call) -> Reply:
    """POST projects/{p}/links. The same pair may be linked any number of times."""
    project = call.project(call.params[0])
    return answered({"id": _add(call, project, call.json())["id"]})


def create_many(call: Call) -> Reply:
    """POST projects/{p}/links/bulk: all or none."""
    project = call.project(call.params[0])
    made = [_add(call, project, given) for given in call.json().get("links") or []]
    return answered({"created": made})


def _add(call: Call, project: Project, given: dict[str, Any]) -> dict[str, Any]:
    link_type = given.get("linkType") or given.get("link")
    if not link_type:
        raise refused(400, "Link type must be specified.")
    name, source, target = _parts(link_type)
    if link_type not in [known["name"] for known in project.anatomy["linkTypes"]]:
        raise refused(400, "Unsupported link type.")
    sides = [identity(given.get(side)) for side in ("input", "output")]
    if sides[0] == sides[1]:
        raise refused(400, "Cannot link an entity to itself.")
    for side, kind, entity_id in zip(("Input", "Output"), (source, target), sides, strict=True):
        if find(project, kind, entity_id) is None:
            raise refused(404, f"{side} entity {entity_id} not found.")
    access.check(call, project, "update")
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
    project = call.project(call.params[0])
    row = project.db.execute("SELECT * FROM link WHERE id = ?", (call.params[1].replace("-", ""),)).fetchone()
    if row is None:
        raise refused(404, f"Link {call.params[1]} not found.")
    access.check(call, project, "update")
    project.db.execute("DELETE FROM link WHERE id = ?", (row["id"],))
    ends = (row["input_type"], row["input_id"], row["output_type"], row["output_id"])
    _say(call, project, "deleted", row["id"], row["link_type"].split("|")[0], *ends)
    return done()
