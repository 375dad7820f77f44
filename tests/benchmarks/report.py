"""A run as one table for people and one JSON document for everything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from tests.benchmarks.goals import Verdict, verdicts
from tests.benchmarks.run import Run
from tests.benchmarks.servers import DELAY, RATE
from tests.benchmarks.works import Row

WIDTH = 200
"""Columns where the output is no terminal."""

METHOD = (
    "Every figure is of a fresh mount with empty caches, unless its row says otherwise; the server's files are in its"
    " page cache. Medians of up to {repetitions}. A sequential read stops after {longest:g} s, and its rate so far"
    " counts. Disk caches are read as they were left, so partly from memory. 20 ms: a proxy that adds {trip:g} ms to"
    " each round trip and passes {rate:g} MB/s per connection; measured {round_trip_ms:g} ms and {connection_mb_s:g}"
    " MB/s, and without limits {proxy_mb_s:g} MB/s. rclone: --vfs-cache-mode off or full, --max-read-ahead 4M,"
    " --buffer-size 64M. MB are 10^6 bytes."
)


def rows(run: Run) -> list[tuple[Row, str]]:
    return [(row, way) for work in run.works for row in work.rows for way in row.ways]


def title(row: Row, run: Run) -> str:
    scale = run.scale
    large = f"{scale.large >> 30} GiB" if scale.large >= 1 << 30 else f"{scale.large >> 20} MiB"
    counts = {"many": scale.many, "very_many": scale.very_many, "small": scale.small}
    texts = {name: f"{count:,}" for name, count in counts.items()}
    return row.title.format(large=large, random_reads=scale.random_reads, **texts)


def figures(run: Run, row: str, way: str) -> dict[str, float]:
    """The medians of one line."""
    found = {name: run.cells[row, way, name].median for name in run.contenders if (row, way, name) in run.cells}
    return {name: value for name, value in found.items() if value is not None}


def heading(run: Run) -> str:
    known = run.machine
    programs = ", ".join(f"{name} {known[name]}" for name in ("assetfs", "pyfuse3", "trio", "rclone", "nginx", "curl"))
    return (
        f"{known['cores']} cores of {known['processor']}, {known['memory_gb']} GB, {known['system']}, Linux"
        f" {known['kernel']}, Python {known['python']}, {programs}; as {known['user']}; load {run.load[0]:.1f} before"
        f" and {run.load[-1]:.1f} after; {run.started:%Y-%m-%d %H:%M} UTC, {run.seconds / 60:.1f} min"
    )


def method(run: Run) -> str:
    scale = run.scale
    fixed = {"trip": 2 * DELAY * 1e3, "rate": RATE / 1e6, "repetitions": scale.repetitions, "longest": scale.longest}
    return METHOD.format(**fixed, **run.link)


def table(run: Run) -> Table:
    made = Table(title="assetfs beside others", caption=method(run), box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("work", no_wrap=True)
    made.add_column("way", no_wrap=True)
    made.add_column("unit")
    for name in run.contenders:
        made.add_column(name, justify="right", style="bold" if name == "assetfs" else "")
    made.add_column("assetfs is … times as good (goal)", no_wrap=True)
    for row, way in rows(run):
        values = [_shown(run, row.key, way, name) for name in run.contenders]
        compared = [_said(found) for found in verdicts(row.key, way, row.unit, figures(run, row.key, way))]
        made.add_row(title(row, run), way, row.unit, *values, "; ".join(compared))
    return made


def _shown(run: Run, row: str, way: str, name: str) -> str:
    cell = run.cells.get((row, way, name))
    if cell is None:
        return ""
    if cell.median is None:
        return "failed" if cell.failed else "-"
    return f"{cell.median:,.0f}" if cell.median >= 100 else f"{cell.median:.3g}"


def _said(found: Verdict) -> str:
    if found.wanted is None:
        return f"{found.times:.2g} {found.against}"
    colour, mark = ("green", "✓") if found.met else ("red", "✗")
    return f"[{colour}]{found.times:.2g} {found.against} ({found.wanted:g}) {mark}[/]"


def problems(run: Run) -> list[str]:
    """What the empty cells stand for, each said once."""
    return sorted({f"{name}: {cell.problem}" for (_, _, name), cell in run.cells.items() if cell.problem})


def document(run: Run) -> dict[str, Any]:
    return {
        "started": run.started.isoformat(timespec="seconds"),
        "seconds": round(run.seconds, 1),
        "scale": vars(run.scale),
        "machine": run.machine,
        "load": run.load,
        "link": run.link,
        "rows": [
            {
                "row": row.key,
                "title": title(row, run).strip(),
                "way": way,
                "unit": row.unit,
                "figures": {
                    name: {"median": cell.median, "values": cell.values, "facts": cell.facts, "problem": cell.problem}
                    for name in run.contenders
                    if (cell := run.cells.get((row.key, way, name))) is not None
                },
                "verdicts": [
                    {"against": found.against, "times": found.times, "wanted": found.wanted, "met": found.met}
                    for found in verdicts(row.key, way, row.unit, figures(run, row.key, way))
                ],
            }
            for row, way in rows(run)
        ],
    }


def save(run: Run, folder: Path) -> Path:
    """Write the JSON document. Returns where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{run.started:%Y-%m-%dT%H-%M-%S}.json"
    place.write_text(json.dumps(document(run), indent=1) + "\n")
    return place
