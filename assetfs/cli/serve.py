"""`assetfs serve`: what `assetfs mount` starts in the background. Nobody types it; see `launch.py`."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    source: Annotated[str, typer.Argument(help="For those who read the process list.")],
    mountpoint: Annotated[str, typer.Argument(help="Likewise.")],
    report: Annotated[int, typer.Option(help="File descriptor to answer on.")],
) -> int:
    """Serve the mount whose configuration comes on standard input."""
    from assetfs import daemon
    from assetfs.cli import launch

    return launch.child(report, daemon.serve)
