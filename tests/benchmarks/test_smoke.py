"""The benchmarks run from end to end, at a size that takes no time. Nothing is said about how fast anything is."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.benchmarks import report
from tests.benchmarks.run import run
from tests.benchmarks.scale import TINY
from tests.benchmarks.works import WORKS

CONTENDERS = ("assetfs", "rclone http", "curl", "rclone writes", "disk")
"""One of each sort."""

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

pytestmark = [
    pytest.mark.mount,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not shutil.which("nginx", path=PATH), reason="nginx is not installed (make bench does that)"),
    pytest.mark.skipif(not shutil.which("rclone"), reason="rclone is not installed (make bench does that)"),
]


def test_every_row_is_measured_and_nothing_is_left_behind(tmp_path: Path) -> None:
    found = run(TINY, WORKS, CONTENDERS)
    document = json.loads(report.save(found, tmp_path).read_text())
    failed = {
        (row["row"], row["way"], name): figure["problem"]
        for row in document["rows"]
        for name, figure in row["figures"].items()
        if figure["median"] is None and found.cells[row["row"], row["way"], name].failed
    }
    assert not failed
    expected = {(row.key, way) for work in WORKS for row in work.rows for way in row.ways}
    measured = {(row["row"], row["way"]) for row in document["rows"] if "assetfs" in row["figures"]}
    assert measured == expected
    assert report.table(found).row_count == len(expected)
    assert "assetfs-bench-" not in Path("/proc/self/mounts").read_text()
