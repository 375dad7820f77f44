"""`assetfs demo`: a sandbox with sample assets, mounted. Look around until Ctrl-C, or take the tour.

Everything is made for the occasion and goes with it: the server, the mount, the cache, the folders. Whatever ends the
demo, an `ExitStack` takes it all down in the reverse order.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from assetfs.cli import launch, mount, mountinfo, records, tour
from assetfs.cli.umount import drain
from assetfs.credentials import VARIABLE
from assetfs.failure import Failure, Status

_START = 60.0
"""Seconds that the sandbox has to make its assets and to serve."""
_PATIENCE = 5.0


def demo(
    mountpoint: Annotated[Path | None, typer.Argument(metavar="[MOUNTPOINT]", help="Default: a new folder.")] = None,
    take_tour: Annotated[bool, typer.Option("--tour", help="Show what it does, step by step, and end.")] = False,
    protocol: Annotated[str, typer.Option(metavar="NAME", help="Which protocol the sandbox speaks.")] = "jama",
) -> int:
    """A repository with sample assets, mounted: look around, or take the tour."""
    _end_by_exception(signal.SIGTERM, signal.SIGHUP)
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assetfs-demo-")))
        place = _place(scratch, mountpoint)
        announced = stack.enter_context(sandbox(protocol, scratch))
        pid = stack.enter_context(_mounted(announced, place, scratch))
        if take_tour:
            return tour.take(place, announced, scratch)
        _explain(place, announced)
        with contextlib.suppress(KeyboardInterrupt):
            while mountinfo.at(place) is not None and records.born(pid) is not None:
                time.sleep(0.5)
        print("\nStopping.")
    return Status.DONE


def _end_by_exception(*signals: signal.Signals) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for each in signals:
        signal.signal(each, interrupt)


def _place(scratch: Path, wanted: Path | None) -> Path:
    if wanted is not None:
        return mountinfo.real(wanted)
    place = scratch / "drive"
    place.mkdir()
    return mountinfo.real(place)


@contextlib.contextmanager
def sandbox(protocol: str, scratch: Path) -> Iterator[Mapping[str, Any]]:
    """An embedded server with sample assets; what it announced. It ends with the context."""
    said = scratch / "sandbox.log"
    with said.open("wb") as log:
        server = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "assetfs.sandbox", protocol, "--seed", "demo", "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield _announcement(server, protocol, said)
    finally:
        _stop(server)


def _announcement(server: subprocess.Popen[bytes], protocol: str, said: Path) -> Mapping[str, Any]:
    """The server's one JSON line."""
    assert server.stdout is not None
    deadline = time.monotonic() + _START
    line = b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([server.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise Failure(f"the {protocol} sandbox did not start within {_START:.0f} s")
        if not (piece := os.read(server.stdout.fileno(), 65536)):
            last = (said.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise Failure(f"the {protocol} sandbox ended at its start: {last}")
        line += piece
    try:
        announced: dict[str, Any] = json.loads(line)
    except ValueError:
        raise Failure(f"the {protocol} sandbox did not announce itself") from None
    return announced


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@contextlib.contextmanager
def _mounted(announced: Mapping[str, Any], place: Path, scratch: Path) -> Iterator[int]:
    """The sandbox's repository mounted there; the daemon's pid. Unmounted with the context."""
    given = {"cache_dir": str(scratch / "cache"), "state_dir": str(scratch / "state"), **tour.OPTIONS}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ASSETFS_")}
    environ[VARIABLE] = announced["credential"]
    config = mount.prepare(announced["source"], place, given=given, environ=environ, file=Path(os.devnull))
    pid = launch.launch(config)
    try:
        yield pid
    finally:
        _unmount(place, pid)


def _unmount(place: Path, pid: int) -> None:
    """Take the mount away whatever holds it, and see its daemon end."""
    birth = records.born(pid)
    if mountinfo.at(place) is not None:
        drain(place, time.monotonic() + _PATIENCE)
        mountinfo.unmount(place, lazy=True)
    records.see_end(pid, birth, _PATIENCE, signal.SIGTERM, signal.SIGKILL)


def _explain(place: Path, announced: Mapping[str, Any]) -> None:
    print(f"A {announced['protocol']} repository with sample assets is mounted at {place}")
    print("In another terminal, or in a file manager, try:\n")
    for command in ("ls -lR {}", "find {} -type f -exec getfattr -d {{}} +", "cat {}/.assetfs/status.json"):
        print(f"    {command.format(place)}")
    print("\nassetfs demo --tour shows more. Ctrl-C ends the demo; nothing is left behind.", flush=True)
