"""A folder of a hundred thousand files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounts import mounted
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount

MANY = 100_000


@pytest.fixture
def crowd() -> Iterator[RunningSandbox]:
    with start_sandbox(
        seed="bench", options=("--bench-files", "1", "--bench-size", "1", "--bench-big", str(MANY))
    ) as running:
        yield running


def test_a_hundred_thousand_files_are_listed_in_little_memory(crowd: RunningSandbox, tmp_path: Path) -> None:
    with mounted(crowd.source, crowd.credential, tmp_path / "home") as found:
        crowd.forget()
        names = found.run("ls", "-f", "Bench/big").stdout.split()
        assert len(names) == len(set(names)) == MANY + 2
        assert crowd.requests()["kinds"] == {"POST rpc": 1 + MANY // 2000}
        found.run("ls", "-f", "Bench/big")
        assert found.run(f"cat Bench/big/item-{MANY - 1:07d}.txt").stdout == b"item %d\n" % (MANY - 1)
        assert found.run("test", "-e", "Bench/big/item-x.txt", check=False).returncode == 1
        assert crowd.requests()["kinds"] == {"POST rpc": 1 + MANY // 2000, "GET download": 1}
        peak = next(line for line in Path(f"/proc/{found.pid}/status").read_text().splitlines() if "VmHWM" in line)
        assert int(peak.split()[1]) < 400 << 10
