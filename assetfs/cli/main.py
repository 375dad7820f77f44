"""The command line's frame: finds the command, and turns whatever ends it into one line and an exit status.

Only the command that is wanted is imported; the others are known by a name and a line of help, so that `--help` and
shell completion answer at once. No traceback reaches a user, unless `--debug` asks for it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from assetfs import __version__
from assetfs.failure import Failure, Status

COMMANDS: dict[str, tuple[str, str]] = {
    "mount": ("assetfs.cli.mount:command", "Mount a repository as a drive."),
    "umount": ("assetfs.cli.umount:umount", "Send what is owed to the server, then unmount."),
    "flush": ("assetfs.cli.flush:flush", "Send what is owed to the server now, and wait until nothing is."),
    "fetch": ("assetfs.cli.fetch:fetch", "Bring content here, or back from tape."),
    "uploads": ("assetfs.cli.uploads:uploads", "What is owed to the server: list, retry, discard, export."),
    "status": ("assetfs.cli.status:status", "What is mounted, and how it is."),
    "cache": ("assetfs.cli.cache:cache", "What is kept of a repository on this disk: show, clear."),
    "config": ("assetfs.cli.config:config", "What is in force, and who said so; a file to begin with."),
    "login": ("assetfs.cli.login:login", "Ask for the credential, try it, and keep it in the keyring."),
    "doctor": ("assetfs.cli.doctor:doctor", "What is missing here and on the way to the server, and how to mend it."),
    "demo": ("assetfs.cli.demo:demo", "A repository with sample assets, mounted: look around, or take the tour."),
    "sandbox": ("assetfs.cli.sandbox:sandbox", "One of the embedded servers alone, for tests and trials."),
    "install": ("assetfs.cli.install:install", "Install service units, mount helper, manual and shell completion."),
    "completion": ("assetfs.cli.completion:completion", "What makes a shell complete this command."),
    "manual": ("assetfs.cli.manual:manual", "Write the manual pages."),
}
"""Name to where it is, and its line of help."""
HIDDEN = {"manual"}

EPILOG = (
    "[bold]Examples[/bold]\n\n"
    "assetfs demo --tour  (nothing needed: server, assets and mount are made here)\n\n"
    "assetfs mount jama+https://assets.example.org/rpc/ ~/assets\n\n"
    "assetfs status\n\n"
    "assetfs umount ~/assets"
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"assetfs {__version__}")
        raise typer.Exit


def _frame(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Mount digital asset repositories as drives."""
    if debug:
        os.environ["ASSETFS_DEBUG"] = "1"


def _load(where: str) -> Callable[..., Any]:
    module, _, name = where.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function() if name == "command" else function


def _stub() -> None:
    """Stands for a command that is not the wanted one."""


def application(wanted: str | None, *, everything: bool = False) -> typer.Typer:
    """The application with one command loaded, or with all of them (manual pages)."""
    app = typer.Typer(
        rich_markup_mode="rich",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(epilog=EPILOG)(_frame)
    for name, (where, line) in COMMANDS.items():
        if name == wanted or everything:
            app.command(name, short_help=line, hidden=name in HIDDEN)(_load(where))
        else:
            app.command(name, help=line, short_help=line, hidden=name in HIDDEN)(_stub)
    return app


def _is_mount_line(arguments: Sequence[str]) -> bool:
    """`assetfs SOURCE MOUNTPOINT -o …`: how mount.fuse(8) calls the program of `-t fuse.assetfs`."""
    return "-o" in arguments and arguments[0] not in COMMANDS and not arguments[0].startswith("-")


def _completing() -> list[str]:
    """The words of the line that a shell wants completed: it says them in the environment."""
    if "_ASSETFS_COMPLETE" not in os.environ:
        return []
    from typer.completion import completion_init  # type: ignore[attr-defined] # not in its __all__

    completion_init()  # typer's way of writing into people's .bashrc is switched off, and this with it
    line = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS", "")
    return line.split()[1:]


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status. Says one line on stderr if it fails."""

    def command() -> int:
        if arguments and _is_mount_line(arguments):
            from assetfs.cli import mount_helper

            return mount_helper.main(arguments)
        wanted = next((word for word in arguments or _completing() if not word.startswith("-")), None)
        app = application(wanted)
        return app(list(arguments), prog_name="assetfs", standalone_mode=False) or 0

    return guarded(command)


def guarded(command: Callable[[], int]) -> int:
    """Call it, and turn what it raises into a line and a status."""
    try:
        return command()
    except Failure as failure:
        _trace()
        return say(str(failure), failure.status)
    except typer.TyperException as error:
        if not (message := error.format_message()):
            return Status.USAGE
        return say(f"{message.rstrip('.')}: see --help" if "did you mean" not in message.lower() else message, 2)
    except typer.Abort:
        return say("interrupted", 130)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Status.FAILED
    except Exception as error:
        _trace()
        return say(f"{type(error).__name__}: {error} (a fault of assetfs; --debug shows where)", Status.FAILED)


def _trace() -> None:
    if os.environ.get("ASSETFS_DEBUG"):
        import traceback

        traceback.print_exc()


def say(message: str, status: int) -> int:
    """The one line."""
    print(f"assetfs: {' '.join(message.split())}", file=sys.stderr)
    return status


def run() -> None:
    """The entry point `assetfs`."""
    sys.exit(main(sys.argv[1:]))
