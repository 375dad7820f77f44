"""`assetfs doctor`: what is missing on this machine and on the way to a server, and what to do about each.

Two tables of checks: `machine.py` needs nothing, `way.py` a SOURCE. A check looks at one thing, changes nothing, and
returns findings; one that cannot be made says so. The command's status is 0 when nothing is wrong, 1 otherwise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from assetfs.cli import complete
from assetfs.cli.arguments import AsJson, ConfigFile, Lists, settings
from assetfs.cli.checks import machine
from assetfs.cli.checks.finding import MARKS, Finding, Level
from assetfs.failure import Failure, Status


def doctor(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[SOURCE]", help="The way to this server too.", autocompletion=complete.names),
    ] = None,
    file: ConfigFile = None,
    lists: Lists = None,
    as_json: AsJson = False,
) -> int:
    """Check this machine, and the way to a server."""
    found: list[Finding] = []
    for finding in _findings(source, file, lists or []):
        found.append(finding)
        if not as_json:
            _say(finding)
    bad = [finding for finding in found if finding.level is Level.BAD]
    if as_json:
        print(json.dumps([finding.as_json() for finding in found], indent=2))
    elif not bad:
        print("\nNothing is wrong." if source else "\nNothing is wrong here. assetfs doctor SOURCE looks at a server.")
    return Status.FAILED if bad else Status.DONE


def _findings(source: str | None, file: Path | None, lists: list[str]) -> Iterator[Finding]:
    for check in machine.CHECKS:
        yield from _made(check.__name__, check())
    if source is None:
        return
    from assetfs.cli.checks import way
    from assetfs.config import mount_config

    try:
        settled = settings(source, file, lists)
        config = mount_config(settled, Path("/"), secret="")
    except Failure as failure:
        yield Finding("configuration", Level.BAD, str(failure))
        return
    for place in way.PLACES:
        yield from _made(place.__name__, place(config))
    yield from way.server(settled, config)


def _made(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings; a check that itself fails is one, too."""
    try:
        yield from findings
    except Exception as error:
        yield Finding(name, Level.NOTE, f"could not be checked ({type(error).__name__})")


def _say(finding: Finding) -> None:
    mark, colour = MARKS[finding.level]
    if sys.stdout.isatty():
        mark = f"\x1b[{colour}m{mark}\x1b[0m"
    print(f"{mark} {finding.about}: {finding.what}", flush=True)
    if finding.advice:
        print(f"      {finding.advice}", flush=True)
