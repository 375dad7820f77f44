"""The seed `bench`: a folder of many small items, and a large file, in the administrator's home."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from assetfs.sandbox.midas import uploads
from assetfs.sandbox.midas.context import Call
from assetfs.sandbox.midas.revisions import revision_of
from assetfs.sandbox.midas.seeds import empty
from assetfs.sandbox.midas.seeds.planting import Planter
from assetfs.sandbox.options import Options
from assetfs.sandbox.store import PIECE, Blobs


def plant(call: Call, blobs: Blobs, options: Options) -> None:
    """Make the folder `small` with `bench_files` items, and `large.bin` of `bench_size` bytes."""
    empty.plant(call, blobs, options)
    owner_id = call.scalar("SELECT min(user_id) FROM user")
    home = call.scalar("SELECT folder_id FROM user WHERE user_id = ?", owner_id)
    planter = Planter(call, blobs, owner_id)
    public = planter.place(home, "Public")
    small = planter.folder(public, "small")
    for number in range(options.bench_files):
        planter.item(small, f"{number:06d}.txt", f"item {number}\n".encode())
    large = planter.item(public, "large.bin", None)
    revision = revision_of(call, large, owner_id, "Initial revision")
    path = blobs.scratch / "large"
    with path.open("wb") as out:
        out.writelines(_pieces(options.bench_size))
    kept, digest = uploads.keep(blobs, path)
    uploads.remember(call, kept, digest)
    uploads.place(call, blobs, revision, "large.bin", kept)


def _pieces(size: int) -> Iterator[bytes]:
    """`size` bytes that do not repeat within a file and are the same every time."""
    block = hashlib.shake_256(b"midas").digest(PIECE)
    for start in range(0, size, PIECE):
        mark = start.to_bytes(8, "little")
        yield (mark + block[8:])[: size - start]
