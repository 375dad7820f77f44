"""The program that is timed while it writes, and one that uploads as the official client does.

    python writer.py large FOLDER --size BYTES
    python writer.py small FOLDER --count N --size BYTES
    python writer.py upload URL --file PATH --key KEY --project N

Prints one JSON line. A process of its own, like `reader.py`. Contents are new each time: the server keeps equal bytes
once, and would not take them again. `upload` runs where `requests` is, in the official client's environment.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import time
from pathlib import Path

PIECE = 1 << 20
CLIENTS_CHUNK = 1 << 20
"""What jama-client-CERTIC sends at once, each in a connection of its own, one after the other."""


def large(asked: argparse.Namespace) -> dict[str, object]:
    """One file from open to close, in pieces of 1 MiB that differ in their first bytes."""
    piece = bytearray(os.urandom(PIECE))
    started = time.perf_counter()
    with (Path(asked.target) / "large.bin").open("wb", buffering=0) as file:
        for number in range(asked.size // PIECE):
            piece[:8] = number.to_bytes(8, "big")
            file.write(piece)
        if asked.sync:
            os.fdatasync(file.fileno())
    return {"bytes": asked.size, "seconds": time.perf_counter() - started}


def small(asked: argparse.Namespace) -> dict[str, object]:
    contents = [os.urandom(asked.size) for _ in range(asked.count)]
    started = time.perf_counter()
    for number, content in enumerate(contents):
        with (Path(asked.target) / f"scan-{number:04d}.bin").open("wb", buffering=0) as file:
            file.write(content)
    return {"bytes": asked.size * asked.count, "seconds": time.perf_counter() - started}


def upload(asked: argparse.Namespace) -> dict[str, object]:
    from requests import post  # type: ignore[import-untyped]

    started = time.perf_counter()
    digest = hashlib.sha256()
    with Path(asked.file).open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
        total = -(-file.tell() // CLIENTS_CHUNK)
        file.seek(0)
        for number in range(total):
            headers = {
                "X-Api-Key": asked.key,
                "X-Project": asked.project,
                "X-file-chunk": f"{number + 1}/{total}",
                "X-file-hash": digest.hexdigest(),
                "X-file-name": base64.b64encode(Path(asked.file).name.encode()).decode(),
            }
            answer = post(asked.target + "upload/partial/", data=file.read(CLIENTS_CHUNK), headers=headers, timeout=120)
            if answer.status_code not in (200, 202):
                raise SystemExit(f"chunk {number + 1} of {total}: {answer.status_code} {answer.text}")
    return {"bytes": Path(asked.file).stat().st_size, "seconds": time.perf_counter() - started}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=("large", "small", "upload"))
    parser.add_argument("target")
    parser.add_argument("--size", type=int, default=10240)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--sync", action="store_true")
    parser.add_argument("--file")
    parser.add_argument("--key")
    parser.add_argument("--project")
    asked = parser.parse_args()
    print(json.dumps({"large": large, "small": small, "upload": upload}[asked.work](asked)))


if __name__ == "__main__":
    main()
