"""The attribute schema of a stock server: which attributes there are, what values they take, and inheritance.

Checks are as weak as the real server's: values are forced into their type, bounds and enumerations are not looked at,
and unknown names are dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from assetfs.sandbox.ayon.errors import Complaint

SCOPES = {"P": "project", "F": "folder", "V": "version", "R": "representation", "T": "task", "D": "product"}
SCOPES |= {"W": "workfile", "L": "list", "U": "user"}
DATETIME = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}[Tt ]\d{1,2}:\d{1,2}(:\d{1,2}(\.\d{1,6}\d{0,6})?)?([Zz]|[+-]\d{2}(:?\d{2})?)?"
)

TRUE, FALSE = ("1", "on", "t", "true", "y", "yes"), ("0", "off", "f", "false", "n", "no")


class Wrong(Exception):
    """A value that cannot be forced into its type: the schema library's message and error type."""

    def __init__(self, msg: str, kind: str, **ctx: Any) -> None:
        super().__init__(msg)
        self.msg, self.kind, self.ctx = msg, kind, ctx


def integer(value: Any) -> int:
    """`1.5` becomes 1, `true` 1, `"12"` 12."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Wrong("value is not a valid integer", "type_error.integer") from error


def number(value: Any) -> float:
    """Also from a string."""
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise Wrong("value is not a valid float", "type_error.float") from error


def text(value: Any) -> str:
    """Numbers become strings; lists and objects do not."""
    if not isinstance(value, str | int | float):
        raise Wrong("str type expected", "type_error.str")
    return str(value)


def boolean(value: Any) -> bool:
    """Also from 0, 1 and the usual words."""
    word = value.lower() if isinstance(value, str) else str(value).lower() if isinstance(value, int) else ""
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise Wrong("value could not be parsed to a boolean", "type_error.bool")


def moment(value: Any) -> str:
    """ISO 8601 with a time of day, or seconds since 1970; the offset stays as it was sent."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).isoformat()
        if isinstance(value, str) and DATETIME.fullmatch(value):
            return datetime.fromisoformat(value.upper().replace("Z", "+00:00")).isoformat()
    except (ValueError, OverflowError, OSError):
        pass
    raise Wrong("invalid datetime format", "value_error.datetime")


def listed(item: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    """A list of items of one type."""

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Wrong("value is not a valid list", "type_error.list")
        return [item(one) for one in value]

    return read


def mapping(value: Any) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise Wrong("value is not a valid dict", "type_error.dict")
    return value


TYPES: dict[str, Callable[[Any], Any]] = {
    "string": text,
    "integer": integer,
    "float": number,
    "boolean": boolean,
    "datetime": moment,
    "list_of_strings": listed(text),
}


@dataclass(frozen=True)
class Attribute:
    """One attribute. `settings` are what the schema says besides: default, example, bounds, enum."""

    name: str
    type: str
    title: str
    scope: tuple[str, ...]
    inherit: bool = True
    settings: dict[str, Any] = field(default_factory=dict)


def _one(name: str, kind: str, title: str, scope: str, *, inherit: bool = True, **settings: Any) -> Attribute:
    return Attribute(name, kind, title, tuple(SCOPES[letter] for letter in scope), inherit, settings)


_PRIORITIES = [
    {"value": value, "label": value.capitalize(), "icon": icon, "color": color}
    for value, icon, color in (
        ("urgent", "keyboard_double_arrow_up", "#ff5050"),
        ("high", "keyboard_arrow_up", "#ffb040"),
        ("normal", "check_indeterminate_small", "#50c080"),
        ("low", "keyboard_arrow_down", "#50a0e0"),
    )
]

ATTRIBUTES = (
    _one("priority", "string", "Priority", "PFT", default="normal", example="normal", enum=_PRIORITIES),
    _one("fps", "float", "FPS", "PFVRT", description="Frame rate", default=25, example=25, gt=0),
    _one("resolutionWidth", "integer", "Width", "PFVRT", default=1920, example=1920, gt=0),
    _one("resolutionHeight", "integer", "Height", "PFVRT", default=1080, example=1080, gt=0),
    _one("pixelAspect", "float", "Pixel aspect", "PFVRT", default=1.0, example=1.0, gt=0),
    _one("clipIn", "integer", "Clip In", "PFVRT", default=1, example=1),
    _one("clipOut", "integer", "Clip Out", "PFVRT", default=1, example=1),
    _one("frameStart", "integer", "Start frame", "PFVRT", default=1001, example=1001),
    _one("frameEnd", "integer", "End frame", "PFVRT", default=1001, example=1001),
    _one("handleStart", "integer", "Handle start", "PFVRT", default=0, example=0, ge=0),
    _one("handleEnd", "integer", "Handle end", "PFVRT", default=0, example=0, ge=0),
    _one("fullName", "string", "Full name", "U", example="Jane Doe"),
    _one("email", "string", "E-Mail", "U", example="jane.doe@example.org"),
    _one("avatarUrl", "string", "Avatar URL", "U"),
    _one("developerMode", "boolean", "Developer mode", "U"),
    _one("productGroup", "string", "Product group", "D"),
    _one("intent", "string", "Intent", "V"),
    _one("machine", "string", "Machine", "V", example="workstation42"),
    _one("source", "string", "Source", "V"),
    _one("comment", "string", "Comment", "V"),
    _one("site", "string", "Site", "V", example="workstation42"),
    _one("families", "list_of_strings", "Families", "V"),
    _one("colorSpace", "string", "Color space", "V", example="rec709"),
    _one("path", "string", "Path", "R"),
    _one("template", "string", "Template", "R"),
    _one("extension", "string", "File extension", "RW"),
    _one("startDate", "datetime", "Start date", "PFT"),
    _one("endDate", "datetime", "End date", "PFT"),
    _one("description", "string", "Description", "PFDVRTWL", inherit=False),
)
BY_NAME = {attribute.name: attribute for attribute in ATTRIBUTES}
ORDER = {attribute.name: position for position, attribute in enumerate(ATTRIBUTES)}
INHERITED = frozenset(attribute.name for attribute in ATTRIBUTES if attribute.inherit)
DEFAULTS = {a.name: TYPES[a.type](a.settings["default"]) for a in ATTRIBUTES if "default" in a.settings}
_SETTINGS = (
    "type",
    "title",
    "description",
    "example",
    "default",
    "gt",
    "ge",
    "lt",
    "le",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "regex",
    "enum",
    "enumResolver",
    "enumResolverSettings",
    "inherit",
    "widget",
    "widgetSettings",
)


def schema(*, nulls: bool) -> list[dict[str, Any]]:
    """The schema as `/api/attributes` has it; without `nulls`, as `/api/info` does."""
    found = []
    for position, attribute in enumerate(ATTRIBUTES):
        known = {"type": attribute.type, "title": attribute.title, "inherit": attribute.inherit, **attribute.settings}
        data = {name: known.get(name) for name in _SETTINGS if nulls or known.get(name) is not None}
        found.append(
            {
                "name": attribute.name,
                "position": position,
                "scope": list(attribute.scope),
                "data": data,
                "builtin": True,
            }
        )
    return found


def scoped(scope: str) -> list[Attribute]:
    """The attributes of one kind of entity, in their order."""
    return [attribute for attribute in ATTRIBUTES if scope in attribute.scope]


def read(scope: str, given: Any) -> tuple[dict[str, Any], list[Complaint]]:
    """Values forced into their types, null for what is to be unset, and what could not be read."""
    if not isinstance(given, dict):
        return {}, [Complaint(("attrib",), "value is not a valid dict", "type_error.dict")]
    values: dict[str, Any] = {}
    complaints = []
    for attribute in scoped(scope):
        if attribute.name not in given:
            continue
        value = given[attribute.name]
        try:
            values[attribute.name] = None if value is None else TYPES[attribute.type](value)
        except Wrong as wrong:
            complaints.append(Complaint(("attrib", attribute.name), wrong.msg, wrong.kind, wrong.ctx))
    return values, complaints


def ordered(values: dict[str, Any]) -> dict[str, Any]:
    """The same values in the order of the schema."""
    return {name: values[name] for name in sorted(values, key=lambda name: ORDER.get(name, len(ORDER)))}


def inherited(above: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Effective values of a folder or task below something with the effective values `above`."""
    return ordered({name: value for name, value in above.items() if name in INHERITED} | own)


def merged(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Key by key; null takes a key away."""
    return {name: value for name, value in (old | changes).items() if value is not None}


def packed(value: Any) -> str:
    """JSON as it is kept, and as GraphQL shows it."""
    return json.dumps(value, ensure_ascii=False)


def names(values: Iterable[str]) -> list[str]:
    """A list of names in the order of the schema."""
    return sorted(values, key=lambda name: ORDER.get(name, len(ORDER)))
