"""Values for people: an option's value as one would write it, where it came from, and a file to begin with.

The help, the documentation page, `assetfs config show` and the file of `assetfs config init` are made of the option
table by what is here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from assetfs.backends import Backend, Option
from assetfs.config.load import Effective
from assetfs.config.mount import resolved
from assetfs.config.table import AUTO, TABLE
from assetfs.config.values import Share

_METAVARS: dict[type, str] = {int: "N", float: "TIME", Path: "PATH", tuple: "LIST", str: "TEXT", bool: "yes|no"}
_SIZES = ("cache_size", "cache_free", "memory", "prefetch", "read_ahead")
_UNITS = (("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10))


def metavar(option: Option) -> str:
    """What stands for the value: `PATH`, `back|through`."""
    if option.choices:
        return "|".join(option.choices)
    return "SIZE" if option.name in _SIZES else _METAVARS.get(option.type, "TEXT")


def text(option: Option, value: Any) -> str:
    """The value as it could be typed. A command shows its program only: its arguments may be anything."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if option.name == "umask":
        return f"{value:03o}"
    if option.name.endswith("_command") and value:
        return f"{value[0]} …" if len(value) > 1 else str(value[0])
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, Share):
        return f"{value:.0%}"
    if isinstance(value, float):
        return f"{value:g}s"
    if option.name in _SIZES and isinstance(value, int):
        return next((f"{value // unit}{letter}" for letter, unit in _UNITS if value and value % unit == 0), str(value))
    return str(value)


def default(option: Option) -> str:
    """The default as people write it; empty where the help says it, or there is none."""
    if option.default in (None, "", AUTO, ()) or "Default:" in option.help or isinstance(option.default, tuple):
        return ""
    if option.default is False:
        return ""
    return text(option, option.default)


_WORKED_OUT = "worked out for this machine"


def rows(settings: Effective) -> list[tuple[str, str, str]]:
    """Name, value and where it was said, of every option."""
    values = resolved(settings)
    found = []
    for panel in TABLE.values():
        for option in panel:
            setting = settings.settings[option.name]
            automatic = setting.value == AUTO
            value = values[option.name] if automatic else setting.value
            found.append((option.name, text(option, value), _WORKED_OUT if automatic else setting.origin))
    for option in settings.backend.options:
        setting = settings.backend_settings[option.name]
        found.append((option.name, text(option, setting.value), setting.origin))
    return found


_HEAD = """\
# assetfs: what is mounted, and how. Every option has this one name here, as --name on the command line, as
# ASSETFS_NAME in the environment, and in -o of mount(8). The command line wins over the environment, that over a
# repository's section, that over [defaults].
#
# A credential does not belong here, only where it is: credential_file, credential_command, systemd, or the keyring
# (assetfs login NAME).
#
# assetfs config show NAME prints what is in force for a repository, and why. After a change:
# kill -HUP the daemon (systemctl reload assetfs@NAME), or mount it again.

# For all repositories.
[defaults]
"""
_REPOSITORY = """
# One section for each repository; NAME is what it is mounted by: assetfs mount museum
#[repositories.museum]
#source = "jama+https://assets.example.org/rpc/"
#mountpoint = "~/museum"
#credential_file = "~/.config/assetfs/museum.key"
#read_only = true
"""


def sample(backends: Mapping[str, Backend]) -> str:
    """A configuration file in which everything is a comment, with every option and its default."""
    lines = [_HEAD]
    for panel, options in TABLE.items():
        lines.append(f"# {panel}\n\n" + "".join(map(_commented, options)))
    lines.append(_REPOSITORY)
    for backend in backends.values():
        if backend.options:
            lines.append(f"\n# Options of {backend.title} ({backend.name}+https://…), in a repository's section\n\n")
            lines.append("".join(map(_commented, backend.options)))
    return "".join(lines)


def _commented(option: Option) -> str:
    help_ = "".join(f"# {line}\n" for line in _wrapped(option.help, 117))
    choices = f"# One of {', '.join(option.choices)}.\n" if option.choices else ""
    return f"{help_}{choices}#{option.name} = {_toml(option)}\n\n"


def _wrapped(line: str, width: int) -> Iterable[str]:
    import textwrap

    return textwrap.wrap(line, width)


def _toml(option: Option) -> str:
    """The default as TOML has it; an example where there is none."""
    value = option.default
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return json.dumps(list(value))
    if isinstance(value, int) and option.name not in (*_SIZES, "umask"):
        return str(value)
    return json.dumps(text(option, value) if value is not None else "")
