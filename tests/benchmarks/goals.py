"""What is hoped for, as a table, and how far a run's figures are from it.

Goals are shown, never asserted: they depend on the machine, and on what else it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.benchmarks.servers import FAR, NEAR

Figures = Mapping[str, float]
"""One line of the table: medians by contender."""


@dataclass(frozen=True)
class Goal:
    """For one line: our figure against another's (`factor` times as good), or against a number."""

    row: str
    way: str
    against: str
    """A word that the others' names begin with; the best of them counts. Or "" for a number."""
    factor: float


GOALS = (
    Goal("read-cold", NEAR, "rclone", 2.5),
    Goal("read-cold", NEAR, "curl", 0.5),
    Goal("read-cold", FAR, "curl", 4.0),
    Goal("read-cold", FAR, "rclone", 3.0),
    Goal("random", FAR, "", 26.0),
    Goal("huge-again", NEAR, "", 2.0),
    Goal("huge-memory", NEAR, "", 400.0),
    Goal("copy", FAR, "rclone", 8.0),
    Goal("write-large", NEAR, "disk", 0.9),
    Goal("write-small", NEAR, "rclone", 1.0),
    Goal("upload", NEAR, "client", 1.0),
)
MORE: dict[str, Callable[[float, float], float]] = {
    "MB/s": lambda ours, other: ours / other,
    "s": lambda ours, other: other / ours,
    "ms": lambda ours, other: other / ours,
    "MB": lambda ours, other: other / ours,
}
"""How many times as good ours is, by unit."""


@dataclass(frozen=True)
class Verdict:
    """`times` as good as `against`; `wanted` None where nothing is asked for."""

    against: str
    times: float
    wanted: float | None

    @property
    def met(self) -> bool | None:
        return None if self.wanted is None else self.times >= self.wanted


def verdicts(row: str, way: str, unit: str, figures: Figures) -> list[Verdict]:
    """What a line's figures come to; without a goal, how they compare with the best rclone."""
    ours = figures.get("assetfs")
    if ours is None:
        return []
    goals = [goal for goal in GOALS if (goal.row, goal.way) == (row, way)]
    found = []
    for goal in goals or [Goal(row, way, "rclone", 0.0)]:
        if goal.against == "":
            found.append(Verdict(f"{goal.factor:g} {unit}", MORE[unit](ours, goal.factor), 1.0))
            continue
        others = [MORE[unit](ours, value) for name, value in figures.items() if name.startswith(goal.against)]
        if others:
            found.append(Verdict(goal.against, min(others), goal.factor or None))
    return found
