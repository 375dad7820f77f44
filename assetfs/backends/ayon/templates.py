"""Path templates of a project's anatomy (section 3.4). Pure.

`{key}` and `{key[sub]}` are filled, with a Python format after a colon; `{@name}` is a template of the common ones;
what stands in `<…>` goes where a key in it is missing. `{root[…]}` stays as it is: paths on the server begin with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_OPTIONAL = re.compile(r"<((?:\{[^{}]*\}|[^<>{}])*)>")
_KEY = re.compile(r"\{([^{}:\[\]@]+)(?:\[([^\[\]{}]+)\])?(?::((?:[^{}]|\{[^{}]*\})*))?\}")
_COMMON = re.compile(r"\{@([^{}\[\]]+)\}")
DEPTH = 5
"""Common templates in common templates in …; the stock ones need two."""


class Missing(Exception):
    """A key that a template needs is not there."""


def fill(template: str, values: Mapping[str, Any], common: Mapping[str, Any]) -> str:
    """The text of a template. Raises Missing."""
    for _ in range(DEPTH):
        template = _COMMON.sub(lambda match: str(_known(common, match[1])), template)

    def optional(match: re.Match[str]) -> str:
        try:
            return _filled(match[1], values)
        except Missing:
            return ""

    return _filled(_OPTIONAL.sub(optional, template), values)


def _known(values: Mapping[str, Any], name: str) -> Any:
    if name not in values:
        raise Missing(name)
    return values[name]


def _filled(text: str, values: Mapping[str, Any]) -> str:
    def one(match: re.Match[str]) -> str:
        name, sub, form = match.groups()
        if name == "root":
            return match[0]
        value = _known(values, name)
        if sub is not None:
            value = _known(value, sub) if isinstance(value, Mapping) else _missing(sub)
        if value is None:
            raise Missing(name)
        try:
            return format(value, form or "")
        except (TypeError, ValueError):
            return str(value)

    return _KEY.sub(one, text)


def _missing(name: str) -> Any:
    raise Missing(name)


def folder_of(templates: Mapping[str, Mapping[str, Any]], kind: str, values: Mapping[str, Any], fallback: str) -> str:
    """The folder that files of a kind (`publish`, `work`) go to: from the default template, else from `fallback`.

    Begins with `{root[…]}`, has no empty elements, and never leaves the root."""
    common = templates.get("common") or {}
    template = ((templates.get(kind) or {}).get("default") or {}).get("directory")
    for one in (template, fallback):
        try:
            path = fill(one, values, common) if isinstance(one, str) else ""
        except Missing:
            continue
        head, _, rest = path.replace("\\", "/").partition("/")
        parts = [part for part in rest.split("/") if part not in ("", ".")]
        if head.startswith("{root[") and head.endswith("]}") and ".." not in parts:
            return "/".join((head, *parts))
    raise Missing(f"no template for {kind}")
