"""The daemon's program, which `assetfs mount` starts in the background: see `launch.py`. Nobody types it.

    python -m assetfs.cli.serve --report DESCRIPTOR SOURCE MOUNTPOINT

Whoever mounts waits for it, so it knows no command line but this one: typer and the other commands would take an eighth
of its time. SOURCE and MOUNTPOINT are for those who read the list of processes.
"""

from __future__ import annotations

import gc
import sys


def run() -> int:
    """Serve the mount whose configuration comes on standard input."""
    gc.disable()  # nothing that imports make is garbage; `daemon` turns it on again when the mount answers
    from assetfs import daemon
    from assetfs.cli import launch

    return launch.child(int(sys.argv[2]), daemon.serve)


if __name__ == "__main__":
    sys.exit(run())
