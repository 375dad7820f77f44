"""The program that is timed: reads a file of a mount, or a URL, and prints what it took as one JSON line.

    python reader.py WORK HOW TARGET [--seconds S] [--reads N]

A process of its own, so that nothing of the benchmark is in the figure, and so that it can be another user's. Only the
standard library, and httpx for its own row. Time starts when the interpreter is up.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PIECE = 1 << 20
"""What cp and cat read at once where st_blksize says so."""

SMALL = 4096

Result = dict[str, object]


def sequential(pieces: Iterator[int], seconds: float) -> Result:
    """Everything, or what comes within some seconds."""
    started = time.perf_counter()
    total = 0
    for count in pieces:
        total += count
        if time.perf_counter() - started > seconds:
            break
    return {"bytes": total, "seconds": time.perf_counter() - started}


def of_file(path: str, piece: int = PIECE) -> Iterator[int]:
    buffer = bytearray(piece)
    with Path(path).open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            yield count


def of_httpx(url: str) -> Callable[[], Iterator[int]]:
    """With everything imported and made that a program has before its first request."""
    import httpx

    client = httpx.Client(timeout=60)

    def pieces() -> Iterator[int]:
        with client.stream("GET", url) as answer:
            answer.raise_for_status()
            for piece in answer.iter_raw():
                yield len(piece)

    return pieces


def curl(url: str, *more: str) -> Result:
    told = '{"bytes": %{size_download}, "seconds": %{time_total}, "first": %{time_starttransfer}}'
    command = ["curl", "-q", "-sS", "--fail", "-o", "/dev/null", "-w", told, *more, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 28):  # 28: the time was up, as agreed
        raise RuntimeError(done.stderr.strip())
    found: Result = json.loads(done.stdout)
    return found


def first(pieces: Callable[[], Iterator[int]]) -> Result:
    """Seconds until the first bytes are there."""
    started = time.perf_counter()
    count = next(pieces())
    return {"bytes": count, "seconds": time.perf_counter() - started}


def random_reads(path: str, reads: int) -> Result:
    """Milliseconds of each of some small reads, each in another place; the places are the same in every run."""
    places = random.Random(1)
    took = []
    with Path(path).open("rb", buffering=0) as file:
        pages = os.fstat(file.fileno()).st_size // SMALL
        for page in places.sample(range(pages), reads):
            started = time.perf_counter()
            count = len(os.pread(file.fileno(), SMALL, page * SMALL))
            took.append(time.perf_counter() - started)
            if count != SMALL:
                raise SystemExit(f"{count} bytes at {page * SMALL}")
    return {"reads": took}


WORKS: dict[tuple[str, str], Callable[[argparse.Namespace], Result]] = {
    ("sequential", "file"): lambda asked: sequential(of_file(asked.target), asked.seconds),
    ("sequential", "httpx"): lambda asked: sequential(of_httpx(asked.target)(), asked.seconds),
    ("sequential", "curl"): lambda asked: curl(asked.target, "--max-time", str(asked.seconds)),
    ("first", "file"): lambda asked: first(lambda: of_file(asked.target, SMALL)),
    ("first", "httpx"): lambda asked: first(of_httpx(asked.target)),
    ("first", "curl"): lambda asked: {**(got := curl(asked.target, "-r", "0-4095")), "seconds": got["first"]},
    ("random", "file"): lambda asked: random_reads(asked.target, asked.reads),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work")
    parser.add_argument("how")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--reads", type=int, default=200)
    asked = parser.parse_args()
    print(json.dumps(WORKS[asked.work, asked.how](asked)))


if __name__ == "__main__":
    main()
