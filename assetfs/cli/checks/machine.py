"""Checks of this machine: the kernel's side, the programs and libraries, places, and mounts that are in trouble."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

import platformdirs

from assetfs.cli import mountinfo, preflight
from assetfs.cli.checks.finding import Finding, bad, note, ok
from assetfs.failure import Failure

OLDEST_KERNEL = (5, 4)
"""What is tested; FUSE 3 works from 4.20 on."""
OLDEST_PYFUSE3 = (3, 4)
ROOM = 1 << 30
REQUEST_TIMEOUT = Path("/proc/sys/fs/fuse/default_request_timeout")
CLOCK = Path("/run/systemd/timesync/synchronized")


def kernel() -> Iterator[Finding]:
    release = platform.release()
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdecimal())
    if numbers < OLDEST_KERNEL:
        yield note("kernel", f"Linux {release} is older than 5.4", "it may work; a newer kernel is what is tested")
    else:
        yield ok("kernel", f"Linux {release}")
    if REQUEST_TIMEOUT.exists() and 0 < (seconds := int(REQUEST_TIMEOUT.read_text())) < 75:
        yield note(
            "kernel",
            f"it cuts a mount off whose answer takes longer than {seconds} s",
            "sysctl fs.fuse.default_request_timeout=0, or a --timeout below that",
        )


def python() -> Iterator[Finding]:
    yield ok("python", f"{platform.python_version()} ({sys.executable})")


def device() -> Iterator[Finding]:
    place = Path("/dev/fuse")
    try:
        os.close(os.open(place, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        yield bad("/dev/fuse", "it is missing", "modprobe fuse; in a container: --device /dev/fuse --cap-add SYS_ADMIN")
    except OSError as error:
        yield bad("/dev/fuse", f"it cannot be opened ({error.strerror})", "chmod 666 /dev/fuse, as udev sets it up")
    else:
        yield ok("/dev/fuse", "it can be opened")


def fusermount() -> Iterator[Finding]:
    place = shutil.which("fusermount3")
    if place is None:
        yield bad("fusermount3", "it is not installed", "install the package fuse3")
        return
    said = subprocess.run([place, "--version"], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    yield ok("libfuse", said.rpartition(" ")[2] or "version unknown")
    if os.geteuid() != 0 and not os.stat(place).st_mode & stat.S_ISUID:
        yield bad("fusermount3", f"{place} is not setuid root", f"chmod u+s {place}, or mount as root")
    else:
        yield ok("fusermount3", place)


def allow_other() -> Iterator[Finding]:
    plan = preflight.Plan(mountpoint=Path("/"), cache_dir=Path("/"), state_dir=Path("/"), allow_other=True)
    try:
        preflight.others_may_enter(plan)
    except Failure:
        yield note(
            "allow_other",
            "it is not allowed to users here",
            f"if mounts shall be open to others: add user_allow_other to {preflight.FUSE_CONF}",
        )
    else:
        yield ok("allow_other", "it is allowed")


def pyfuse3() -> Iterator[Finding]:
    try:
        found = version("pyfuse3")
    except PackageNotFoundError:
        yield bad("pyfuse3", "it is not installed", "pip install pyfuse3 (needs gcc, pkg-config, libfuse3-dev)")
        return
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST_PYFUSE3:
        yield bad("pyfuse3", f"{found} is too old", "pip install --upgrade pyfuse3")
    else:
        yield ok("pyfuse3", found)


def backends() -> Iterator[Finding]:
    loaded = []
    for point in entry_points(group="assetfs.backends"):
        try:
            point.load()
        except Exception as error:
            yield bad(f"backend {point.name}", f"it cannot be loaded ({type(error).__name__})", "install it again")
        else:
            loaded.append(point.name)
    yield ok("backends", ", ".join(sorted(loaded)) or "none")


def keyring() -> Iterator[Finding]:
    from assetfs import credentials

    try:
        credentials.keyring_or_fail()
    except Failure as failure:
        yield note("keyring", str(failure))
    else:
        yield ok("keyring", "there is one")


def helper() -> Iterator[Finding]:
    """mount(8) looks for us where systemd and cron look, whatever our own PATH is."""
    found = shutil.which("assetfs", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        place = Path(sys.argv[0]).absolute()
        yield note("mount(8)", "it does not find assetfs", f"for /etc/fstab: ln -s {place} /usr/local/bin/assetfs")
    else:
        yield ok("mount(8)", f"it finds {found}")


def folders() -> Iterator[Finding]:
    for name, place in (
        ("cache", Path(platformdirs.user_cache_dir("assetfs"))),
        ("state", Path(platformdirs.user_state_dir("assetfs"))),
    ):
        yield from folder(name, place)


def folder(name: str, place: Path) -> Iterator[Finding]:
    """One place of ours: who may write there, and how much room there is."""
    if place.exists():
        status = place.stat()
        if status.st_uid != os.geteuid():
            yield bad(name, f"{place} belongs to another user", f"chown it, or use --{name}-dir")
            return
        if status.st_mode & 0o022:
            yield bad(name, f"{place} can be written by others", f"chmod 700 {place}")
            return
    above = place
    while not above.exists():
        above = above.parent
    if not os.access(above, os.W_OK | os.X_OK):
        yield bad(name, f"{above} cannot be written", f"use --{name}-dir")
        return
    free = shutil.disk_usage(above).free
    if free < ROOM:
        yield bad(name, f"{place}: {free >> 20} MiB free", "what is written waits there: make room, or move it")
    else:
        yield ok(name, f"{place}: {free >> 30} GiB free")


def clock() -> Iterator[Finding]:
    if not Path("/run/systemd/timesync").exists():
        return
    if CLOCK.exists():
        yield ok("clock", "it is synchronised")
    else:
        yield note("clock", "it is not synchronised", "timedatectl set-ntp true: certificates and times depend on it")


def mounts() -> Iterator[Finding]:
    for mounted in mountinfo.mounts():
        if not mounted.ours:
            continue
        if mountinfo.is_dead(mounted.mountpoint):
            advice = f"assetfs umount {mounted.mountpoint}, then mount again: nothing that was written is lost"
            yield bad("mount", f"{mounted.mountpoint} has lost its daemon", advice)
            continue
        try:
            mountinfo.ask(5, "stat", "--", str(mounted.mountpoint))
        except TimeoutError:
            yield bad("mount", f"{mounted.mountpoint} hangs", f"assetfs umount --force {mounted.mountpoint}")
        except OSError:
            yield ok("mount", f"{mounted.mountpoint} is another user's")
        else:
            yield ok("mount", f"{mounted.mountpoint} answers")


def read_ahead() -> Iterator[Finding]:
    if os.geteuid() != 0:
        yield note(
            "read-ahead",
            "only root may set the kernel's own, 128 KiB by default: large files read slower",
            'a udev rule does it for users: SUBSYSTEM=="bdi", ACTION=="add", ATTR{read_ahead_kb}="4096"',
        )


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    kernel,
    python,
    device,
    fusermount,
    pyfuse3,
    allow_other,
    read_ahead,
    helper,
    backends,
    keyring,
    folders,
    clock,
    mounts,
)
