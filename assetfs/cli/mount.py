"""`assetfs mount`: settle the configuration, check this machine, find the credential, start the daemon, wait for it.

The command's options are the option table's rows, and those of every installed backend; nothing here knows them by
name.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from assetfs import credentials
from assetfs.backends import Option, available
from assetfs.cli import complete, launch, mountinfo, preflight
from assetfs.config import (
    OPTIONS,
    TABLE,
    ConfigError,
    MountConfig,
    Recipe,
    find_secret,
    mount_config,
    mount_options,
    shown,
)
from assetfs.config.load import of_ours

HELP = """Mount a repository as a drive.

SOURCE is the name of a repository in the configuration file, or a URL such as jama+https://host/rpc/. The command \
returns when the drive answers, or with one line that says what is wrong.

The credential comes from ASSETFS_CREDENTIAL, credential_file, credential_command, systemd or the keyring. Every \
option below may also be given as -o name=value, as ASSETFS_NAME in the environment, and in the configuration file.
"""
EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "assetfs mount museum ~/museum\n\n"
    "assetfs mount jama+https://assets.example.org/rpc/ ~/assets --read-only --cache-size 20G\n\n"
    "assetfs mount museum ~/scans -o root=Scans/2026,ro\n\n"
    "assetfs mount museum: studio: ~/assets\n\n"
    "[bold]Exit status[/bold]: 0 mounted, 1 failed, 2 wrong usage or configuration, 3 the server cannot be reached, "
    "4 the credential is missing or refused."
)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, as it was typed: options by name, `-o` lists, a configuration file."""

    given: Mapping[str, str] = {}
    lists: Sequence[str] = ()
    file: Path | None = None
    environ: Mapping[str, str] = {}


def prepare(
    source: str,
    mountpoint: Path | None,
    *,
    given: Mapping[str, str],
    lists: Sequence[str] = (),
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> MountConfig:
    """Everything that can be said before the daemon starts: the complete configuration of a mount that may work.

    `given` are options by name, `lists` are `-o` lists. `museum:,studio:` as a source are several repositories in one
    mount. Raises Failure.
    """
    said = Said(given=given, lists=lists, file=file, environ=os.environ if environ is None else environ)
    names = [name.removesuffix(":") for name in source.split(",")]
    if source.endswith(":") and all(name.endswith(":") for name in source.split(",")):
        return _several(names, mountpoint, said)
    return _one(source, mountpoint, said)


def _one(source: str, mountpoint: Path | None, said: Said) -> MountConfig:
    options = mount_options(said.lists)
    file = said.file or options.config
    recipe = Recipe(
        text=source,
        given={**options.settings, **said.given},
        environ=of_ours(said.environ),
        file=file.absolute() if file is not None else None,
        fixed=credentials.VARIABLE in said.environ,
    )
    settings = recipe.read()
    place = mountpoint or settings.mountpoint
    if place is None:
        raise ConfigError(f"where? Name a folder, or set mountpoint in the section of {settings.name}")
    config = mount_config(settings, mountinfo.real(place), secret="", options=options)
    preflight.check(
        preflight.Plan(
            mountpoint=config.mountpoint,
            cache_dir=config.cache_dir,
            state_dir=config.state_dir,
            allow_other=config.allow_other,
            nonempty=options.nonempty,
            ca_file=config.transport.ca_file,
            client_cert=config.transport.client_cert,
        )
    )
    secret = find_secret(settings, said.environ)
    complete = mount_config(settings, config.mountpoint, secret=secret, options=options)
    return msgspec.structs.replace(complete, recipe=recipe)


def _several(names: Sequence[str], mountpoint: Path | None, said: Said) -> MountConfig:
    """Each of the repositories in a folder of its name. What belongs to the mount itself is the first one's."""
    if mountpoint is None:
        raise ConfigError("where? Name a folder: several repositories have no mount point of their own")
    if len(set(names)) < len(names):
        raise ConfigError("a repository is named twice: each is one folder of the mount")
    if credentials.VARIABLE in said.environ and len(names) > 1:
        raise ConfigError(f"{credentials.VARIABLE} is one credential: unset it, and give each repository its own")
    parts = [msgspec.structs.replace(_one(name, mountpoint, said), name=name) for name in names]
    first = parts[0]
    return msgspec.structs.replace(
        first,
        source=" ".join(f"{name}:" for name in names),
        address=msgspec.structs.replace(first.address, secret=""),
        name="",
        parts=tuple(parts),
    )


def run(config: MountConfig, *, stay: bool) -> int:
    """Serve it here, or start its daemon and return when it answers."""
    os.environ.pop(credentials.VARIABLE, None)
    if stay:
        from assetfs import daemon

        return launch.foreground(config, daemon.serve)
    launch.launch(config)
    return 0


def _parameters() -> Iterator[inspect.Parameter]:
    """The command's parameters, as the type annotations that typer reads."""

    def parameter(name: str, kind: Any, information: Any, **default: Any) -> inspect.Parameter:
        return inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[kind, information], **default
        )

    yield parameter(
        "places",
        list[str],
        typer.Argument(
            metavar="SOURCE... [MOUNTPOINT]",
            help="Name of a repository, or a URL; several names, each with a colon (museum: studio:), are a folder "
            "each. Then an empty folder, unless the configuration has one for this repository.",
            autocompletion=complete.sources,
        ),
    )
    yield parameter(
        "foreground", bool, typer.Option("--foreground", "-f", help="Stay, and log to the terminal."), default=False
    )
    yield parameter(
        "config",
        Path | None,
        typer.Option(help="Configuration file. Default: ~/.config/assetfs/config.toml", show_default=False),
        default=None,
    )
    yield parameter(
        "o",
        list[str] | None,
        typer.Option("-o", metavar="NAME=VALUE,…", help="Options as mount(8) has them.", show_default=False),
        default=None,
    )
    for panel, options in [*TABLE.items(), *_backend_panels()]:
        for option in options:
            yield parameter(option.name, *_flag(option, panel), default=None)


def _backend_panels() -> Iterator[tuple[str, list[Option]]]:
    seen = set(OPTIONS)
    for backend in available().values():
        own = [option for option in backend.options if option.name not in seen]
        seen.update(option.name for option in own)
        if own:
            yield f"{backend.title}", own


def _flag(option: Option, panel: str) -> tuple[Any, Any]:
    """The type and typer's description of one row. Values stay text: the table reads them, as in every other place."""
    dashed = option.name.replace("_", "-")
    default = shown.default(option)
    text = f"{option.help} [dim]({default})[/dim]" if default else option.help
    if option.type is bool:
        names = f"--{dashed}/--no-{dashed}"
        return bool | None, typer.Option(names, help=text, rich_help_panel=panel, show_default=False)
    metavar = shown.metavar(option)
    return str | None, typer.Option(
        f"--{dashed}", metavar=metavar, help=text, rich_help_panel=panel, show_default=False
    )


def _places(words: Sequence[str]) -> tuple[str, Path | None]:
    """Source and mount point. `museum: studio: /mnt` becomes `museum:,studio:` and `/mnt`."""
    sources = [word for word in words if word.endswith(":")]
    if sources:
        rest = [word for word in words if not word.endswith(":")]
        if len(rest) > 1 or (rest and words[-1] != rest[0]):
            raise ConfigError("several repositories are named with a colon each, and then one folder")
        return ",".join(sources), Path(rest[0]) if rest else None
    if len(words) > 2:
        raise ConfigError("one SOURCE and one MOUNTPOINT; several repositories in one mount end in a colon: museum:")
    return words[0], Path(words[1]) if len(words) > 1 else None


def command() -> Callable[..., int]:
    """The function that typer makes the command of."""

    def mount(**values: Any) -> int:
        reserved = {"places", "foreground", "config", "o"}
        given = {
            name: {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
            for name, value in values.items()
            if name not in reserved and value is not None
        }
        source, mountpoint = _places(values["places"])
        settled = prepare(source, mountpoint, given=given, lists=values["o"] or [], file=values["config"])
        return run(settled, stay=values["foreground"])

    parameters = list(_parameters())
    mount.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    mount.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    mount.__doc__ = HELP
    return mount
