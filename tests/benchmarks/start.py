"""How long until a mount can be used, and what it takes while nobody uses it: `python -m tests.benchmarks.start`.

Each protocol's sandbox is mounted a few times by `assetfs mount`, in a home of its own; the time is that until the root
folder has been listed. The memory is the daemon's, a second later.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.sandboxes import RunningSandbox, start_sandbox

PROTOCOLS = "ayon", "jama", "jdma", "midas", "sams"
REPETITIONS = 3
IDLE = 1.0
"""Seconds without a question before the memory is read."""


def once(server: RunningSandbox, home: Path) -> tuple[float, float]:
    """Seconds until the root was listed, and MiB that the daemon has in memory afterwards."""
    place = home / "drive"
    place.mkdir(exist_ok=True)
    environ = {**os.environ, "HOME": str(home), "ASSETFS_CREDENTIAL": server.credential}
    assetfs = [sys.executable, "-m", "assetfs"]
    begun = time.perf_counter()
    subprocess.run([*assetfs, "mount", server.source, place], env=environ, check=True)
    try:
        os.listdir(place)
        seconds = time.perf_counter() - begun
        time.sleep(IDLE)
        pid = json.loads((place / ".assetfs" / "status.json").read_text())["pid"]
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    finally:
        subprocess.run([*assetfs, "umount", place], env=environ, check=True)
    return seconds, resident * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main() -> None:
    for protocol in PROTOCOLS:
        with start_sandbox(protocol, seed="demo") as server, tempfile.TemporaryDirectory() as home:
            found = [once(server, Path(home)) for _ in range(REPETITIONS)]
        seconds = [one for one, _ in found]
        print(
            f"{protocol:6} {statistics.median(seconds):.2f} s (at most {max(seconds):.2f} s), "
            f"{max(size for _, size in found):.0f} MiB"
        )


if __name__ == "__main__":
    main()
