"""The seed `bench`: a batch of very many small files, and one of a single large file, both offline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from assetfs.sandbox.jdma import people
from assetfs.sandbox.jdma.books import Books
from assetfs.sandbox.jdma.seeds.planting import Contents, add
from assetfs.sandbox.options import Options

FOLDER = 1000  # files in one folder
DISTINCT = 100  # contents


def plant(books: Books, options: Options) -> None:
    """Make `small` with `bench_files` files, `many` with `bench_big`, and `large` with `bench_size` bytes."""
    people.plant(books.db, books.disk)
    user, stage = people.names()["user"], str(people.stage(books.disk))
    for label, count in (("small", options.bench_files), ("many", options.bench_big)):
        if count:
            add(books, user, people.WORKSPACE, label, f"{stage}/{label}", _files(count), "2024-01-02")
    add(
        books,
        user,
        people.WORKSPACE,
        "large",
        f"{stage}/large",
        {"large.bin": _large(options.bench_size)},
        "2024-01-03",
    )


def _files(count: int) -> Contents:
    return {f"{number // FOLDER:04d}/{number:06d}.txt": b"file %02d\n" % (number % DISTINCT) for number in range(count)}


def _large(size: int) -> bytes:
    block = hashlib.shake_256(b"jdma").digest(1 << 20)
    return b"".join(_pieces(block, size))


def _pieces(block: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, size, len(block)):
        yield (start.to_bytes(8, "little") + block[8:])[: size - start]
