"""Buffers within a budget, and given back to the system when nobody wants them."""

from __future__ import annotations

from pathlib import Path

from assetfs.content.buffers import LARGEST, BufferPool


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_idle_buffers_are_used_again_while_somebody_reads_and_let_go_afterwards() -> None:
    pool = BufferPool(256 << 20, reclaim=lambda size: False, spare=lambda size: False)
    before = resident()
    taken = [pool.try_take(LARGEST) for _ in range(16)]
    for buffer in taken:
        assert buffer is not None
        buffer.view[:] = bytes(buffer.size)
        pool.give(buffer)
    pool.rest()
    again = pool.try_take(LARGEST)
    assert again in taken
    assert again is not None
    pool.give(again)
    del taken, again, buffer
    pool.rest()
    assert resident() - before > 100 << 20
    pool.rest()
    assert resident() - before < 40 << 20
    assert pool.in_use == 0
