"""`assetfs install`: put the service units, the manual pages and the shell completion where the system looks for them.

What is written names this very program, wherever it is installed; nothing is started or enabled. `--root` puts it all
below another folder, for packages and for a look.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import assetfs
from assetfs.cli import completion, manual
from assetfs.failure import Failure, Status

_COMPLETIONS = {
    "bash": "share/bash-completion/completions/assetfs",
    "zsh": "share/zsh/site-functions/_assetfs",
    "fish": "share/fish/vendor_completions.d/assetfs.fish",
}


def install(
    prefix: Annotated[Path, typer.Option(help="Where programs of this machine's own go.")] = Path("/usr/local"),
    root: Annotated[Path, typer.Option(help="Write below this folder instead.")] = Path("/"),
    user: Annotated[bool, typer.Option("--user", help="For yourself: below ~/.config and ~/.local.")] = False,
) -> int:
    """Install service units, mount helper, manual pages and shell completion."""
    program = _program()
    files = _for_user(program) if user else _for_system(program, prefix)
    for place, content in files:
        target = root / str(place).lstrip("/")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                target.unlink(missing_ok=True)
                target.symlink_to(content)
            else:
                target.write_text(content)
                target.chmod(0o644)
        except OSError as error:
            raise Failure(f"{target} cannot be written: {error.strerror}; --user installs for yourself") from None
        print(target)
    return Status.DONE


def _program() -> Path:
    """This program, as the units start it."""
    beside = Path(sys.executable).with_name("assetfs")
    found = beside if os.access(beside, os.X_OK) else Path(shutil.which("assetfs") or "/usr/local/bin/assetfs")
    return found.absolute()


def _units() -> Path:
    """Where the templates are: in the package, or beside it in the source tree."""
    package = Path(assetfs.__file__).parent
    return package / "systemd" if (package / "systemd").is_dir() else package.parent / "systemd"


def unit(name: str, program: Path) -> str:
    """A unit that starts this program."""
    return (_units() / name).read_text().replace("@ASSETFS@", str(program))


def _for_system(program: Path, prefix: Path) -> Iterator[tuple[Path, str | Path]]:
    """Places and contents; a path is where a link leads."""
    yield Path("/etc/systemd/system/assetfs@.service"), unit("assetfs@.service", program)
    yield Path("/etc/systemd/user/assetfs@.service"), unit("user/assetfs@.service", program)
    yield Path("/etc/tmpfiles.d/assetfs.conf"), unit("assetfs.tmpfiles.conf", program)
    if program != prefix / "bin" / "assetfs":
        yield prefix / "bin" / "assetfs", program
    helper = program.with_name("mount.assetfs")
    yield Path("/sbin/mount.assetfs"), helper
    yield Path("/sbin/mount.fuse.assetfs"), helper
    yield from _texts(prefix)


def _for_user(program: Path) -> Iterator[tuple[Path, str | Path]]:
    yield Path.home() / ".config/systemd/user/assetfs@.service", unit("user/assetfs@.service", program)
    yield from _texts(Path.home() / ".local")


def _texts(prefix: Path) -> Iterator[tuple[Path, str]]:
    for shell, place in _COMPLETIONS.items():
        yield prefix / place, completion.script(shell) + "\n"
    for name, page in manual.man():
        yield prefix / "share" / "man" / f"man{name.rpartition('.')[2]}" / name, page
