"""What the shell completes: names of repositories, and mount points of ours. Never an error, never a wait."""

from __future__ import annotations

import os
from pathlib import Path

from assetfs.failure import Failure


def names(incomplete: str) -> list[str]:
    """Names in the configuration file."""
    from assetfs.config.load import repositories

    try:
        _, found = repositories(environ=os.environ)
    except Failure:
        return []
    return [name for name in found if name.startswith(incomplete)]


def sources(incomplete: str) -> list[str]:
    """Names in the configuration file, and folders."""
    return names(incomplete) + folders(incomplete)


def mountpoints(incomplete: str) -> list[str]:
    """Where something of ours is mounted."""
    from assetfs.cli import mountinfo

    wanted = os.path.expanduser(incomplete)
    return [
        str(each.mountpoint) for each in mountinfo.mounts() if each.ours and str(each.mountpoint).startswith(wanted)
    ]


def folders(incomplete: str) -> list[str]:
    """Folders, for the shell's own completion does not know them here. Looks into no mount of ours."""
    if "/" not in incomplete and not incomplete.startswith("~"):
        return []
    wanted = Path(os.path.expanduser(incomplete))
    parent = wanted if incomplete.endswith("/") else wanted.parent
    try:
        found = [entry for entry in os.scandir(parent) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(f"{entry.path}/" for entry in found if entry.path.startswith(str(wanted)))
