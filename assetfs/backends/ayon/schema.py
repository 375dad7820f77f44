"""The server's schema of attributes, applied before anything is sent (section 3.5): it checks next to nothing itself.

Values of extended attributes are text; here they become what the server takes, and back. Pure.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from assetfs.backends.ayon.wire import Rule
from assetfs.repository import ValueRejected

TRUTH = {"true": True, "false": False, "1": True, "0": False}


def parse(rule: Rule, name: str, text: str) -> Any:
    """A value as the schema wants it. Raises ValueRejected with the reason."""
    value = _typed(rule, name, text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        _bounded(rule, name, value)
    if isinstance(value, str):
        _length(name, len(value), rule.min_length, rule.max_length, "characters")
        if rule.regex is not None and not _matches(rule.regex, value):
            raise ValueRejected(f"{name} must match {rule.regex}")
    if isinstance(value, list):
        _length(name, len(value), rule.min_items, rule.max_items, "items")
    _among(rule, name, value)
    return value


def _typed(rule: Rule, name: str, text: str) -> Any:
    match rule.type:
        case "string":
            return text
        case "integer":
            if not re.fullmatch(r"[+-]?\d{1,18}", text.strip()):
                raise ValueRejected(f"{name} is a whole number")
            return int(text)
        case "float":
            try:
                number = float(text)
            except ValueError:
                number = float("nan")
            if number != number or number in (float("inf"), float("-inf")):
                raise ValueRejected(f"{name} is a number")
            return number
        case "boolean":
            if text.strip().lower() not in TRUTH:
                raise ValueRejected(f"{name} is true or false")
            return TRUTH[text.strip().lower()]
        case "datetime":
            return _moment(name, text.strip())
        case "list_of_strings":
            return strings(name, text)
        case "list_of_integers":
            found = _json(name, text)
            if not isinstance(found, list) or not all(type(one) is int for one in found):
                raise ValueRejected(f"{name} is a JSON list of whole numbers")
            return found
        case "list_of_any" | "list_of_submodels":
            found = _json(name, text)
            if not isinstance(found, list):
                raise ValueRejected(f"{name} is a JSON list")
            return found
        case "dict":
            return mapping(name, text)
        case _:
            return free(text)


def _moment(name: str, text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueRejected(f"{name} is a time like 2026-01-02T03:04:05Z") from None
    if "T" not in text.upper() or moment.tzinfo is None:
        raise ValueRejected(f"{name} is a time with a zone, like 2026-01-02T03:04:05Z")
    return text


def _bounded(rule: Rule, name: str, value: float) -> None:
    for limit, broken, words in (
        (rule.gt, rule.gt is not None and value <= rule.gt, "greater than"),
        (rule.ge, rule.ge is not None and value < rule.ge, "at least"),
        (rule.lt, rule.lt is not None and value >= rule.lt, "less than"),
        (rule.le, rule.le is not None and value > rule.le, "at most"),
    ):
        if broken:
            raise ValueRejected(f"{name} is {words} {limit:g}")


def _length(name: str, count: int, least: int | None, most: int | None, of: str) -> None:
    if (least is not None and count < least) or (most is not None and count > most):
        raise ValueRejected(f"{name} has {least or 0} to {most if most is not None else 'any number of'} {of}")


def _matches(regex: str, value: str) -> bool:
    try:
        return re.match(regex, value) is not None
    except re.error:
        return True


def _among(rule: Rule, name: str, value: Any) -> None:
    if not rule.enum:
        return
    allowed = [item.get("value") if isinstance(item, dict) else item for item in rule.enum]
    for one in value if isinstance(value, list) else [value]:
        if one not in allowed:
            raise ValueRejected(f"{name} is one of {', '.join(map(str, allowed))}"[:300])


def strings(name: str, text: str) -> list[str]:
    """Several texts: a JSON list, or one a line, without blanks around them; each once, in their order."""
    if text.lstrip().startswith("["):
        found = _json(name, text)
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise ValueRejected(f"{name} is a JSON list of texts, or one text a line")
        return list(dict.fromkeys(found))
    return list(dict.fromkeys(line.strip() for line in text.split("\n") if line.strip()))


def mapping(name: str, text: str) -> dict[str, Any]:
    """A JSON object. Raises ValueRejected."""
    found = _json(name, text)
    if not isinstance(found, dict):
        raise ValueRejected(f"{name} is a JSON object")
    return found


def free(text: str) -> Any:
    """JSON, or else the text itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _json(name: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise ValueRejected(f"{name} is JSON") from None


def show(value: Any) -> bytes:
    """A value as an attribute shows it (section 6)."""
    match value:
        case str():
            return value.encode("utf-8", "surrogatepass")
        case bool():
            return b"true" if value else b"false"
        case float():
            return repr(value).encode()
        case int():
            return str(value).encode()
        case _:
            return msgspec.json.encode(value)


def lines(values: list[str]) -> bytes:
    """Several texts, one a line; as a JSON list where lines could not be told apart."""
    if any("\n" in one or one != one.strip() or not one or one.startswith("[") for one in values):
        return msgspec.json.encode(values)
    return "\n".join(values).encode("utf-8", "surrogatepass")
