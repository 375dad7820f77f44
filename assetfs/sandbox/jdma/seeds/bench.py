"""The seed `bench`: a batch of very many small files, and one of a single large file, both offline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from assetfs.sandbox.jdma.seeds.planting import Contents, Planter
from assetfs.sandbox.options import Options
from assetfs.sandbox.store import PIECE

FOLDER = 1000  # files in one folder
DISTINCT = 100  # contents


def plant(planter: Planter, options: Options) -> None:
    """Make `small` with `bench_files` files, `many` with `bench_big`, and `large` with `bench_size` bytes."""
    for label, count in (("small", options.bench_files), ("many", options.bench_big)):
        if count:
            planter.batch(label, label, _files(count), "2024-01-02")
    planter.large("large", "large.bin", _pieces(options.bench_size), "2024-01-03")


def _files(count: int) -> Contents:
    return {f"{number // FOLDER:04d}/{number:06d}.txt": b"file %02d\n" % (number % DISTINCT) for number in range(count)}


def _pieces(size: int) -> Iterator[bytes]:
    """`size` bytes that do not repeat within a file and are the same every time."""
    block = hashlib.shake_256(b"jdma").digest(PIECE)
    for start in range(0, size, PIECE):
        yield (start.to_bytes(8, "little") + block[8:])[: size - start]
