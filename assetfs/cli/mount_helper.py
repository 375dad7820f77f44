"""`mount.assetfs SOURCE MOUNTPOINT [-sfnv] [-o OPTIONS]`: what mount(8) calls for `-t assetfs` and `-t fuse.assetfs`.

mount(8) decodes fstab's escapes and keeps a few options for itself; the rest comes here as one `-o` list. Nothing may
be read from the terminal at boot, and the exit status is the command's own: mount(8) only asks whether it is 0.
"""

from __future__ import annotations

import getopt
import sys
from collections.abc import Sequence
from pathlib import Path

from assetfs.failure import Failure, Status

USAGE = "usage: mount.assetfs SOURCE MOUNTPOINT [-sfnv] [-t TYPE] [-o OPTION[=VALUE],…]"


def main(arguments: Sequence[str]) -> int:
    """Mount as mount(8) asks. `-f` does everything but the mount; `-s`, `-n` and `-v` are understood."""
    try:
        flags, places = getopt.gnu_getopt(list(arguments), "sfnvhVt:o:N:", ["help", "version"])
    except getopt.GetoptError as error:
        raise Failure(f"{error.msg}; {USAGE}", Status.USAGE) from None
    names = [name for name, _ in flags]
    if "-h" in names or "--help" in names:
        print(USAGE)
        return Status.DONE
    if "-V" in names or "--version" in names:
        from assetfs import __version__

        print(f"assetfs {__version__}")
        return Status.DONE
    if len(places) != 2:
        raise Failure(USAGE, Status.USAGE)

    from assetfs.cli import mount

    lists = [value for name, value in flags if name == "-o"]
    config = mount.prepare(places[0], Path(places[1]), given={}, lists=lists)
    if "-f" in names:
        return Status.DONE
    status = mount.run(config, stay=False)
    if "-v" in names:
        print(f"{config.source} mounted on {config.mountpoint}")
    return status


def run() -> None:
    """The entry point `mount.assetfs`."""
    from assetfs.cli.main import guarded

    sys.exit(guarded(lambda: main(sys.argv[1:])))
