"""A daemon with a file system of three files, for tests of how daemons are started, asked and ended.

It is started as the real one is. TINYFS says how it behaves: `ok`, `refuse` (a wrong credential), `crash`, `hang`
(never answers), `stubborn` (hangs, and ends by force only), `owing` (an upload that never ends), `wedge` (answers until
it is asked for its status).
"""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import sys
import time
from collections.abc import Callable

import pyfuse3
import trio

from assetfs.cli import launch
from assetfs.config import MountConfig
from assetfs.daemon import MountFailed

_BEHAVIOUR = os.environ.get("TINYFS", "ok")
_STATUS = {"state": "ok", "uploads": {"pending": int(_BEHAVIOUR == "owing"), "failed": 0}, "requests": {"total": 7}}
_NAMES = {b"hello.txt": 2, b".assetfs": 3, b"status.json": 4}
_CONTENT = {2: b"hello\n", 4: json.dumps(_STATUS).encode()}


class _Tiny(pyfuse3.Operations):
    def __init__(self, ready: Callable[[], None]) -> None:
        super().__init__()
        self._ready = ready

    async def getattr(self, inode: int, ctx: object = None) -> pyfuse3.EntryAttributes:
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = inode
        entry.st_mode = stat.S_IFREG | 0o444 if inode in _CONTENT else stat.S_IFDIR | 0o755
        entry.st_size = len(_CONTENT.get(inode, b""))
        entry.st_uid, entry.st_gid = os.getuid(), os.getgid()
        entry.entry_timeout = entry.attr_timeout = 0
        return entry

    async def lookup(self, parent_inode: int, name: bytes, ctx: object = None) -> pyfuse3.EntryAttributes:
        if name not in _NAMES:
            raise pyfuse3.FUSEError(errno.ENOENT)
        if name == b"status.json" and _BEHAVIOUR == "wedge":
            await trio.sleep_forever()
        return await self.getattr(_NAMES[name])

    async def setxattr(self, inode: int, name: bytes, value: bytes, ctx: object) -> None:
        return  # hurries, in vain

    async def opendir(self, inode: int, ctx: object) -> int:
        return inode

    async def readdir(self, fh: int, start_id: int, token: object) -> None:
        if start_id == 0:
            pyfuse3.readdir_reply(token, b"hello.txt", await self.getattr(2), 1)

    async def open(self, inode: int, flags: int, ctx: object) -> pyfuse3.FileInfo:
        return pyfuse3.FileInfo(fh=inode)

    async def read(self, fh: int, off: int, size: int) -> bytes:
        return _CONTENT[fh][off : off + size]


def serve(config: MountConfig, *, ready: Callable[[], None]) -> int:
    """Behave as TINYFS says."""
    if _BEHAVIOUR == "refuse":
        raise MountFailed("the API key is refused: try another", 4)
    if _BEHAVIOUR == "crash":
        os._exit(7)
    if _BEHAVIOUR == "raise":
        raise RuntimeError("out of\nluck")
    if _BEHAVIOUR == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if _BEHAVIOUR in ("hang", "stubborn"):
        time.sleep(600)
    pyfuse3.init(_Tiny(ready), str(config.mountpoint), {"fsname=tiny", "subtype=assetfs"})
    signal.signal(signal.SIGTERM, lambda *_: pyfuse3.trio_token and pyfuse3.terminate())

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pyfuse3.main)
            await trio.to_thread.run_sync(os.listdir, config.mountpoint)
            ready()

    try:
        trio.run(main)
    finally:
        pyfuse3.close()
    return 0


if __name__ == "__main__":
    sys.exit(launch.child(int(sys.argv[sys.argv.index("--report") + 1]), serve))
