"""What a sandbox is started with, and the error for asking for what there is not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROTOCOLS = "ayon", "jama", "jdma", "midas", "sams"
"""Each is a folder here with a module `build`: build(store, options) -> (server, facts), source(url), and PATH of its
endpoint; a server for which the source depends on who uses it has source(url) itself. One that listens on more ports
says so in MORE_PORTS, and its server takes notice of each in listens(name, url, port). A server that has something to
do beside answering does it in work()."""


class WrongUsage(Exception):
    """The command line asks for something that there is not. The message is one line for its user."""


@dataclass(frozen=True)
class Options:
    """One sandbox. `data` None is a temporary folder, removed at the end; `port` 0 is any free one.

    `login` is a user of this machine for whom it keeps files; whoever runs it if empty. `switches` are set from the
    beginning, as texts `name=value`.
    """

    protocol: str
    port: int = 0
    data: Path | None = None
    seed: str = "demo"
    profile: str = "current"
    accel_prefix: str | None = None
    bench_files: int = 10_000
    bench_big: int = 0
    bench_size: int = 1 << 30
    login: str = ""
    switches: tuple[str, ...] = ()
