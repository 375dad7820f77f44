"""The `assetfs sandbox PROTOCOL` command, as a typer function that any command line can register.

What it needs to run (starlette, hypercorn, Pillow) comes with the extra `assetfs[sandbox]` and is imported when it
runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assetfs.sandbox.options import PROTOCOLS

WRONG_USAGE = 2


def _protocols(incomplete: str) -> list[str]:
    """For the shell's completion."""
    return [name for name in PROTOCOLS if name.startswith(incomplete)]


def sandbox(
    protocol: Annotated[
        str, typer.Argument(help="Which server: ayon, jama, jdma, midas or sams.", autocompletion=_protocols)
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes any free one.")] = 0,
    data: Annotated[
        Path | None, typer.Option(help="Keep the data here; else a temporary folder is used and removed.")
    ] = None,
    seed: Annotated[str, typer.Option(help="What is in it at first: demo, empty or bench.")] = "demo",
    profile: Annotated[
        str, typer.Option(help="Server generation: current; of Jama also legacy and classic.")
    ] = "current",
    accel_prefix: Annotated[
        str | None,
        typer.Option(help="Answer downloads with X-Accel-Redirect below this path, for a web server in front."),
    ] = None,
    bench_files: Annotated[int, typer.Option(help="Seed bench: resources in the big collection.")] = 10_000,
    bench_big: Annotated[int, typer.Option(help="Seed bench: resources in one more collection, e.g. 100000.")] = 0,
    bench_size: Annotated[int, typer.Option(help="Seed bench: bytes of the large file.")] = 1 << 30,
    login: Annotated[str, typer.Option(help="JDMA: whose shared folder it is; yours if not given.")] = "",
    switch: Annotated[
        list[str] | None,
        typer.Option(help="Set a switch of the server's lasting behaviour, as in recall_seconds=30; may be repeated."),
    ] = None,
) -> None:
    """Serve one embedded server on loopback until SIGTERM; prints one JSON line when it is ready."""
    from assetfs.sandbox.options import Options, WrongUsage

    try:
        from assetfs.sandbox.launch import run
    except ModuleNotFoundError as error:
        typer.echo(f"assetfs: the sandbox needs {error.name}: pip install 'assetfs[sandbox]'", err=True)
        raise typer.Exit(WRONG_USAGE) from error
    bench = (bench_files, bench_big, bench_size)
    try:
        run(Options(protocol, port, data, seed, profile, accel_prefix, *bench, login, tuple(switch or ())), typer.echo)
    except WrongUsage as error:
        typer.echo(f"assetfs: {error}", err=True)
        raise typer.Exit(WRONG_USAGE) from error
