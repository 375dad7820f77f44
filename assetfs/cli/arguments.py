"""Arguments and options that several commands have, each in the same words, and what they lead to."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from assetfs.cli import complete
from assetfs.config import Effective, effective, mount_options
from assetfs.failure import Failure, Status

Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="Name of a repository, or a URL.", autocompletion=complete.names)
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Configuration file. Default: ~/.config/assetfs/config.toml")
]
Lists = Annotated[list[str] | None, typer.Option("-o", metavar="NAME=VALUE,…", help="As for mount.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


def settings(source: str, file: Path | None, lists: Sequence[str] | None, **given: str) -> Effective:
    """What is in force for a repository, with what the options above say, and `given` by name. Raises Failure."""
    options = mount_options(lists or [])
    given = {**options.settings, **given}
    return effective(source, given=given, environ=os.environ, file=file or options.config)


def words(*known: str) -> Callable[[str], list[str]]:
    """Completion of an argument that is one of these."""

    def complete_word(incomplete: str) -> list[str]:
        return [word for word in known if word.startswith(incomplete)]

    return complete_word


def action(known: Sequence[str], *, default: str | None = None) -> Any:
    """The argument that says which of several things a command does."""
    shown = "|".join(known)
    return typer.Argument(
        metavar=f"[{shown}]" if default else shown,
        help=f"Default: {default}." if default else "What to do.",
        autocompletion=words(*known),
    )


def expect(word: str, known: Sequence[str]) -> None:
    """Raises Failure where an argument is none of these."""
    if word not in known:
        raise Failure(f"{word}: it is one of {', '.join(known)}", Status.USAGE)
