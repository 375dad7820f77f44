"""What commands say to a mount: attributes of `.assetfs` that do something when they are set.

A mount is only ever talked to through a process of its own with a deadline, so that one that hangs costs the asker that
deadline and no more (see `mountinfo.ask`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from assetfs.cli import document, mountinfo, records
from assetfs.failure import Failure, Status

_SECONDS = 10.0
_SET = "import os, sys; os.setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode())"


def mount_at(mountpoint: Path) -> Path:
    """The real path of a mount of ours, or of one repository's folder in it. Raises Failure."""
    place = mountinfo.real(records.named(mountpoint))
    mounted = mountinfo.at(place)
    above = mountinfo.at(place.parent) if mounted is None else None
    if above is not None and above.ours and place.name in account(place.parent).parts:
        return place
    if mounted is None:
        raise Failure(f"{place} is not mounted: assetfs status shows what is", Status.USAGE)
    if not mounted.ours:
        raise Failure(f"{place} is not a mount of assetfs but of {mounted.fstype}", Status.USAGE)
    return place


def account(place: Path) -> document.Document:
    """What a mount says of itself. Raises Failure where it says nothing."""
    try:
        return document.read(place, _SECONDS)
    except TimeoutError:
        raise Failure(f"{place} does not answer: assetfs umount --force ends it") from None
    except OSError as error:
        raise Failure(f"{place} cannot be asked: {error.strerror or error}") from None


def tell(place: Path, verb: str, value: str) -> None:
    """Have the mount do something, or each repository in it. Raises Failure when it will not."""
    if parts := account(place).parts:
        for part in parts:
            tell(place / part, verb, value)
        return
    try:
        mountinfo.ask(
            _SECONDS, sys.executable, "-I", "-c", _SET, str(place / ".assetfs"), f"user.assetfs.{verb}", value
        )
    except TimeoutError:
        raise Failure(f"{place} does not answer: assetfs umount --force ends it") from None
    except OSError as error:
        raise Failure(f"{place} refuses {verb} {value}: {error.strerror or error}") from None
