"""The tour: a table of shell commands, each run against a mount, shown with its real output, and verified.

A step is a row: what it shows, the command, and what must be true of its result. Commands run in the mounted folder and
find what they need in shell variables (`$text`, `$first`, `$second`, …), which `_variables` fills by looking at what
is mounted, so that the table does not depend on one set of samples.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from assetfs.cli import document, mountinfo
from assetfs.failure import Failure, Status

OPTIONS: Mapping[str, str] = {"write_back_delay": "0.5s"}
"""How the demo is mounted."""
_DEADLINE = 120.0
_LARGE = 8 << 20
"""A file of so many bytes is not fetched whole for its beginning."""
_LINES = 14
"""So many lines of output are shown, the rest is counted."""


class Scene(msgspec.Struct, kw_only=True):
    """What a check may look at."""

    mountpoint: Path
    protocol: str
    variables: Mapping[str, str]
    status: int = 0
    output: str = ""
    before: int = 0
    """Requests that the mount had sent to the server before the command."""
    after: int = 0


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to see. `verify` returns what was seen, for people, or raises AssertionError with what is wrong."""

    title: str
    command: str
    verify: Callable[[Scene], str]
    needs: tuple[str, ...] = ()
    """Variables without which there is nothing to show: the step is left out and says so."""
    outside: bool = False
    """Run outside of the mounted folder."""


def _has(*words: str) -> Callable[[Scene], str]:
    def verify(scene: Scene) -> str:
        for word in words:
            expected = word.format(protocol=scene.protocol)
            assert expected in scene.output, f"'{expected}' is missing"
        return ""

    return verify


def _lists(scene: Scene) -> str:
    lines = len([line for line in scene.output.splitlines() if not line.startswith("total ")])
    assert lines > 0, "nothing is listed"
    return f"{lines} entries"


def _reads(scene: Scene) -> str:
    assert scene.output.strip(), "nothing was read"
    return ""


def _archives(scene: Scene) -> str:
    archived, content = int(scene.output.split()[-1]), int(scene.variables["bytes"])
    assert archived > content, f"the archive has {archived} bytes, the files {content}"
    return f"all {content} bytes of content are in it"


def _same_inode(scene: Scene) -> str:
    numbers = {line.split()[0] for line in scene.output.splitlines()}
    assert len(numbers) == 1, f"different inodes: {', '.join(sorted(numbers))}"
    return "two names, one asset"


def _fetched_little(scene: Scene) -> str:
    cached, size = int(scene.output.split()[-1]), int(scene.variables["large_bytes"])
    assert cached < size // 2, f"{cached} of {size} bytes are in the cache"
    return f"{cached} of {size} bytes are in the cache"


def _asks_nothing(scene: Scene) -> str:
    assert scene.before > 0, "the mount does not count its requests"
    assert scene.after == scene.before, f"{scene.after - scene.before} requests were sent"
    return f"{scene.before} requests to the server before, {scene.after} after"


def _is_gone(scene: Scene) -> str:
    assert mountinfo.at(scene.mountpoint) is None, "it is still mounted"
    return "the drive is gone"


STEPS: tuple[Step, ...] = (
    Step(title="Folders are the repository's own", command="ls -l", verify=_lists),
    Step(title="All of it can be searched", command="find . -type f | sort", verify=_lists),
    Step(title="A file is read when it is opened", command='cat "$text"', verify=_reads, needs=("text",)),
    Step(
        title="Only what is asked for is fetched",
        command='head -c 1M "$large" | md5sum && sleep 0.5 && getfattr --only-values -n user.assetfs.cached "$large"',
        verify=_fetched_little,
        needs=("large",),
    ),
    Step(
        title="What is known about an asset is in its attributes",
        command='getfattr -d "$first"',
        verify=_has("user.{protocol}.id"),
    ),
    Step(title="Programs work unchanged", command="tar c . | wc -c", verify=_archives),
    Step(
        title="The bytes are the server's",
        command='curl -sS --fail -K "$curlrc" "${url}download/$(getfattr --only-values -n user.$protocol.id "$first")"'
        ' | cmp - "$first" && echo identical',
        verify=_has("identical"),
        needs=("curlrc",),
    ),
    Step(
        title="An asset in two collections is one file with two names",
        command='stat -c "%i  %n" "$link_a" "$link_b"',
        verify=_same_inode,
        needs=("link_a",),
    ),
    Step(title="Looking again costs nothing", command="ls -lR | wc -l", verify=_asks_nothing),
    Step(
        title="What is written goes to the server in the background",
        command='date > "$note"; assetfs flush "$mountpoint" && getfattr -n user.$protocol.id "$note"',
        verify=_has("user.{protocol}.id="),
        needs=("note",),
    ),
    Step(
        title="... and is there: the same bytes come back",
        command='curl -sS --fail -K "$curlrc" "${url}download/$(getfattr --only-values -n user.$protocol.id "$note")"'
        ' | cmp - "$note" && echo identical',
        verify=_has("identical"),
        needs=("curlrc", "note"),
    ),
    Step(
        title="Attributes are edited where they are seen",
        command='setfattr -n user.dublincore.title -v "A note from the tour" "$note" && getfattr -d "$note"',
        verify=_has('user.dublincore.title="A note from the tour"'),
        needs=("note",),
    ),
    Step(
        title="What is removed is gone",
        command='rm "$note" && ! ls "$note"',
        verify=_has("No such file"),
        needs=("note",),
    ),
    Step(
        title="The mount says how it is",
        command='assetfs status "$mountpoint"',
        verify=_has("ok"),
        outside=True,
    ),
    Step(
        title="Unmounting waits for what is still owed to the server",
        command='assetfs umount "$mountpoint" && echo unmounted',
        verify=_is_gone,
        outside=True,
    ),
)

_HEADERS = {"jama": "X-Api-Key: {credential}"}
"""How each protocol is shown a credential, where a plain download by its id exists."""


def _variables(place: Path, announced: Mapping[str, Any], scratch: Path) -> dict[str, str]:
    """What the commands talk about: some files of the mount, and the server."""
    found = {"mountpoint": str(place), "protocol": str(announced["protocol"]), "url": str(announced["url"])}
    files: list[tuple[str, os.stat_result]] = []
    for folder, folders, names in os.walk(place):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            files.append((os.path.relpath(path, place), os.stat(path, follow_symlinks=False)))
    if not files:
        raise Failure("the mounted repository has no files: there is nothing to show")
    inodes: dict[int, str] = {}
    for name, status in files:
        if (other := inodes.setdefault(status.st_ino, name)) != name and "link_a" not in found:
            found |= {"link_a": other, "link_b": name}
    found["first"] = next((name for name, status in files if status.st_size), files[0][0])
    name, status = max(files, key=lambda pair: pair[1].st_size)
    if status.st_size >= _LARGE:
        found |= {"large": name, "large_bytes": str(status.st_size)}
    found["bytes"] = str(sum(status.st_size for _, status in files))
    small = [name for name, status in files if 0 < status.st_size < 65536]
    if texts := [name for name in small if name.lower().endswith((".txt", ".md", ".csv"))]:
        found["text"] = texts[0]
        found["note"] = os.path.join(os.path.dirname(texts[0]), "a note.txt")
    if header := _HEADERS.get(found["protocol"]):
        curlrc = scratch / "curlrc"
        curlrc.touch(mode=0o600)
        curlrc.write_text(f'header = "{header.format(**announced)}"\n')
        found["curlrc"] = str(curlrc)
    return found


def take(place: Path, announced: Mapping[str, Any], scratch: Path) -> int:
    """Run all steps; raises Failure with the first that is not as it should be."""
    for tool in ("getfattr", "curl"):
        if shutil.which(tool) is None:
            raise Failure(f"the tour needs {tool}: install the package {'attr' if tool == 'getfattr' else tool}")
    variables = _variables(place, announced, scratch)
    scene = Scene(mountpoint=place, protocol=str(announced["protocol"]), variables=variables)
    print(f"A {scene.protocol} repository with sample assets is mounted at {place}\n", flush=True)
    began = time.monotonic()
    for position, step in enumerate(STEPS, start=1):
        print(_styled(f"{position}. {step.title}", "1"))
        if any(name not in variables for name in step.needs):
            print("   (the samples have nothing to show this with)\n", flush=True)
            continue
        try:
            _take(step, scene)
        except AssertionError as wrong:
            raise Failure(f"step {position} of the tour failed ({step.title}): {wrong}") from None
    print(f"The tour took {time.monotonic() - began:.1f} s. assetfs demo lets you look around yourself.")
    return Status.DONE


def _take(step: Step, scene: Scene) -> None:
    print(_styled(f"   $ {_filled_in(step.command, scene.variables)}", "36"), flush=True)
    scene.before = _requests(scene.mountpoint)
    environment = {**os.environ, **scene.variables, "LC_ALL": "C.UTF-8"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment.get('PATH', os.defpath)}"
    with tempfile.TemporaryFile() as output:
        try:
            scene.status = subprocess.run(  # noqa: S603
                ["bash", "-o", "pipefail", "-c", step.command],  # noqa: S607
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/" if step.outside else scene.mountpoint,
                env=environment,
                timeout=_DEADLINE,
            ).returncode
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {_DEADLINE:.0f} s") from None
        output.seek(0)
        scene.output = output.read().decode(errors="replace")
    scene.after = _requests(scene.mountpoint)
    _show(scene.output)
    assert scene.status == 0, f"status {scene.status}"
    seen = step.verify(scene)
    print(_styled(f"   ok{': ' if seen else ''}{seen}", "32") + "\n", flush=True)


def _filled_in(command: str, variables: Mapping[str, str]) -> str:
    """The command with its variables' values, as one could type it."""

    def value(match: re.Match[str]) -> str:
        known = variables.get(match[1] or match[2])
        return match[0] if known is None else shlex.quote(known) if match[1] else known

    return re.sub(r'"\$(\w+)"|\$\{?(\w+)\}?', value, command)


def _requests(place: Path) -> int:
    try:
        return document.read(place).requests
    except (TimeoutError, OSError):
        return 0


def _show(output: str) -> None:
    lines = output.splitlines()
    for line in lines[:_LINES]:
        print(f"     {line}")
    if len(lines) > _LINES:
        print(f"     … and {len(lines) - _LINES} more lines")


def _styled(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text
