"""The events that a change of an entity causes: several for one request, with one summary that they share.

The summary's `value` is written by one after the other, so that every frame shows the last. Changes of a
representation's files and traits, and of a workfile's path, cause none.
"""

from __future__ import annotations

from typing import Any

from assetfs.sandbox.ayon.context import Call
from assetfs.sandbox.ayon.models import Model
from assetfs.sandbox.ayon.records import Project, Row

# column: (topic, whether the text of the event says the new value)
COLUMNS = {
    "folder_type": ("type_changed", True),
    "task_type": ("type_changed", True),
    "product_type": ("product_type_changed", True),
    "assignees": ("assignees_changed", True),
    "label": ("label_changed", True),
    "tags": ("tags_changed", True),
    "data": ("data_changed", True),
    "author": ("author_changed", True),
    "thumbnail_id": ("thumbnail_changed", False),
    "parent_id": ("parent_changed", False),
    "folder_id": ("folder_changed", False),
    "task_id": ("task_changed", False),
    "product_id": ("product_changed", False),
    "version_id": ("version_changed", False),
}
PATHLESS = ("product", "version", "representation", "workfile")  # their frames have an empty entityPath


def path_of(model: Model, row: Row) -> str:
    """An entity's path as its events have it."""
    return "" if model.kind in PATHLESS else str(row["full_path"])


def created(call: Call, project: Project, model: Model, entity_id: str, parent_id: str | None, title: str) -> None:
    """A new entity."""
    summary = {"entityId": entity_id, "parentId": parent_id}
    call.emit(f"entity.{model.kind}.created", f"{model.title} {title} created", summary, project.name)


def deleted(call: Call, project: Project, model: Model, row: Row) -> None:
    """An entity is gone, and silently what was below it."""
    summary = {"entityId": row["id"], "parentId": row[model.parent]}
    call.emit(f"entity.{model.kind}.deleted", f"{model.title} {path_of(model, row)} deleted", summary, project.name)


def changed(call: Call, project: Project, model: Model, old: Row, values: dict[str, Any]) -> None:
    """What a change does; `values` are the given ones by column, as they were given."""
    path = path_of(model, old)
    summary: dict[str, Any] = {"entityId": old["id"], "parentId": old[model.parent], "entityPath": path}

    def say(topic: str, text: str) -> None:
        call.emit(f"entity.{model.kind}.{topic}", text, summary, project.name)

    def differs(column: str) -> bool:
        return column in values and values[column] != old[column]

    if "name" in old and differs("name"):
        summary["value"] = values["name"]
        say("renamed", f"Renamed {model.kind} {path} to {values['name']}")
    if differs("status"):
        summary["value"] = values["status"]
        say("status_changed", f"Changed {model.kind} {path} status to {values['status']}")
    if "active" in values and values["active"] != bool(old["active"]):
        summary["value"] = values["active"]
        say("active_changed", f"{model.title} {path} {'activated' if values['active'] else 'deactivated'}")
    if differs("tags"):
        summary["value"] = values["tags"]
        say("tags_changed", _tags(model, path, old["tags"], values["tags"]))
    if values.get("attrib"):
        say("attrib_changed", f"Changed {model.kind} {path} attributes: {', '.join(values['attrib'])}")
    for column, (topic, told) in COLUMNS.items():
        if column in old and differs(column):
            summary["value"] = values[column]
            say(topic, f"Changed {model.kind} {path} {column}" + (f" to {values[column]}" if told else ""))


def _tags(model: Model, path: str, old: list[str], new: list[str]) -> str:
    added, removed = [tag for tag in new if tag not in old], [tag for tag in old if tag not in new]
    parts = [f"added {', '.join(added)}"] * bool(added) + [f"removed {', '.join(removed)}"] * bool(removed)
    if added and removed:
        return f"Changed {model.kind} {path} tags: {'; '.join(parts)}"
    plural = "s" if len(added or removed) > 1 else ""
    word = "Added" if added else "Removed"
    return f"{word} {model.kind} {path} tag{plural} {', '.join(added or removed)}"
