"""Processes that a benchmark starts: each is known by its pid, and stopped by it whatever happens."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.mounts import WHOEVER, User

PATIENCE = 10.0
"""Seconds that a process has to end after SIGTERM."""


class DidNotStart(Exception):
    """A process ended, or said nothing, before it was ready. The message holds what it wrote."""


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    user: User = WHOEVER,
    ready: Callable[[], object] = lambda: True,
    seconds: float = 20.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command, its output in `log`, from when `ready` comes true until the block ends."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            **user.popen(),
        )
    try:
        deadline = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").strip()[-500:]
                raise DidNotStart(f"{Path(str(command[0])).name}: {said or 'not ready in time'}")
            time.sleep(0.01)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE)


def output(
    command: Sequence[str | Path], seconds: float, *, env: Mapping[str, str] | None = None, user: User = WHOEVER
) -> bytes:
    """What a command prints. Raises subprocess.TimeoutExpired, and RuntimeError with what it said when it failed.

    A command that hangs in a mount cannot even be killed before the mount is gone, so that is not waited for.
    """
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env) if env is not None else None,
        **user.popen(),
    )
    try:
        printed, errors = process.communicate(timeout=seconds)
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(f"{command[0]}: {errors.decode(errors='replace').strip()[-300:]}")
    return bytes(printed)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far; 0 when it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Memory of a process in MB (10**6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
