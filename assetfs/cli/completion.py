"""`assetfs completion SHELL`: the lines that make a shell complete this command, and where they belong."""

from __future__ import annotations

from typing import Annotated

from assetfs.cli import arguments
from assetfs.failure import Status

PLACES = {
    "bash": "/etc/bash_completion.d/assetfs, or ~/.local/share/bash-completion/completions/assetfs",
    "zsh": "a folder of $fpath, as _assetfs",
    "fish": "~/.config/fish/completions/assetfs.fish",
}

_ZSH_END = "compdef _assetfs_completion assetfs"
_ZSH_BOTH = f"""if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _assetfs_completion
else
  {_ZSH_END}
fi"""
"""zsh runs a file of $fpath at the first Tab, and wants words from it at once; in .zshrc it is only made known."""


def completion(
    shell: Annotated[str, arguments.action(tuple(PLACES))],
) -> int:
    """Print what makes a shell complete this command."""
    print(script(shell))
    return Status.DONE


def script(shell: str) -> str:
    """The lines for a shell. Raises Failure."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined] # not in its __all__

    arguments.expect(shell, tuple(PLACES))
    lines = get_completion_script(prog_name="assetfs", complete_var="_ASSETFS_COMPLETE", shell=shell)
    comment = f"# Belongs into {PLACES[shell]}\n"
    if shell == "zsh":
        first, _, rest = lines.partition("\n")
        return f"{first}\n{comment}{rest.removesuffix(_ZSH_END)}{_ZSH_BOTH}"
    return comment + lines
