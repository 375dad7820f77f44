"""How much is read, and how often: the full run, the quick one, and one that only shows that everything works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Sizes in bytes, counts of files, repetitions, seconds."""

    name: str
    large: int
    """The file that is read from end to end."""
    many: int
    """Entries of the folder for `ls -l`."""
    very_many: int
    """Entries of the folder for `ls -f`."""
    small: int
    """Files of 10 KiB that are copied out."""
    random_reads: int
    repetitions: int
    """Of everything that is quick; the median is shown."""
    show: str
    """Seed of the AYON server that `find` goes through; bench: 5,000 folders, 5,000 products, 15,000 versions."""
    longest: float
    """Seconds after which a sequential read stops, and its rate so far is taken: over one slow connection the rest
    would tell nothing new."""


FULL = Scale("full", 1 << 30, 10_000, 100_000, 1000, 200, 3, "bench", 12.0)
QUICK = Scale("quick", 256 << 20, 10_000, 20_000, 200, 50, 1, "bench", 5.0)
TINY = Scale("tiny", 4 << 20, 50, 200, 5, 5, 1, "demo", 2.0)
SCALES = {scale.name: scale for scale in (FULL, QUICK, TINY)}
