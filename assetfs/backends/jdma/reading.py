"""Reading a copy in the place of a download: for whoever asks the repository and not the disk."""

from __future__ import annotations

import os

import trio

from assetfs.backends.jdma.stage import beneath
from assetfs.repository import LocalContent, Sink, VersionChanged

PIECE = 1 << 20


async def deliver(local: LocalContent, start: int, stop: int, size: int, sink: Sink) -> None:
    """Bytes [start, stop) of a local file. Raises NotFound, VersionChanged where it has another size."""

    def piece(offset: int, count: int) -> bytes:
        with beneath(local.root, local.relative.split("/")) as handle:
            if os.fstat(handle).st_size != size:
                raise VersionChanged("the copy on the shared disk has another size")
            return os.pread(handle, count, offset)

    await trio.to_thread.run_sync(piece, 0, 0)
    sink.total(size)
    at, end = start, min(stop, size)
    while at < end:
        room = sink.lend(at)
        if not len(room):
            return
        data = await trio.to_thread.run_sync(piece, at, min(len(room), end - at, PIECE))
        if not data:
            raise VersionChanged("the copy on the shared disk has become shorter")
        room[: len(data)] = data
        sink.landed(at, len(data))
        at += len(data)
