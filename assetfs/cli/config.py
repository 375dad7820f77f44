"""`assetfs config`: what is in force for a repository and who said so, and a file to begin with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from assetfs.cli import arguments, complete
from assetfs.cli.arguments import AsJson, ConfigFile, Lists, settings
from assetfs.config.load import Effective, default_file, repositories
from assetfs.failure import Failure, Status

ACTIONS = "show", "init"


def config(
    action: Annotated[str, arguments.action(ACTIONS)],
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="show: the repository, or a URL; without it, all names.",
            autocompletion=complete.names,
        ),
    ] = None,
    file: ConfigFile = None,
    lists: Lists = None,
    as_json: AsJson = False,
) -> int:
    """Show what is in force and where it was said (show), or write a commented file (init)."""
    arguments.expect(action, ACTIONS)
    if action == "init":
        return _init(file)
    if name is None:
        return _names(file, as_json=as_json)
    return _show(settings(name, file, lists), as_json=as_json)


def _init(file: Path | None) -> int:
    from assetfs.backends import available
    from assetfs.config.shown import sample

    place = file or Path(os.environ.get("ASSETFS_CONFIG") or default_file()).expanduser()
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as stream:
            stream.write(sample(available()))
    except FileExistsError:
        raise Failure(f"{place} is there already: name another file with --config", Status.USAGE) from None
    except OSError as error:
        raise Failure(f"{place} cannot be written: {error.strerror}") from None
    print(place)
    return Status.DONE


def _names(file: Path | None, *, as_json: bool) -> int:
    place, found = repositories(environ=os.environ, file=file)
    if as_json:
        print(json.dumps({"file": str(place), "repositories": found}, indent=2))
    else:
        print(f"# {place}")
        print(
            "\n".join(found) if found else "# It has no repositories: assetfs config init writes a file to begin with."
        )
    return Status.DONE


def _show(settings: Effective, *, as_json: bool) -> int:
    from assetfs.config.shown import rows

    found = [("source", str(settings.source), "the URL that was given" if settings.profile is None else "its section")]
    if settings.mountpoint is not None:
        found.append(("mountpoint", str(settings.mountpoint), "its section"))
    found += [*rows(settings), ("credential", "", _credential(settings))]
    if as_json:
        print(json.dumps({name: {"value": value, "origin": origin} for name, value, origin in found}, indent=2))
        return Status.DONE
    for name, value, origin in found:
        print(f"{name:<20} {value}".ljust(44) + f"  # {origin}")
    return Status.DONE


def _credential(settings: Effective) -> str:
    """Where it would be taken from; it is not looked at."""
    from assetfs import credentials

    return credentials.place(
        settings.name,
        environ=os.environ,
        file=settings["credential_file"],
        command=settings["credential_command"],
    )
