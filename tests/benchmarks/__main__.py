"""The command line of the benchmarks; see the package's docstring."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console

from tests.benchmarks import report
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.processes import DidNotStart
from tests.benchmarks.run import run
from tests.benchmarks.scale import FULL, QUICK, SCALES
from tests.benchmarks.works import WORKS

RESULTS = Path(__file__).parents[2] / "bench-results"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description="assetfs beside rclone, httpx and curl")
    parser.add_argument("--quick", action="store_true", help="fewer bytes, one repetition")
    parser.add_argument("--scale", choices=SCALES, help=argparse.SUPPRESS)
    parser.add_argument("--only", action="append", metavar="WORK", choices=[work.name for work in WORKS])
    parser.add_argument("--contender", action="append", metavar="NAME", choices=CONTENDERS)
    parser.add_argument("--list", action="store_true", help="name the works and the contenders")
    asked = parser.parse_args()
    if asked.list:
        print("works:", ", ".join(work.name for work in WORKS))
        print("contenders:", ", ".join(CONTENDERS))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is taken down
    scale = SCALES[asked.scale] if asked.scale else QUICK if asked.quick else FULL
    works = [work for work in WORKS if not asked.only or work.name in asked.only]
    contenders = [name for name in CONTENDERS if not asked.contender or name in asked.contender]
    progress = Console(stderr=True, highlight=False)
    try:
        with progress.status("starting") as status:

            def say(line: str) -> None:
                progress.print(f"[dim]{line}[/]" if progress.is_terminal else line)
                status.update(line)

            found = run(scale, works, contenders, say)
    except DidNotStart as problem:
        progress.print(f"bench: {problem}")
        return 1
    except KeyboardInterrupt:
        return 130
    place = report.save(found, RESULTS)
    out = Console(highlight=False)
    if not out.is_terminal:
        out = Console(highlight=False, width=report.WIDTH)
    out.print(report.heading(found))
    out.print(report.table(found))
    for line in report.problems(found):
        out.print(line)
    out.print(f"{place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place}")
    return 1 if any(cell.failed for cell in found.cells.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
