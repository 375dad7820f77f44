"""`assetfs uploads`: what is owed to the server, and what to do about what cannot be sent.

A mounted repository is asked through its mount. Of one that is not mounted the journal and the records of drafts are
read, and nothing is changed in them: `list` and `export` work, `retry` and `discard` need the mount.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from assetfs.cli import arguments, complete, document, mountinfo, records, verbs
from assetfs.cli.arguments import AsJson, ConfigFile, Lists, settings
from assetfs.config import Effective
from assetfs.failure import Failure, Status

ACTIONS = "list", "retry", "discard", "export"
_COLUMNS = ("NUMBER", "STATE", "SIZE", "TRIES", "WHAT", "WHY")


def uploads(
    mountpoint: Annotated[
        str,
        typer.Argument(
            metavar="MOUNTPOINT|SOURCE",
            help="A mount (or one repository's folder in it), or a repository's name.",
            autocompletion=complete.mountpoints,
        ),
    ],
    action: Annotated[str, arguments.action(ACTIONS, default="list")] = "list",
    rest: Annotated[
        list[str] | None, typer.Argument(metavar="[N [DEST]]", help="The number; for export also where to.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that have failed (retry, discard).")] = False,
    file: ConfigFile = None,
    lists: Lists = None,
    as_json: AsJson = False,
    state_dir: Annotated[
        Path | None, typer.Option(help="Where the journal of a SOURCE is, if not where it is.")
    ] = None,
) -> int:
    """What is owed to the server: list, retry, discard, export."""
    arguments.expect(action, ACTIONS)
    words = rest or []
    place = _mount(mountpoint)

    def journal() -> list[dict[str, Any]]:
        given = {} if state_dir is None else {"state_dir": str(state_dir)}
        return _journal(settings(mountpoint, file, lists, **given))

    if action == "list":
        _expect(words, 0, "list takes no number")
        told = verbs.account(place) if place is not None else None
        if told is not None and told.parts:
            folders = ", ".join(f"{place}/{part}" for part in told.parts)
            raise Failure(f"{place} has several repositories: name one of {folders}", Status.USAGE)
        owed = told.uploads if told is not None else journal()
        _list(owed, told, as_json=as_json)
        return Status.DONE
    if action == "export":
        _expect(words, 2, "export N DEST: the number that list shows, and a file or folder to copy it to")
        _export(place, verbs.account(place).uploads if place else journal(), words[0], Path(words[1]))
        return Status.DONE
    _expect(words, 0 if everything else 1, f"{action} N, or {action} --all")
    if place is None:
        raise Failure(f"{mountpoint} is not mounted: mount it, then {action}", Status.USAGE)
    which = "all" if everything else _number(words[0])
    if not everything:
        _find(verbs.account(place).uploads, which)
    verbs.tell(place, action, which)
    return Status.DONE


def _expect(words: Sequence[str], count: int, usage: str) -> None:
    if len(words) != count:
        raise Failure(f"usage: {usage}", Status.USAGE)


def _number(word: str) -> str:
    if not word.isdecimal():
        raise Failure(f"{word} is not the number of an upload", Status.USAGE)
    return word


def _mount(target: str) -> Path | None:
    """The mount that is meant, by its folder or its repository's name; None where that is not mounted."""
    place = mountinfo.real(records.named(Path(target)))
    if mountinfo.at(place) is not None or place.is_dir() or target.startswith(("/", ".", "~")):
        return verbs.mount_at(place)
    return None


def _journal(settled: Effective) -> list[dict[str, Any]]:
    """What the journal of a repository says that is not mounted."""
    from assetfs.config import mount_config
    from assetfs.daemon import owed

    return owed(mount_config(settled, Path("/"), secret=""))


def _find(owed: Sequence[Mapping[str, Any]], number: str) -> Mapping[str, Any]:
    for upload in owed:
        if str(upload["number"]) == number:
            return upload
    raise Failure(f"there is no upload {number}: list shows those that are owed", Status.USAGE)


def _export(place: Path | None, owed: Sequence[Mapping[str, Any]], word: str, destination: Path) -> None:
    """Copy the content of one upload to a file, or of a draft to a folder, that does not exist yet."""
    number = _number(word)
    upload = _find(owed, number)
    target = destination / str(upload["place"]).rpartition("/")[2] if destination.is_dir() else destination
    if place is None and upload.get("missing"):
        raise Failure(f"{upload['missing']} bytes of {upload['place']} are still the server's: mount it, then export")
    staging = Path(str(upload["staging_file"]))
    try:
        if upload.get("folder"):
            shutil.copytree(staging, target, symlinks=True)
        else:
            _copy(staging if place is None else place / ".assetfs" / "uploads" / number, target)
    except FileExistsError:
        raise Failure(f"{target} exists already: name another", Status.USAGE) from None
    except OSError as error:
        raise Failure(f"{upload['place']} cannot be copied to {target}: {error.strerror or error}") from None
    print(target)


def _copy(content: Path, target: Path) -> None:
    with content.open("rb") as reading, target.open("xb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)


def _list(owed: Sequence[Mapping[str, Any]], told: document.Document | None, *, as_json: bool) -> None:
    conflicts = told.conflicts if told is not None else []
    if as_json:
        print(json.dumps({"uploads": list(owed), "conflicts": conflicts}, indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 1000)
    if not owed:
        console.print("Nothing is owed to the server.")
    else:
        table = Table(box=box.SIMPLE)
        for heading in _COLUMNS:
            table.add_column(heading, overflow="fold")
        for upload in owed:
            table.add_row(*(str(upload[key]) for key in ("number", "state", "size", "attempts", "place", "error")))
        console.print(table)
    for conflict in conflicts:
        line = f"conflict at {conflict['at']}: {conflict['place']}: {conflict['reason']}; kept as {conflict['kept_as']}"
        console.print(line, markup=False, soft_wrap=True)
