"""What fields sets and assets may have, and what is wrong with a document: as much of Cerberus as the server uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assetfs.sandbox.sams.documents import Document, is_id

TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "dict": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "objectid": is_id,
    "datetime": lambda value: False,  # JSON has no times, and the server converts no strings here
}


@dataclass(frozen=True)
class Field:
    """The rules for one field."""

    type: str = "string"
    required: bool = False
    nullable: bool = False
    empty: bool = True
    allowed: tuple[str, ...] = ()
    relation: str | None = None


SET = {
    "name": Field(required=True, empty=False),
    "state": Field(allowed=("draft", "usable", "disabled")),
    "description": Field(),
    "destination_name": Field(required=True),
    "destination_config": Field("dict"),
    "maximum_asset_size": Field("integer"),
    "original_creator": Field(),
    "version_creator": Field(),
    "firstcreated": Field("datetime"),
    "versioncreated": Field("datetime"),
}
ASSET = {
    "set_id": Field("objectid", required=True, relation="sets"),
    "parent_id": Field("objectid", relation="assets"),
    "filename": Field(required=True),
    "name": Field(required=True, empty=False),
    "description": Field(),
    "state": Field(allowed=("draft", "internal", "public")),
    "tags": Field("list", nullable=True),
    "extra": Field("dict"),
    "length": Field("integer"),
    "mimetype": Field(),
    "_media_id": Field(),
    "renditions": Field("list"),
    "original_creator": Field(),
    "version_creator": Field(),
    "firstcreated": Field("datetime"),
    "versioncreated": Field("datetime"),
    "lock_user": Field(nullable=True),
    "lock_session": Field(nullable=True),
    "lock_action": Field(nullable=True),
    "lock_time": Field("datetime", nullable=True),
    "_version": Field("number"),
}
SYSTEM = ("_id", "_etag", "_created", "_updated")  # taken, whatever they are
TAG_KEYS = ("code", "name")
Exists = Callable[[str, str], bool]


def complaints(
    rules: dict[str, Field], document: Document, exists: Exists, *, partial: bool = False
) -> dict[str, list[Any]]:
    """What is wrong with each field; empty when all is well. `exists` says whether a resource has an id."""
    found: dict[str, list[Any]] = {}
    for name, value in document.items():
        if name in rules and (complaint := _complaint(rules[name], value, exists)):
            found[name] = [complaint]
        elif name == "tags" and (
            wrong := [number for number, tag in enumerate(value or ()) if not _is_tag(tag, partial)]
        ):
            found[name] = wrong  # their numbers, and nothing of what is wrong with them
        elif name not in rules and name not in SYSTEM:
            found[name] = ["unknown field"]
    if not partial:
        found |= {name: ["required"] for name, rule in rules.items() if rule.required and name not in document}
    return found


def _complaint(rule: Field, value: Any, exists: Exists) -> str | None:
    if value is None:
        return None if rule.nullable else "null value not allowed"
    if not TYPES[rule.type](value):
        return f"must be of {rule.type} type"
    if not rule.empty and value == "":
        return "empty values not allowed"
    if rule.allowed and value not in rule.allowed:
        return f"unallowed value {value}"
    if rule.relation and not exists(rule.relation, value):
        return f"value '{value}' must exist in resource '{rule.relation}', field '_id'."
    return None


def _is_tag(tag: Any, partial: bool) -> bool:
    """On create a tag needs both keys; a change of an asset takes one without a name, as the server was seen to."""
    if not isinstance(tag, dict) or not all(isinstance(tag[key], str) for key in TAG_KEYS if key in tag):
        return False
    return not tag.keys() - set(TAG_KEYS) and (partial or tag.keys() == set(TAG_KEYS))


def without_times(document: Document) -> Document:
    """A new document without what the server writes itself, whatever is sent."""
    for name in ("firstcreated", "versioncreated", "_etag", "_created", "_updated"):
        document.pop(name, None)
    return document


def unfolded(changes: Document) -> Document:
    """Keys with dots become nested objects, at every level, as a change of a document does it."""
    result: Document = {}
    for key, value in changes.items():
        if isinstance(value, dict):
            value = unfolded(value)
        elif isinstance(value, list):
            value = [unfolded(one) if isinstance(one, dict) else one for one in value]
        *above, last = key.split(".")
        place = result
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return result
