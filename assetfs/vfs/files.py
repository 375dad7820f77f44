"""Files: open, read, write, flush, close; on what the server has, and on what was written here.

A handle that only reads is pinned to one version. The kernel has one size and one set of pages for all descriptors of
a file: they are those of the version that was opened first, until its last handle is closed (`Pin`). Who opens the file
meanwhile and gets a newer version reads it directly, past those pages. So no reader ever gets a mixture, or an end that
is not the end of what it reads.

The first write to a file makes a staging file for it, and from then on all its handles, those that were open before
too, read and write that one.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from assetfs.content import blocks
from assetfs.content.reader import Reader
from assetfs.content.window import INITIAL
from assetfs.repository import Availability, Forbidden, Kind, Node, Rights
from assetfs.vfs.errors import BadHandle, IsAFolder, ReadOnly
from assetfs.vfs.handles import BytesHandle, DraftHandle, FileHandle, Handle
from assetfs.vfs.inodes import Inode
from assetfs.vfs.neighbours import Neighbours
from assetfs.vfs.recalls import Readable, WaitingReader
from assetfs.vfs.virtual import is_virtual
from assetfs.writeback.staging import Staged, is_local

if TYPE_CHECKING:
    from assetfs.vfs.filesystem import FileSystem

PEEKED = 16
"""Files whose beginning is kept for who may open them: the kernel asks for a size just before it opens, and many
programs at once may be there."""


class Opened(msgspec.Struct, frozen=True):
    """The answer to open: a handle, and whether the kernel may keep the pages that it has."""

    handle: int
    keep_cache: bool
    direct_io: bool = False


class Pin:
    """The version of a file that the kernel's size and pages are of: as it was opened, its size known."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.handles = 0


class Files:
    """The content side of a file system."""

    def __init__(self, fs: FileSystem) -> None:
        self._fs = fs
        self._neighbours = Neighbours(fs.store, fs.inodes.number, fs.sizes.known, fs.versions)
        self._peeked: OrderedDict[int, Reader] = OrderedDict()
        """Readers that were opened before anybody asked for it, by inode number."""
        self._pins: dict[int, Pin] = {}
        """By inode number, while handles read them."""

    # ---- opening and closing ------------------------------------------------------------------------------------

    async def open(
        self,
        number: int,
        *,
        writing: bool,
        truncate: bool,
        append: bool = False,
        process: int = 0,
    ) -> Opened:
        """Open a file for a process. Opening for writing copies nothing, and changes nothing but for `truncate`."""
        fs = self._fs
        inode = fs.inodes.get(number)
        if inode.node.kind is Kind.FOLDER:
            raise IsAFolder(inode.node.id)
        if is_virtual(inode.node):
            if writing:
                raise ReadOnly(inode.node.id)
            shown = fs.virtual.staged(inode.node)
            if shown is not None:
                return Opened(
                    self._add(FileHandle(inode, None, shown, writing=False)), keep_cache=False, direct_io=True
                )
            content = fs.virtual.content(inode.node)
            return Opened(fs.handles.add(BytesHandle(inode, content)), keep_cache=False, direct_io=True)
        if writing:
            self._may_write(inode.node)
        if (drafting := fs.within_draft(inode.node)) is not None:
            return await drafting.open(inode, writing=writing, truncate=truncate)
        if writing:
            if not is_local(inode.node.id) and not inode.detached:
                await fs.repository.expect_writable(inode.node)
            await fs.claims.take(inode.node)
        if fs.staged_of(inode) is None and not inode.detached:
            await fs.following.revalidate(inode)
            await fs.following.settle(inode)
        staged = fs.staged_of(inode)
        reader: Readable | None = None
        fs.sizes.opened(inode.parent)
        if staged is None and not truncate:
            if inode.node.availability is not Availability.ONLINE and inode.node.size != 0:
                reader = await fs.recalls.open(inode, process=process)
            else:
                reader = await self._reader(inode)
        if reader is not None and not writing:
            self._walked(inode)
        handle = FileHandle(inode, reader, staged, writing=writing, append=append)
        if truncate:
            await self._truncate(inode, handle, 0)
        pin = self._pins.get(number)
        if reader is not None and pin is not None and pin.node.version != reader.node.version:
            handle.direct = True
            return Opened(self._add(handle), keep_cache=False, direct_io=True)
        if reader is not None and (inode.told_version, inode.told_size) != (reader.node.version, reader.size):
            fs.forget_attributes(number)  # else the kernel would cut this version where the other one ended
        pages = inode.node.version if reader is None else reader.node.version
        if handle.staged is not None:
            pages = f"staged {handle.staged.entry.number}"
        keep = inode.pages is not None and inode.pages == pages
        inode.pages = pages
        return Opened(self._add(handle), keep_cache=keep)

    def _walked(self, inode: Inode) -> None:
        """Somebody may be going through the folder: the next files are fetched ahead."""
        if inode.parent is not None and (listing := self._fs.folders.last(inode.parent)) is not None:
            self._neighbours.opened(inode.parent, listing, listing.entries, inode.node)

    async def peek(self, inode: Inode) -> None:
        """Learn a file's size by fetching its first block, and keep what came for who opens it next."""
        reader = await self._fetching(inode, first=blocks.BLOCK)
        if inode.number in self._peeked:
            reader.close()
            return
        self._peeked[inode.number] = reader
        if len(self._peeked) > PEEKED:
            self._peeked.popitem(last=False)[1].close()

    async def _reader(self, inode: Inode) -> Readable:
        """A reader of the inode's version that knows the size."""
        if inode.node.local is not None and (local := await self._fs.local.open(inode.node)) is not None:
            return local
        return await self._fetching(inode)

    async def online(self, node: Node) -> Readable:
        """A reader of a node whose content has become available."""
        if node.local is not None and (local := await self._fs.local.open(node)) is not None:
            return local
        return await self._sized(await Reader.open(self._fs.store, node))

    async def _fetching(self, inode: Inode, first: int = INITIAL) -> Reader:
        """One of what the server sends; from its first `first` bytes, if nothing else tells the size."""
        reader = self._peeked.pop(inode.number, None)
        if reader is not None and reader.node.version != inode.node.version:
            reader.close()
            reader = None
        reader = reader or await Reader.open(self._fs.store, inode.node)
        reader.content.stale = False  # this is the server's version again, or still, as far as anybody has told us
        return await self._sized(reader, first)

    @staticmethod
    async def _sized(reader: Reader, first: int = INITIAL) -> Reader:
        try:
            await reader.learn_size(first)
        except BaseException:
            reader.close()
            raise
        return reader

    def created(self, inode: Inode, staged: Staged, *, append: bool) -> Opened:
        """The handle of a file that was just made."""
        inode.pages = f"staged {staged.entry.number}"
        return Opened(self._add(FileHandle(inode, None, staged, writing=True, append=append)), keep_cache=True)

    def waits(self, number: int) -> bool:
        """Whether a read of a handle may have to wait until content is brought."""
        handle = self._fs.handles.peek(number)
        reader = handle.reader if isinstance(handle, FileHandle) else None
        return isinstance(reader, WaitingReader) and not reader.arrived

    def _add(self, handle: FileHandle) -> int:
        if handle.staged is not None:
            handle.staged.handles += 1
            handle.staged.writers += handle.writing
        if handle.reader is not None and not handle.direct:
            node = msgspec.structs.replace(handle.reader.node, size=handle.reader.size)
            self._pins.setdefault(handle.inode.number, Pin(node)).handles += 1
        return self._fs.handles.add(handle)

    def pinned(self, number: int) -> Node | None:
        """The version that the kernel is to see of an inode as long as somebody reads it."""
        pin = self._pins.get(number)
        return pin.node if pin is not None else None

    def _let_go(self, handle: FileHandle) -> None:
        """A handle reads its version no longer."""
        if handle.reader is None:
            return
        handle.reader.close()
        handle.reader = None
        if not handle.direct:
            pin = self._pins[handle.inode.number]
            pin.handles -= 1
            if not pin.handles:
                del self._pins[handle.inode.number]

    def _may_write(self, node: Node) -> None:
        if self._fs.writeback is None:
            raise ReadOnly(node.id)
        if not node.rights & Rights.WRITE:
            raise Forbidden(f"this credential may not change {node.id}")

    def close(self, number: int) -> None:
        """The last descriptor of a handle is closed."""
        handle = self._fs.handles.remove(number)
        if handle is None:
            return
        if isinstance(handle, FileHandle):
            self._let_go(handle)
            if handle.staged is not None:
                self._left(handle.staged, writing=handle.writing)
            if handle.writing:
                self._fs.claims.reconsider(handle.inode.node.id)
        elif isinstance(handle, DraftHandle) and self._fs.drafting is not None:
            self._fs.drafting.closed(handle)
        self._fs.inodes.release(handle.inode)

    def _left(self, staged: Staged, *, writing: bool) -> None:
        writeback = self._fs.writeback
        assert writeback is not None
        staged.handles -= 1
        staged.writers -= writing
        if writing and staged.writers == 0:
            writeback.written(staged)
        writeback.release(staged)

    # ---- reading ------------------------------------------------------------------------------------------------

    async def read(self, number: int, offset: int, count: int) -> bytes | memoryview:
        """Bytes of an open file. A view is good until the next checkpoint."""
        handle = self._fs.handles.get(number)
        if isinstance(handle, FileHandle):
            handle.inode.reads += 1
            try:
                return await self._read(handle, offset, count)
            finally:
                handle.inode.reads -= 1
        if isinstance(handle, DraftHandle) and self._fs.drafting is not None:
            return await self._fs.drafting.read(handle, offset, count)
        if isinstance(handle, BytesHandle):
            return handle.content[offset : offset + count]
        raise IsAFolder(handle.inode.node.id)

    async def _read(self, handle: FileHandle, offset: int, count: int) -> bytes | memoryview:
        if handle.staged is not None:
            return await handle.staged.read(offset, count)
        assert handle.reader is not None
        return await handle.reader.read(offset, count)

    # ---- writing ------------------------------------------------------------------------------------------------

    async def write(self, number: int, offset: int, data: bytes) -> int:
        draft = self._fs.handles.peek(number)
        if isinstance(draft, DraftHandle) and self._fs.drafting is not None:
            return await self._fs.drafting.write(draft, offset, data)
        handle = self._fs.handles.file(number)
        if not handle.writing:
            raise BadHandle(f"handle {number} is open for reading only")
        inode = handle.inode
        staged = await self._stage(inode, handle)
        if handle.append and offset == inode.told_size:
            offset = staged.size  # the kernel appends at the end that it knows of, which may be an older one
        assert self._fs.writeback is not None
        count = await self._fs.writeback.write(staged, offset, data)
        inode.told_size = max(inode.told_size, offset + count)
        return count

    async def truncate(self, inode: Inode, size: int, number: int | None) -> None:
        """Set the size, with or without a handle."""
        handle: Handle | None = self._fs.handles.get(number) if number is not None else None
        if inode.node.kind is Kind.FOLDER:
            raise IsAFolder(inode.node.id)
        if is_virtual(inode.node):
            raise ReadOnly(inode.node.id)
        self._may_write(inode.node)
        await self._fs.claims.take(inode.node)
        if isinstance(handle, FileHandle) and handle.writing:
            await self._truncate(inode, handle, size)
            return
        opened = next((h for h in self._fs.handles.files_of(inode) if h.writing), None)
        staged = await self._truncate(inode, opened, size)
        if staged.writers == 0 and not staged.gone:
            assert self._fs.writeback is not None
            self._fs.writeback.written(staged)

    async def _truncate(self, inode: Inode, handle: FileHandle | None, size: int) -> Staged:
        staged = await self._stage(inode, handle, whole=size == 0)
        assert self._fs.writeback is not None
        self._fs.writeback.touch(staged)
        if size != staged.size or staged.generation == 0:
            await self._fs.writeback.truncate(staged, size)
        inode.told_size = size
        return staged

    async def _stage(self, inode: Inode, handle: FileHandle | None, *, whole: bool = False) -> Staged:
        """The staging file of an inode, made if need be. `whole`: the old size does not matter."""
        if handle is not None and handle.staged is not None and not handle.staged.confirmed:
            return handle.staged
        fs = self._fs
        assert fs.writeback is not None
        staged = fs.staged_of(inode)
        if staged is None:
            await fs.following.settle(inode)
            size = 0 if whole else await self._size(inode)
            staged = fs.staged_of(inode)
        if staged is None and inode.detached:
            staged = fs.writeback.making.stage_unnamed(inode.node, size)
        if staged is None:
            folder = await fs.folder_of(inode)
            name = fs.name_of(inode) or inode.node.name.encode("utf-8", "surrogateescape")
            staged = fs.writeback.making.stage(inode.node, folder, name, size)
            if inode.pages is not None and inode.pages == inode.node.version:
                inode.pages = f"staged {staged.entry.number}"
        for open_handle in fs.handles.files_of(inode):
            if open_handle.staged is None or open_handle.staged.confirmed:
                self._switch(open_handle, staged)
        if handle is not None and handle.staged is None:
            handle.staged = staged  # not open yet: `_add` counts it
        return staged

    async def _size(self, inode: Inode) -> int:
        """How long the content is that an open handle reads, or else what the server says."""
        reader = next((h.reader for h in self._fs.handles.files_of(inode) if h.reader is not None), None)
        if reader is not None and reader.node.version == inode.node.version:
            return await reader.learn_size()
        return await self._fs.sizes.of(inode.node, inode.parent)

    def _switch(self, handle: FileHandle, staged: Staged) -> None:
        """An open handle goes on with what is written here."""
        if handle.staged is not None:
            self._left(handle.staged, writing=handle.writing)
        handle.staged = staged
        staged.handles += 1
        staged.writers += handle.writing
        self._let_go(handle)

    async def flush(self, number: int) -> None:
        """close(2) of one descriptor: what was written is acknowledged when this returns."""
        handle = self._fs.handles.get(number)
        if isinstance(handle, FileHandle) and handle.writing and handle.staged is not None and not handle.staged.gone:
            assert self._fs.writeback is not None
            await self._fs.writeback.flush(handle.staged)

    async def sync(self, number: int) -> None:
        """fsync(2)."""
        handle = self._fs.handles.get(number)
        if isinstance(handle, FileHandle) and handle.staged is not None and not handle.staged.gone:
            assert self._fs.writeback is not None
            await self._fs.writeback.sync(handle.staged)
        elif isinstance(handle, DraftHandle) and self._fs.drafting is not None:
            await self._fs.drafting.sync(handle)
