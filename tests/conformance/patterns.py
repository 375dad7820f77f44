"""Patterns that a recorded answer is held against, and variables that tie one step to the next.

A literal matches itself, of the same type. An object has exactly the keys given, or more with `"...": true`. A list
matches item by item. Operators are objects of one key: `<unordered>`, `<each>`, `<some>`. Texts in angle brackets are
kinds: `<any> <int> <number> <str> <bool> <iso> <url> <hex:N> <re:REGEX>`. `${name}` stands for a variable; one that is
nothing but one variable takes its type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

VARIABLE = re.compile(r"\$\{(\w+)\}")
KIND = re.compile(r"<(\w+)(?::(.*))?>", re.DOTALL)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:?\d\d|Z)?")
OPEN = "..."

Difference = str | None  # None: it fits


def filled(template: Any, variables: Mapping[str, Any]) -> Any:
    """The template with every `${name}` replaced, in keys too."""
    match template:
        case str():
            alone = VARIABLE.fullmatch(template)
            if alone and alone[1] in variables:
                return variables[alone[1]]
            return VARIABLE.sub(lambda found: str(variables[found[1]]), template)
        case list():
            return [filled(item, variables) for item in template]
        case dict():
            return {filled(key, variables): filled(value, variables) for key, value in template.items()}
    return template


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(test: Callable[[str, str], object]) -> Callable[[Any, str], bool]:
    return lambda value, argument: isinstance(value, str) and bool(test(value, argument))


KINDS: dict[str, Callable[[Any, str], bool]] = {
    "any": lambda value, _: True,
    "int": lambda value, _: _is_number(value) and isinstance(value, int),
    "number": lambda value, _: _is_number(value),
    "bool": lambda value, _: isinstance(value, bool),
    "str": _text(lambda value, _: True),
    "iso": _text(lambda value, _: TIME.fullmatch(value)),
    "url": _text(lambda value, _: value.startswith(("http://", "https://"))),
    "hex": _text(lambda value, length: re.fullmatch(f"[0-9a-f]{{{length}}}", value)),
    "re": _text(lambda value, regex: re.fullmatch(regex, value, re.DOTALL)),
}


def difference(pattern: Any, value: Any, at: str = "$") -> Difference:
    """Where and how a value does not fit a pattern; None when it does."""
    match pattern:
        case str() if (kind := KIND.fullmatch(pattern)) and kind[1] in KINDS:
            fits = KINDS[kind[1]](value, kind[2] or "")
            return None if fits else f"{at}: {value!r:.120} is not {pattern}"
        case {"<unordered>": items}:
            return _unordered(items, value, at)
        case {"<each>": item}:
            return _list([item] * len(value), value, at) if isinstance(value, list) else f"{at}: no list"
        case {"<some>": item}:
            found = isinstance(value, list) and any(difference(item, one) is None for one in value)
            return None if found else f"{at}: no item like {item!r:.120}"
        case dict():
            return _object(pattern, value, at)
        case list():
            return _list(pattern, value, at)
    same = type(pattern) is type(value) and pattern == value
    return None if same else f"{at}: {value!r:.120} instead of {pattern!r:.120}"


def _object(pattern: dict[str, Any], value: Any, at: str) -> Difference:
    if not isinstance(value, dict):
        return f"{at}: {value!r:.120} is no object"
    wanted = {key: item for key, item in pattern.items() if key != OPEN}
    if missing := wanted.keys() - value.keys():
        return f"{at}: lacks {sorted(missing)}"
    if not pattern.get(OPEN) and (more := value.keys() - wanted.keys()):
        return f"{at}: has also {sorted(more)}"
    return _first(difference(item, value[key], f"{at}.{key}") for key, item in wanted.items())


def _list(pattern: list[Any], value: Any, at: str) -> Difference:
    if not isinstance(value, list) or len(value) != len(pattern):
        return f"{at}: {value!r:.120} is no list of {len(pattern)}"
    return _first(difference(item, one, f"{at}[{n}]") for n, (item, one) in enumerate(zip(pattern, value, strict=True)))


def _unordered(items: list[Any], value: Any, at: str) -> Difference:
    if not isinstance(value, list) or len(value) != len(items):
        return f"{at}: {value!r:.120} is no list of {len(items)}"
    left = list(value)
    for item in items:
        position = next((n for n, one in enumerate(left) if difference(item, one) is None), None)
        if position is None:
            return f"{at}: no item like {item!r:.120}"
        del left[position]
    return None


def _first(differences: Any) -> Difference:
    return next((found for found in differences if found is not None), None)
