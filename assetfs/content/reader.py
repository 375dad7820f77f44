"""A reader: one open handle's way through a content, with prefetch windows of its own."""

from __future__ import annotations

from assetfs.content.content import Content
from assetfs.content.store import ContentStore
from assetfs.content.window import INITIAL, Cursors
from assetfs.repository import Node


class Reader:
    """Reads exactly the version that it was opened with, to the end. Close it once."""

    def __init__(self, store: ContentStore, content: Content) -> None:
        self._store = store
        self._cursors = Cursors()
        self.content = content

    @classmethod
    async def open(cls, store: ContentStore, node: Node) -> Reader:
        return cls(store, await store.open(node))

    @property
    def node(self) -> Node:
        """As it was opened."""
        return self.content.node

    @property
    def size(self) -> int | None:
        """None until something has told it; `learn_size` asks."""
        return self.content.size

    async def learn_size(self, first: int = INITIAL) -> int:
        """The size; if nothing has told it, a fetch of the first `first` bytes does."""
        return await self.content.learn_size(first)

    async def read(self, offset: int, count: int) -> bytes | memoryview:
        """Bytes at `offset`: `count` of them, fewer only at the end. A view is good until the next checkpoint."""
        size = await self.content.learn_size()
        stop = min(offset + count, size)
        if offset >= stop:
            return b""
        window = self._store.pace.window(self._store.window)
        return await self.content.read(offset, stop, self._cursors.observe(offset, stop, size, window))

    def close(self) -> None:
        self._store.release(self.content)
