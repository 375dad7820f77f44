"""A small machine whose first process is systemd, for as long as a test takes: real units, nothing booted.

Namespaces of its own (processes, mounts, control groups) with this machine's files below: `/run`, `/var/lib` and
`/var/cache` are empty, `/etc` and `/usr/sbin` show this machine's with ours above, and nothing that is written there
stays. systemd finds no units but those that the test gives it, so that nothing of this machine is started, mounted or
cleaned up by it. The network is this machine's: sandboxes can be reached.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

SYSTEMD = Path("/lib/systemd/systemd")
FSTAB_GENERATOR = Path("/lib/systemd/system-generators/systemd-fstab-generator")
STARTED = 30.0
"""Seconds that systemd has to begin; it takes a tenth of one."""

TARGETS = "sysinit", "shutdown", "network-online", "nss-lookup", "remote-fs", "remote-fs-pre", "local-fs", "umount"
ALONE = "[Unit]\nDefaultDependencies=no\n"

BOOT = """
set -e
mount --make-rprivate /
mount -t proc proc /proc
while read -r _ place kind _; do case $kind in fuse.*) umount -l "$place" ;; esac; done </proc/self/mounts
mkdir -p "$1/over" "$1/work" "$1/sbin"
mount -t overlay overlay -o "lowerdir=$1/etc:/etc,upperdir=$1/over,workdir=$1/work" /etc
mount -t overlay overlay -o "lowerdir=$1/sbin:/usr/sbin" /usr/sbin
for place in /run /var/lib /var/cache; do mount -t tmpfs -o mode=755 tmpfs $place; done
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --make-rshared /
exec env -i container=assetfs PATH="$PATH" SYSTEMD_UNIT_PATH="$1/units" SYSTEMD_GENERATOR_PATH=/nowhere \
    "$2" --system --unit=basic.target --show-status=no --log-target=console --log-level=info \
    --default-standard-output=inherit
"""
"""Becomes the first process: its folder, systemd.

Mounts are shared among its own namespaces, as on any machine that systemd has booted: that is how it hands out
credentials. Drives of other tests are let go: as long as a copy of one is somewhere, its daemon lives."""


def why_not() -> str:
    """Why this machine cannot have such a machine in it; empty if it can."""
    if os.geteuid() != 0:
        return "systemd as a first process needs root"
    for program in (SYSTEMD, FSTAB_GENERATOR, "unshare", "nsenter"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "the kernel has no overlay file system"
    if _cgroups() is None:
        return "there is no cgroup2 that may be written to"
    tried = subprocess.run(["unshare", "--pid", "--mount", "--cgroup", "--fork", "true"], capture_output=True)
    return "" if tried.returncode == 0 else "no namespaces may be made here"


def _cgroups() -> Path | None:
    """Where control groups of the second version are made."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2" and os.access(place, os.W_OK):
            return Path(place)
    return None


class Machine:
    """Put units into `units` and files into `etc` and `sbin`, `boot` it, `run` commands in it, `halt` it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.units = place / "units"
        for folder in (self.units, place / "etc", place / "sbin"):
            folder.mkdir(parents=True)
        for name in TARGETS:
            (self.units / f"{name}.target").write_text(ALONE)
        (self.units / "basic.target").write_text(f"{ALONE}Requires=sysinit.target\nAfter=sysinit.target\n")
        self._pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        cgroups = _cgroups()
        assert cgroups is not None
        self._cgroup = cgroups / f"assetfs-{os.getpid()}"

    def fstab(self, line: str) -> None:
        """Units for a line of fstab, as systemd's own generator makes them."""
        table = self.place / "fstab"
        table.write_text(line + "\n")
        where = [self.units, self.units, self.units]
        environ = {**os.environ, "SYSTEMD_FSTAB": str(table)}
        subprocess.run([FSTAB_GENERATOR, *where], check=True, env=environ, capture_output=True)

    def adjust(self, unit: str, section: str, *lines: str) -> None:
        """A drop-in for a unit; what it says is kept for `console`, besides."""
        folder = self.units / f"{unit}.d"
        folder.mkdir()
        (folder / "test.conf").write_text(
            "\n".join([f"[{section}]", f"StandardError=append:{self.place / 'console'}", *lines, ""])
        )

    def boot(self) -> None:
        self._cgroup.mkdir()
        enter = f"echo $$ >{self._cgroup}/cgroup.procs && exec unshare --pid --mount --cgroup --fork --kill-child "
        with (self.place / "console").open("wb") as console:
            self._process = subprocess.Popen(
                ["sh", "-c", enter + '/bin/sh -c "$0" boot "$@"', BOOT, self.place, SYSTEMD],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTED
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        while self._process.poll() is None and time.monotonic() < deadline:
            if found := children.read_text().split():
                self._pid = int(found[0])
                if self.run("systemctl", "is-active", "basic.target", check=False).returncode == 0:
                    return
            time.sleep(0.05)
        pytest.fail(f"systemd did not begin: {self.console()}")

    def run(self, *command: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command in there."""
        inside = ["nsenter", "-t", str(self._pid), "-m", "-p", "-C", *map(str, command)]
        done = subprocess.run(inside, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}\n{self.console()}")
        return done

    def shows(self, unit: str, *properties: str) -> list[str]:
        """Properties of a unit, in their order."""
        told = self.run("systemctl", "show", unit, *(f"-p{name}" for name in properties)).stdout
        found = dict(line.split("=", 1) for line in told.splitlines())
        return [found[name] for name in properties]

    def console(self) -> str:
        """What was said by systemd, and by what it started."""
        return (self.place / "console").read_text(errors="replace")

    def halt(self) -> None:
        """End everything in it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid or self._process.pid, signal.SIGKILL)  # the kernel takes the others along
            self._process.wait(30)
        deadline = time.monotonic() + 10
        while self._cgroup.is_dir() and time.monotonic() < deadline:
            for folder in sorted(self._cgroup.rglob("*"), reverse=True):
                if folder.is_dir():
                    with contextlib.suppress(OSError):
                        folder.rmdir()
            with contextlib.suppress(OSError):
                self._cgroup.rmdir()
