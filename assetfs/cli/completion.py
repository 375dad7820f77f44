"""`assetfs completion SHELL`: the lines that make a shell complete this command, and where they belong."""

from __future__ import annotations

from typing import Annotated

import typer

from assetfs.failure import Failure, Status

PLACES = {
    "bash": "/etc/bash_completion.d/assetfs, or ~/.local/share/bash-completion/completions/assetfs",
    "zsh": "a folder of $fpath, as _assetfs",
    "fish": "~/.config/fish/completions/assetfs.fish",
}


def completion(
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="Which shell.")],
) -> int:
    """Print what makes a shell complete this command."""
    print(script(shell))
    return Status.DONE


def script(shell: str) -> str:
    """The lines for a shell. Raises Failure."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined] # not in its __all__

    if shell not in PLACES:
        raise Failure(f"{shell}: it is one of {', '.join(PLACES)}", Status.USAGE)
    lines = get_completion_script(prog_name="assetfs", complete_var="_ASSETFS_COMPLETE", shell=shell)
    comment = f"# Belongs into {PLACES[shell]}\n"
    if lines.startswith("#compdef"):
        first, _, rest = lines.partition("\n")
        return f"{first}\n{comment}{rest}"
    return comment + lines
