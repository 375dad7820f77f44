"""One mount's connection with the kernel: mounted, tuned, served, and taken down again.

Order matters: everything that can fail is done before the mount exists; from then on callers may already be waiting,
and the main loop follows at once. The mount is ready when the kernel has said hello, not when mount(2) returned.

A wedged connection (a notification that waits for an answer of our own) cannot be killed, only aborted: `abort` does,
through /sys/fs/fuse/connections. The minor comes from /proc/self/mountinfo: asking the mount itself would hang too.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pyfuse3
import trio

log = logging.getLogger("assetfs.fuse")

TASKS = 1000
"""Requests under way at once. At pyfuse3's 99 nothing is read from the kernel any more, not even FORGET; a waiting
task costs 30 KB until its buffer of 1 MiB is touched."""


ENDING = 2.0
"""Seconds that operations under way have when the mount is told to end; what is answered from here takes less."""


LOOK = 1.0
"""Seconds between two looks at whether the mount is still there: 50 µs each."""


class Tuning(msgspec.Struct, frozen=True):
    """What is asked of the kernel, as far as this user may."""

    read_ahead_kb: int = 4096
    """A cold read of 1 GiB runs at 0.28 GB/s with the kernel's 128, and at 1.8 GB/s with 2048 to 4096. 0 leaves it."""
    max_background: int = 64
    """Read-ahead requests in the kernel's queue; 12 by default, which a window of 16 MiB overruns."""


class Session:
    """Made by `open`, which mounts; then `serve`; then `close`, which unmounts."""

    def __init__(self, mountpoint: Path) -> None:
        self._mountpoint = mountpoint
        self._scope = trio.CancelScope()

    @classmethod
    def open(
        cls,
        operations: pyfuse3.Operations,
        mountpoint: Path,
        *,
        name: str,
        allow_other: bool,
        read_only: bool,
        more: Sequence[str] = (),
    ) -> Session:
        """Mount. `more` are options that every file system has. Raises RuntimeError with the kernel's reason."""
        options = {*pyfuse3.default_options, f"fsname={name}", "subtype=assetfs", "nosuid", "nodev", *more}
        if allow_other:
            options.add("allow_other")
        if read_only:
            options.add("ro")
        pyfuse3.init(operations, str(mountpoint), options)
        return cls(mountpoint)

    async def serve(self, gone: Callable[[], None]) -> None:
        """Answer the kernel until somebody unmounts or `stop` is called. `gone` is called when the mount is nowhere to
        be seen any more: what waits for long must not keep the daemon, but who has a file open may go on with it."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._look, gone)
                await pyfuse3.main(min_tasks=4, max_tasks=TASKS)
                nursery.cancel_scope.cancel()

    async def _look(self, gone: Callable[[], None]) -> None:
        device = device_of(self._mountpoint)
        if device is None:
            return
        while device_of(self._mountpoint) == device:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(LOOK)
        gone()

    def stop(self) -> None:
        """Make `serve` return. From the loop's own thread. pyfuse3 would wait for every operation that is under way, to
        its deadline; whoever waits for a server longer than `ENDING` gets an error when the mount goes."""
        pyfuse3.terminate()
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + ENDING)

    def close(self) -> None:
        """Unmount, if that has not happened yet."""
        pyfuse3.close(unmount=True)

    def tune(self, tuning: Tuning) -> dict[str, str]:
        """Set read-ahead and queue length. Returns what could not be set, and why; never raises."""
        device = device_of(self._mountpoint)
        if device is None:
            return {"mount": "not in /proc/self/mountinfo"}
        _, minor = device.split(":")
        mount_fusectl()
        refused: dict[str, str] = {}
        for path, value in (
            (Path(f"/sys/class/bdi/{device}/read_ahead_kb"), tuning.read_ahead_kb),
            (Path(f"/sys/fs/fuse/connections/{minor}/max_background"), tuning.max_background),
            (Path(f"/sys/fs/fuse/connections/{minor}/congestion_threshold"), tuning.max_background * 3 // 4),
        ):
            if not value:
                continue
            try:
                path.write_text(f"{value}\n")
            except OSError as error:
                refused[path.name] = error.strerror or str(error)
        return refused


def device_of(mountpoint: Path) -> str | None:
    """`major:minor` of the file system that is mounted there last, without asking it anything."""
    found = None
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        fields = line.split(b" ")
        place = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), fields[4])
        if place == os.fsencode(mountpoint):
            found = fields[2].decode()
    return found


def mount_fusectl() -> None:
    """Make /sys/fs/fuse/connections readable where we may."""
    connections = Path("/sys/fs/fuse/connections")
    if os.geteuid() == 0 and connections.is_dir() and not os.path.ismount(connections):
        subprocess.run(["mount", "-t", "fusectl", "fusectl", str(connections)], check=False, capture_output=True)  # noqa: S603, S607


def abort(mountpoint: Path) -> bool:
    """Break a wedged connection: every waiting program gets an error. False when there is none to break."""
    device = device_of(mountpoint)
    if device is None:
        return False
    mount_fusectl()
    try:
        Path(f"/sys/fs/fuse/connections/{device.split(':')[1]}/abort").write_text("1")
    except OSError:
        return False
    return True
