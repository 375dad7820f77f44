from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import trio
from misbehaving import Clock, Open, Script, Server, Start

from assetfs.transport import Transport, TransportOptions


@pytest.fixture
def clock() -> Clock:
    """For tests that name it, waits take no time: the clock jumps when nothing has moved for 30 ms. Servers and clients
    share the process, so what is under way on loopback is never mistaken for nothing."""
    return Clock(autojump_threshold=0.03)


@pytest.fixture(scope="session")
def content() -> bytes:
    return random.Random(1).randbytes(300_000)


@pytest.fixture
async def serve(nursery: trio.Nursery) -> Start:
    async def start(script: Script, **kwargs: Any) -> Server:
        server: Server = await nursery.start(Server(script, **kwargs).run)
        return server

    return start


@pytest.fixture
async def connect() -> AsyncIterator[Open]:
    opened: list[Transport] = []

    def make(base: str | Server, *, headers: Mapping[str, str] | None = None, **options: Any) -> Transport:
        url = base if isinstance(base, str) else base.url
        transport = Transport(url, TransportOptions(**options), headers=headers or {})
        opened.append(transport)
        return transport

    yield make
    for transport in opened:
        await transport.close()
