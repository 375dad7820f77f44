"""What must be right before a mount is tried: a table of checks, each of which raises with what to do.

They run in order, the cheap and common first, and change nothing; only `own_folder` makes the folders that are
missing, and only a dead mount of ours is taken out of the way.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec

from assetfs.cli import mountinfo
from assetfs.failure import Failure, Status

FUSE_CONF = Path("/etc/fuse.conf")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks need to know."""

    mountpoint: Path
    cache_dir: Path
    state_dir: Path
    allow_other: bool = False
    nonempty: bool = False
    device: Path = Path("/dev/fuse")
    ca_file: Path | None = None
    client_cert: Path | None = None


def _usage(message: str) -> Failure:
    return Failure(message, Status.USAGE)


def not_mounted(plan: Plan) -> None:
    mounted = mountinfo.at(plan.mountpoint)
    if mounted is None:
        return
    if mounted.ours and mountinfo.is_dead(plan.mountpoint):
        mountinfo.unmount(plan.mountpoint, lazy=True)
        return
    how = "assetfs umount" if mounted.ours else "umount"
    raise _usage(f"{plan.mountpoint} is a mount point already ({mounted.source}): {how} it first, or use another")


def mountpoint_is_usable(plan: Plan) -> None:
    place = plan.mountpoint
    try:
        status = place.stat()
    except FileNotFoundError:
        raise _usage(f"the mount point {place} does not exist: mkdir it first") from None
    except OSError as error:
        raise _usage(f"the mount point {place} cannot be used: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise _usage(f"the mount point {place} is not a folder: name a folder")
    if os.geteuid() != 0 and not os.access(place, os.W_OK | os.X_OK):
        raise _usage(f"the mount point {place} is not yours to write to: use a folder of your own")
    if mountinfo.waits(place):
        return  # empty, and opening it would wait for this very mount
    try:
        with os.scandir(place) as entries:
            if not plan.nonempty and next(entries, None) is not None:
                raise _usage(f"the mount point {place} is not empty: use an empty folder, or -o nonempty to hide it")
    except OSError as error:
        raise _usage(f"the mount point {place} cannot be read: {error.strerror}") from None


def fuse_is_there(plan: Plan) -> None:
    try:
        os.close(os.open(plan.device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        raise Failure(
            f"{plan.device} is missing: load the fuse module (modprobe fuse), or give the container the device"
        ) from None
    except OSError as error:
        raise Failure(f"{plan.device} cannot be opened ({error.strerror}): mounting is not allowed here") from None
    if shutil.which("fusermount3") is None:
        raise Failure("fusermount3 is not installed: install the package fuse3")


def others_may_enter(plan: Plan) -> None:
    if not plan.allow_other or os.geteuid() == 0:
        return
    try:
        lines = FUSE_CONF.read_text().splitlines()
    except OSError:
        lines = []
    if "user_allow_other" not in (line.strip() for line in lines):
        raise _usage(f"allow_other is not allowed to users here: an administrator adds user_allow_other to {FUSE_CONF}")


def trust_is_readable(plan: Plan) -> None:
    for name, place in (("ca_file", plan.ca_file), ("client_cert", plan.client_cert)):
        if place is not None and not os.access(place, os.R_OK):
            raise _usage(f"{name} {place} cannot be read")


def folders_are_ours(plan: Plan) -> None:
    for name, place in (("cache_dir", plan.cache_dir), ("state_dir", plan.state_dir)):
        resolved = Path(os.path.realpath(place))
        if resolved.is_relative_to(plan.mountpoint):
            raise _usage(f"{name} {place} is below the mount point: use another place")
        if plan.mountpoint.is_relative_to(resolved):
            raise _usage(f"the mount point is below {name} {place}: use another place")
    for name, place in (("cache_dir", plan.cache_dir), ("state_dir", plan.state_dir)):
        own_folder(name, place)


def own_folder(name: str, place: Path) -> None:
    """A folder that we own and nobody else can write to; made if it is missing."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
        status = place.stat()
    except FileExistsError:
        raise _usage(f"{name} {place} is not a folder") from None
    except OSError as error:
        raise _usage(f"{name} {place} cannot be made: {error.strerror}") from None
    if status.st_uid != os.geteuid():
        raise _usage(f"{name} {place} belongs to another user: use a folder of your own")
    if status.st_mode & 0o022:
        raise _usage(f"{name} {place} can be written by others: chmod 700 it, or use another")
    if not os.access(place, os.W_OK | os.X_OK):
        raise _usage(f"{name} {place} cannot be written: chmod 700 it, or use another")


CHECKS: tuple[Callable[[Plan], None], ...] = (
    not_mounted,
    mountpoint_is_usable,
    fuse_is_there,
    others_may_enter,
    trust_is_readable,
    folders_are_ours,
)


def check(plan: Plan) -> None:
    """All checks. Raises Failure with the first that fails."""
    for one in CHECKS:
        one(plan)
