"""Reading through the content store: what is fetched, how often, and what happens when it goes wrong."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from assetfs.content.blocks import BLOCK
from assetfs.content.catalogue import Catalogue
from assetfs.content.disk import CacheFile, DiskCache
from assetfs.content.reader import Reader
from assetfs.content.store import ContentStore
from assetfs.content.window import INITIAL, REQUEST
from assetfs.repository import (
    Capabilities,
    Identity,
    Kind,
    Node,
    NodeId,
    Page,
    ProtocolViolation,
    Repository,
    Sink,
    Unavailable,
    VersionChanged,
)

MIB = 1 << 20


class Library(Repository):
    """One file in memory, served in pieces of a chosen size; records every fetch, and fails when told to."""

    name = "library"
    capabilities = Capabilities()

    def __init__(self, data: bytes, piece: int = 256 << 10) -> None:
        self.data = data
        self.version = "1"
        self.piece = piece
        self.fetches: list[tuple[int, int]] = []
        self.cancelled = 0
        self.fail_at: dict[int, Exception] = {}
        self.gate: trio.Event | None = None

    def node(self, *, version: str = "1", sized: bool = True, digest: bool = True) -> Node:
        return Node(
            id="f",
            kind=Kind.FILE,
            name="f.bin",
            version=version,
            size=len(self.data) if sized else None,
            digest=f"sha256:{hashlib.sha256(self.data).hexdigest()}" if digest else None,
        )

    async def connect(self) -> Identity:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def root(self) -> Node:
        raise NotImplementedError

    def children(self, folder: Node) -> AsyncIterator[Page]:
        raise NotImplementedError

    async def stat(self, node: NodeId) -> Node:
        return self.node(version=self.version)

    async def metadata(self, nodes: Sequence[Node]) -> Mapping[NodeId, Mapping[str, object]]:  # type: ignore[override]
        raise NotImplementedError

    async def fetch(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        self.fetches.append((start, stop))
        try:
            if self.gate is not None:
                await self.gate.wait()
            await trio.lowlevel.checkpoint()
            sink.total(len(self.data))
            position = start
            while position < min(stop, len(self.data)):
                for at, error in list(self.fail_at.items()):
                    if position <= at < position + self.piece:
                        del self.fail_at[at]
                        raise error
                view = sink.lend(position)
                if not len(view):
                    return
                count = min(len(view), self.piece, len(self.data) - position, stop - position)
                view[:count] = self.data[position : position + count]
                sink.landed(position, count)
                position += count
                await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            self.cancelled += 1
            raise

    def fetched(self) -> int:
        return sum(stop - start for start, stop in self.fetches)


@asynccontextmanager
async def opened(
    library: Library, folder: Path, *, memory: int = 64 * MIB, cache: bool = True, **more: bool
) -> AsyncIterator[ContentStore]:
    catalogue = Catalogue(folder / "catalogue.sqlite")
    disk = DiskCache(folder, "library", limit=1 << 30, free=0) if cache else None
    async with trio.open_nursery() as nursery:
        yield ContentStore(library, catalogue, disk, nursery, memory=memory, downloads=16, window=64 * MIB, **more)
    catalogue.close()


async def read_all(reader: Reader, step: int = 128 << 10) -> bytes:
    found = bytearray()
    while piece := bytes(await reader.read(len(found), step)):
        found += piece
    return bytes(found)


def content_of(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


async def test_a_sequential_read_costs_one_request_for_every_8_mib_and_one_more(tmp_path: Path) -> None:
    library = Library(content_of(40 * MIB + 17))
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node())
        assert await read_all(reader) == library.data
        reader.close()
    assert len(library.fetches) == 7
    assert library.fetched() == len(library.data)


async def test_a_small_file_is_one_request_and_tells_its_size(tmp_path: Path) -> None:
    library = Library(content_of(10_000))
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node(sized=False))
        assert await reader.learn_size() == 10_000
        assert await read_all(reader) == library.data
        reader.close()
        assert library.fetches == [(0, INITIAL)]
        again = await Reader.open(store, library.node(sized=False))
        assert again.size == 10_000, "a size is learned once for ever"
        again.close()


async def test_an_empty_file(tmp_path: Path) -> None:
    library = Library(b"")
    async with opened(library, tmp_path) as store:
        for sized in (True, False):
            reader = await Reader.open(store, library.node(sized=sized))
            assert await read_all(reader) == b""
            reader.close()


async def test_a_random_read_fetches_its_own_block_only(tmp_path: Path) -> None:
    library = Library(content_of(32 * MIB))
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node())
        at = 20 * MIB + 12345
        assert bytes(await reader.read(at, 4096)) == library.data[at : at + 4096]
        reader.close()
    assert library.fetches == [(20 * MIB, 20 * MIB + BLOCK)]


async def test_readers_of_one_file_share_what_is_on_its_way(tmp_path: Path) -> None:
    library = Library(content_of(12 * MIB))
    async with opened(library, tmp_path) as store, trio.open_nursery() as nursery:

        async def read() -> None:
            reader = await Reader.open(store, library.node())
            assert await read_all(reader) == library.data
            reader.close()

        for _ in range(5):
            nursery.start_soon(read)
    assert library.fetched() == len(library.data)


async def test_a_reader_gets_bytes_before_their_request_is_complete(tmp_path: Path) -> None:
    library = Library(content_of(MIB), piece=4096)
    library.fail_at[8192] = Unavailable("cut")
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node())
        assert bytes(await reader.read(0, 4096)) == library.data[:4096]
        reader.close()


async def test_what_was_read_once_is_read_from_disk_after_a_remount(tmp_path: Path) -> None:
    library = Library(content_of(9 * MIB + 5))
    for _ in range(2):
        async with opened(library, tmp_path) as store:
            reader = await Reader.open(store, library.node())
            assert await read_all(reader) == library.data
            reader.close()
    assert library.fetched() == len(library.data)


async def test_a_new_version_never_uses_the_old_ones_blocks(tmp_path: Path) -> None:
    library = Library(content_of(MIB))
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node())
        await read_all(reader)
        reader.close()
        library.data = content_of(MIB, seed=2)
        reader = await Reader.open(store, library.node(version="2"))
        assert await read_all(reader) == library.data
        reader.close()


async def test_damaged_cache_files_cost_a_fetch_and_nothing_else(tmp_path: Path) -> None:
    library = Library(content_of(4 * MIB))
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node())
        await read_all(reader)
        reader.close()
    (data,) = tmp_path.glob("*/*/*.data")
    with data.open("r+b") as file:
        file.seek(3 * BLOCK + 7)
        file.write(b"damage")
    library.fetches.clear()
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node())
        assert await read_all(reader) == library.data
        reader.close()
    assert library.fetches == [(3 * BLOCK, 4 * BLOCK)]


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 4096])
async def test_a_damaged_map_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    library = Library(content_of(4 * MIB))
    for _ in range(2):
        async with opened(library, tmp_path) as store:
            reader = await Reader.open(store, library.node())
            assert await read_all(reader) == library.data
            reader.close()
        (map_,) = tmp_path.glob("*/*/*.map")
        map_.write_bytes(damage)


async def test_bytes_that_do_not_fit_the_digest_are_an_error_and_are_not_kept(tmp_path: Path) -> None:
    library = Library(content_of(3 * MIB))
    node = library.node()
    good = library.data
    library.data = good[:-1] + bytes([good[-1] ^ 1])
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, node)
        with pytest.raises(ProtocolViolation, match="digest"):
            await read_all(reader)
        reader.close()
        assert store.counts["digest_mismatches"] == 1
        library.data = good
        reader = await Reader.open(store, node)
        assert await read_all(reader) == good
        reader.close()


async def test_a_failed_fetch_fails_the_read_and_the_next_read_tries_again(tmp_path: Path) -> None:
    library = Library(content_of(MIB))
    library.fail_at[0] = Unavailable("busy")
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node())
        with pytest.raises(Unavailable):
            await reader.read(0, 4096)
        assert await read_all(reader) == library.data
        reader.close()


async def test_after_a_cut_only_what_has_not_landed_is_asked_for_again(tmp_path: Path) -> None:
    library = Library(content_of(MIB), piece=BLOCK)
    library.fail_at[5 * BLOCK] = Unavailable("cut")
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node())
        assert bytes(await reader.read(0, MIB)) == library.data
        reader.close()
    assert library.fetches == [(0, MIB), (5 * BLOCK, MIB)]


async def test_a_replaced_file_serves_what_is_cached_and_refuses_the_rest(tmp_path: Path) -> None:
    library = Library(content_of(8 * MIB))
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node())
        first = bytes(await reader.read(0, 4096))
        changed: list[Node] = []
        store.on_changed = changed.append
        library.data = content_of(7 * MIB, seed=3)
        with pytest.raises(VersionChanged):
            await reader.read(5 * MIB, 4096)
        assert bytes(await reader.read(0, 4096)) == first
        assert [n.id for n in changed] == ["f"]
        with pytest.raises(VersionChanged):
            await reader.read(6 * MIB, 4096)
        reader.close()


async def test_the_last_reader_that_leaves_stops_what_is_on_its_way(tmp_path: Path) -> None:
    library = Library(content_of(64 * MIB))
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node())
        for at in range(0, 2 * MIB, 128 << 10):
            await reader.read(at, 128 << 10)
        library.gate = trio.Event()
        await reader.read(2 * MIB, 4096)
        reader.close()
        with trio.fail_after(10):
            while store.pool.in_use:
                await trio.sleep(0.01)
        assert library.cancelled > 0
    assert library.fetched() < 64 * MIB


async def test_memory_stays_within_its_budget(tmp_path: Path) -> None:
    library = Library(content_of(96 * MIB), piece=MIB)
    async with opened(library, tmp_path, memory=20 * MIB, cache=False) as store:
        reader = await Reader.open(store, library.node(digest=False))
        position = 0
        while piece := bytes(await reader.read(position, MIB)):
            assert piece == library.data[position : position + MIB]
            position += len(piece)
            assert store.pool.in_use <= 20 * MIB
        reader.close()


async def test_a_waiting_reader_can_leave_at_any_time(tmp_path: Path) -> None:
    library = Library(content_of(MIB))
    library.gate = trio.Event()
    async with opened(library, tmp_path) as store:
        reader = await Reader.open(store, library.node())
        with trio.move_on_after(0.01) as scope:
            await reader.read(0, 4096)
        assert scope.cancelled_caught
        library.gate.set()
        assert await read_all(reader) == library.data
        reader.close()
    assert len(library.fetches) == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12 * MIB), st.integers(1, 3 * MIB)), min_size=1, max_size=12),
    st.integers(1, 12 * MIB),
    st.booleans(),
)
def test_any_reads_in_any_order_give_the_bytes(
    tmp_path_factory: pytest.TempPathFactory, reads: list[tuple[int, int]], size: int, sized: bool
) -> None:
    library = Library(content_of(size))

    async def run() -> None:
        async with opened(library, tmp_path_factory.mktemp("content"), memory=16 * MIB) as store:
            reader = await Reader.open(store, library.node(sized=sized))
            async with trio.open_nursery() as nursery:

                async def read(at: int, count: int) -> None:
                    assert bytes(await reader.read(at, count)) == library.data[at : at + count]

                for at, count in reads:
                    nursery.start_soon(read, at, count)
            reader.close()
        assert all(stop - start <= REQUEST for start, stop in library.fetches)

    trio.run(run)


async def test_what_was_uploaded_is_kept_as_far_as_it_was_uploaded(tmp_path: Path) -> None:
    """A write that met a full disk leaves bytes behind the file's end."""
    library = Library(content_of(MIB + 10))
    staged = tmp_path / "staged"
    staged.write_bytes(library.data + bytes(2 * MIB))
    async with opened(library, tmp_path / "cache") as store:
        with staged.open("rb") as file:
            await store.seed(library.node(), len(library.data), file.fileno())
        reader = await Reader.open(store, library.node())
        assert await read_all(reader) == library.data
        reader.close()
    assert library.fetches == []


@pytest.mark.faults
@pytest.mark.parametrize("method", ["write", "read", "close"])
async def test_a_fault_in_the_disk_cache_costs_no_reader_and_no_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    library = Library(content_of(3 * MIB))

    def fault(*args: object, **more: object) -> None:
        raise IndexError("a fault of ours")

    for turn in range(2):
        async with opened(library, tmp_path) as store:
            if turn == 1 or method != "read":
                monkeypatch.setattr(CacheFile, method, fault)
            reader = await Reader.open(store, library.node())
            assert await read_all(reader) == library.data
            reader.close()
            monkeypatch.undo()
