"""The pyfuse3 adapter: one method per kernel operation, each one line of translation.

Every handler is wrapped (`guard.py`): deadline, errno, log line, counter.

What pyfuse3 makes us watch: names are bytes; a name that does not exist is answered with inode 0 and a timeout, because
a raised ENOENT is not cached; both timeouts are always set (their default is five minutes); `keep_cache` is set on
every open (its default is on); `security.*` and the like are answered from a constant, and never with ENOSYS, which
would switch attributes off for the life of the mount.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import pyfuse3

from assetfs.fuse.errno import errno_of
from assetfs.fuse.guard import committing, guarded, patient, prompt, recalling
from assetfs.fuse.notify import Notifier
from assetfs.observe.histogram import Histogram
from assetfs.observe.stacks import log_tasks
from assetfs.vfs.attributes import Attributes
from assetfs.vfs.errors import NotPermitted
from assetfs.vfs.files import Opened
from assetfs.vfs.filesystem import FileSystem

log = logging.getLogger("assetfs.fuse")


def _kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])


WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_TRUNC
PAST_PAGES = _kernel() >= (6, 6)
"""Whether what is written through a descriptor that is open for writing only goes past the kernel's pages: one copy
less, and no getxattr of security.capability for each write. Nobody can map such a descriptor, and since Linux 6.6 the
kernel drops the pages that others have of what it passes by. Writes that are thrown away, 1 MiB each: 2.8 GB/s, against
1.0 through pages (2 cores)."""
FOREIGN = (b"security.", b"system.", b"trusted.")


class Operations(pyfuse3.Operations):
    """`deadline` is in seconds, for one operation. `ready` is called when the kernel has said hello."""

    supports_dot_lookup = True
    enable_writeback_cache = False
    enable_acl = False

    def __init__(self, fs: FileSystem, *, deadline: float, ready: Callable[[], None]) -> None:
        super().__init__()
        self.fs = fs
        self.deadline = deadline
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.durations: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.read_bytes = 0
        self.written_bytes = 0
        self.outer: Callable[[int], int] = lambda number: number
        """The number that the kernel knows an inode by, where this is one of several repositories in a mount."""
        self._ready = ready
        self.notifier = Notifier(fs.inodes.reading, lambda number: self.outer(number))
        fs.forget_attributes = lambda number: _forget_attributes(self.outer(number))
        fs.changes.kernel = self.notifier

    def failed(self, name: str, error: Exception) -> int:
        """Log and count an error; returns its errno."""
        code = errno_of(error)
        if code is None:
            incident = secrets.token_hex(4)
            log.exception("incident %s in %s", incident, name)
            self.errors["incident"] += 1
            return errno.EIO
        level = logging.WARNING if code in (errno.EIO, errno.ETIMEDOUT, errno.ESTALE, errno.ENOSPC) else logging.DEBUG
        log.log(level, "%s: %s: %s", name, errno.errorcode[code], error)
        self.errors[errno.errorcode[code]] += 1
        return code

    def init(self) -> None:
        self._ready()

    # ---- names ----

    @guarded
    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        found = await self.fs.lookup(parent_inode, name)
        if found is None:
            missing = pyfuse3.EntryAttributes()
            missing.st_ino = pyfuse3.InodeT(0)
            missing.entry_timeout = self.fs.timeouts.negative
            return missing
        return self._entry(found)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        for number, lookups in inode_list:
            self.fs.forget(number, lookups)

    @guarded
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        opened = await self.fs.open_folder(inode)
        self.fs.recalls.listed(_process(ctx), inode)
        return opened

    @prompt
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        folder = self.fs.handles.folder(fh).inode
        for name, attributes, cookie, node in self.fs.read_folder(fh, start_id):
            if not pyfuse3.readdir_reply(token, name, self._entry(attributes), cookie):
                return
            if node is not None:
                self.fs.enter(node, folder)

    @prompt
    async def releasedir(self, fh: int) -> None:
        self.fs.close_folder(fh)

    @guarded
    async def readlink(self, inode: int, ctx: pyfuse3.RequestContext) -> bytes:
        return await self.fs.read_link(inode)

    # ---- attributes ----

    @guarded
    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        return self._entry(await self.fs.telling.attributes(inode))

    @guarded
    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        usage = await self.fs.usage()
        answer = pyfuse3.StatvfsData()
        answer.f_bsize = answer.f_frsize = STATFS_BLOCK
        total = usage.total if usage.total is not None else STATFS_TOTAL
        free = usage.free if usage.free is not None else total
        answer.f_blocks = total // STATFS_BLOCK
        answer.f_bfree = answer.f_bavail = free // STATFS_BLOCK
        answer.f_files = usage.files if usage.files is not None else STATFS_FILES
        answer.f_ffree = answer.f_favail = STATFS_FILES
        answer.f_namemax = 255
        return answer

    def _entry(self, found: Attributes) -> pyfuse3.EntryAttributes:
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = pyfuse3.InodeT(self.outer(found.number))
        entry.st_mode = pyfuse3.ModeT(found.mode)
        entry.st_nlink = found.links
        entry.st_uid = found.uid
        entry.st_gid = found.gid
        entry.st_size = found.size
        entry.st_blocks = found.blocks
        entry.st_blksize = PREFERRED_IO
        entry.st_atime_ns = entry.st_mtime_ns = found.mtime_ns
        entry.st_ctime_ns = found.ctime_ns
        entry.attr_timeout = found.timeout
        entry.entry_timeout = self.fs.timeouts.entries
        return entry

    @guarded
    async def setattr(
        self,
        inode: int,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: int | None,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        changed = await self.fs.telling.set_attributes(
            inode,
            size=attr.st_size if fields.update_size else None,
            mtime_ns=attr.st_mtime_ns if fields.update_mtime else None,
            mode=attr.st_mode if fields.update_mode else None,
            uid=attr.st_uid if fields.update_uid else None,
            gid=attr.st_gid if fields.update_gid else None,
            handle=fh,
        )
        return self._entry(changed)

    # ---- the tree ----

    @guarded
    async def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: pyfuse3.RequestContext
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        opened, attributes = await self.fs.tree.create(
            parent_inode,
            name,
            mode=mode,
            exclusive=bool(flags & os.O_EXCL),
            truncate=bool(flags & os.O_TRUNC),
            append=bool(flags & os.O_APPEND),
        )
        return self._info(opened, flags), self._entry(attributes)

    @guarded
    async def mkdir(
        self, parent_inode: int, name: bytes, mode: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        return self._entry(await self.fs.tree.make_folder(parent_inode, name, mode))

    @guarded
    async def rmdir(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        await self.fs.tree.remove_folder(parent_inode, name)

    @guarded
    async def unlink(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        await self.fs.tree.remove_file(parent_inode, name)

    @committing
    async def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: pyfuse3.RequestContext,
    ) -> None:
        await self.fs.renaming.rename(parent_inode_old, name_old, parent_inode_new, name_new, flags)

    @guarded
    async def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        return self._entry(await self.fs.tree.link(inode, new_parent_inode, new_name))

    # ---- content ----

    @guarded
    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        opened = await self.fs.files.open(
            inode,
            writing=bool(flags & WRITING),
            truncate=bool(flags & os.O_TRUNC),
            append=bool(flags & os.O_APPEND),
            process=_process(ctx),
        )
        return self._info(opened, flags)

    @staticmethod
    def _info(opened: Opened, flags: int) -> pyfuse3.FileInfo:
        past = opened.direct_io or (PAST_PAGES and flags & os.O_ACCMODE == os.O_WRONLY)
        return pyfuse3.FileInfo(fh=pyfuse3.FileHandleT(opened.handle), keep_cache=opened.keep_cache, direct_io=past)

    @recalling
    async def read(self, fh: int, off: int, size: int) -> bytes:
        content = await self.fs.files.read(fh, off, size)
        self.read_bytes += len(content)
        return content  # type: ignore[return-value]

    @guarded
    async def write(self, fh: int, off: int, buf: bytes) -> int:
        self.written_bytes += len(buf)
        return await self.fs.files.write(fh, off, buf)

    @patient
    async def flush(self, fh: int) -> None:
        await self.fs.files.flush(fh)

    @patient
    async def fsync(self, fh: int, datasync: bool) -> None:
        await self.fs.files.sync(fh)

    @prompt
    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        self.fs.handles.get(fh)

    @prompt
    async def release(self, fh: int) -> None:
        self.fs.files.close(fh)

    # ---- extended attributes ----

    @guarded
    async def getxattr(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> bytes:
        if name.startswith(FOREIGN):
            raise pyfuse3.FUSEError(errno.EOPNOTSUPP)
        return await self.fs.get_xattr(inode, name.decode("utf-8", "surrogateescape"))

    @guarded
    async def listxattr(self, inode: int, ctx: pyfuse3.RequestContext) -> list[bytes]:
        return [name.encode("utf-8", "surrogateescape") for name in await self.fs.list_xattrs(inode)]

    @committing
    async def setxattr(self, inode: int, name: bytes, value: bytes, ctx: pyfuse3.RequestContext) -> None:
        if name.startswith(FOREIGN):
            raise pyfuse3.FUSEError(errno.EOPNOTSUPP)
        await self.fs.set_xattr(inode, name.decode("utf-8", "surrogateescape"), value)

    @guarded
    async def removexattr(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        if name.startswith(FOREIGN):
            raise pyfuse3.FUSEError(errno.EOPNOTSUPP)
        await self.fs.set_xattr(inode, name.decode("utf-8", "surrogateescape"), None)

    @guarded
    async def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise NotPermitted("a repository has files, folders and links only")
        return self._entry(await self.fs.tree.make_file(parent_inode, name, mode))

    @guarded
    async def symlink(
        self, parent_inode: int, name: bytes, target: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        return self._entry(await self.fs.tree.symlink(parent_inode, name, target))

    def stacktrace(self) -> None:
        """What every task is doing, for the log."""
        log_tasks()


def _process(ctx: pyfuse3.RequestContext | None) -> int:
    """Who asks; 0 if nobody knows."""
    return 0 if ctx is None else int(ctx.pid)


def _forget_attributes(number: int) -> None:
    """Attributes only: this never waits, where dropping pages would wait for reads that wait for us."""
    with contextlib.suppress(OSError):
        pyfuse3.invalidate_inode(pyfuse3.InodeT(number), attr_only=True)


STATFS_BLOCK = 64 << 10
STATFS_TOTAL = 1 << 50
STATFS_FILES = 1 << 32
PREFERRED_IO = 1 << 20
"""What cp and cat take as their buffer: one FUSE request."""
