"""The manual, made of the same texts as the help: pages for man(1), and pages of the documentation site.

    assetfs manual man DIR       assetfs.1, assetfs-mount.1, …, mount.assetfs.8, assetfs.toml.5
    assetfs manual site DIR      options.md, commands.md, status.md, metrics.md

The help's own marks (`[bold]`, `[dim]`) are rich's; here they become the page's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from assetfs import __version__
from assetfs.backends import Option, available
from assetfs.cli.main import COMMANDS, HIDDEN, application
from assetfs.config import TABLE, shown
from assetfs.failure import Failure, Status

_MARKS = re.compile(r"\[(/?)(bold|dim)\]")


def manual(
    what: Annotated[str, typer.Argument(metavar="man|site", help="Pages for man(1), or of the site.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; it is made.")],
) -> int:
    """Write the manual pages."""
    if what not in PAGES:
        raise Failure(f"{what}: it is one of {', '.join(PAGES)}", Status.USAGE)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in PAGES[what]():
        (folder / name).write_text(text)
    return Status.DONE


def options() -> dict[str, tuple[Option, ...]]:
    """Every option by heading: the common ones, then those of each backend."""
    own = {f"{b.title} ({b.name})": tuple(b.options) for _, b in sorted(available().items()) if b.options}
    return {**TABLE, **own}


def _commands() -> Mapping[str, Any]:
    import typer.main

    group: Any = typer.main.get_command(application(None, everything=True))
    return {name: group.commands[name] for name in COMMANDS if name not in HIDDEN}


def _plain(text: str) -> str:
    return _MARKS.sub("", text).replace("\b", "").strip()


def _parameters(command: Any) -> Iterator[tuple[str, str]]:
    """What a command takes, as typed, and its help. Mount options are left to their own page."""
    table = {option.name for panel in options().values() for option in panel}
    for parameter in command.params:
        if parameter.name in table and command.name == "mount":
            continue
        if parameter.param_type_name == "argument":
            yield parameter.metavar or parameter.name.upper(), _plain(parameter.help or "")
        else:
            names = ", ".join([*parameter.opts, *parameter.secondary_opts])
            value = "" if parameter.is_flag else f" {parameter.metavar or 'TEXT'}"
            yield f"{names}{value}", _plain(parameter.help or "")


def _usage(name: str, command: Any) -> str:
    words = [p.metavar or p.name.upper() for p in command.params if p.param_type_name == "argument"]
    return " ".join(["assetfs", name, "[OPTION…]", *words])


# ---- man(1) -------------------------------------------------------------------------------------------------------


def man() -> Iterator[tuple[str, str]]:
    """File names and pages in man(7)."""
    commands = _commands()
    overview = "".join(_term(f"assetfs-{name}(1)", COMMANDS[name][1]) for name in commands)
    yield (
        "assetfs.1",
        _title("ASSETFS", 1)
        + _section("NAME", "assetfs \\- mount digital asset repositories as drives\n")
        + _section("SYNOPSIS", "assetfs COMMAND [OPTION…] …\n")
        + _section("COMMANDS", overview)
        + _section("EXIT STATUS", _STATUSES)
        + _section("SEE ALSO", "assetfs.toml(5), mount.assetfs(8)\n"),
    )
    for name, command in commands.items():
        text = _title(f"ASSETFS-{name.upper()}", 1)
        text += _section("NAME", f"assetfs-{name} \\- {_roff(COMMANDS[name][1])}\n")
        text += _section("SYNOPSIS", _roff(_usage(name, command)) + "\n")
        text += _section("DESCRIPTION", _paragraphs(_plain(command.help or "")))
        text += _section("OPTIONS", "".join(_term(flag, help_) for flag, help_ in _parameters(command)))
        if name == "mount":
            text += _section("MOUNT OPTIONS", _table())
        if command.epilog:
            text += _section("EXAMPLES", _paragraphs(_plain(command.epilog)))
        yield f"assetfs-{name}.1", text
    yield (
        "mount.assetfs.8",
        _title("MOUNT.ASSETFS", 8)
        + _section("NAME", "mount.assetfs \\- what mount(8) calls for repositories\n")
        + _section("SYNOPSIS", "mount \\-t fuse.assetfs SOURCE MOUNTPOINT [\\-o OPTION[=VALUE],…]\n")
        + _section("DESCRIPTION", _paragraphs(_HELPER))
        + _section("OPTIONS", _table()),
    )
    yield (
        "assetfs.toml.5",
        _title("ASSETFS.TOML", 5)
        + _section("NAME", "config.toml \\- what assetfs mounts, and how\n")
        + _section("DESCRIPTION", _paragraphs(_FILE))
        + _section("OPTIONS", _table()),
    )


_STATUSES = "".join(
    f".TP\n.B {number}\n{text}\n"
    for number, text in enumerate(
        (
            "done",
            "failed",
            "wrong usage or configuration",
            "the server cannot be reached",
            "the credential is missing or refused",
            "something is still owed to the server",
        )
    )
)
_HELPER = """SOURCE is the name of a repository in the configuration file, or a URL; museum:,studio: are two \
repositories, each in a folder of the mount. In /etc/fstab:

museum /srv/museum fuse.assetfs _netdev,nofail,allow_other 0 0

With noauto,user a person may mount it; with x-systemd.automount it is mounted when somebody looks. mount(8) runs as \
root: it reads root's configuration, and finds assetfs in /usr/local/bin or /usr/bin."""
_FILE = """~/.config/assetfs/config.toml, or what ASSETFS_CONFIG or --config names. [defaults] is for all, \
[repositories.NAME] for one: source and mountpoint, and any option. assetfs config init writes a commented file, \
assetfs config show NAME prints what is in force and where it was said. Unknown keys are errors. A credential does not \
belong into this file."""


def _table() -> str:
    text = ""
    for heading, panel in options().items():
        text += f".SS {_roff(heading)}\n"
        for option in panel:
            default = shown.default(option)
            help_ = f"{option.help} Default: {default}." if default else option.help
            text += _term(f"{option.name}={shown.metavar(option)}", help_)
    return text


def _title(name: str, section: int) -> str:
    return f'.TH {name} {section} "" "assetfs {__version__}" "assetfs"\n'


def _section(name: str, body: str) -> str:
    return f".SH {name}\n{body}"


def _term(what: str, help_: str) -> str:
    return f".TP\n.B {_roff(what)}\n{_roff(help_)}\n"


def _paragraphs(text: str) -> str:
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return "".join(f".PP\n{_roff(part)}\n" for part in parts if part)


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


# ---- the site -----------------------------------------------------------------------------------------------------


def site() -> Iterator[tuple[str, str]]:
    """File names and pages in Markdown."""
    yield "options.md", "".join(_options_page())
    yield "commands.md", "".join(_commands_page())
    yield "status.md", "".join(_status_page())
    yield "metrics.md", "".join(_metrics_page())


def _options_page() -> Iterator[str]:
    yield "# Options\n\nEvery option has one name: `--cache-size`, `cache_size =` in the configuration file, "
    yield "`ASSETFS_CACHE_SIZE` in the environment, `-o cache_size=` of mount(8).\n"
    for heading, panel in options().items():
        yield f"\n## {heading}\n\n| option | value | default | |\n| --- | --- | --- | --- |\n"
        for option in panel:
            default = shown.default(option)
            yield f"| `{option.name}` | `{_cell(shown.metavar(option))}` | {default} | {_cell(option.help)} |\n"


def _commands_page() -> Iterator[str]:
    yield "# Commands\n"
    for name, command in _commands().items():
        yield f"\n## assetfs {name}\n\n    {_usage(name, command)}\n\n{_plain(command.help or '')}\n\n"
        rows = list(_parameters(command))
        if rows:
            yield "| | |\n| --- | --- |\n"
        for flag, help_ in rows:
            yield f"| `{_cell(flag)}` | {_cell(help_)} |\n"


def _status_page() -> Iterator[str]:
    import msgspec

    from assetfs.daemon.status import Document

    yield "# The status document\n\n`.assetfs/status.json`, and `status` in what `assetfs status --json` prints. "
    yield "`assetfs status --schema` prints its JSON schema.\n"
    definitions = msgspec.json.schema(Document)["$defs"]
    for name, definition in definitions.items():
        yield f"\n## {name}\n\n{definition.get('description', '')}\n\n| field | type | |\n| --- | --- | --- |\n"
        for field, about in definition.get("properties", {}).items():
            yield f"| `{field}` | {_kind(about)} | {_cell(about.get('description', ''))} |\n"


def _kind(about: Mapping[str, Any]) -> str:
    if "$ref" in about:
        return str(about["$ref"].rpartition("/")[2])
    if "anyOf" in about:
        return " or ".join(_kind(each) for each in about["anyOf"])
    if about.get("type") == "array":
        return f"list of {_kind(about['items'])}"
    return str(about.get("type", ""))


def _metrics_page() -> Iterator[str]:
    from assetfs.daemon.metrics import renderer

    yield "# Metrics\n\n`.assetfs/metrics`, and `GET /metrics` where `--metrics-listen` says.\n\n"
    yield "| metric | type | |\n| --- | --- | --- |\n"
    helps: dict[str, str] = {}
    for line in renderer([])().decode().splitlines():
        words = line.split(" ", 3)
        if line.startswith("# HELP"):
            helps[words[2]] = words[3]
        elif line.startswith("# TYPE"):
            yield f"| `{words[2]}` | {words[3]} | {_cell(helps[words[2]])} |\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {"man": man, "site": site}
